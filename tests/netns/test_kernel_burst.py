"""Bursts of Ethernet frames over a veth pair, in a namespace of their own."""

import socket
from collections.abc import Callable, Iterator

import pytest

from mooring_node.kernel.burst import Burst

pytestmark = pytest.mark.netns

#: An EtherType for experiments (IEEE 802), so that nothing else on the link is taken for ours.
ETHER_TYPE = 0x88B5
COUNT = 2500


def _packet_socket(interface: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    opened.setsockopt(socket.SOL_SOCKET, 33, 16 * 1024 * 1024)
    opened.setsockopt(socket.SOL_SOCKET, 32, 16 * 1024 * 1024)
    opened.bind((interface, ETHER_TYPE))
    return opened


@pytest.fixture
def pair(own_namespace: Callable[..., None]) -> Iterator[tuple[socket.socket, socket.socket]]:
    own_namespace("link", "add", "eth0", "type", "veth", "peer", "name", "far0")
    own_namespace("link", "set", "far0", "up")
    own_namespace("link", "set", "eth0", "up")
    with _packet_socket("eth0") as near, _packet_socket("far0") as far:
        far.settimeout(30)
        yield near, far


def _frames() -> list[bytes]:
    head = b"\xff" * 6 + bytes.fromhex("020000000001") + ETHER_TYPE.to_bytes(2, "big")
    return [head + number.to_bytes(4, "big") + bytes(42) for number in range(COUNT)]


def test_frames_arrive_at_the_peer_in_order(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    frames = _frames()
    burst = Burst(frames)
    assert burst.send(near.fileno()) == COUNT
    assert [far.recv(2048) for _ in frames] == frames
    assert burst.send(near.fileno(), 10, 20) == 10
    assert [far.recv(2048) for _ in range(10)] == frames[10:20]


def test_a_link_that_is_down_is_an_error(
    pair: tuple[socket.socket, socket.socket], own_namespace: Callable[..., None]
) -> None:
    own_namespace("link", "set", "eth0", "down")
    with pytest.raises(OSError, match="down"):
        Burst(_frames()).send(pair[0].fileno())
