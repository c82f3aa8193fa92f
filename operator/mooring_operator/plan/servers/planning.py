"""All VirtualServers together, with a memory: what did not change is neither worked out again nor made anew."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_

from mooring_api.access import PortGuardMode, TenantFeature
from mooring_api.balancing import Forwarding
from mooring_api.node_server import BackendAddress
from mooring_api.nodeconfig import HeldAddress
from mooring_api.problems import Problem
from mooring_api.virtualserver import VirtualServer
from mooring_operator.plan.allocations import PortKey
from mooring_operator.plan.endpoints import EndpointSlice
from mooring_operator.plan.placement import Placed
from mooring_operator.plan.servers.access import Grant, grant, without_virtual_ip
from mooring_operator.plan.servers.bearers import Bearer, Bearers
from mooring_operator.plan.servers.claims import Claimed, claims
from mooring_operator.plan.servers.entries import Entry
from mooring_operator.plan.servers.hosting import Homes, addresses_of, homes_of
from mooring_operator.plan.servers.hosts import hosts_of
from mooring_operator.plan.servers.keeping import Direct, unknown_at, with_kept
from mooring_operator.plan.servers.plans import ServerFinding, ServerPlan, ServerReason
from mooring_operator.plan.servers.ports import entries_of
from mooring_operator.plan.servers.reach import Reach
from mooring_operator.plan.servers.services import Candidates, Kept, Services
from mooring_operator.plan.snapshot import Node, Snapshot, named_service, server_age, virtual_server_name


@dataclass(slots=True)
class _Memory:
    """What was worked out for one VirtualServer, with what it was worked out from."""

    server: VirtualServer
    direct: bool
    """Whether anything of it is forwarded in another way than by NAT."""
    bearer: Bearer | None
    labels: Mapping[str, str] | None
    unknown: bool
    """Its VirtualIP can't be read, or its endpoints are being listed."""
    grant: Grant
    claimed: Claimed = field(default_factory=Claimed)
    slices: Sequence[EndpointSlice] | None = ()
    asked: frozenset[str] = frozenset()
    """The addresses that it may have as backends."""
    world: Reach | None = None
    """Of all addresses: what `reach` was cut out of."""
    reach: Reach = field(default_factory=Reach)
    entries: tuple[Entry, ...] = ()
    findings: tuple[ServerFinding, ...] = ()
    homes: Homes = field(default_factory=dict)
    plan: ServerPlan | None = None


#: A VirtualServer's key, itself, and the Service that it names.
_Named = tuple[str, VirtualServer, str | None]


