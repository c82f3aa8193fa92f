"""Everything that the conditions of VirtualServers are judged from, at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mooring_api.node_server import NodeVirtualServer
from mooring_api.nodeconfig_status import ReportedProblem
from mooring_api.virtualip import GroupStatus, VirtualIPStatus
from mooring_operator.plan.servers.plans import ServerPlan
from mooring_operator.tell.reports import Reports
from mooring_operator.tell.servers.shares import Shares

_NOTHING: Shares = {}


@dataclass(frozen=True)
class ServerScene:
    """What is planned, what the nodes are to run of it now, who holds the addresses, and what the nodes say."""

    plans: Mapping[str, ServerPlan]
    shares: Mapping[str, Shares]
    """Node to what it is to run now."""
    reports: Reports
    ready: frozenset[str]
    """The Nodes that are Ready."""
    virtual_ips: Mapping[str, VirtualIPStatus]
    """As they are told at this moment."""
    late: frozenset[str] = frozenset()
    """Nodes that have confirmed nothing new for longer than a running daemon needs."""
    trouble: str = ""
    """Why nobody knows the endpoints of some Services."""
    generations: Mapping[str, int | None] = field(default_factory=dict)
    """Of the VirtualServers' specs."""
    beside: Mapping[str, tuple[tuple[str, ReportedProblem], ...]] = field(default_factory=dict)
    """Address to what nodes can't do for it beside balancing, which backends' nodes may say: each with its node."""

    def share(self, key: str) -> dict[str, tuple[NodeVirtualServer, ...]]:
        """Node to what it is to run of one VirtualServer now."""
        nodes = self.plans[key].nodes
        return {node: own for node in nodes if (own := self.shares.get(node, _NOTHING).get(key))}

    def runs(self, key: str) -> bool:
        """Whether any node is given any of it, be it of a plan from before."""
        return any(key in own for own in self.shares.values())

    def groups(self, virtual_ip: str) -> Mapping[str, GroupStatus]:
        """A VirtualIP's addresses, each with its group."""
        status = self.virtual_ips.get(virtual_ip)
        return {address: group for group in (status.groups if status else ()) for address in group.addresses}
