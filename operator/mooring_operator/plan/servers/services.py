"""What a node runs beside its instances, worked out from those that it runs: the plan's, or a stage's."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mooring_api.access import PortGuardMode
from mooring_api.node_server import (
    MAX_DIRECTORS,
    MAX_SERVERS,
    BackendAddress,
    ConnectionSync,
    GuardedPort,
    NodeVirtualServer,
    PortGuard,
)
from mooring_api.nodeconfig import Instance
from mooring_operator.plan.allocations import bare
from mooring_operator.plan.servers.entries import Entry
from mooring_operator.plan.servers.plans import NOTHING, NodeServices
from mooring_operator.plan.snapshot import Node

#: Of a NodeConfig's spec; etcd takes 1.5 MiB with the status and what the API server adds.
ROOM_BYTES = 1 << 20
#: About what an instance and one of its addresses take.
_INSTANCE_BYTES, _ADDRESS_BYTES = 2200, 130
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_NO_MAC = "00:00:00:00:00:00"

#: Which nodes may hold addresses of a VirtualIP, each with the interfaces that it has them on.
Candidates = Mapping[str, frozenset[str]]
#: A VirtualIP's.
CandidatesOf = Callable[[str], Candidates]


@dataclass(frozen=True, slots=True)
class Kept:
    """Of what nothing can be said at present, so that nodes keep what they run of it."""

    servers: frozenset[str] = frozenset()
    """VirtualServers that can't be read, or whose VirtualIP can't, or whose endpoints are being listed; those with
    other forwarding than NAT, too, where a node's interfaces or its part are not known."""
    virtual_ips: frozenset[str] = frozenset()
    """Those that can't be read."""
    addresses: frozenset[str] = frozenset()
    """Those that VirtualServers use which can be read."""
    others: frozenset[str] | None = frozenset()
    """All addresses of VirtualIPs that can be read; None: a VirtualServer that can't be read may use any of them."""

    def __bool__(self) -> bool:
        return bool(self.servers or self.virtual_ips)

    def may_use(self, address: str) -> bool:
        """Whether an address may be in use by what is kept."""
        if self.others is None or address in self.addresses:
            return True
        return bool(self.virtual_ips) and address not in self.others


@dataclass(frozen=True)
class Services:
    """Everything that is balanced, by VirtualIP, and what follows from it for a node.

    `hosted` is what a node's own servers answer for.
    """

    entries: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    """The oldest VirtualServer first."""
    hosted: Mapping[str, tuple[BackendAddress, ...]] = field(default_factory=dict)
    guards: Mapping[str, PortGuardMode] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    kept: Kept = Kept()
    direct: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """VirtualIP to its VirtualServers with other forwarding than NAT, each with the addresses that it may use."""

    def keeping(self, virtual_ips: Iterable[str]) -> "Services":
        """The same while not all nodes of these VirtualIPs have their parts: who they are others are told by MAC."""
        own = [each for name in virtual_ips if (each := self.direct.get(name))]
        if not own:
            return self
        servers = self.kept.servers.union(*own)
        addresses = self.kept.addresses.union(*(used for each in own for used in each.values()))
        return replace(self, kept=replace(self.kept, servers=servers, addresses=addresses))

    def directs(self, virtual_ip: str) -> bool:
        """Whether candidates of the VirtualIP must know each other, because one of them is a backend."""
        return any(entry.homes for entry in self.entries.get(virtual_ip, ()))

    def at(self, node: str, instances: Sequence[Instance], candidates: CandidatesOf) -> "At":
        """What the node is to run beside these instances."""
        held = held_by(instances)
        mine = [(e, own) for name in held for e in self.entries.get(name, ()) if (own := e.among(held[name]))]
        mine.sort(key=lambda pair: pair[0].age)
        known = self.nodes.get(node)
        zone = known.zone if known else None
        room = ROOM_BYTES - sum(_INSTANCE_BYTES + _ADDRESS_BYTES * len(i.addresses) for i in instances)
        servers: list[NodeVirtualServer] = []
        beyond: list[Entry] = []
        refused: list[tuple[Entry, str]] = []
        elsewhere: list[Entry] = []
        sync: ConnectionSync | None = None
        for entry, addresses in mine:
            directors = self._directors(node, entry, candidates) if node in entry.homes else ()
            if isinstance(directors, str):
                if entry.server.key not in self.kept.servers:
                    refused.append((entry, directors))
                continue
            made, size, why = entry.on(addresses, zone, directors)
            if made is None:
                refused.append((entry, why))
                continue
            if size > room or len(servers) >= MAX_SERVERS:
                beyond.append(entry)
                continue
            room -= size + 1
            servers.append(made)
            if entry.synced:
                interface = held[entry.virtual_ip][addresses[0]]
                sync = sync or ConnectionSync(interface=interface)
                if interface != sync.interface:
                    elsewhere.append(entry)
        hosted = self.hosted.get(node, ())
        found = NodeServices(tuple(servers), hosted, self.guards_of(held, servers), sync)
        return At(found or NOTHING, tuple(beyond), tuple(elsewhere), tuple(refused))

    def _directors(self, node: str, entry: Entry, candidates: CandidatesOf) -> tuple[str, ...] | str:
        """The MACs from which packets come that another node has balanced already, or why they can't be known.

        A packet leaves its director by the interface that leads to the backend, which need not be the address's: so
        all of a node's are its. Two nodes of which one did not know the other's would hand packets to and fro for
        ever, so what can't be told apart is not balanced there; the node still answers for itself.
        """
        found: set[str] = set()
        for other in candidates(entry.virtual_ip):
            reporter = self.nodes.get(other)
            if other == node or reporter is None:
                # Who is no Node any more is about to end.
                continue
            if not reporter.known or reporter.interfaces is None:
                why = "has interfaces that can't be read" if reporter.unread else "has not reported its interfaces"
                return f"{other} {why}, so its packets can't be told from clients'"
            found |= {report.mac.lower() for report in reporter.interfaces}
        told = tuple(sorted(mac for mac in found if _MAC.fullmatch(mac) and mac != _NO_MAC))
        if len(told) > MAX_DIRECTORS:
            return (
                f"the VirtualIP's other candidates have {len(told)} MACs, and a node takes {MAX_DIRECTORS}; lower its"
                " spec.nodes.maxCandidates"
            )
        return told

    def guards_of(
        self, held: Mapping[str, Mapping[str, str | None]], servers: Iterable[NodeVirtualServer]
    ) -> tuple[PortGuard, ...]:
        """For each VirtualIP that wants its addresses guarded: addresses with equal ports are one guard."""
        modes = {name: mode for name in held if (mode := self.guards.get(name, PortGuardMode.OFF)) != PortGuardMode.OFF}
        if not modes:
            return ()
        ports: dict[str, set[tuple[str, int]]] = {}
        for server in servers:
            for address in server.addresses if server.port is not None else ():
                ports.setdefault(address, set()).add((server.protocol, server.port or 0))
        return tuple(guard for name, mode in sorted(modes.items()) for guard in _guards(mode, held[name], ports))


