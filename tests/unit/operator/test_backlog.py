"""What waits to be written: by whom it is overtaken, when it is tried again, and what never happens twice."""

from dataclasses import replace

import pytest

from mooring_operator.cluster.backlog import LONGEST_PAUSE_S, STATUS_BURST, STATUS_EVERY_S, Backlog, Outcome
from mooring_operator.cluster.writes import Verb, Write


def spec(name: str, what: str = "x", version: str = "1") -> Write:
    return Write(Verb.APPLY, "NodeConfig", name, "", {"spec": what}, version)


def status(name: str, what: str = "x", version: str = "1") -> Write:
    return Write(Verb.STATUS, "VirtualIP", name, "", {"status": what}, version)


def test_specs_go_before_statuses_in_their_order() -> None:
    backlog = Backlog()
    backlog.want([status("s"), spec("b"), spec("a")], 0.0)
    taken = [backlog.take(0.0) for _ in range(3)]
    assert [write.name for write in taken if write] == ["b", "a", "s"]
    assert backlog.take(0.0) is None
    assert len(backlog.keys) == 3


def test_statuses_leave_room_for_specs() -> None:
    backlog = Backlog(most=4, most_statuses=2)
    backlog.want([status(f"s{i}") for i in range(4)], 0.0)
    assert [backlog.take(0.0), backlog.take(0.0)] != [None, None]
    assert backlog.take(0.0) is None
    backlog.want([spec(f"n{i}") for i in range(4)], 0.0)
    assert backlog.take(0.0)
    assert backlog.take(0.0)
    assert backlog.take(0.0) is None


def test_one_object_has_one_request_at_a_time_and_the_newest_wish_follows() -> None:
    backlog = Backlog()
    first, second = spec("a", "one"), spec("a", "two")
    backlog.want([first], 0.0)
    assert backlog.take(0.0) == first
    backlog.want([second], 0.0)
    assert backlog.take(0.0) is None
    backlog.done(first, Outcome.FAILED, 0.0, jitter=0.0)
    assert backlog.take(10.0) == second


def test_what_is_under_way_is_not_wanted_again() -> None:
    backlog = Backlog()
    backlog.want([spec("a")], 0.0)
    backlog.take(0.0)
    backlog.want([spec("a")], 0.0)
    assert len(backlog.keys) == 1
    backlog.done(spec("a"), Outcome.DONE, 0.0)
    assert not backlog.keys


def test_what_is_no_longer_wanted_is_not_written() -> None:
    backlog = Backlog()
    backlog.want([spec("a"), spec("b")], 0.0)
    backlog.want([spec("b")], 0.0)
    assert backlog.take(0.0) == spec("b")
    assert backlog.take(0.0) is None


def test_a_turn_that_saw_the_state_before_our_write_does_not_write_it_again() -> None:
    backlog = Backlog()
    backlog.want([spec("a", version="7")], 0.0)
    write = backlog.take(0.0)
    assert write
    backlog.done(write, Outcome.DONE, 0.0)
    backlog.want([spec("a", "another", version="7")], 0.0)
    assert backlog.take(0.0) is None
    backlog.want([spec("a", "another", version="8")], 0.0)
    assert backlog.take(0.0)


def test_a_failure_is_tried_again_later_and_later() -> None:
    backlog = Backlog()
    backlog.want([spec("a")], 0.0)
    now, pauses = 0.0, []
    for _ in range(12):
        write = backlog.take(now)
        assert write
        backlog.done(write, Outcome.FAILED, now, jitter=1.0)
        assert backlog.take(now) is None
        then = backlog.next_time(now)
        assert then
        pauses.append(then - now)
        now = then
    assert pauses[:3] == [0.25, 0.5, 1.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE_S)


def test_one_that_fails_holds_up_no_other() -> None:
    backlog = Backlog()
    backlog.want([spec("bad"), spec("good")], 0.0)
    bad, good = backlog.take(0.0), backlog.take(0.0)
    assert bad
    assert good
    backlog.done(bad, Outcome.FAILED, 0.0)
    backlog.done(good, Outcome.DONE, 0.0)
    backlog.want([replace(good, document={"spec": "next"}, resource_version="2"), bad], 0.0)
    taken = backlog.take(0.0)
    assert taken
    assert taken.name == "good"


def test_the_servers_own_wish_is_heard() -> None:
    backlog = Backlog()
    backlog.want([spec("a")], 0.0)
    write = backlog.take(0.0)
    assert write
    backlog.done(write, Outcome.FAILED, 0.0, asked_s=7.0)
    assert backlog.next_time(0.0) == 7.0


def test_success_forgets_failures() -> None:
    backlog = Backlog()
    for outcome in (Outcome.FAILED, Outcome.FAILED, Outcome.DONE, Outcome.FAILED):
        backlog.want([spec("a", version=str(outcome))], 100.0)
        write = backlog.take(100.0)
        assert write
        backlog.done(write, outcome, 0.0, jitter=1.0)
    assert backlog.next_time(0.0) == 0.25


def test_a_conflict_is_worked_out_again_at_once_and_the_next_ones_later() -> None:
    backlog = Backlog()
    backlog.want([spec("a", version="1")], 0.0)
    write = backlog.take(0.0)
    assert write
    backlog.done(write, Outcome.STALE, 0.0)
    assert not backlog.keys
    backlog.want([spec("a", version="2")], 0.0)
    write = backlog.take(0.0)
    assert write
    backlog.done(write, Outcome.STALE, 0.0)
    backlog.want([spec("a", version="3")], 0.0)
    assert backlog.take(0.0) is None
    assert backlog.take(1.0)


