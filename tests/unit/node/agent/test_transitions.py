"""The last transitions, kept over restarts."""

import json
from pathlib import Path
from typing import Any

import pytest

from mooring_node.agent import transitions
from mooring_node.agent.transitions import LIMIT, GroupState, Transition, TransitionLog, read_transitions
from mooring_node.log import timestamp


def entry(number: int) -> Transition:
    return Transition(timestamp(number), "web-0", "Backup", "Active", f"reason {number}")


def test_a_restart_finds_what_was_saved(tmp_path: Path) -> None:
    log = TransitionLog(tmp_path / "t.json")
    log.add(entry(1))
    log.add(entry(2))
    log.save()
    assert TransitionLog(tmp_path / "t.json").entries == [entry(1), entry(2)]
    assert read_transitions(tmp_path / "t.json") == (entry(1), entry(2))


def test_the_end_of_a_former_form_is_told_and_is_not_what_the_group_is(tmp_path: Path) -> None:
    log = TransitionLog(tmp_path / "t.json")
    log.add(entry(1))
    ends = Transition(timestamp(2), "web-0", "Active", "Initialize", "its former form (VRID 6): let go")
    log.add(ends, former=True)
    log.save()
    again = TransitionLog(tmp_path / "t.json")
    assert again.entries == [entry(1), ends]
    assert again.groups["web-0"].state == "Active"


def test_the_last_hundred_are_kept(tmp_path: Path) -> None:
    log = TransitionLog(tmp_path / "t.json")
    for number in range(LIMIT + 7):
        log.add(entry(number))
    log.save()
    assert LIMIT == 100
    assert read_transitions(tmp_path / "t.json") == tuple(entry(number) for number in range(7, LIMIT + 7))


def test_what_could_not_be_saved_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = TransitionLog(tmp_path / "t.json")
    log.add(entry(1))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(transitions, "write_atomically", full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                log.save()
    log.save()
    assert read_transitions(tmp_path / "t.json") == (entry(1),)


def test_nothing_new_is_nothing_to_write(tmp_path: Path) -> None:
    TransitionLog(tmp_path / "t.json").save()
    assert not (tmp_path / "t.json").exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"transitions": 7}',
        '{"transitions": [{"a": 1}]}',
        '{"transitions": [7]}',
        '{"groups": 7}',
        '{"groups": {"web-0": {"state": "Active"}}}',
        '{"groups": {"web-0": {"state": "Idle", "since_s": 1, "reason": "", "transitions": 1}}}',
        '{"groups": {"web-0": {"state": "Active", "since_s": Infinity, "reason": "", "transitions": 1}}}',
        '{"groups": {"web-0": {"state": "Active", "since_s": "x", "reason": "", "transitions": 1}}}',
    ],
)
def test_a_file_that_is_not_ours_is_empty(content: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(content)
    assert read_transitions(tmp_path / "t.json") == ()
    log = TransitionLog(tmp_path / "t.json")
    assert log.groups == {}
    log.add(entry(1))
    log.save()
    assert len(json.loads((tmp_path / "t.json").read_text())["transitions"]) == 1


def test_times_are_utc_to_the_millisecond() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1795233600.1234) == "2026-11-21T04:00:00.123Z"


# What each group is.


def snapshot(state: str, for_seconds: int, **more: Any) -> dict[str, Any]:
    plain = {"name": "web-0", "state": state, "forSeconds": for_seconds, "transitions": 4, "faults": [], "remedies": []}
    plain |= {"priority": 100, "configuredPriority": 100}
    return plain | more


def told_at(time: float, after: str = "Active") -> Transition:
    return Transition(timestamp(time), "web-0", "Backup", after, "nobody else was heard")


def test_a_group_is_what_its_last_transition_says_over_restarts(tmp_path: Path) -> None:
    log = TransitionLog(tmp_path / "t.json")
    log.add(told_at(100.25, "Backup"))
    log.add(told_at(103.5))
    log.save()
    again = TransitionLog(tmp_path / "t.json")
    assert again.groups == {"web-0": GroupState("Active", 103.5, "nobody else was heard", 2)}


@pytest.mark.parametrize("age", [896, 897, 900])
def test_ages_in_whole_seconds_do_not_let_the_beginning_flap(age: int, tmp_path: Path) -> None:
    log = TransitionLog(tmp_path / "t.json")
    log.add(told_at(103.5))
    before = dict(log.groups)
    assert not log.saw(snapshot("Active", age), now_s=1000.0)
    assert log.groups == before


def test_what_was_not_told_is_seen(tmp_path: Path) -> None:
    log = TransitionLog(tmp_path / "t.json")
    assert log.saw(snapshot("Backup", 60), now_s=1000.0)
    assert log.groups == {"web-0": GroupState("Backup", 940.0, "", 4)}
    assert log.saw(snapshot("Active", 10), now_s=1000.0)
    assert log.groups == {"web-0": GroupState("Active", 990.0, "", 5)}
    # Active again after something that nobody told us of, or the clock was set.
    assert log.saw(snapshot("Active", 3), now_s=1100.0)
    assert log.groups["web-0"].since_s == 1097.0


def test_another_fault_is_another_reason(tmp_path: Path) -> None:
    log = TransitionLog(tmp_path / "t.json")
    log.add(Transition(timestamp(990), "web-0", "Backup", "Fault", "A: do this"))
    one = snapshot("Fault", 10, faults=["A"], remedies=["do this"])
    assert not log.saw(one, now_s=1000.0)
    two = snapshot("Fault", 12, faults=["A", "B"], remedies=["do this", "and that"])
    assert log.saw(two, now_s=1002.0)
    assert log.groups["web-0"] == GroupState("Fault", 990.0, "A: do this; B: and that", 1)


def test_groups_that_are_configured_no_more_are_forgotten(tmp_path: Path) -> None:
    log = TransitionLog(tmp_path / "t.json")
    log.add(told_at(1))
    log.keep_only({"web-0"})
    assert log.groups
    log.keep_only({"web-1"})
    log.save()
    assert TransitionLog(tmp_path / "t.json").groups == {}
