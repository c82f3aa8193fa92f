"""From plan to what may be written now: changes that an election depends on go round in two generations.

NodeConfigs land one by one, and each node takes its own when it comes to it. So nothing is written that could let
two nodes hold one address while any of the others still runs what it was given before: what is new is accepted by
all before the first one says it, who joins listens until all know it, and who leaves lets go before it is forgotten.
All of that follows from what stands in the API. Nothing is remembered, so whoever comes next goes on alike.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import is_

from mooring_api.nodeconfig import Instance, InstanceState, Metadata, NodeConfig
from mooring_api.novelties import NOVELTIES, Novelties
from mooring_api.vrrp import Family
from mooring_operator.plan.servers.plans import NOTHING, NodeServices
from mooring_operator.plan.servers.services import Candidates, Services, without_strangers
from mooring_operator.stage.aims import Aims, Target, aims_of, blocking, target_of
from mooring_operator.stage.claims import Claims, claims_of, dropped_by, key_of, lasting, note_of, victims
from mooring_operator.stage.fitting import fit
from mooring_operator.stage.round import Round
from mooring_operator.stage.seats import GroupKey, Seat, Share, Waiting, seat_of
from mooring_operator.stage.services import given
from mooring_operator.stage.skew import fitted, level_of
from mooring_operator.stage.standing import Standing
from mooring_operator.stage.waits import waits_at_target, waits_of

__all__ = ["Staged", "Stager", "Waiting", "stage"]

NO_SERVICES = Services()


@dataclass(frozen=True)
class Staged:
    """What may be written now.

    `changed` names the nodes whose NodeConfig differs from what stands, or is not there yet: only these need a
    write, of the spec and of Mooring's annotations together. `moving` names VirtualIPs of which something of the
    target is still to follow after these writes.
    """

    node_configs: Mapping[str, NodeConfig]
    waiting: tuple[Waiting, ...] = ()
    moving: frozenset[str] = field(default_factory=frozenset)
    changed: frozenset[str] = field(default_factory=frozenset)


def stage(
    target: Mapping[str, NodeConfig],
    standings: Mapping[str, Standing],
    kept: frozenset[str],
    nodes: frozenset[str],
    ready: frozenset[str] | None = None,
    services: Services | None = None,
) -> Staged:
    """The NodeConfigs that may be written now, from nothing but what stands in the API.

    `target` is the plan's. `standings` must be as new as the last write of whoever wrote last. `kept` names
    VirtualIPs whose nodes keep exactly what they run. `nodes` are the Node objects that exist: what stands for
    another one binds nobody, and a node that the plan does not name keeps what it runs, also where that stands
    nowhere. Only a node of `ready` (None: of all) counts as one that can take over from another that is to let go.
    `services` is the plan's: no election depends on it, so each node gets what follows from the instances that it is
    to run now.
    """
    return Stager().stage(target, standings, kept, nodes, ready, services)


@dataclass(frozen=True, slots=True)
class _Parts:
    """One node's arguments, and the group shares in them; read once for as long as both are the same objects."""

    target: NodeConfig | None
    standing: Standing | None
    wanted: Mapping[GroupKey, Share]
    stands: Mapping[GroupKey, Share]

    def alike(self, other: "_Parts") -> bool:
        """Whether no group can tell the difference: what is planned differs in services alone."""
        if self.standing is not other.standing or self.target is None or other.target is None:
            return False
        some, others = self.target.spec.instances, other.target.spec.instances
        return len(some) == len(others) and all(map(is_, some, others))

    @property
    def groups(self) -> Iterable[GroupKey]:
        """In the order of the plan, then what stands besides."""
        return dict.fromkeys((*self.wanted, *self.stands))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What was worked out for one group: its target stands, or is given whole now, or something is to follow."""

    shares: Mapping[str, Share]
    reached: bool
    done: bool
    waiting: tuple[Waiting, ...] = ()


class Stager:
    """stage() with a memory: the result is equal, and a group in which nothing changed costs next to nothing."""

    def __init__(self, novelties: Novelties = NOVELTIES) -> None:
        """`novelties` is what daemons of older releases do not know."""
        self._novelties = novelties
        self._parts: dict[str, _Parts] = {}
        self._members: dict[GroupKey, set[str]] = {}
        self._kept: frozenset[str] = frozenset()
        self._ready: frozenset[str] | None = None
        self._outcomes: dict[GroupKey, _Outcome] = {}
        self._configs: dict[str, NodeConfig] = {}
        self._changed: set[str] = set()
        self._late: dict[str, tuple[Waiting, ...]] = {}
        self._services = Services()

    def stage(
        self,
        target: Mapping[str, NodeConfig],
        standings: Mapping[str, Standing],
        kept: frozenset[str],
        nodes: frozenset[str],
        ready: frozenset[str] | None = None,
        services: Services | None = None,
    ) -> Staged:
        """Equal to stage() with the same arguments."""
        self._ready = ready
        last, self._services = self._services, services or NO_SERVICES
        dirty = self._take_in(target, standings, nodes)
        groups = {key for key, outcome in self._outcomes.items() if not outcome.reached or key[0] in kept ^ self._kept}
        for node, before in dirty.items():
            now = self._parts.get(node)
            if before is not None and now is not None and before.alike(now):
                continue
            for parts in (before, now):
                groups.update(*((parts.wanted, parts.stands) if parts else ()))
        self._kept = kept
        touched = {*dirty, *self._nodes_of(groups)}
        self._work_out(groups, _sources_of_gone(standings, nodes))
        touched |= self._nodes_of(groups) | self._neighbours(groups)
        if last is not self._services:
            touched |= self._unsettled()
        for node in touched:
            self._assemble(node)
        moving = {key[0] for key, outcome in self._outcomes.items() if not outcome.done and key[0] not in kept}
        waiting = [each for key in sorted(self._outcomes) for each in self._outcomes[key].waiting]
        late = [each for node in sorted(self._late) for each in self._late[node]]
        moving |= {each.virtual_ip for each in late}
        return Staged(dict(self._configs), (*waiting, *late), frozenset(moving), frozenset(self._changed))

    def _take_in(
        self, target: Mapping[str, NodeConfig], standings: Mapping[str, Standing], nodes: frozenset[str]
    ) -> dict[str, _Parts | None]:
        """Read what is new; the nodes that differ, with what they were before."""
        dirty: dict[str, _Parts | None] = {}
        for node in nodes:
            config, standing, before = target.get(node), standings.get(node), self._parts.get(node)
            if before is not None and before.target is config and before.standing is standing:
                continue
            dirty[node] = before
            wanted = _shares(_with_known_trackers(config, standing) if config else ())
            parts = self._parts[node] = _Parts(
                config, standing, wanted, _shares(standing.instances if standing else ())
            )
            self._move(node, before, parts)
        for node in self._parts.keys() - nodes:
            dirty[node] = self._parts.pop(node)
            self._move(node, dirty[node], None)
        return dirty

    def _move(self, node: str, before: _Parts | None, now: _Parts | None) -> None:
        for key in {*before.wanted, *before.stands} if before else ():
            self._members[key].discard(node)
        for key in {*now.wanted, *now.stands} if now else ():
            self._members.setdefault(key, set()).add(node)

    def _nodes_of(self, groups: Iterable[GroupKey]) -> set[str]:
        return {node for key in groups for node in self._members.get(key, ())}

    def _neighbours(self, groups: Iterable[GroupKey]) -> set[str]:
        """Nodes of other groups of these VirtualIPs, where candidates must know each other."""
        names = {name for name in {key[0] for key in groups} if self._services.directs(name)}
        return self._nodes_of(key for key in self._members if key[0] in names) if names else set()

    def _unsettled(self) -> set[str]:
        """Nodes that are given something else than is planned, so that a new plan may leave their target as it is."""
        return {n for n, parts in self._parts.items() if n not in self._configs or self._configs[n] is not parts.target}

    # Groups.

    def _work_out(self, groups: Iterable[GroupKey], gone: Mapping[GroupKey, frozenset[str]]) -> None:
        targets = {}
        for key in sorted(groups):
            if not self._members.get(key):
                self._members.pop(key, None)
                self._outcomes.pop(key, None)
                continue
            found = target_of(key, [self._seat(node, key) for node in sorted(self._members[key])])
            if found.reached:
                self._outcomes[key] = _Outcome(found.final, True, True, waits_at_target(found))
            else:
                targets[key] = found
        claims = self._claims(targets.values())
        for key, (wanted, aims) in _aims(targets, claims).items():
            this = Round(wanted, aims, gone.get(key, frozenset()))
            if not this.can_go_on({node: self._lasting(node, key) for node in self._members[key]}):
                # It would wait for good: so it goes, and comes again.
                dropped = wanted.dropped
                this = replace(this, target=dropped, aims=aims_of(dropped, claims, aims.blocked))
            done = this.target is targets[key] and this.shares == this.target.final
            self._outcomes[key] = _Outcome(this.shares, False, done, waits_of(this))

    def _lasting(self, node: str, group: GroupKey) -> Iterator[Instance]:
        parts = self._parts[node]
        return (
            i for key in parts.stands if key != group for i in lasting(parts.stands[key], parts.wanted.get(key, {}))
        )

    def _seat(self, node: str, key: GroupKey) -> Seat:
        parts = self._parts[node]
        held = key[0] in self._kept or parts.target is None
        seat = seat_of(node, parts.wanted.get(key, {}), parts.standing, parts.stands.get(key, {}), held)
        return seat if self._ready is None or node in self._ready else replace(seat, faulty=True)

    def _claims(self, targets: Iterable[Target]) -> Claims:
        wanted = frozenset[str]().union(*(target.claims for target in targets if target.new_claims))
        if not wanted:
            return Claims()
        planned = (i for parts in self._parts.values() if parts.target for i in parts.target.spec.instances)
        return claims_of(wanted, planned, (parts.standing for parts in self._parts.values() if parts.standing))

    # Nodes.

    def _assemble(self, node: str) -> None:
        parts = self._parts.get(node)
        self._changed.discard(node)
        self._late.pop(node, None)
        if parts is None or (parts.target is None and (parts.standing is None or not parts.standing.planned)):
            self._configs.pop(node, None)
            return
        shares = {key: self._outcomes[key].shares.get(node, {}) for key in parts.groups}
        before = parts.standing.instances if parts.standing else ()
        target = parts.target.spec if parts.target else None
        spec, late, why = fit(shares, parts.stands, before, lambda instances: self._beside(node, instances), target)
        if late:
            self._late[node] = tuple(Waiting(*key, (node,), why) for key in late)
        standing = parts.standing
        spec = fitted(spec, level_of(standing), self._novelties)
        if standing is None or not standing.has(spec, self._kept, self._services.kept.servers):
            self._changed.add(node)
        dropped = dropped_by(standing, spec.instances, _quiet(standing)) if node in self._changed else frozenset()
        if parts.target is not None and not dropped and spec is target:
            self._configs[node] = parts.target
        else:
            self._configs[node] = NodeConfig(metadata=Metadata(name=node, annotations=note_of(dropped)), spec=spec)

    def _beside(self, node: str, instances: tuple[Instance, ...]) -> NodeServices:
        standing = self._parts[node].standing
        stands = standing.services if standing else NOTHING
        return given(self._services, node, instances, stands, self._candidates)

    def _candidates(self, virtual_ip: str) -> Candidates:
        """Everybody who has addresses of the VirtualIP, or is to have them."""
        found: dict[str, frozenset[str]] = {}
        for key in (key for key in self._members if key[0] == virtual_ip):
            for node in self._members[key]:
                shares = (self._parts[node].wanted.get(key, {}), self._parts[node].stands.get(key, {}))
                interfaces = (i.interface for share in shares for i in share.values())
                found[node] = found.get(node, frozenset()).union(each for each in interfaces if each)
        return found


def _with_known_trackers(target: NodeConfig, standing: Standing | None) -> tuple[Instance, ...]:
    """Of a VirtualServer of which nothing can be said at present a node keeps what it runs, which may be nothing."""
    stands = standing.services.virtual_servers if standing else ()
    return without_strangers(target.spec.instances, (*target.spec.virtual_servers, *stands))


def _shares(instances: Iterable[Instance]) -> dict[GroupKey, Share]:
    found: dict[GroupKey, dict[Family, Instance]] = {}
    for instance in instances:
        found.setdefault(key_of(instance), {})[instance.family] = instance
    return {key: dict(sorted(share.items())) for key, share in found.items()}


def _sources_of_gone(standings: Mapping[str, Standing], nodes: frozenset[str]) -> dict[GroupKey, frozenset[str]]:
    """From where members spoke whose Node is gone, without zones."""
    found: dict[GroupKey, frozenset[str]] = {}
    for node in standings.keys() - nodes:
        for instance in standings[node].instances:
            source = (instance.transport.source or "").partition("%")[0]
            found[key_of(instance)] = found.get(key_of(instance), frozenset()) | {source}
    return found


def _aims(targets: Mapping[GroupKey, Target], claims: Claims) -> dict[GroupKey, tuple[Target, Aims]]:
    """Each group's target and aims.

    A group of which nothing can go on is to go, and comes again when it is gone; so is one of those that wait for
    each other's VRIDs.
    """
    blocked = {key: blocking(target, claims) for key, target in targets.items()}
    waits = {
        key[1]: frozenset(name for claim, groups in blocked[key].items() if "/" in claim for name in groups)
        for key, target in targets.items()
    }
    going = victims(waits)
    found = {}
    for key, target in targets.items():
        aim = target.dropped if target.incompatible or key[1] in going else target
        found[key] = (aim, aims_of(aim, claims, blocked[key]))
    return found


def _quiet(standing: Standing | None) -> frozenset[str]:
    """The instances that certainly hold nothing."""
    if standing is None or standing.status is None:
        return frozenset()
    active = {each.name for each in standing.status.instances if each.state is InstanceState.ACTIVE}
    loud = active | standing.unsaid
    silent = (i.name for i in standing.instances if not i.eligible and i.name not in loud)
    return frozenset(name for name in silent if standing.runs((name,)) or standing.lacks((name,)))
