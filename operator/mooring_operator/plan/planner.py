"""plan(): what every node runs, what every VirtualIP is told, and why: a pure function of its arguments."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from mooring_api.nodeconfig import MAX_INSTANCES, HeldAddress, Instance, Metadata, NodeConfig
from mooring_api.problems import Problem
from mooring_api.virtualip import VirtualIP, VirtualIPStatus
from mooring_operator.plan.allocate import Claim, own_addresses, virtual_router_ids, without_room
from mooring_operator.plan.allocations import Allocation, Allocations, bare
from mooring_operator.plan.exclusion import LABELLED, labelled
from mooring_operator.plan.findings import Finding
from mooring_operator.plan.machines import Owner, machines_of
from mooring_operator.plan.memory import Grounds, Memory
from mooring_operator.plan.participation import with_pods
from mooring_operator.plan.placement import Group, Placed, place
from mooring_operator.plan.pods import selection_of
from mooring_operator.plan.present import Present
from mooring_operator.plan.ranking import Ring
from mooring_operator.plan.rendering import status_of_unreadable
from mooring_operator.plan.segments import segments_of
from mooring_operator.plan.selection import Selection
from mooring_operator.plan.servers.planning import ServerPlanner
from mooring_operator.plan.servers.plans import ServerPlans, services_in, spec_of
from mooring_operator.plan.servers.services import At, Services, without_strangers
from mooring_operator.plan.servers.shortages import with_shortages
from mooring_operator.plan.servers.tracking import not_tracked
from mooring_operator.plan.snapshot import Node, Snapshot, age, virtual_ip_name
from mooring_operator.plan.sources import Refused, of_other_nodes, refused, reported_by


@dataclass(frozen=True)
class Plan:
    """The whole result. `reasons`: group name to node to a sentence, for all nodes that were looked at for it.
    `remarks`: VirtualIP to what the exclusion label, or the pods that it asks for, change, where they do.
    `servers`: `namespace/name` to what is planned of each VirtualServer, and what is to be said of it. `services`:
    what follows for a node from the instances that it runs; the NodeConfigs have it already. `kept`: VirtualIPs of
    which not all can be made: their nodes go on with what they have."""

    node_configs: Mapping[str, NodeConfig]
    statuses: Mapping[str, VirtualIPStatus]
    problems: tuple[Problem, ...]
    allocations: Allocations
    reasons: Mapping[str, Mapping[str, str]]
    remarks: Mapping[str, str] = field(default_factory=dict)
    servers: ServerPlans = field(default_factory=dict)
    services: Services = field(default_factory=Services)
    kept: frozenset[str] = frozenset()


def plan(snapshot: Snapshot, allocations: Allocations) -> Plan:
    """Plan everything from nothing but the arguments. Allocations of VirtualIPs that are gone are dropped."""
    return Planner().plan(snapshot, allocations)


class Planner:
    """plan() with a memory: the result is equal, and what did not change costs little and stays identical."""

    def __init__(self) -> None:
        self._memories: dict[str, Memory] = {}
        self._nodes: dict[str, Node] = {}
        self._selection = Selection()
        self._labelled: frozenset[str] = frozenset()
        self._segments: Mapping[str, str] = {}
        self._machines: Mapping[str, Owner] = {}
        self._present = Present()
        self._reported: Mapping[str, tuple[str, ...]] = {}
        self._of_others: Mapping[str, Refused] = {}
        self._refused: Mapping[str, Refused] = {}
        self._configs: dict[str, NodeConfig] = {}
        self._servers = ServerPlanner()
        self._shortages: dict[str, At] = {}

    def plan(self, snapshot: Snapshot, allocations: Allocations) -> Plan:
        """Equal to plan(snapshot, allocations); NodeConfigs that did not change are the same objects as before."""
        changed = self._see(snapshot.nodes)
        oldest_first = sorted(snapshot.virtual_ips, key=age)
        addresses, findings = own_addresses(oldest_first, self._machines, allocations)
        changed |= self._refuse(addresses, snapshot, allocations)
        moved = self._present.see(snapshot.standing)
        memories: dict[str, Memory] = {}
        for virtual_ip in oldest_first:
            name = virtual_ip.metadata.name
            prior = allocations.virtual_ips.get(name)
            nodes = virtual_ip.spec.nodes
            carrying = snapshot.pod_nodes.get(selection_of(nodes.pods)) if nodes.pods else None
            grounds = Grounds(virtual_ip, addresses[name], self._selection.of(nodes.selector), carrying, prior)
            memories[name] = self._place(grounds, changed, name in moved)
        vrids, told = self._virtual_router_ids(oldest_first, memories, allocations, snapshot)
        full = without_room({name: memory.needs(vrids) for name, memory in memories.items()}, MAX_INSTANCES)
        for name, finding in (*told, *full):
            findings.setdefault(name, []).append(finding)
        for group in (group for name, _ in full for group in memories[name].placed.groups):
            vrids.pop(group.name, None)
        bearers = self._servers.bearers({name: (m.placed, m.grounds.addresses) for name, m in memories.items()}, vrids)
        servers, dirty = self._servers.plan(snapshot, bearers, self._nodes, changed, allocations.ports)
        for name, finding in not_tracked(bearers, servers):
            findings.setdefault(name, []).append(finding)
        dirty |= set(self._nodes) - set(self._configs)
        for name in set(self._memories) - set(memories):
            dirty.update(self._memories[name].made)
        for name, memory in memories.items():
            own = {g.name: vrids[g.name] for g in memory.placed.groups if g.name in vrids}
            dirty.update(memory.render(own, tuple(findings.get(name, ()))))
        self._memories = memories
        self._write(dirty & self._nodes.keys())
        return self._result(snapshot, allocations, with_shortages(servers, self._shortages))

    def _see(self, nodes: Sequence[Node]) -> set[str]:
        """Take the nodes in; the names of those that differ from the last ones, are new or gone."""
        before = self._nodes
        changed = {node.name for node in nodes if before.get(node.name) is not node}
        self._nodes = {
            node.name: before[node.name] if before.get(node.name) == node else node
            for node in sorted(nodes, key=lambda n: n.name)
        }
        changed = {name for name in changed if before.get(name) is not self._nodes[name]}
        changed |= before.keys() - self._nodes.keys()
        self._selection.see(self._nodes, changed)
        if changed:
            self._labelled = labelled(self._nodes.values())
        if any(_own(before.get(name)) != _own(self._nodes.get(name)) for name in changed):
            self._machines = machines_of(self._nodes.values())
            self._reported = reported_by(self._nodes.values())
            self._of_others = of_other_nodes(self._nodes, self._reported)
        if any(_reported(before.get(name)) != _reported(self._nodes.get(name)) for name in changed):
            self._segments = segments_of(self._nodes.values())
        return changed

    def _refuse(
        self, addresses: Mapping[str, Sequence[HeldAddress]], snapshot: Snapshot, allocations: Allocations
    ) -> set[str]:
        """Work out what nodes may not speak from; the nodes for which that is another than before."""
        virtual = {name: [bare(address) for address in own] for name, own in addresses.items()}
        for name in snapshot.unreadable & allocations.virtual_ips.keys():
            virtual[name] = list(allocations.virtual_ips[name].assignment)
        before, self._refused = self._refused, refused(self._of_others, virtual, self._reported)
        names = before.keys() | self._refused.keys()
        return {name for name in names if before.get(name) != self._refused.get(name)}

    def _place(self, grounds: Grounds, changed: set[str], moved: bool) -> Memory:
        name = grounds.virtual_ip.metadata.name
        known = self._memories.get(name)
        if known and not moved and known.holds(grounds, changed):
            known.keep(grounds)
            return known
        ring = known.ring if known else Ring(name)
        placed = place(
            grounds.virtual_ip,
            grounds.addresses,
            grounds.eligible,
            self._nodes,
            grounds.prior,
            ring,
            self._labelled,
            self._present,
            self._refused,
        )
        placed = with_pods(placed, grounds.carrying)
        return known.after(placed, grounds) if known else Memory(ring, placed, grounds)

    def _virtual_router_ids(
        self,
        virtual_ips: Iterable[VirtualIP],
        memories: Mapping[str, Memory],
        allocations: Allocations,
        snapshot: Snapshot,
    ) -> tuple[dict[str, int], list[tuple[str, Finding]]]:
        claims = [c for v in virtual_ips for c in self._claims(memories[v.metadata.name].placed)]
        reserved = {
            name: vrid
            for virtual_ip in snapshot.unreadable
            if (allocation := allocations.virtual_ips.get(virtual_ip))
            for name, vrid in Allocations({virtual_ip: allocation}).virtual_router_ids.items()
        }
        return virtual_router_ids(claims, self._heard(), reserved)

    def _claims(self, placed: Placed) -> Iterable[Claim]:
        explicit = placed.virtual_ip.spec.vrrp.virtual_router_ids
        for group in placed.groups:
            networks = group.networks
            yield Claim(
                group.name,
                placed.virtual_ip.metadata.name,
                group.index,
                tuple(group.addresses),
                None if networks is None else frozenset(self._segments[network] for network in networks),
                bool(group.members),
                explicit[group.index] if group.index < len(explicit) else None,
                placed.allocation.groups[group.index].virtual_router_id,
                self._stands(placed, group),
                group.unread,
            )

    def _stands(self, placed: Placed, group: Group) -> bool:
        """Whether a member runs with the virtual router ID that is written for the group, or else allocated to it."""
        written = dict(enumerate(placed.virtual_ip.spec.vrrp.virtual_router_ids)).get(group.index)
        wanted = placed.allocation.groups[group.index].virtual_router_id if written is None else written
        parts = (self._present.of(m.node, placed.virtual_ip.metadata.name, group.name) for m in group.members)
        return wanted is not None and any(p.virtual_router_id == wanted for own in parts for p in own.values())

    def _heard(self) -> dict[str, set[int]]:
        """VRIDs of strangers by segment."""
        heard: dict[str, set[int]] = {}
        for node in self._nodes.values():
            for router in node.foreign_routers:
                link = node.links.get(router.interface)
                for network in link.networks if link else ():
                    heard.setdefault(self._segments[network], set()).add(router.virtual_router_id)
        return heard

    def _write(self, dirty: Iterable[str]) -> None:
        """Make the NodeConfigs of these nodes anew; one that comes out equal stays the object that it was."""
        in_order = [self._memories[name].made for name in sorted(self._memories)]
        configs, services = dict(self._configs), self._servers.services
        for node in dirty:
            instances: tuple[Instance, ...] = tuple(
                entry[1] for made in in_order if (own := made.get(node)) for entry in own.values()
            )
            found = services.at(node, instances, self._servers.candidates)
            self._shortages.pop(node, None)
            if found.short:
                self._shortages[node] = found
            instances = without_strangers(instances, found.services.virtual_servers, services.kept.servers)
            old = configs.get(node)
            if old is None or old.spec.instances != instances or services_in(old.spec) != found.services:
                spec = spec_of(instances, found.services)
                configs[node] = NodeConfig(metadata=Metadata(name=node), spec=spec)
        self._configs = {name: configs[name] for name in self._nodes}
        self._shortages = {name: at for name, at in self._shortages.items() if name in self._nodes}

    def _result(self, snapshot: Snapshot, allocations: Allocations, servers: ServerPlans) -> Plan:
        statuses: dict[str, VirtualIPStatus] = {}
        kept: dict[str, Allocation] = {}
        reasons: dict[str, Mapping[str, str]] = {}
        problems = list(snapshot.problems)
        for name, memory in sorted(self._memories.items()):
            assert memory.status is not None, "render() has run"
            statuses[name] = memory.status
            kept[name] = memory.allocation
            problems += [f.problem for f in (*memory.placed.findings, *memory.findings, *memory.failed)]
            for group in memory.placed.groups:
                members = {member.node: member.why for member in group.members}
                left_out = {node: f"left out: {why}" for node, why in group.left_out.items()}
                kept_out = dict.fromkeys(sorted(group.kept_out), LABELLED)
                reasons[group.name] = MappingProxyType({**members, **group.silent, **left_out, **kept_out})
        problems += [finding.problem for server in servers.values() for finding in server.findings]
        for name in sorted(snapshot.unreadable):
            allocation = allocations.virtual_ips.get(name)
            own = [p for p in snapshot.problems if p.object == virtual_ip_name(name)]
            statuses[name] = status_of_unreadable(name, allocation, own)
            if allocation:
                kept[name] = allocation
        return Plan(
            MappingProxyType(self._configs),
            MappingProxyType(dict(sorted(statuses.items()))),
            tuple(sorted(dict.fromkeys(problems))),
            Allocations(MappingProxyType(kept), MappingProxyType(self._servers.owners)),
            MappingProxyType(reasons),
            MappingProxyType({n: m.placed.remark for n, m in sorted(self._memories.items()) if m.placed.remark}),
            MappingProxyType(servers),
            self._servers.services,
            frozenset(name for name, memory in self._memories.items() if memory.incomplete),
        )


def _reported(node: Node | None) -> object:
    return node.interfaces if node else None


def _own(node: Node | None) -> object:
    return (node.internal_addresses, node.interfaces) if node else None
