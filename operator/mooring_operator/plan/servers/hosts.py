"""Which addresses are whose: what tells a backend on a node's own network from one on the pod network."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from mooring_operator.plan.snapshot import Node

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Hosts:
    """The nodes' own addresses, by their InternalIPs and their daemons' reports.

    Pod interfaces and addresses that Mooring holds are not in a report.
    """

    nodes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Address to all nodes that have it."""
    of_address: Mapping[str, str] = field(default_factory=dict)
    """Address to the one node that has it; not there where several do (a bridge's 172.17.0.1)."""

    def has(self, node: str, address: str) -> bool:
        return node in self.nodes.get(address, _NONE)

    def among(self, addresses: Collection[str]) -> "Hosts":
        """What there is of these addresses."""
        nodes = {address: self.nodes[address] for address in addresses if address in self.nodes}
        return Hosts(nodes, {a: self.of_address[a] for a in nodes if a in self.of_address})


def hosts_of(nodes: Iterable[Node]) -> Hosts:
    """An InternalIP is its node's, whoever else reports it."""
    own: dict[str, set[str]] = {}
    reported: dict[str, list[str]] = {}
    internal: dict[str, str] = {}
    for node in sorted(nodes, key=lambda n: n.name):
        links = node.links.values()
        found = {str(each.ip) for link in links for each in link.ipv4}
        found |= {str(each.ip) for link in links for each in link.ipv6}
        for address in (*found, *node.internal_addresses):
            own.setdefault(address, set()).add(node.name)
        for address in node.internal_addresses:
            internal.setdefault(address, node.name)
        for address in found:
            reported.setdefault(address, []).append(node.name)
    alone = {address: names[0] for address, names in reported.items() if len(names) == 1}
    return Hosts({address: frozenset(names) for address, names in own.items()}, {**alone, **internal})
