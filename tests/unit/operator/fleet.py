"""Nodes that take their NodeConfigs late, in any order, and confirm late; and what must hold at every moment."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, permutations
from typing import Any

from mooring_api.nodeconfig import (
    CredentialReport,
    HeldAddress,
    Instance,
    InstanceAuthentication,
    InstanceState,
    InstanceStatus,
    NodeConfig,
    NodeConfigStatus,
    ReportedProblem,
    SecretReference,
    Transport,
)
from mooring_api.reading import read_node_config
from mooring_api.vrrp import Family, TransportType
from mooring_operator.stage.staging import Staged, Stager, stage
from mooring_operator.stage.standing import Standing, standing_of

SECOND = "2026-01-01T12:00:00Z"


@dataclass(frozen=True)
class Wish:
    """What a plan makes of one group; members are node to (priority, eligible)."""

    virtual_ip: str
    index: int
    addresses: tuple[str, ...]
    members: Mapping[str, tuple[int, bool]]
    vrid: int
    version: int = 3
    interval: str = "1s"
    secret: str | None = None
    multicast: bool = False
    lines: Mapping[str, int] = field(default_factory=dict)
    """Node to which of its two lines it speaks on; left out: the first."""

    @property
    def name(self) -> str:
        return f"{self.virtual_ip}-{self.index}"

    def place(self, node: str, family: Family) -> tuple[str, str]:
        """Interface and source."""
        line, number = self.lines.get(node, 0), int(node.removeprefix("n"))
        if family is Family.IPV4:
            return f"eth{line}", f"10.0.{line + 1}.{number}"
        return f"eth{line}", f"fe80::{line + 1}:{number:x}%eth{line}"

    def instances(self, node: str) -> list[Instance]:
        families = {Family.IPV6 if ":" in a else Family.IPV4 for a in self.addresses}
        return [self._instance(node, family, len(families) > 1) for family in sorted(families)]

    def _instance(self, node: str, family: Family, several: bool) -> Instance:
        interface, source = self.place(node, family)
        others = [self.place(n, family)[1].partition("%")[0] for n in self.members if n != node]
        zone = f"%{interface}" if family is Family.IPV6 else ""
        peers = tuple(sorted((f"{other}{zone}" for other in others), key=lambda text: (len(text), text)))
        priority, eligible = self.members[node]
        unicast = Transport(source=source, peers=peers, alone=not peers)
        return Instance(
            name=f"{self.name}-{family.lower()}" if several else self.name,
            virtual_ip=self.virtual_ip,
            sync_group=self.name,
            interface=interface,
            family=family,
            virtual_router_id=self.vrid,
            version=self.version,
            priority=priority,
            advertisement_interval=self.interval,
            transport=Transport(type=TransportType.MULTICAST, source=source) if self.multicast else unicast,
            eligible=eligible,
            authentication=InstanceAuthentication(type="Password", secret_ref=SecretReference(name=self.secret))
            if self.secret
            else None,
            addresses=tuple(HeldAddress(address=a) for a in self.addresses if (":" in a) == (family is Family.IPV6)),
        )


def target_of(wishes: list[Wish], nodes: Iterator[str] | list[str]) -> dict[str, NodeConfig]:
    """As the planner returns it."""
    found = {}
    for node in nodes:
        instances = [i for wish in wishes if node in wish.members for i in wish.instances(node)]
        found[node] = NodeConfig(metadata={"name": node}, spec={"instances": instances})
    return found


@dataclass
class Node:
    """One node: what its NodeConfig is in the API, what it runs, what it has said."""

    name: str
    keys: dict[str, list[str]] = field(default_factory=dict)
    in_use: dict[str, str] = field(default_factory=dict)
    """Secret to the state that a reference without one means; it stays until no reference is without."""
    written: dict[str, Any] | None = None
    runs: tuple[Instance, ...] = ()
    runs_generation: int = 0
    states: dict[str, InstanceState] = field(default_factory=dict)
    dislikes: set[int] = field(default_factory=set)
    """VRIDs for which it refuses an instance, and goes on with what it had."""
    refused: set[str] = field(default_factory=set)

    def take(self, secrets: Mapping[str, str]) -> None:
        """Run what stands in the API now; a role that may no longer be had is handed over a little later."""
        if self.written is None:
            return
        standing = standing_of(self.written)
        self.refused = {i.group_name for i in standing.instances if self.dislikes & _vrids(i)}
        before = [i for i in self.runs if i.group_name in self.refused]
        self.runs = (*(i for i in standing.instances if i.group_name not in self.refused), *before)
        self.runs_generation = standing.generation
        groups = {i.group_name: i.eligible for i in self.runs}
        self.states = {
            group: state
            for group, state in self.states.items()
            if group in groups and (groups[group] or state is InstanceState.ACTIVE)
        }
        self.fetch(secrets)

    def fetch(self, secrets: Mapping[str, str]) -> None:
        """Get the newest states of the Secrets that the configuration names; four are kept, those in use among them."""
        names = {s for i in self.runs for a in _authentications(i) if a and (s := a.secret_ref.name)}
        used = {(a.secret_ref.name, a.key_version) for i in self.runs for a in _authentications(i) if a}
        for name in names:
            kept = [v for v in self.keys.get(name, []) if v != secrets[name]]
            spare = [v for v in kept if (name, v) not in used]
            while len(kept) > 3 and spare:
                kept.remove(spare.pop(0))
            self.keys[name] = [*kept, secrets[name]]
        open_ended = {n for n, version in used if version is None}
        self.in_use = {n: self.in_use.get(n, secrets[n]) for n in open_ended}

    def current(self, name: str) -> str | None:
        """The state in use, else the newest."""
        return self.in_use.get(name) or next(reversed(self.keys.get(name, [])), None)

    def state(self, group: str) -> InstanceState:
        return self.states.get(group, InstanceState.BACKUP)

    def report(self) -> None:
        """Write the status, as the daemon does."""
        if self.written is None:
            return
        names = {a.secret_ref.name for i in self.runs for a in _authentications(i) if a}
        status = NodeConfigStatus(
            observed_generation=self.runs_generation,
            instances=[
                InstanceStatus(name=i.name, state=state, since_time=SECOND, priority=1, transitions=0)
                for i in self.runs
                if (state := self.state(i.group_name))
            ],
            problems=[
                ReportedProblem(instance=i.name, path="spec.instances[]", message="it is refused")
                for i in standing_of(self.written).instances
                if i.group_name in self.refused
            ],
            credentials=[
                CredentialReport(name=n, current=self.current(n), versions=self.keys.get(n, ())) for n in sorted(names)
            ],
        )
        self.written = self.written | {"status": status.to_wire()}

    def key_of(self, authentication: InstanceAuthentication) -> str | None:
        """The state of the key that it means here; None when this node does not have it."""
        name = authentication.secret_ref.name
        wanted = authentication.key_version or self.current(name)
        return f"{name}/{wanted}" if wanted in self.keys.get(name, []) else None


def _vrids(instance: Instance) -> set[int]:
    return {instance.virtual_router_id, *(form.virtual_router_id for form in instance.also_accept)}


def _authentications(instance: Instance) -> list[InstanceAuthentication | None]:
    return [instance.authentication, *(form.authentication for form in instance.also_accept)]


class Fleet:
    """The API's NodeConfigs and the nodes behind them."""

    def __init__(self, names: list[str]) -> None:
        self.nodes = {name: Node(name) for name in names}
        self.dead: dict[str, Node] = {}
        self.secrets = {"red": "1", "blue": "1"}
        self.wishes: list[Wish] = []
        self.stager = Stager()
        self._read: dict[str, tuple[Any, Standing]] = {}
        self.target: dict[str, NodeConfig] = target_of([], names)
        self.kept: frozenset[str] = frozenset()
        self.unready: frozenset[str] = frozenset()

    def aim(self, wishes: list[Wish]) -> None:
        """Plan it on the nodes that are there."""
        self.wishes = wishes
        there = [replace(w, members={n: m for n, m in w.members.items() if n in self.nodes}) for w in wishes]
        self.target = target_of(there, list(self.nodes))

    def standings(self) -> dict[str, Standing]:
        """As an operator reads them: once for each change."""
        found = {}
        for name, node in {**self.dead, **self.nodes}.items():
            if node.written is None:
                continue
            written, before = self._read.get(name, (None, None))
            read = before if before and written is node.written else standing_of(node.written, before)
            self._read[name] = (node.written, read)
            found[name] = read
        return found

    def stage(self) -> Staged:
        """What may be written, by an operator that was here before and by one that comes to it anew."""
        ready = frozenset(self.nodes) - self.unready
        arguments = (self.target, self.standings(), self.kept, frozenset(self.nodes), ready)
        staged = self.stager.stage(*arguments)
        assert staged == stage(*arguments)
        return staged

    def write(self, staged: Staged, names: list[str] | None = None) -> None:
        """Write these of the changed ones, as the API server would take them."""
        for name in sorted(staged.changed) if names is None else names:
            if name not in staged.changed or name not in self.nodes:
                continue
            node, wire = self.nodes[name], staged.node_configs[name].to_wire()
            before = node.written
            generation = 1 if before is None else before["metadata"]["generation"] + (before["spec"] != wire["spec"])
            metadata = wire["metadata"] | {"generation": generation, "uid": f"uid-{name}"}
            node.written = {**(before or {}), **wire, "metadata": metadata}

    def bump(self, secret: str) -> None:
        """Somebody changes the Secret; not while nodes would come to begin with different states of it."""
        for node in self.nodes.values():
            for instances in (node.runs, standing_of(node.written or {}).instances):
                named = [a for i in instances for a in _authentications(i) if a and a.secret_ref.name == secret]
                if any(a.key_version is None for a in named) and secret not in node.in_use:
                    return
        if len({node.in_use[secret] for node in self.nodes.values() if secret in node.in_use}) < 2:
            self.secrets[secret] = str(int(self.secrets[secret]) + 1)

    def lose(self, name: str) -> None:
        """The node dies and its Node object is deleted; its NodeConfig stays for a while."""
        self.dead[name] = self.nodes.pop(name)
        self.aim(self.wishes)

    def everybody_follows(self) -> None:
        for node in self.nodes.values():
            node.take(self.secrets)
            node.states = {g: s for g, s in node.states.items() if s is not InstanceState.FAULT}
            eligible = {i.group_name for i in node.runs if i.eligible}
            node.states = {g: s for g, s in node.states.items() if g in eligible}
            node.report()

    def rounds_to_target(self, most: int = 40) -> int:
        """Let everything be written, taken and confirmed until nothing is left to write; the count of rounds."""
        self.everybody_follows()
        for count in range(most):
            staged = self.stage()
            if not staged.changed:
                assert not staged.waiting, staged.waiting
                assert not staged.moving
                self.check_target()
                return count
            self.write(staged)
            self.check()
            self.everybody_follows()
            self.check()
        raise AssertionError(f"no end after {most} rounds: {self.stage().waiting}")

    # What must hold.

    def check(self) -> None:
        check_documents(self)
        running = {name: of for name, node in self.nodes.items() if (of := groups_of(node))}
        for (_, one), (_, other) in combinations(running.items(), 2):
            for group in one.keys() & other.keys():
                check_members(one[group], other[group])
        for (_, one), (_, other) in permutations(running.items(), 2):
            for mine, theirs in ((a, b) for a in one.values() for b in other.values() if a.group != b.group):
                check_strangers(mine, theirs)

    def check_target(self) -> None:
        for name, node in self.nodes.items():
            wanted = self.target[name].spec.instances
            stands = standing_of(node.written).instances
            plain = [i.model_copy(update={"authentication": _unpinned(i.authentication)}) for i in stands]
            kept = [i.virtual_ip for i in stands if i.virtual_ip in self.kept]
            if kept or self.kept:
                continue
            assert tuple(plain) == wanted
            for instance in stands:
                if instance.authentication:
                    assert instance.authentication.key_version == self.secrets[instance.authentication.secret_ref.name]


