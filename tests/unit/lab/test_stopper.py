"""The stopper: wakes what it froze, and does not outlive it."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mooring_lab.processes import Identity


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def frozen_for(seconds: int, sleeper: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    identity = Identity.of(sleeper.pid)
    assert identity is not None
    command = [sys.executable, "-m", "mooring_lab.stopper", str(seconds), f"{identity.pid}:{identity.start}"]
    stopper = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert stopper.stdout is not None
    assert stopper.stdout.readline() == b"stopped\n"
    stopper.stdout.close()
    return stopper


def test_it_wakes_what_it_froze_also_when_it_is_told_to_end(sleeper: subprocess.Popen[bytes]) -> None:
    stopper = frozen_for(1, sleeper)
    identity = Identity.of(sleeper.pid)
    assert identity is not None
    assert identity.frozen()
    stopper.send_signal(signal.SIGTERM)
    assert stopper.wait(30) == 0
    assert not identity.frozen()


def test_it_ends_with_what_it_froze(sleeper: subprocess.Popen[bytes]) -> None:
    stopper = frozen_for(600, sleeper)
    sleeper.kill()
    sleeper.wait()
    assert stopper.wait(30) == 0
