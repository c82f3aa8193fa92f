"""What a kubelet knows of a run that another one began: by locks and files alone. Real runs are in tests/cluster."""

import fcntl
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mooring_lab.kubelet.attempt import LOST, Attempt
from mooring_lab.kubelet.records import EXIT, LIFE, SHIM, STARTED, STARTING, Begun
from mooring_lab.kubelet.states import Exit
from mooring_lab.processes import Identity

SECONDS = 30.0
BEGUN = {"pid": 2**22 + 1, "start": 7, "started_at": 5.0, "mounts": 1}


@contextmanager
def held(path: Path) -> Iterator[None]:
    """A lock as the shim holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    return Attempt(tmp_path)


def in_thread(function: object, answers: list[object]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(function()))  # type: ignore[operator]
    thread.start()
    return thread


def test_it_exists_from_its_birth_on(attempt: Attempt, tmp_path: Path) -> None:
    """The shim has its lock before it has written a word."""
    assert not attempt.exists
    assert not Attempt(tmp_path / "never").exists
    with held(tmp_path / LIFE):
        assert attempt.exists
    assert not attempt.exists
    for name in (SHIM, EXIT):
        (tmp_path / name).write_text("{}")
        assert attempt.exists
        (tmp_path / name).unlink()


def test_the_start_is_waited_for(attempt: Attempt, tmp_path: Path) -> None:
    answers: list[object] = []
    with held(tmp_path / STARTING):
        thread = in_thread(attempt.wait_started, answers)
        (tmp_path / STARTED).write_text(json.dumps(BEGUN))
        thread.join(0.05)
        assert answers == []
    thread.join(SECONDS)
    assert answers == [Begun(Identity(2**22 + 1, 7), 5.0, 1)]


def test_one_that_never_started_is_known_by_its_exit(attempt: Attempt, tmp_path: Path) -> None:
    assert attempt.wait_started() is None
    (tmp_path / EXIT).write_text(json.dumps({"code": 128, "reason": "StartError", "message": "no such program"}))
    assert attempt.wait_exit() == Exit(128, "StartError", "no such program")


def test_the_exit_is_waited_for(attempt: Attempt, tmp_path: Path) -> None:
    answers: list[object] = []
    with held(tmp_path / LIFE):
        thread = in_thread(attempt.wait_exit, answers)
        (tmp_path / EXIT).write_text(json.dumps({"code": 0, "reason": "Completed"}))
        thread.join(0.05)
        assert answers == []
    thread.join(SECONDS)
    assert answers == [Exit(0, "Completed")]


def test_a_shim_that_was_killed_leaves_an_exit_that_nobody_saw(attempt: Attempt, tmp_path: Path) -> None:
    (tmp_path / STARTED).write_text(json.dumps(BEGUN))
    ended = attempt.wait_exit()
    assert (ended.code, ended.reason, ended.started_at) == (137, LOST.reason, 5.0)
    assert ended.finished_at > 5.0


def test_a_signal_for_nobody_goes_nowhere(attempt: Attempt) -> None:
    attempt.signal(signal.SIGTERM)
    attempt.signal(signal.SIGKILL)
