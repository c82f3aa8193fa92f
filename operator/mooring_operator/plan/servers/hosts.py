"""Which addresses are whose: what tells a backend on a node's own network from one on the pod network."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network

from mooring_operator.plan.snapshot import Node

_NONE: frozenset[str] = frozenset()
#: Address to the nodes that have it.
_Owners = Mapping[str, frozenset[str]]
_Networks = dict[str, set[IPv4Network | IPv6Network]]
#: An address as everybody writes it, and with its subnet.
_Reported = tuple[str, IPv4Interface | IPv6Interface]


@dataclass(frozen=True, slots=True)
class Hosts:
    """The nodes' own addresses: by their InternalIPs, which kubelets write, and by what their daemons report.

    Pod interfaces and addresses that Mooring holds are not in a report. A report may be a lie: of all the API has, who
    takes a daemon's token may write this one thing. So nothing here lets one node's report alone take an address from
    another node.
    """

    internal: _Owners = field(default_factory=dict)
    reported: _Owners = field(default_factory=dict)
    """By reports alone: without InternalIPs, which are their Node's whoever else reports them."""
    shared: frozenset[str] = _NONE
    """Of `reported`: those in a subnet in which two nodes, one of them the reporter, have InternalIPs."""

    def has(self, node: str, address: str) -> bool:
        return node in self.internal.get(address, _NONE) or node in self.reported.get(address, _NONE)

    def claimants(self, address: str) -> frozenset[str]:
        """Who reports an address that reports can show to be a node's own; empty: they can't, or nobody does.

        One node's word counts on the segment that another node says it shares with it. The length of a prefix is as
        easily a lie as an address, so the node's own subnets would end nowhere. Elsewhere it takes two, of which one
        at least has it (a bridge's 172.17.0.1).
        """
        nodes = self.reported.get(address, _NONE)
        return nodes if len(nodes) > 1 or address in self.shared else _NONE

    def homes(self, address: str) -> tuple[str, ...]:
        """The nodes that may be the machine of that address: one, or two of which one does not tell the truth.

        None where more report it: then two have it at least, and no packet for it needs to leave a node.
        """
        if internal := self.internal.get(address):
            return (min(internal),)
        nodes = self.reported.get(address, _NONE)
        return tuple(sorted(nodes)) if len(nodes) <= 2 else ()

    def among(self, addresses: Collection[str]) -> "Hosts":
        """What there is of these addresses."""
        return Hosts(
            {address: self.internal[address] for address in addresses if address in self.internal},
            {address: self.reported[address] for address in addresses if address in self.reported},
            self.shared.intersection(addresses),
        )


def hosts_of(nodes: Iterable[Node]) -> Hosts:
    """What these nodes have; their order does not matter."""
    nodes = tuple(nodes)
    internal: dict[str, set[str]] = {}
    for node in nodes:
        for address in node.internal_addresses:
            internal.setdefault(address, set()).add(node.name)
    reports = {node.name: list(_reported(node)) for node in nodes}
    subnets = _shared_subnets(nodes, reports)
    reported: dict[str, set[str]] = {}
    shared: set[str] = set()
    for name, own in reports.items():
        for address, each in own:
            if address in internal:
                continue
            reported.setdefault(address, set()).add(name)
            if any(each.ip in subnet for subnet in subnets[name]):
                shared.add(address)
    return Hosts(_frozen(internal), _frozen(reported), frozenset(shared))


def _reported(node: Node) -> Iterator[_Reported]:
    for link in node.links.values():
        for each in (link.ipv4, link.ipv6):
            yield from ((str(own.ip), own) for own in each)


def _shared_subnets(nodes: Iterable[Node], reports: Mapping[str, Sequence[_Reported]]) -> _Networks:
    """Node to the subnets of its InternalIPs that another node reports for its own InternalIP as well."""
    found: _Networks = {}
    counts: dict[IPv4Network | IPv6Network, int] = {}
    for node in nodes:
        own = {each.network for address, each in reports[node.name] if address in node.internal_addresses}
        for subnet in own:
            counts[subnet] = counts.get(subnet, 0) + 1
        found[node.name] = own
    return {name: {subnet for subnet in own if counts[subnet] > 1} for name, own in found.items()}


def _frozen(owners: Mapping[str, set[str]]) -> _Owners:
    return {address: frozenset(names) for address, names in owners.items()}
