"""Nodes whose own servers answer for a virtual address while another node holds it: direct routing and tunnels."""

from collections.abc import Iterable, Iterator, Mapping

from mooring_api.balancing import Forwarding, SorryServer, TunnelType
from mooring_api.node_server import BackendAddress, NodeBackend
from mooring_api.virtualip import VirtualIP
from mooring_operator.plan.allocations import bare
from mooring_operator.plan.segments import Attachment, attach, parsed
from mooring_operator.plan.servers.backends import family_of
from mooring_operator.plan.servers.entries import Entry
from mooring_operator.plan.snapshot import Node

MOST_INTERFACES = 16
#: An address with what packets for it come wrapped in.
Hosted = tuple[str, TunnelType | None, int | None]
#: Node to what it answers for, with the interfaces where ARP must not speak of it.
Homes = dict[str, dict[Hosted, frozenset[str]]]


def homes_of(virtual_ip: VirtualIP, entries: Iterable[Entry], nodes: Mapping[str, Node]) -> Homes:
    """What follows from one VirtualServer's entries, which are of that VirtualIP."""
    found: Homes = {}
    for entry in entries:
        for server, home in _at_home(entry):
            node = nodes.get(home)
            if node is None:
                continue
            mine = found.setdefault(node.name, {})
            for hosted in _answered(entry, server):
                if hosted not in mine:
                    mine[hosted] = frozenset(_interfaces(virtual_ip, hosted[0], server.address, node))
    return found


def _at_home(entry: Entry) -> Iterator[tuple[NodeBackend | SorryServer, str]]:
    """A server that is not ready for a moment has connections, which its node must go on to answer for."""
    backends = (*entry.candidates, *entry.not_ready)
    yield from ((candidate.backend, home) for candidate in backends for home in candidate.homes)
    if entry.sorry is not None:
        yield from ((entry.sorry, home) for home in entry.sorry_homes)


def _answered(entry: Entry, server: NodeBackend | SorryServer) -> Iterable[Hosted]:
    spec = entry.server.spec
    if (server.forwarding or spec.forwarding) is Forwarding.TUNNEL:
        kind = spec.tunnel.type if spec.tunnel else TunnelType.IPIP
        return [(address, kind, spec.tunnel.port if spec.tunnel else None) for address in entry.plan.addresses]
    family = family_of(server.address)
    return [(address, None, None) for address in entry.plan.addresses if family_of(address) is family]


def _interfaces(virtual_ip: VirtualIP, address: str, backend: str, node: Node) -> Iterable[str]:
    """Where the virtual address is spoken of, and where the backend's own is."""
    override = next((o for o in virtual_ip.spec.nodes.overrides if o.node == node.name), None)
    held = next((a for a in virtual_ip.spec.addresses if bare(a) == address), None)
    if held is not None:
        place = attach(node, parsed(held.address), (override and override.interface) or virtual_ip.spec.interface)
        if isinstance(place, Attachment):
            yield place.interface
    for link in node.links.values():
        own = [str(each.ip) for each in link.ipv4] + [str(each.ip) for each in link.ipv6]
        if backend in own:
            yield link.name


def addresses_of(homes: Iterable[Homes]) -> dict[str, tuple[BackendAddress, ...]]:
    """All VirtualServers' together: node to the addresses, each once for each way in which packets come."""
    together: dict[str, dict[Hosted, frozenset[str]]] = {}
    for each in homes:
        for node, hosted in each.items():
            mine = together.setdefault(node, {})
            for key, interfaces in hosted.items():
                mine[key] = mine.get(key, frozenset()) | interfaces
    return {node: _made(hosted) for node, hosted in together.items()}


def _made(hosted: Mapping[Hosted, frozenset[str]]) -> tuple[BackendAddress, ...]:
    wrapped = {address for address, kind, _ in hosted if kind is not None}
    return tuple(
        BackendAddress(
            address=address,
            interfaces=tuple(sorted(interfaces))[:MOST_INTERFACES],
            tunnel=kind,
            tunnel_port=port,
        )
        for (address, kind, port), interfaces in sorted(hosted.items(), key=lambda item: _order(item[0]))
        # What unwraps packets puts the address on lo as well.
        if kind is not None or address not in wrapped
    )


def _order(hosted: Hosted) -> tuple[str, str, int]:
    address, kind, port = hosted
    return address, kind or "", port or 0
