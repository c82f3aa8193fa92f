"""What is tracked: whose word counts for how long, and what priority comes of it."""

from collections.abc import Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node.vrrp.config import TrackerConfig
from mooring_node.vrrp.tracking import (
    OWN_LATENESS_NS,
    QUORUM_LOST,
    SILENCE_NS,
    UNHEARD,
    Words,
    counting,
    effective_priority,
    faulty,
    weights_text,
)

S = 1_000_000_000
NOW = 100 * S
FAULT = TrackerConfig("f", "shop/web")
PLUS = TrackerConfig("p", "shop/web", 20)
MINUS = TrackerConfig("m", "shop/db", -50)


def turns(words: Words, since: int, until: int) -> Set[str]:
    """Turns as the process has them, each quarter of a second; what is bad in the last."""
    bad = words.turn(since)
    for now in range(since, until, S // 4):
        bad = words.turn(now)
    return (words.turn(until) if until >= since else bad).keys()


def test_what_nobody_has_spoken_of_is_good_for_a_while() -> None:
    words = Words()
    assert words.want({"a"}, NOW)
    assert turns(words, NOW, NOW + SILENCE_NS - 1) == frozenset()
    assert set(words.turn(NOW + SILENCE_NS)) == {"a"}


def test_a_last_word_holds_for_a_while() -> None:
    words = Words()
    words.want({"a", "b"}, NOW)
    words.hear({"a": True, "b": False, "stranger": False}, NOW + S)
    assert set(words.turn(NOW + S)) == {"b"}, "who is not tracked is nobody's business"
    assert not words.want({"a", "b"}, NOW + S), "all were spoken of"
    assert turns(words, NOW + S, NOW + S + SILENCE_NS - 1) == {"b"}
    assert set(words.turn(NOW + S + SILENCE_NS)) == {"a", "b"}
    words.hear({"a": True}, NOW + 10 * S)
    assert set(words.turn(NOW + 10 * S)) == {"b"}


def test_only_true_is_good() -> None:
    words = Words()
    words.want({"a", "b"}, NOW)
    words.hear({"a": 1, "b": "yes"}, NOW)
    assert set(words.turn(NOW)) == {"a", "b"}


def test_words_say_why() -> None:
    words = Words()
    words.want({"a", "b", "c"}, NOW)
    words.hear({"a": "the kernel cannot balance it (ip_vs is missing)", "b": False, "c": True}, NOW)
    assert words.turn(NOW) == {"a": "the kernel cannot balance it (ip_vs is missing)", "b": QUORUM_LOST}
    tracker = TrackerConfig("a", "a", -20)
    assert weights_text((tracker,), words.turn(NOW)) == "-20 (a: the kernel cannot balance it (ip_vs is missing))"
    turns(words, NOW, NOW + SILENCE_NS)
    assert words.turn(NOW + SILENCE_NS)["c"] == UNHEARD


def test_a_new_tracker_gets_its_while_and_an_old_one_no_other() -> None:
    words = Words()
    words.want({"a"}, NOW)
    words.hear({"a": False}, NOW)
    assert words.want({"a", "b"}, NOW + S)
    assert set(words.turn(NOW + S)) == {"a"}
    assert turns(words, NOW + S, NOW + SILENCE_NS) == {"a"}
    assert turns(words, NOW + SILENCE_NS, NOW + S + SILENCE_NS) == {"a", "b"}
    words.want({"b"}, NOW + 2 * S)
    assert set(words.turn(NOW + 20 * S)) == {"b"}, "what is tracked no more is forgotten"


def test_a_process_that_did_not_run_blames_nobody_for_silence() -> None:
    words = Words()
    words.want({"a", "b", "c"}, NOW)
    words.hear({"a": True, "b": False}, NOW)
    words.turn(NOW)
    woke = NOW + OWN_LATENESS_NS + 10 * S
    assert set(words.turn(woke)) == {"b"}
    assert turns(words, woke, woke + SILENCE_NS - 1) == {"b"}
    assert set(words.turn(woke + SILENCE_NS)) == {"a", "b", "c"}
    assert set(words.turn(woke + SILENCE_NS + 2 * OWN_LATENESS_NS)) == {"a", "b", "c"}, "what was bad already stays bad"


@pytest.mark.parametrize(
    ("trackers", "bad", "priority"),
    [
        ((), {"shop/web"}, 100),
        ((FAULT,), {"shop/web"}, 100),
        ((PLUS,), set(), 120),
        ((PLUS,), {"shop/web"}, 100),
        ((MINUS,), set(), 100),
        ((MINUS,), {"shop/db"}, 50),
        ((PLUS, MINUS), {"shop/db"}, 70),
        ((TrackerConfig("x", "a", 253), PLUS), set(), 254),
        ((TrackerConfig("x", "a", -253), MINUS), {"a", "shop/db"}, 1),
    ],
)
def test_weights(trackers: tuple[TrackerConfig, ...], bad: set[str], priority: int) -> None:
    assert effective_priority(100, trackers, bad) == priority
    assert effective_priority(255, trackers, bad) == 255, "the owner's priority is its right"


def test_who_is_to_blame() -> None:
    trackers = (FAULT, PLUS, MINUS)
    assert faulty(trackers, {"shop/web", "shop/db"}) == (FAULT,)
    assert faulty(trackers, {"shop/db"}) == ()
    assert counting(trackers, {"shop/db"}) == (PLUS, MINUS)


@given(
    st.integers(1, 254),
    st.lists(st.builds(TrackerConfig, st.just("t"), st.sampled_from("abc"), st.integers(-253, 253) | st.none())),
    st.sets(st.sampled_from("abc")),
    st.sampled_from("abc"),
)
def test_what_gets_better_never_lowers_the_priority(
    base: int, trackers: list[TrackerConfig], bad: set[str], healed: str
) -> None:
    before = effective_priority(base, trackers, bad)
    assert 1 <= before <= 254
    assert effective_priority(base, trackers, bad - {healed}) >= before
