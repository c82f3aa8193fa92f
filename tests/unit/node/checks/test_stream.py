"""Streams are fair to others and send all of what they are given."""

import asyncio
import socket
import threading

import pytest

from mooring_node.checks.attempt import Scope, in_asyncio
from mooring_node.checks.stream import Plain


class Flood(socket.socket):
    """There is always more."""

    def recv(self, size: int, _flags: int = 0) -> bytes:
        return b"x" * size


def test_a_sender_that_never_pauses_lets_others_go_on() -> None:
    async def read(stream: Plain) -> int:
        return sum([len(await stream.read()) for _ in range(20)])

    with Flood() as sock:
        reading = read(Plain(sock))
        for _ in range(5):
            assert reading.send(None) is None, "a breath"  # type: ignore[func-returns-value]
        with pytest.raises(StopIteration) as end:
            reading.send(None)
    assert end.value.value == 20 * 16384


def test_all_is_sent_although_the_other_side_is_slow() -> None:
    data = bytes(range(256)) * 20_000
    near, far = socket.socketpair()
    received = bytearray()

    def drain() -> None:
        while piece := far.recv(10_000):
            received.extend(piece)

    with near, far:
        near.setblocking(False)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        thread = threading.Thread(target=drain)
        thread.start()
        asyncio.run(in_asyncio(Scope(), Plain(near).send(data), 60))
        near.shutdown(socket.SHUT_WR)
        thread.join(60)
    assert received == data


def test_time_is_up_in_asyncio_too() -> None:
    near, far = socket.socketpair()
    scope = Scope()
    scope.stage = "waiting for Godot"
    closed: list[bool] = []
    scope.at_end(lambda: closed.append(True))
    with near, far:
        near.setblocking(False)
        with pytest.raises(TimeoutError, match="timed out while waiting for Godot"):
            asyncio.run(in_asyncio(scope, Plain(near).read(), 0.05))
    assert closed == [True]
