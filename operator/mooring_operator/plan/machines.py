"""Which addresses are machines' own, so that no VirtualIP may have them. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mooring_api.addresses import address_key
from mooring_operator.plan.snapshot import Node


class Owner(NamedTuple):
    """The node that has an address, and the interface that its daemon reports it on; None: it is its InternalIP."""

    node: str
    interface: str | None = None

    def __str__(self) -> str:
        """After `is` or `has become`."""
        if self.interface is None:
            return f"the InternalIP of node {self.node}"
        return f"an address of node {self.node} on {self.interface}"


def machines_of(nodes: Iterable[Node]) -> Mapping[str, Owner]:
    """Each address (see address_key) to a node that has it; of several the first by name, an InternalIP before all.

    A report has neither pods' interfaces nor what Mooring holds.
    """
    found: dict[str, Owner] = {}
    internal: dict[str, Owner] = {}
    for node in sorted(nodes, key=lambda n: n.name):
        for address in node.internal_addresses:
            internal.setdefault(address, Owner(node.name))
        for link in node.links.values():
            for own in (*link.ipv4, *link.ipv6, *link.link_local):
                found.setdefault(address_key(str(own), link.name), Owner(node.name, link.name))
    return {**found, **internal}
