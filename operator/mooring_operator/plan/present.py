"""Who has a part in which group now, and from which address it speaks: what stands in the NodeConfigs. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from mooring_api.nodeconfig import Instance
from mooring_api.vrrp import Family
from mooring_operator.plan.allocations import bare


class Part(NamedTuple):
    """One node's part in one family of a group. `source` is without zone, `first` the group's first address there."""

    interface: str | None
    source: str
    first: str
    virtual_router_id: int


#: By family.
Parts = Mapping[Family, Part]
_NONE: Parts = {}
#: VirtualIP to group to parts.
_OfNode = Mapping[str, Mapping[str, Parts]]


class Present:
    """The parts of all nodes, with a memory: a node whose instances are the same object is not read again."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[tuple[Instance, ...], _OfNode]] = {}
        self._members: dict[tuple[str, str], set[str]] = {}

    def see(self, standing: Mapping[str, tuple[Instance, ...]]) -> set[str]:
        """Take in what stands; the VirtualIPs of which some part is another one than before."""
        changed: set[str] = set()
        for node in self._read.keys() - standing.keys():
            old = self._read.pop(node)[1]
            changed |= old.keys()
            self._move(node, old, {})
        for node, instances in standing.items():
            before = self._read.get(node)
            if before is not None and before[0] is instances:
                continue
            old, new = before[1] if before else {}, _of_node(instances)
            changed |= {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
            self._read[node] = (instances, new)
            self._move(node, old, new)
        return changed

    def _move(self, node: str, old: _OfNode, new: _OfNode) -> None:
        for virtual_ip, groups in old.items():
            for group in groups:
                self._members[virtual_ip, group].discard(node)
        for virtual_ip, groups in new.items():
            for group in groups:
                self._members.setdefault((virtual_ip, group), set()).add(node)
        for key in [(virtual_ip, group) for virtual_ip, groups in old.items() for group in groups]:
            if not self._members[key]:
                del self._members[key]

    def members(self, virtual_ip: str, group: str) -> Collection[str]:
        """The nodes that have a part in that group."""
        return self._members.get((virtual_ip, group), ())

    def of(self, node: str, virtual_ip: str, group: str) -> Parts:
        """The node's parts in that group; empty where it has none."""
        read = self._read.get(node)
        return read[1].get(virtual_ip, {}).get(group, _NONE) if read else _NONE


def _of_node(instances: Iterable[Instance]) -> _OfNode:
    found: dict[str, dict[str, dict[Family, Part]]] = {}
    for instance in instances:
        if not instance.virtual_ip or not instance.transport.source or not instance.addresses:
            continue
        source = instance.transport.source.partition("%")[0]
        part = Part(instance.interface, source, bare(instance.addresses[0]), instance.virtual_router_id)
        found.setdefault(instance.virtual_ip, {}).setdefault(instance.group_name, {})[instance.family] = part
    return found
