"""The supervisor against more clients than it serves."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.files import StateFolder
from mooring_node.kernel.process import now_ns
from mooring_node.log import Log
from mooring_node.supervisor.children import ChildNumber, Duty
from mooring_node.supervisor.control import CLIENT_NS, MOST_CLIENTS
from mooring_node.supervisor.process import INQUIRY_NS, Supervisor


class Bench:
    """A supervisor whose children never start, with the other ends of its channels."""

    def __init__(self, folder: Path, board: Board) -> None:
        self.state = StateFolder(folder)
        pairs = {number: Channel.pair() for number in ChildNumber}
        ours = {number: pair[0] for number, pair in pairs.items()}
        self.vrrp, self.agent, self.checks = (pair[1] for pair in pairs.values())
        self.balances = False
        duties = tuple(
            Duty(number, number.name.lower(), lambda _: None, 10**9, lambda number=number: self.wanted(number))
            for number in ChildNumber
        )
        self.supervisor = Supervisor(self.state, board, duties, ours, lambda: None, Log(as_json=True))
        self._channels = [end for pair in pairs.values() for end in pair]

    def wanted(self, number: ChildNumber) -> bool:
        return number is not ChildNumber.CHECKS or self.balances

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(10)
        client.connect(str(self.state.control))
        self.supervisor._turn([self.supervisor._control], {})
        return client

    def serve(self) -> None:
        self.supervisor._turn(list(self.supervisor._clients), {})

    def close(self) -> None:
        self.supervisor._control.close()
        for client in self.supervisor._clients:
            client.close()
        for channel in self._channels:
            channel.close()
        os.close(self.supervisor._wakeup)
        os.close(self.supervisor._signalled)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Board() as board:
        made = Bench(tmp_path, board)
        yield made
        made.close()


def test_more_clients_than_it_serves_are_turned_away(bench: Bench) -> None:
    clients = [bench.connect() for _ in range(MOST_CLIENTS)]
    late = bench.connect()
    assert late.recv(1) == b""
    clients[0].send(b'{"do": "dance"}\n')
    bench.serve()
    assert b"unknown request" in clients[0].recv(4096)
    again = bench.connect()
    again.setblocking(False)
    with pytest.raises(BlockingIOError):
        again.recv(1)
    for client in (*clients, late, again):
        client.close()


def test_a_client_that_asks_nothing_is_dropped_in_time(bench: Bench) -> None:
    client = bench.connect()
    bench.supervisor._expire(now_ns() + CLIENT_NS)
    assert client.recv(1) == b""
    assert bench.supervisor._clients == []
    client.close()


@pytest.mark.parametrize("request_bytes", [b"banana\n", b"[" * 4000 + b"\n", b"x" * 3000])
def test_a_bad_client_harms_nobody(bench: Bench, request_bytes: bytes) -> None:
    bad, good = bench.connect(), bench.connect()
    bad.send(request_bytes)
    good.send(b'{"do": "maintenance", "on": true}\n')
    bench.serve()
    assert good.recv(4096) == b'{"maintenance": true}\n'
    bad.close()
    bench.serve()
    good.close()
    assert bench.supervisor._clients == []


def test_maintenance_is_on_disk_before_it_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mooring_node.supervisor.process.write_atomically", full)
    client = bench.connect()
    client.send(b'{"do": "maintenance", "on": true}\n')
    bench.serve()
    assert b"nothing has changed: " in client.recv(4096)
    assert list(bench.vrrp.receive()) == []
    client.close()


def test_a_question_that_the_children_leave_open_is_answered_in_time(bench: Bench) -> None:
    client = bench.connect()
    client.send(b'{"do": "status"}\n')
    bench.serve()
    (asked,) = bench.vrrp.receive()
    assert asked["do"] == "snapshot"
    bench.vrrp.send({"id": asked["id"], "end": {"generation": 1}})
    bench.supervisor._turn([bench.supervisor._channels[ChildNumber.VRRP]], {})
    bench.supervisor._expire(now_ns() + INQUIRY_NS)
    reply = client.recv(1 << 16)
    assert b'"silent": ["agent"]' in reply
    client.close()
