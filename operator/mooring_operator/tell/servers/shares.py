"""What a node has of each VirtualServer."""

from collections.abc import Iterable, Mapping

from mooring_api.node_server import NodeVirtualServer

#: `namespace/name` to its entries on one node, in their order.
Shares = Mapping[str, tuple[NodeVirtualServer, ...]]


def by_server(servers: Iterable[NodeVirtualServer]) -> Shares:
    """A node's entries by VirtualServer, in their order."""
    found: dict[str, list[NodeVirtualServer]] = {}
    for server in servers:
        found.setdefault(server.virtual_server or "", []).append(server)
    return {key: tuple(own) for key, own in found.items()}
