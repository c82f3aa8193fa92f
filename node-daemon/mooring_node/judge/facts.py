"""What of a node a NodeConfig is judged by. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the node's interfaces look like: for instances that name none."""

    subnets: tuple[tuple[str, IPv4Network | IPv6Network], ...] = ()
    default_interfaces: tuple[tuple[int, str], ...] = ()


#: For what names an interface everywhere.
NO_FACTS = NodeFacts()


def facts_of(
    interface_addresses: Iterable[tuple[str, str, int]], default_interfaces: Iterable[tuple[int, str]]
) -> NodeFacts:
    """From (interface, address, prefix length), with the longest prefixes first: the most specific subnet wins."""
    subnets = [
        (interface, ip_network(f"{address}/{length}", strict=False))
        for interface, address, length in interface_addresses
        if interface != "lo"
    ]
    subnets.sort(key=lambda pair: -pair[1].prefixlen)
    return NodeFacts(tuple(subnets), tuple(default_interfaces))
