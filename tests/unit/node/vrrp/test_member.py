"""One instance at work, on a network of the test's own."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.node.vrrp.test_group import CONFIG, HERE, LISTED, MEMBER, NOW, Wire

from mooring_node.vrrp import member as the_member
from mooring_node.vrrp.config import AddressConfig
from mooring_node.vrrp.faults import FaultReason
from mooring_node.vrrp.member import MOST_PEERS, Member
from mooring_node.vrrp.packet import Advert, encode, ipv4_packet
from mooring_node.vrrp.receive import parse_ipv4

#: In a frame: the flags of a neighbour advertisement (RFC 4861 4.4), and the one of routers.
FLAGS, ROUTER = 14 + 40 + 4, 0x80
MULTICAST = replace(MEMBER, peers=None)


@pytest.fixture
def wire(kernel: Any) -> Iterator[Wire]:
    made = Wire(kernel)
    yield made
    made.close()


def member(wire: Wire, config: Any) -> Member:
    made = Member(replace(CONFIG, members=(config,)), config, wire)  # type: ignore[arg-type]
    assert made.refresh() == frozenset()
    return made


def hear(member: Member, number: int, priority: int) -> None:
    source, target = bytes([10, 0, 1, number]), bytes([224, 0, 0, 18])
    message = encode(Advert(3, 66, priority, CONFIG.interval_ns, LISTED), source=source, destination=target)
    member.judge(parse_ipv4(ipv4_packet(message, source=source, destination=target)), NOW + priority)


def test_who_is_known_is_followed_where_there_is_room_for_nobody_new(wire: Wire) -> None:
    made = member(wire, MULTICAST)
    assert made.prepared is not None
    assert made.prepared.source == HERE
    for number in range(MOST_PEERS + 10):
        hear(made, number, 100)
    assert len(made.peers) == MOST_PEERS
    hear(made, 3, 120)
    known = made.peers[bytes([10, 0, 1, 3])]
    assert (known.priority, known.adverts, known.heard_at_ns) == (120, 2, NOW + 120)
    assert bytes([10, 0, 1, MOST_PEERS]) not in made.peers


def flags(wire: Wire) -> set[int]:
    """Of the advertisements since the last call."""
    found = set()
    while True:
        try:
            found.add(wire._other.recv(2048)[FLAGS] & ROUTER)
        except BlockingIOError:
            return found


@pytest.fixture
def six(wire: Wire) -> Member:
    wire.source_now = bytes.fromhex("fe80") + bytes(13) + b"\x12"
    held = (AddressConfig("fd00:10::100", 128, "eth0"), AddressConfig("fd00:10::101", 128, "eth0"))
    return member(wire, replace(MULTICAST, family=6, addresses=held))


def test_whether_a_node_routes_is_looked_at_when_it_takes_over(
    wire: Wire, six: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    for routes in (True, False):
        monkeypatch.setattr(the_member, "forwards_ipv6", lambda name, routes=routes: routes and name == "eth0")
        six.announce(NOW)
        assert flags(wire) == {ROUTER if routes else 0}


def test_a_node_that_has_begun_to_route_says_so_after_the_next_look(
    wire: Wire, six: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(the_member, "forwards_ipv6", lambda _: True)
    six.refresh()
    six.announce_once(NOW)
    assert flags(wire) == {ROUTER}


def test_a_socket_that_the_kernel_refuses_is_not_a_missing_interface(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = member(wire, MEMBER)
    monkeypatch.setattr(wire, "port", lambda *_: None)
    assert made.refresh() == {FaultReason.SOCKET_REFUSED}
    wire.link_now = None
    assert made.refresh() == {FaultReason.INTERFACE_MISSING}