def _unpinned(authentication: InstanceAuthentication | None) -> InstanceAuthentication | None:
    return authentication and authentication.model_copy(update={"key_version": None})


@dataclass(frozen=True)
class Running:
    """A group as one node runs it, with its keys resolved."""

    node: str
    group: str
    instances: tuple[Instance, ...]
    mute: bool
    key_of: Callable[[InstanceAuthentication], str | None]

    def spoken(self, family: Family) -> tuple[Any, ...] | None:
        own = next((i for i in self.instances if i.family is family), None)
        return None if own is None else _form(own, own.transport, own.family, self._key(own.authentication))

    def source(self, family: Family) -> str:
        own = next(i for i in self.instances if i.family is family)
        return own.transport.source.partition("%")[0]

    def hears(self, form: tuple[Any, ...] | None, family: Family, source: str) -> bool:
        for own in self.instances:
            if own.family is not family:
                continue
            for each, way in [(own, own.transport), *((f, f.transport or own.transport) for f in own.also_accept)]:
                peers = {peer.partition("%")[0] for peer in way.peers}
                if each.authentication and self._key(each.authentication) is None:
                    continue
                heard = way.type is TransportType.MULTICAST or source in peers
                if heard and _form(each, way, family, self._key(each.authentication)) == form:
                    return True
        return False

    def _key(self, authentication: InstanceAuthentication | None) -> str | None:
        return None if authentication is None else self.key_of(authentication)


