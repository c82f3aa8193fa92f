"""A process is told from another one with its pid."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mooring_lab.processes import Identity, kernel_name
from mooring_lab.wait import wait_until


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_running_process_is_alive_and_gets_signals(child: subprocess.Popen[bytes]) -> None:
    identity = Identity.of(child.pid)
    assert identity
    assert identity.alive()
    assert kernel_name(child.pid).startswith("python")
    assert identity.send(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not identity.alive()
    assert not identity.send(signal.SIGKILL)


def test_a_stranger_with_the_same_pid_gets_nothing(child: subprocess.Popen[bytes]) -> None:
    identity = Identity.of(child.pid)
    assert identity
    earlier = replace(identity, start=identity.start - 1)
    assert not earlier.alive()
    assert not earlier.send(signal.SIGKILL)
    assert child.poll() is None


def test_a_dead_child_that_nobody_asked_about_is_not_alive() -> None:
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", "input()"], {}, file_actions=[])
    identity = Identity.of(pid)
    assert identity
    identity.send(signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert Identity.of(pid) is None
    assert not identity.alive()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)


def test_a_process_whose_first_thread_has_ended_lives_on_in_its_others() -> None:
    """They hold its ports: whoever starts its successor must wait for them."""
    text = (
        "import ctypes, platform, threading\n"
        "threading.Thread(target=input).start()\n"
        "ctypes.CDLL(None).syscall({'x86_64': 60}.get(platform.machine(), 93), 0)\n"
    )
    with subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE) as process:
        identity = wait_until(lambda: _first_thread_ended(process.pid) and Identity.of(process.pid), 30.0, "the thread")
        assert identity.alive()
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        wait_until(lambda: not identity.alive(), 30.0, "the others to end")


def _first_thread_ended(pid: int) -> bool:
    return any(line.startswith("State:\tZ") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
