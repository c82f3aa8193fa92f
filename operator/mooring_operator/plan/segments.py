"""Where a node stands on the wire: its interface and source for a group, and which networks are one segment."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address, ip_interface, ip_network

from mooring_api.vrrp import Family
from mooring_operator.plan.snapshot import Link, Node
from mooring_operator.plan.sources import Refused

Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Attachment:
    """How a node takes part in one family of a group: from which interface, with which source."""

    interface: str
    source: Interface
    address: str
    """The source's text without prefix and zone."""
    networks: frozenset[str]
    unread: bool = False
    """It is where it stands: of its interfaces nothing is known, and of its source not the network."""

    @property
    def link_local(self) -> bool:
        return self.source.version == 6 and self.source.is_link_local

    def address_for(self, interface: str) -> str:
        """The source as a node with that interface writes it: a link-local address needs the zone of its reader."""
        return f"{self.address}%{interface}" if self.link_local else self.address

    def reaches(self, other: "Attachment") -> bool:
        """Whether the two are neighbours, as far as their addresses say: each lies in the other's network."""
        if self.link_local and other.link_local:
            if self.networks and other.networks:
                return not self.networks.isdisjoint(other.networks)
            return self.interface == other.interface
        if self.source.network == other.source.network:
            return True
        return other.source.ip in self.source.network and self.source.ip in other.source.network


@lru_cache(maxsize=16384)
def parsed(address: str) -> Interface:
    """An address with prefix, parsed; the same few are asked for again and again."""
    return ip_interface(address)


@lru_cache(maxsize=16384)
def attach(
    node: Node,
    first: Interface,
    interface: str | None = None,
    source: str | None = None,
    near: Network | None = None,
    refused: Refused = (),
    before: str | None = None,
) -> Attachment | str:
    """The node's part in the group whose first address is `first`, or why it can have none.

    `interface` and `source` are what the user wrote; `near` is the network in which the other members are. It never
    speaks from an address in `refused`, and goes on from `before`, where it speaks now, while it can.
    """
    barred = frozenset(address for address, _ in refused)
    link = node.links.get(interface) if interface else _holding(node, first, barred) or _at_home(node, barred)
    if link is None:
        there = ", ".join(node.links) or "none"
        if interface:
            return f"has no interface {interface} (it reports {there})"
        return _why_refused(node.links.values(), first.version, refused) or (
            f"no interface (it reports {there}) holds the subnet of {first.ip} or the node's InternalIP; set interface"
        )
    own = _own_addresses(link, first.version, barred)
    if source is not None:
        return _as_written(link, _all_addresses(link, first.version, barred), source, refused)
    if not own:
        return _why_refused([link], first.version, refused) or (
            f"{link.name} has no {Family.IPV4 if first.version == 4 else Family.IPV6} address to speak from"
        )
    source_address = _source(node, own, first, near, before)
    return Attachment(link.name, source_address, str(source_address.ip), link.networks)


def _own_addresses(link: Link, version: int, barred: Collection[str] = ()) -> tuple[Interface, ...]:
    """What it may speak from. Adverts over IPv6 come from a link-local address (RFC 9568, 5.1.2.1) where there is one:
    then no other is offered, as the members must all have such."""
    own: tuple[Interface, ...] = link.ipv4 if version == 4 else link.link_local or link.ipv6
    return tuple(address for address in own if str(address.ip) not in barred) if barred else own


def _why_refused(links: Iterable[Link], version: int, refused: Refused) -> str | None:
    """Of the first address that it would have spoken from."""
    reasons = dict(refused)
    for link in links if reasons else ():
        for address in _own_addresses(link, version):
            if (why := reasons.get(str(address.ip))) is not None:
                return f"{address.ip} on {link.name} {why}"
    return None


def _as_written(link: Link, own: Iterable[Interface], source: str, refused: Refused) -> Attachment | str:
    wanted = ip_address(source.partition("%")[0])
    for address in own:
        if address.ip == wanted:
            return Attachment(link.name, address, str(address.ip), link.networks)
    for text, why in refused:
        if text == str(wanted):
            return f"{source} on {link.name} {why}"
    return f"{source} is no address of {link.name}; correct nodes.overrides, or give the node that address"


def _source(
    node: Node, own: tuple[Interface, ...], first: Interface, near: Network | None, before: str | None
) -> Interface:
    """The one that it speaks from now, then one near the others, in the subnet of `first`, its InternalIP."""

    def key(address: Interface) -> tuple[bool, ...]:
        text = str(address.ip)
        return (
            text != before,
            near is None or address.ip not in near,
            first.ip not in address.network,
            text not in node.internal_addresses,
        )

    return min(own, key=key)


def _holding(node: Node, first: Interface, barred: Collection[str]) -> Link | None:
    """The interface whose subnet holds the address; of several the narrowest subnet, then the first reported."""
    best: tuple[int, Link] | None = None
    for link in node.links.values():
        for address in _all_addresses(link, first.version, barred):
            length = address.network.prefixlen
            if first.ip in address.network and (best is None or length > best[0]):
                best = (length, link)
    return best[1] if best else None


def _at_home(node: Node, barred: Collection[str]) -> Link | None:
    for text in node.internal_addresses:
        for link in node.links.values():
            if any(str(address.ip) == text for address in _all_addresses(link, 6 if ":" in text else 4, barred)):
                return link
    return None


def _all_addresses(link: Link, version: int, barred: Collection[str]) -> Iterable[Interface]:
    own: tuple[Interface, ...] = link.ipv4 if version == 4 else (*link.link_local, *link.ipv6)
    return (address for address in own if str(address.ip) not in barred) if barred else own


def segments_of(nodes: Iterable[Node]) -> Mapping[str, str]:
    """Each reported network to the name of its segment.

    Networks on one interface share a segment, and so do networks that overlap. This may join two segments
    that are apart (the same private network at two sites), never part one.
    """
    together = {link.networks for node in nodes for link in node.links.values() if link.networks}
    parent = {network: network for networks in together for network in networks}

    def root(network: str) -> str:
        while parent[network] != network:
            parent[network] = parent[parent[network]]
            network = parent[network]
        return network

    def join(one: str, other: str) -> None:
        first, second = sorted((root(one), root(other)))
        parent[second] = first

    for networks in together:
        one, *others = networks
        for other in others:
            join(one, other)
    for outer, inner in _overlaps(parent):
        join(outer, inner)
    return {network: root(network) for network in parent}


def _overlaps(networks: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Pairs of a network and one inside it; two CIDR networks either nest or are apart."""
    outer: Network | None = None
    for network in sorted(map(ip_network, networks), key=lambda n: (n.version, int(n.network_address), n.prefixlen)):
        if outer is not None and outer.version == network.version and network.network_address in outer:
            yield str(outer), str(network)
        else:
            outer = network
