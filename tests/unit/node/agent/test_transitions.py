"""The last transitions, kept over restarts."""

import json
from pathlib import Path
from typing import Any

import pytest

from mooring_node.agent import transitions
from mooring_node.agent.transitions import LIMIT, Transition, TransitionLog, read_transitions
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
    "content", ["", "[]", '{"transitions": 7}', '{"transitions": [{"a": 1}]}', '{"transitions": [7]}']
)
def test_a_file_that_is_not_ours_is_empty(content: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(content)
    assert read_transitions(tmp_path / "t.json") == ()
    log = TransitionLog(tmp_path / "t.json")
    log.add(entry(1))
    log.save()
    assert len(json.loads((tmp_path / "t.json").read_text())["transitions"]) == 1


def test_times_are_utc_to_the_millisecond() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1795233600.1234) == "2026-11-21T04:00:00.123Z"