def _form(each: Any, way: Any, family: Family, key: str | None) -> tuple[Any, ...]:
    head = (family, each.virtual_router_id, each.version, way.type, way.group, each.checksum)
    # Version 3 learns the interval, version 2 refuses another one; the stager treats both as a change.
    return (*head, each.advertisement_interval, key)


def groups_of(node: Node) -> dict[str, Running]:
    found: dict[str, list[Instance]] = {}
    for instance in node.runs:
        found.setdefault(instance.group_name, []).append(instance)
    result = {}
    for group, instances in found.items():
        keyless = any(i.authentication and node.key_of(i.authentication) is None for i in instances)
        mute = keyless or not instances[0].eligible
        result[group] = Running(node.name, group, tuple(instances), mute, node.key_of)
    return result


def check_members(one: Running, other: Running) -> None:
    """Two that may both become Active hear each other; a group goes by whichever of its families it hears."""
    if one.mute or other.mute:
        return
    shared = {i.family for i in one.instances} & {i.family for i in other.instances}
    pairs = ((one, other), (other, one))
    mutual = [f for f in shared if all(a.hears(b.spoken(f), f, b.source(f)) for a, b in pairs)]
    assert mutual, f"{one.node} and {other.node} do not hear each other: {one.group}"


def check_strangers(one: Running, other: Running) -> None:
    """Of two groups no address may be held by both, and none takes the other's adverts for its own."""
    if not (one.mute or other.mute):
        mine = {a.address for i in one.instances for a in i.addresses}
        theirs = {a.address for i in other.instances for a in i.addresses}
        assert not mine & theirs, f"{mine & theirs} in {one.group} on {one.node} and {other.group} on {other.node}"
    if not one.mute:
        for family in {i.family for i in one.instances} & {i.family for i in other.instances}:
            heard = other.hears(one.spoken(family), family, one.source(family))
            assert other.mute or not heard, f"{other.group} on {other.node} hears {one.group} of {one.node}"


def check_documents(fleet: Fleet) -> None:
    """What was written is valid, as the daemon reads it."""
    for node in fleet.nodes.values():
        if node.written is not None:
            assert read_node_config(node.written, source="api")[1] == (), node.written