def test_while_one_outcome_is_unknown_it_is_looked_up_and_no_other_spec_is_written() -> None:
    """What another node is told rests on what stands here."""
    backlog = Backlog()
    backlog.want([spec("a"), spec("b"), status("s")], 0.0)
    write = backlog.take(0.0)
    assert write
    backlog.done(write, Outcome.UNKNOWN, 0.0, jitter=1.0)
    assert backlog.take(0.0) == status("s")
    assert backlog.take(0.0) is None
    assert backlog.next_time(0.0) == 0.25
    look = backlog.take(0.25)
    assert look
    assert (look.verb, look.key) == (Verb.LOOK, write.key)
    # Not even while it is being looked up.
    assert backlog.take(0.25) is None
    backlog.done(look, Outcome.UNKNOWN, 0.25, jitter=1.0)
    assert backlog.take(0.5) is None
    look = backlog.take(0.75)
    assert look
    backlog.done(look, Outcome.DONE, 0.75)
    # What waited was worked out without knowing.
    assert backlog.take(0.75) is None
    backlog.want([spec("b", "anew")], 0.8)
    assert backlog.take(0.8) == spec("b", "anew")


def test_what_stumbles_again_and_again_comes_later_and_later_and_holds_up_no_other() -> None:
    backlog = Backlog()
    now, pauses = 0.0, []
    for number in range(8):
        backlog.want([spec("bad", version="1"), spec("good", str(number), str(number))], now)
        taken = {write.name: write for write in iter(lambda at=now: backlog.take(at), None)}
        assert "good" in taken
        backlog.done(taken["good"], Outcome.DONE, now)
        if "bad" in taken:
            backlog.done(taken["bad"], Outcome.UNKNOWN, now, jitter=1.0)
            then = backlog.next_time(now)
            assert then
            pauses.append(then - now)
            now = then
            look = backlog.take(now)
            assert look
            backlog.done(look, Outcome.DONE, now)
    assert pauses == sorted(pauses)
    assert pauses[-1] > 10.0


def test_while_a_turn_is_worked_out_no_spec_begins() -> None:
    backlog = Backlog()
    backlog.want([spec("a"), spec("b"), status("s")], 0.0)
    assert backlog.take(0.0) == spec("a")
    backlog.hold()
    assert backlog.specs_under_way == 1
    assert backlog.take(0.0) == status("s")
    assert backlog.take(0.0) is None
    backlog.done(spec("a"), Outcome.DONE, 0.0)
    assert backlog.specs_under_way == 0
    backlog.want([spec("b", "anew")], 0.0)
    assert backlog.take(0.0) == spec("b", "anew")


def test_a_status_is_written_at_once_some_times_and_then_once_a_second() -> None:
    backlog = Backlog()
    now, times = 0.0, []
    for number in range(STATUS_BURST + 4):
        backlog.want([status("a", str(number), str(number))], now)
        if (write := backlog.take(now)) is None:
            later = backlog.next_time(now)
            assert later
            # What is wanted meanwhile takes the place of what waits.
            backlog.want([], now)
            backlog.want([status("a", f"{number} again", str(number))], now)
            now = later
            write = backlog.take(now)
        assert write
        times.append(now)
        backlog.done(write, Outcome.DONE, now)
    assert times[:STATUS_BURST] == [0.0] * STATUS_BURST
    assert times[STATUS_BURST:] == pytest.approx([STATUS_EVERY_S * n for n in range(1, 5)])


def test_a_status_that_was_quiet_for_long_may_come_at_once_again() -> None:
    backlog = Backlog()
    for start in (0.0, 100.0):
        for number in range(STATUS_BURST):
            backlog.want([status("a", str(number), f"{start}-{number}")], start)
            write = backlog.take(start)
            assert write
            backlog.done(write, Outcome.DONE, start)


def test_nothing_is_remembered_of_what_is_long_done() -> None:
    backlog = Backlog()
    for number in range(100):
        backlog.want([status(f"s{number}"), spec(f"n{number}")], float(number))
        while write := backlog.take(float(number)):
            backlog.done(write, Outcome.DONE, float(number))
    backlog.want([], 1000.0)
    assert backlog._pasts == {}


def test_what_is_not_urgent_waits_a_second_and_gives_way_to_what_is() -> None:
    backlog = Backlog()
    backlog.want([status("a", "1", "1")], 0.0)
    write = backlog.take(0.0)
    assert write
    backlog.done(write, Outcome.DONE, 0.0)
    words = replace(status("a", "words", "2"), urgent=False)
    backlog.want([words], 0.1)
    assert backlog.take(0.1) is None
    assert backlog.next_time(0.1) == STATUS_EVERY_S
    backlog.want([status("a", "held", "2")], 0.2)
    assert backlog.take(0.2) == status("a", "held", "2")
    backlog.done(status("a", "held", "2"), Outcome.DONE, 0.3)
    backlog.want([replace(words, resource_version="3")], 0.4)
    assert backlog.next_time(0.4) == 0.3 + STATUS_EVERY_S
    assert backlog.take(0.3 + STATUS_EVERY_S)