@dataclass(frozen=True, slots=True)
class At:
    """What a node runs, and what of it finds no room, syncs its connections on another interface, or can't be made."""

    services: NodeServices
    beyond: tuple[Entry, ...] = ()
    elsewhere: tuple[Entry, ...] = ()
    refused: tuple[tuple[Entry, str], ...] = ()

    @property
    def short(self) -> bool:
        """Whether anything is to be told."""
        return bool(self.beyond or self.elsewhere or self.refused)


def held_by(instances: Iterable[Instance]) -> dict[str, dict[str, str | None]]:
    """VirtualIP to the addresses that the node may hold, each with its instance's interface."""
    found: dict[str, dict[str, str | None]] = {}
    for instance in instances:
        if instance.virtual_ip is not None:
            own = found.setdefault(instance.virtual_ip, {})
            own.update({bare(address): instance.interface for address in instance.addresses})
    return found


def _guards(mode: PortGuardMode, held: Iterable[str], ports: Mapping[str, set[tuple[str, int]]]) -> Iterator[PortGuard]:
    alike: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for address in held:
        alike.setdefault(tuple(sorted(ports.get(address, ()))), []).append(address)
    for open_ports, addresses in alike.items():
        yield PortGuard(
            addresses=tuple(addresses),
            mode="Enforce" if mode is PortGuardMode.ENFORCE else "Monitor",
            ports=tuple(GuardedPort.model_validate({"protocol": p, "port": n}) for p, n in open_ports),
        )


def without_strangers(
    instances: tuple[Instance, ...], servers: Iterable[NodeVirtualServer], kept: frozenset[str] = frozenset()
) -> tuple[Instance, ...]:
    """The instances without trackers of VirtualServers that the node has nothing of: it would be at Fault for ever.

    It may have those of `kept`.
    """
    if not any(instance.tracking for instance in instances):
        return instances
    there = {server.virtual_server for server in servers} | kept
    return tuple(_tracking_only(instance, there) for instance in instances)


def _tracking_only(instance: Instance, there: frozenset[str] | set[str | None]) -> Instance:
    tracking = tuple(each for each in instance.tracking if each.virtual_server.name in there)
    return instance if len(tracking) == len(instance.tracking) else instance.model_copy(update={"tracking": tracking})
