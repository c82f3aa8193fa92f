"""Everything that the conditions of VirtualIPs are judged from, at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from mooring_api.nodeconfig import Instance
from mooring_operator.plan.allocations import group_name
from mooring_operator.plan.choosing import NOT_REPORTED
from mooring_operator.plan.planner import Plan
from mooring_operator.stage.skew import ALIKE, Skew
from mooring_operator.stage.staging import Staged, Waiting
from mooring_operator.tell.reports import Reports, by_virtual_ip


@dataclass(frozen=True)
class Scene:
    """What is wanted, what may be written of it now, and what the nodes say.

    `ready` names the Nodes that are Ready, `paused` the VirtualIPs whose plan is kept as it stands. `skew` is what
    daemons of another release can't be given. `unplanned`: see there.
    """

    plan: Plan
    staged: Staged
    reports: Reports
    ready: frozenset[str]
    paused: frozenset[str] = field(default_factory=frozenset)
    skew: Skew = ALIKE
    unplanned: Mapping[str, Waiting] = field(default_factory=dict)

    @cached_property
    def shares(self) -> Mapping[str, Mapping[str, tuple[Instance, ...]]]:
        """VirtualIP to node to the instances that the node is to run now; all of them while nothing moves."""
        found: dict[str, dict[str, tuple[Instance, ...]]] = {}
        for node, config in sorted(self.staged.node_configs.items()):
            for virtual_ip, own in by_virtual_ip(config.spec.instances).items():
                found.setdefault(virtual_ip, {})[node] = own
        return found

    @cached_property
    def waiting(self) -> Mapping[str, tuple[Waiting, ...]]:
        """VirtualIP to the steps that wait."""
        found: dict[str, tuple[Waiting, ...]] = {}
        for each in self.staged.waiting:
            found[each.virtual_ip] = (*found.get(each.virtual_ip, ()), each)
        return found

    def unreported(self, virtual_ip: str) -> list[str]:
        """Nodes that would be members of a group and have not told their interfaces."""
        allocation = self.plan.allocations.virtual_ips.get(virtual_ip)
        groups = (group_name(virtual_ip, index) for index in range(len(allocation.groups) if allocation else 0))
        found = {n for group in groups for n, why in self.plan.reasons.get(group, {}).items() if why == NOT_REPORTED}
        return sorted(found)
