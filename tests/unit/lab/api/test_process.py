"""A process is found by the folder that its command line names, ended by its identity, and never mistaken."""

import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mooring_lab.api.process import Program, free_ports
from mooring_lab.rights import LabError
from mooring_lab.wait import wait_until

SLEEPER = "import sys, time; print('up', flush=True); time.sleep(600)"


def _program(folder: Path) -> Program:
    return Program(Path(sys.executable).name, f"--data-dir={folder}", folder / "it.log")


def _command(program: Program, code: str = SLEEPER) -> list[str]:
    return [sys.executable, "-c", code, program.mark]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    one = _program(tmp_path)
    yield one
    one.end()


def test_it_is_found_by_anybody_who_knows_the_folder(program: Program, tmp_path: Path) -> None:
    assert program.running() is None
    started = program.start(_command(program))
    assert _program(tmp_path).running() == started
    assert _program(tmp_path / "other").running() is None
    program.end()
    assert not started.alive()
    assert program.running() is None
    program.end()


def test_another_program_that_names_the_folder_is_left_alone(program: Program, tmp_path: Path) -> None:
    other = subprocess.Popen(["/bin/sh", "-c", "read line", program.mark], stdin=subprocess.PIPE)
    beyond = Program(program.name, program.mark + "/below", tmp_path / "beyond.log")
    beyond.start(_command(beyond))
    try:
        assert program.running() is None
        program.end()
        assert other.poll() is None
        assert beyond.running()
    finally:
        beyond.end()
        other.communicate(b"\n")


def test_signals_reach_it_alone(program: Program) -> None:
    with pytest.raises(LabError, match="does not run"):
        program.send(signal.SIGSTOP)
    started = program.start(_command(program))
    assert program.send(signal.SIGSTOP) == started
    wait_until(started.frozen, 10, "it to be frozen")
    program.send(signal.SIGCONT)
    wait_until(lambda: not started.frozen(), 10, "it to go on")
    program.send(signal.SIGSTOP)
    program.end()
    assert not started.alive(), "a frozen process ends, too"


def test_its_last_words_are_kept_over_a_restart(program: Program) -> None:
    assert program.last_words() == ""
    for word in ("first", "second"):
        ended = program.start(_command(program, f"raise SystemExit({word!r})"))
        program.wait_gone(ended)
    assert program.last_words() == "; its log ends with:\nfirst\nsecond"
    assert program.log.stat().st_mode & 0o777 == 0o600


def test_a_port_is_free_and_below_those_of_outgoing_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = free_ports(2)
    assert first != second
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(first, second) < lowest
    monkeypatch.setattr(random, "shuffle", lambda ports: ports.sort(key=lambda port: port != first))
    with closing(socket.create_server(("127.0.0.1", first))):
        assert first not in free_ports(1)
    assert free_ports(1) == [first]
