"""A program that the lab keeps: begun anew when it ends, ended with its keeper."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mooring_lab.processes import Identity
from mooring_lab.wait import wait_until

SOON_S = 20.0
Keep = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def said(tmp_path: Path) -> Path:
    """Where the program writes its pid, each time that it is started."""
    return tmp_path / "said"


@pytest.fixture
def keep(said: Path) -> Iterator[Keep]:
    """Keeps a program: its beginning is written to `said`, then it does what a line of Python says."""
    kept: list[subprocess.Popen[bytes]] = []

    def start(line: str) -> "subprocess.Popen[bytes]":
        begin = f"import os, signal, sys, time; open({str(said)!r}, 'a').write(f'{{os.getpid()}}\\n')"
        program = [sys.executable, "-c", f"{begin}\n{line}"]
        kept.append(subprocess.Popen([sys.executable, "-m", "mooring_lab.keeper", *program]))
        return kept[-1]

    yield start
    for process in kept:
        process.kill()
        process.wait(SOON_S)


def pids(said: Path) -> list[int]:
    return [int(line) for line in said.read_text().splitlines()] if said.exists() else []


def begun(said: Path, times: int) -> Identity:
    """Wait until it has begun so often; the last one."""
    wait_until(lambda: len(pids(said)) >= times, SOON_S, "the program to begin")
    found = Identity.of(pids(said)[-1])
    assert found is not None
    return found


@pytest.mark.parametrize("end", ["sys.exit(7)", "sys.exit(1)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_program_that_ends_is_begun_again(keep: Keep, said: Path, end: str) -> None:
    keeper = keep(f"len(open({str(said)!r}).readlines()) < 2 and {end}\ntime.sleep(60)")
    second = begun(said, 2)
    assert keeper.poll() is None
    keeper.terminate()
    assert keeper.wait(SOON_S) == 128 + signal.SIGTERM
    assert not second.alive()


@pytest.mark.parametrize("code", [0, 2, 3])
def test_one_that_has_said_enough_is_not(keep: Keep, said: Path, code: int) -> None:
    assert keep(f"sys.exit({code})").wait(SOON_S) == code
    assert len(pids(said)) == 1


def test_it_ends_as_its_program_ends(keep: Keep, said: Path) -> None:
    begin = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))"
    keeper = keep(f"{begin}\nopen({str(said)!r}, 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(60)")
    # The second line says that it is ready for the signal.
    begun(said, 2)
    keeper.terminate()
    assert keeper.wait(SOON_S) == 5


def test_who_kills_it_kills_its_program(keep: Keep, said: Path) -> None:
    keeper = keep("time.sleep(60)")
    program = begun(said, 1)
    keeper.kill()
    keeper.wait(SOON_S)
    wait_until(lambda: not program.alive(), SOON_S, "the program's end")
