"""Events: counted where they come again, cut off where they come too often, and as kubectl reads them."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from mooring_operator.tell.event_budget import MOST_SERIES, WINDOW_S, EventBudget, Limit, Subject
from mooring_operator.tell.news import News
from mooring_operator.words.kinds import EventType
from mooring_operator.words.reasons import EventReason, Reason

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
WEB = Subject("web", "uid-web")
LOST = News(EventType.WARNING, Reason.NO_HOLDER, "nobody holds web-0")


def moved(number):
    message = f"lb-{number} holds web-0"
    return News(EventType.NORMAL, EventReason.HOLDER_CHANGED, message, message)


def admit(budget, news=LOST, at_s=0.0, subject=WEB):
    return budget.admit(subject, news, at_s, NOON + timedelta(seconds=at_s))


def test_an_event_as_kubectl_reads_it():
    document = admit(EventBudget()).document("mooring-operator-0")
    name = document["metadata"].pop("name")
    assert name.startswith("web.")
    assert document == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "default"},
        "involvedObject": {
            "apiVersion": "mooring.dev/v1alpha1",
            "kind": "VirtualIP",
            "name": "web",
            "uid": "uid-web",
        },
        "type": "Warning",
        "reason": "NoHolder",
        "message": "nobody holds web-0",
        "count": 1,
        "firstTimestamp": "2026-01-01T12:00:00Z",
        "lastTimestamp": "2026-01-01T12:00:00Z",
        "source": {"component": "mooring-operator"},
        "reportingComponent": "mooring-operator",
        "reportingInstance": "mooring-operator-0",
    }


def test_an_event_of_a_namespaced_object_is_in_its_namespace():
    posting = admit(EventBudget(), subject=Subject("shop/web", "u1", "VirtualServer"))
    document = posting.document("mooring-operator-0")
    assert document["metadata"]["namespace"] == "shop"
    assert document["metadata"]["name"].startswith("web.")
    involved = document["involvedObject"]
    assert (involved["namespace"], involved["name"], involved["kind"]) == ("shop", "web", "VirtualServer")


def test_times_are_written_in_utc():
    there = NOON.astimezone(timezone(timedelta(hours=5)))
    assert EventBudget().admit(WEB, LOST, 0.0, there).document("x")["lastTimestamp"] == "2026-01-01T12:00:00Z"


def test_the_name_of_a_long_object_is_a_name_still():
    subject = Subject("a" * 235 + "." + "b" * 17, "uid")
    name = admit(EventBudget(), subject=subject).name
    assert len(name) <= 253
    assert ".." not in name


def test_the_same_again_is_the_same_event_with_a_count_and_its_newest_words():
    budget = EventBudget()
    first = admit(budget)
    again = admit(budget, News(LOST.type, LOST.reason, "nobody holds web-0, web-1"), 300.0)
    assert (again.name, again.count, again.first) == (first.name, 2, NOON)
    document = again.document("x")
    assert document["message"] == "nobody holds web-0, web-1"
    assert (document["firstTimestamp"], document["lastTimestamp"]) == ("2026-01-01T12:00:00Z", "2026-01-01T12:05:00Z")
    assert admit(budget, at_s=300.0 + WINDOW_S).count == 3


def test_after_the_window_of_its_last_time_it_is_another_event():
    budget = EventBudget()
    first = admit(budget)
    later = admit(budget, at_s=WINDOW_S + 1)
    assert later.count == 1
    assert later.name != first.name


def test_other_objects_reasons_and_keys_are_other_events():
    budget = EventBudget()
    postings = [
        admit(budget),
        admit(budget, subject=Subject("web", "made anew")),
        admit(budget, News(LOST.type, Reason.TWO_HOLDERS, LOST.message)),
        admit(budget, moved(1)),
        admit(budget, moved(2)),
    ]
    assert [p.count for p in postings] == [1] * 5
    assert len({p.name for p in postings}) == 5


def test_an_object_that_tells_too_much_is_cut_off_and_others_are_not():
    budget = EventBudget(each=Limit(3, 5.0))
    assert [bool(admit(budget, moved(number))) for number in range(5)] == [True, True, True, False, False]
    assert admit(budget, subject=Subject("other", "uid-other"))
    assert budget.dropped == 2
    assert admit(budget, moved(9), at_s=4.9) is None
    assert admit(budget, moved(9), at_s=5.0)
    assert admit(budget, moved(9), at_s=5.0) is None


def test_what_was_cut_off_is_in_the_count_that_is_written_next():
    budget = EventBudget(each=Limit(1, 5.0))
    admit(budget)
    admit(budget)
    admit(budget)
    assert admit(budget, at_s=5.0).count == 4


def test_all_together_are_bounded_too():
    budget = EventBudget(total=Limit(2, 1.0))
    subjects = [Subject(f"v-{number}", f"uid-{number}") for number in range(4)]
    assert [bool(admit(budget, subject=s)) for s in subjects] == [True, True, False, False]
    # An object that was refused by the common bound has lost nothing of its own.
    assert [bool(admit(budget, moved(n), 1.0 + n, subjects[3])) for n in range(4)] == [True] * 4


def test_a_clock_that_stands_still_or_steps_back_gives_nothing():
    budget = EventBudget(each=Limit(1, 5.0))
    assert admit(budget, at_s=100.0)
    assert admit(budget, at_s=50.0) is None


def test_what_is_remembered_is_bounded():
    budget = EventBudget(each=Limit(1, 5.0))
    for number in range(MOST_SERIES + 100):
        admit(budget, moved(number), subject=Subject("v", f"uid-{number % 10}"))
    assert len(budget._series) <= MOST_SERIES + 1
    admit(budget, at_s=10_000.0)
    assert len(budget._series) == len(budget._buckets) == 1


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2), st.integers(0, 3)), max_size=80),
    st.integers(1, 5),
    st.integers(1, 10),
)
def test_no_stretch_of_time_sees_more_than_the_limits(told, burst, refill_s):
    """In any stretch of t seconds an object writes at most its burst and t / refill more; counts only grow."""
    budget = EventBudget(each=Limit(burst, refill_s), total=Limit(2 * burst, refill_s / 2))
    at_s, written, counts = 0.0, [], {}
    for pause_s, number, key in told:
        at_s += pause_s
        posting = admit(budget, moved(key), at_s, Subject("v", f"uid-{number}"))
        if posting:
            written.append((at_s, number))
            assert posting.count > counts.get(posting.name, 0)
            counts[posting.name] = posting.count
    assert budget.dropped == len(told) - len(written)
    for i, (begin, number) in enumerate(written):
        for end, _ in written[i:]:
            own = [1 for t, n in written if begin <= t <= end and n == number]
            assert len(own) <= burst + (end - begin) / refill_s
            assert sum(begin <= t <= end for t, _ in written) <= 2 * burst + (end - begin) / (refill_s / 2)
