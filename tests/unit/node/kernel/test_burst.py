"""Bursts over loopback: order, parts, destinations, refusals."""

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from mooring_node.kernel.burst import Burst


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        right.setblocking(False)
        yield left, right


def _drain(receiver: socket.socket) -> list[bytes]:
    got: list[bytes] = []
    while True:
        try:
            got.append(receiver.recv(2048))
        except BlockingIOError:
            return got


def test_frames_arrive_in_order_as_often_as_sent(pair: tuple[socket.socket, socket.socket]) -> None:
    frames = [b"one", b"", b"three" * 100]
    burst = Burst(frames)
    for _ in range(2):
        assert burst.send(pair[0].fileno()) == len(burst) == 3
        assert _drain(pair[1]) == frames


def test_a_full_queue_ends_the_burst_and_it_goes_on_from_there(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    frames = [b"%d" % number for number in range(3000)]
    burst = Burst(frames)
    got: list[bytes] = []
    place = 0
    while place < len(frames):
        sent = burst.send(pair[0].fileno(), place)
        assert sent > 0
        place += sent
        if place < len(frames):
            with pytest.raises(BlockingIOError):
                burst.send(pair[0].fileno(), place)
        got += _drain(pair[1])
    assert got == frames


def test_more_than_one_call_takes_goes_in_several() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        sender.connect(receiver.getsockname())
        assert Burst([b"x"] * 2055).send(sender.fileno()) == 2055


def test_a_range_of_frames_is_sent(pair: tuple[socket.socket, socket.socket]) -> None:
    burst = Burst([b"a", b"b", b"c", b"d"])
    assert burst.send(pair[0].fileno(), 1, 3) == 2
    assert _drain(pair[1]) == [b"b", b"c"]
    assert burst.send(pair[0].fileno(), 4) == 0
    assert burst.send(pair[0].fileno(), 3, 99) == 1


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["ipv4", "ipv6"]
)
def test_each_frame_goes_to_its_destination(family: int, host: str) -> None:
    with (
        socket.socket(family, socket.SOCK_DGRAM) as first,
        socket.socket(family, socket.SOCK_DGRAM) as second,
        socket.socket(family, socket.SOCK_DGRAM) as sender,
    ):
        for receiver in (first, second):
            receiver.bind((host, 0))
            receiver.setblocking(False)
        destinations = [first.getsockname(), second.getsockname(), first.getsockname()]
        assert Burst([b"a", b"b", b"c"], destinations).send(sender.fileno()) == 3
        assert (_drain(first), _drain(second)) == ([b"a", b"c"], [b"b"])


def test_a_refused_frame_ends_the_burst_and_then_says_why(pair: tuple[socket.socket, socket.socket]) -> None:
    too_long = bytes(1 << 23)
    burst = Burst([b"a", too_long, b"c"])
    assert burst.send(pair[0].fileno()) == 1
    with pytest.raises(OSError, match=os.strerror(errno.EMSGSIZE)):
        burst.send(pair[0].fileno(), 1)
    assert burst.send(pair[0].fileno(), 2) == 1
    assert _drain(pair[1]) == [b"a", b"c"]


def test_an_empty_burst_sends_nothing() -> None:
    assert Burst([]).send(-1) == 0


def test_destinations_must_match_the_frames() -> None:
    with pytest.raises(ValueError, match="destinations"):
        Burst([b"a"], [])
    with pytest.raises(OSError, match="illegal"):
        Burst([b"a"], [("localhost", 1)])
    with pytest.raises(ValueError, match="start"):
        Burst([b"a"]).send(0, -1)
