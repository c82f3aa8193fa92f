"""Which way the adverts of an instance travel."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from mooring_api.vrrp import TransportType
from mooring_api.wire import Check, Flag, GroupAddress, Integer, Location, Rule, UnicastAddress, Wire


def _repeated_peers(way: "Way") -> Iterator[tuple[Location, str]]:
    for index, peer in enumerate(way.peers):
        if peer in way.peers[:index]:
            yield ("peers", index), f"{peer} stands twice; remove one of them"


def _own_source(transport: "Transport") -> Iterator[tuple[Location, str]]:
    if transport.source in transport.peers:
        place = ("peers", transport.peers.index(transport.source))
        yield place, f"{transport.source} is this node's own source; list only the other members"


class Way(Wire):
    """Which way adverts travel: to each peer, or to a group."""

    type: TransportType = TransportType.UNICAST
    """Unicast: to each peer. Multicast: to the group."""
    peers: Annotated[tuple[UnicastAddress, ...], Field(max_length=24)] = ()
    """The other members, for Unicast. An empty list is a fault: the daemon never turns to multicast itself."""
    group: GroupAddress | None = None
    """The group, for Multicast; left out: 224.0.0.18 or ff02::12."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.type != 'Multicast' || !has(self.peers) || self.peers.size() == 0",
            message="peers belong to Unicast; remove them, or set type: Unicast",
            holds=lambda t: t.type is TransportType.UNICAST or not t.peers,
            path="peers",
        ),
        Rule(
            cel="self.type == 'Multicast' || !has(self.group)",
            message="group belongs to Multicast; remove it, or set type: Multicast",
            holds=lambda t: t.type is TransportType.MULTICAST or t.group is None,
            path="group",
        ),
    )
    checks: ClassVar[tuple[Check, ...]] = (_repeated_peers,)


class Transport(Way):
    """How adverts travel: to each peer, or to a group."""

    source: UnicastAddress | None = None
    """Where adverts come from; left out: the interface's first IPv4 or its link-local IPv6 address."""
    alone: Flag = False
    """True: this node is the only member, so an empty list of peers is meant."""
    minimum_ttl: Annotated[Integer, Field(ge=1, le=255)] = 255
    """The least TTL or hop limit of an accepted advert; below 255 only for peers behind a router."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *Way.rules,
        Rule(
            cel="!self.alone || (self.type == 'Unicast' && (!has(self.peers) || self.peers.size() == 0))",
            message="alone says that there are no peers; remove the peers, or set alone: false",
            holds=lambda t: not t.alone or (t.type is TransportType.UNICAST and not t.peers),
            path="alone",
        ),
    )
    checks: ClassVar[tuple[Check, ...]] = (*Way.checks, _own_source)
