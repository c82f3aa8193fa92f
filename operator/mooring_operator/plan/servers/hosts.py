"""Which addresses are whose: what tells a backend on a node's own network from one on the pod network."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mooring_operator.plan.snapshot import Node

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Hosts:
    """The nodes' own addresses, by their InternalIPs and their daemons' reports.

    Pod interfaces and addresses that Mooring holds are not in a report.
    """

    own: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Node to its addresses."""
    of_address: Mapping[str, str] = field(default_factory=dict)
    """Address to the one node that has it; not there where several do (a bridge's 172.17.0.1)."""

    def has(self, node: str, address: str) -> bool:
        return address in self.own.get(node, _NONE)


def hosts_of(nodes: Iterable[Node]) -> Hosts:
    """An InternalIP is its node's, whoever else reports it."""
    own: dict[str, frozenset[str]] = {}
    reported: dict[str, list[str]] = {}
    internal: dict[str, str] = {}
    for node in sorted(nodes, key=lambda n: n.name):
        links = node.links.values()
        found = {str(each.ip) for link in links for each in link.ipv4}
        found |= {str(each.ip) for link in links for each in link.ipv6}
        own[node.name] = frozenset((*found, *node.internal_addresses))
        for address in node.internal_addresses:
            internal.setdefault(address, node.name)
        for address in found:
            reported.setdefault(address, []).append(node.name)
    alone = {address: names[0] for address, names in reported.items() if len(names) == 1}
    return Hosts(own, {**alone, **internal})
