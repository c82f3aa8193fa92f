"""A process is told from another one with its pid."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mooring_lab.processes import Identity, kernel_name


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