class ServerPlanner:
    """One for a Planner. What it gives follows from its arguments alone."""

    def __init__(self) -> None:
        self._memories: dict[str, _Memory] = {}
        self._servers: tuple[VirtualServer, ...] = ()
        self._in_order: tuple[_Named, ...] = ()
        self._claimants: tuple[_Named, ...] = ()
        self._given: tuple[Grant, ...] = ()
        self._claimed: dict[str, Claimed] = {}
        self._had: Mapping[PortKey, str] = {}
        self._unknown: frozenset[str] = frozenset()
        self.owners: dict[PortKey, str] = {}
        """Whose each port is, after the last plan."""
        self._world = Reach()
        self._homes: tuple[Homes, ...] = ()
        self._kept_bearers = Bearers()
        self._bearers: Mapping[str, Bearer] = {}
        self._unread: dict[str, frozenset[str]] = {}
        self.services = Services()

    def bearers(
        self, placed: Mapping[str, tuple[Placed, Sequence[HeldAddress]]], planned: Collection[str]
    ) -> Mapping[str, Bearer]:
        """The VirtualIPs by name, from where their groups were placed and their own addresses; the plan's next step.

        `planned` names the groups that nodes are to run.
        """
        self._kept_bearers.next()
        self._bearers = {name: self._kept_bearers.of(*parts, planned) for name, parts in placed.items()}
        return self._bearers

    def candidates(self, virtual_ip: str) -> Candidates:
        """Which nodes may hold addresses of a VirtualIP, with the interfaces."""
        bearer = self._bearers.get(virtual_ip)
        return bearer.candidates if bearer else {}

    def plan(
        self,
        snapshot: Snapshot,
        bearers: Mapping[str, Bearer],
        nodes: Mapping[str, Node],
        changed: set[str],
        had: Mapping[PortKey, str],
    ) -> tuple[dict[str, ServerPlan], set[str]]:
        """The plan of each VirtualServer, and the nodes whose services may have changed; `changed` nodes may differ.

        `had` is whose each port was; `services` has then what the nodes run.
        """
        hosts = hosts_of(nodes.values()) if changed else self._world.hosts
        virtual = {address: name for name, bearer in bearers.items() for address in bearer.addresses}
        if (world := Reach(hosts, virtual)) != self._world:
            self._world = world
        in_order = self._sorted(snapshot.virtual_servers)
        before = self._memories
        self._memories = {}
        for key, server, service in in_order:
            bearer = bearers.get(server.spec.virtual_ip_ref.name)
            labels = snapshot.namespaces.get(server.metadata.namespace or "")
            if bearer is None:
                unknown = server.spec.virtual_ip_ref.name in snapshot.unreadable
            else:
                # While they are being listed it would seem to have none.
                unknown = service is not None and service not in snapshot.endpoints
            self._memories[key] = _granted(server, bearer, labels, unknown, before.get(key))
        self._claim(snapshot.unreadable_servers, had)
        plans: dict[str, ServerPlan] = {}
        for key, _, service in in_order:
            memory = self._memories[key]
            self._find(memory, self._claimed[key], snapshot.endpoints.get(service) if service else ())
            self._host(memory, nodes, changed)
            plans[key] = memory.plan = memory.plan or _sum_up(memory)
        for key in snapshot.unreadable_servers:
            plans[key] = _unreadable(key, snapshot.problems)
        dirty = self._serve(snapshot, bearers, nodes, changed)
        return with_kept(dict(sorted(plans.items())), self._unread), dirty

    def _sorted(self, servers: tuple[VirtualServer, ...]) -> tuple[_Named, ...]:
        """The oldest first."""
        if not _same(servers, self._servers):
            self._servers = servers
            self._in_order = tuple((s.key, s, named_service(s)) for s in sorted(servers, key=server_age))
        return self._in_order

    def _claim(self, unreadable: frozenset[str], had: Mapping[PortKey, str]) -> None:
        memories = self._memories.values()
        given = tuple(memory.grant for memory in memories)
        unknown = unreadable.union(key for key, m in self._memories.items() if m.unknown and not m.grant.addresses)
        same = self._claimants is self._in_order and _same(given, self._given) and unknown == self._unknown
        # Whoever has a port keeps it, so from what came out the same comes out again.
        if not (same and had in (self._had, self.owners)):
            self._claimants, self._given, last = self._in_order, given, self._claimed
            self._unknown, self._had = unknown, had
            found, self.owners = claims([(memory.server, memory.grant) for memory in memories], had, unknown)
            self._claimed = {k: b if (b := last.get(k)) == claimed else claimed for k, claimed in found.items()}

    def _find(self, memory: _Memory, claimed: Claimed, slices: Sequence[EndpointSlice] | None) -> None:
        """Its backends; of nodes and VirtualIPs those matter whose addresses it has."""
        same = memory.claimed is claimed and memory.slices is slices
        free = (
            memory.bearer is not None and TenantFeature.STATIC_SERVERS in memory.bearer.virtual_ip.spec.tenant_features
        )
        if same and memory.world is self._world and memory.reach.free is free:
            return
        if memory.world is None or memory.slices is not slices:
            memory.asked = _asked(memory.server, slices or ())
        memory.world, reach = self._world, self._world.among(memory.asked, free)
        if same and memory.reach == reach:
            return
        memory.claimed, memory.slices, memory.reach = claimed, slices, reach
        entries, memory.findings = ((), ()) if slices is None else entries_of(memory.server, claimed, slices, reach)
        known = {entry.plan.entry: entry for entry in memory.entries}
        memory.entries = tuple(k if (k := known.get(entry.plan.entry)) == entry else entry for entry in entries)
        memory.plan = None

    def _host(self, memory: _Memory, nodes: Mapping[str, Node], changed: set[str]) -> None:
        homes = {home for entry in memory.entries for home in entry.homes} if memory.direct else set()
        if memory.plan is None or not homes.isdisjoint(changed):
            assert memory.bearer is not None or not homes, "without a VirtualIP there is nothing to answer for"
            found = homes_of(memory.bearer.virtual_ip, memory.entries, nodes) if memory.bearer and homes else {}
            memory.homes = memory.homes if memory.homes == found else found

    def _serve(
        self,
        snapshot: Snapshot,
        bearers: Mapping[str, Bearer],
        nodes: Mapping[str, Node],
        changed: set[str],
    ) -> set[str]:
        """Bring `services` up to date; the nodes for which something may be different."""
        last = self.services
        by_virtual_ip: dict[str, list[Entry]] = {}
        for memory in self._memories.values():
            if memory.entries:
                by_virtual_ip.setdefault(memory.server.spec.virtual_ip_ref.name, []).extend(memory.entries)
        entries = {
            name: before if _same(before := last.entries.get(name, ()), found) else tuple(found)
            for name, found in by_virtual_ip.items()
        }
        modes = ((name, bearer.virtual_ip.spec.port_guard) for name, bearer in bearers.items())
        guards = {name: mode for name, mode in modes if mode is not PortGuardMode.OFF}
        direct = self._direct()
        self._unread = unknown_at(direct, bearers, nodes, snapshot.hosting)
        services = Services(entries, self._hosted(last), guards, nodes, self._kept(snapshot, bearers), direct)
        dirty = set(changed)
        stay = services.kept.servers ^ last.kept.servers
        for name, bearer in bearers.items():
            near = services.directs(name) and not changed.isdisjoint(bearer.candidates)
            same = entries.get(name) is last.entries.get(name) and guards.get(name) == last.guards.get(name)
            if near or not same or not stay.isdisjoint(direct.get(name, ())):
                dirty.update(bearer.held)
        hosted = services.hosted
        dirty.update(n for n in {*hosted, *last.hosted} if hosted.get(n) is not last.hosted.get(n))
        self.services = last if _unchanged(last, services, bool(changed)) else services
        return dirty

    def _direct(self) -> Direct:
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for key, memory in self._memories.items():
            if memory.direct and memory.grant.addresses:
                found.setdefault(memory.server.spec.virtual_ip_ref.name, {})[key] = tuple(memory.grant.addresses)
        return found

    def _kept(self, snapshot: Snapshot, bearers: Mapping[str, Bearer]) -> Kept:
        known = self._memories.items()
        kept = [m for key, m in known if key in self._unread or (m.plan is not None and m.plan.kept)]
        others: frozenset[str] | None = frozenset()
        if snapshot.unreadable_servers:
            others = None
        elif snapshot.unreadable:
            others = frozenset(address for bearer in bearers.values() for address in bearer.addresses)
        return Kept(
            snapshot.unreadable_servers.union(memory.server.key for memory in kept),
            snapshot.unreadable,
            frozenset(address for memory in kept for address in memory.grant.addresses),
            others,
        )

    def _hosted(self, last: Services) -> Mapping[str, tuple[BackendAddress, ...]]:
        homes = tuple(memory.homes for memory in self._memories.values() if memory.homes)
        if _same(homes, self._homes):
            return last.hosted
        self._homes = homes
        found = addresses_of(homes)
        return {n: before if (before := last.hosted.get(n)) == made else made for n, made in found.items()}


