"""What can be read is found, however high its descriptor is and whatever had it before."""

import fcntl
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.node.vrrp.node import Node

from mooring_node.vrrp.waiting import Waiting, allow_descriptors

#: Beyond what select takes.
HIGH = 1500
PATIENT_NS = 60 * 1_000_000_000


class End:
    """One end of a pair, where it is wanted; `word` makes it readable."""

    def __init__(self, at_least: int = 0) -> None:
        end, self._other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with end:
            self._end = socket.socket(fileno=fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, at_least))

    def word(self) -> None:
        self._other.send(b"x")

    def read(self) -> None:
        self._end.recv(1)

    def fileno(self) -> int:
        return self._end.fileno()

    def close(self) -> None:
        self._end.close()
        self._other.close()


@pytest.fixture
def ends() -> Iterator[list[End]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_descriptors()
    made = [End(at_least) for at_least in (0, 0, HIGH, HIGH)]
    yield made
    for each in made:
        each.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def wait(waiting: Waiting, ends: list[End], sleep_ns: int = 0) -> list[End]:
    ready = waiting.wait({each.fileno(): each for each in ends}, sleep_ns)
    return [each for each in ends if each.fileno() in ready]


def test_each_is_found_for_as_long_as_it_waits(ends: list[End]) -> None:
    waiting = Waiting()
    assert wait(waiting, ends) == []
    for each in ends[1:3]:
        each.word()
    assert wait(waiting, ends, PATIENT_NS) == ends[1:3]
    ends[1].read()
    assert wait(waiting, ends, PATIENT_NS) == ends[2:3]
    assert wait(waiting, ends[:2]) == [], "nobody waits for the others any more"
    assert wait(waiting, ends, PATIENT_NS) == ends[2:3]


def test_a_socket_with_the_descriptor_of_one_that_was_closed_is_found(ends: list[End]) -> None:
    waiting = Waiting()
    wait(waiting, ends)
    former = ends[2].fileno()
    ends[2].close()
    ends[2] = End(former)
    assert ends[2].fileno() == former
    ends[2].word()
    assert wait(waiting, ends, PATIENT_NS) == ends[2:3]


def test_a_process_with_more_sockets_than_select_takes_goes_on(
    kernel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: list[End]
) -> None:
    node, heard = Node(kernel, tmp_path, monkeypatch), []
    monkeypatch.setattr(node.process.network, "ports", lambda: iter(ends))
    monkeypatch.setattr(node.process._arrivals, "read", lambda port, *_: heard.append(port))
    ends[3].word()
    node.process.ask_to_stop()
    node.process.run()
    assert heard == ends[3:]
    node.close()