def _granted(
    server: VirtualServer,
    bearer: Bearer | None,
    labels: Mapping[str, str] | None,
    unknown: bool,
    known: _Memory | None,
) -> _Memory:
    """The memory with what the VirtualServer may use, which is the same object as long as it is equal."""
    if known is not None and known.server is server:
        if known.bearer is bearer and known.labels == labels and known.unknown is unknown:
            return known
        given = _grant(server, bearer, labels, unknown)
        known.grant = known.grant if known.grant == given else given
        known.bearer, known.labels, known.unknown, known.plan = bearer, labels, unknown, None
        return known
    given = _grant(server, bearer, labels, unknown)
    return _Memory(server, _direct(server), bearer, labels, unknown, given, entries=known.entries if known else ())


def _grant(server: VirtualServer, bearer: Bearer | None, labels: Mapping[str, str] | None, unknown: bool) -> Grant:
    if bearer is None:
        return without_virtual_ip(server, unreadable=unknown)
    return grant(server, bearer.virtual_ip, bearer.addresses, labels)


def _asked(server: VirtualServer, slices: Iterable[EndpointSlice]) -> frozenset[str]:
    spec = server.spec
    own = [each.address for each in spec.backends.servers]
    own += [spec.sorry_server.address] if spec.sorry_server else []
    return frozenset((*own, *(endpoint.address for each in slices for endpoint in each.endpoints)))


def _direct(server: VirtualServer) -> bool:
    spec = server.spec
    others = [each.forwarding for each in spec.backends.servers]
    others += [spec.sorry_server.forwarding] if spec.sorry_server else []
    return any(each not in (None, Forwarding.NAT) for each in (spec.forwarding, *others))


def _sum_up(memory: _Memory) -> ServerPlan:
    used = {address for entry in memory.entries for address in entry.plan.addresses}
    held = memory.bearer.held if memory.bearer else {}
    return ServerPlan(
        memory.server.spec.virtual_ip_ref.name,
        (*memory.grant.findings, *memory.claimed.findings, *memory.findings),
        tuple(entry.plan for entry in memory.entries),
        tuple(sorted(node for node, own in held.items() if not used.isdisjoint(own))),
        memory.unknown and (memory.bearer is None or bool(memory.grant.addresses)),
    )


def _unreadable(key: str, problems: Iterable[Problem]) -> ServerPlan:
    own = (problem for problem in problems if problem.object == virtual_server_name(key))
    return ServerPlan("", tuple(ServerFinding(ServerReason.INVALID, problem) for problem in own), kept=True)


def _same(some: Sequence[object], others: Sequence[object]) -> bool:
    """Whether they hold the same objects."""
    return len(some) == len(others) and all(map(is_, some, others))


def _unchanged(last: Services, now: Services, nodes_changed: bool) -> bool:
    return (
        not nodes_changed
        and last.entries.keys() == now.entries.keys()
        and all(now.entries[name] is own for name, own in last.entries.items())
        and last.hosted is now.hosted
        and (last.guards, last.kept, last.direct) == (now.guards, now.kept, now.direct)
    )
