"""From what is known of the cluster to what is to be written: pure but for its memory."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mooring_api.nodeconfig import NodeConfig
from mooring_api.novelties import NOVELTIES, Novelties
from mooring_api.problems import Problem
from mooring_api.virtualip import VirtualIPStatus
from mooring_api.virtualserver_status import VirtualServerStatus
from mooring_operator.cluster.view import Changed, Endpoints, Listed, Removed, Stored, View
from mooring_operator.cluster.writes import Document, Verb, Write
from mooring_operator.plan.allocations import Allocations, adopt
from mooring_operator.plan.planner import Planner
from mooring_operator.plan.pods import PodSelection, selection_of
from mooring_operator.plan.reading import Reading
from mooring_operator.plan.snapshot import Snapshot, named_service
from mooring_operator.stage.departed import Departed
from mooring_operator.stage.skew import as_they_stand, skew_of
from mooring_operator.stage.staging import Staged, Stager
from mooring_operator.stage.standing import Standing, standing_of
from mooring_operator.stage.unplanned import unplanned_of
from mooring_operator.statuses import Statuses
from mooring_operator.tell.judging import Judge
from mooring_operator.tell.log_words import differences, overruled
from mooring_operator.tell.news import news_of
from mooring_operator.tell.readings import GroupReading
from mooring_operator.tell.reports import Reports
from mooring_operator.tell.scene import Scene
from mooring_operator.tell.servers import news as server_news
from mooring_operator.tell.servers.judging import ServerJudge
from mooring_operator.tell.servers.teller import ServerTeller

KnownPods = Mapping[PodSelection, frozenset[str] | None]
_NO_PODS: KnownPods = {}
_NO_ENDPOINTS = Endpoints()


@dataclass(frozen=True)
class Result:
    """All that is to be written now, and what is wrong.

    `again_after_s`: when to work it out again though nothing has changed; None: not before something does.
    """

    writes: tuple[Write, ...]
    problems: tuple[Problem, ...]
    again_after_s: float | None = None
    pods: frozenset[PodSelection] = frozenset()
    """Which pods must be followed for it."""
    services: frozenset[str] = frozenset()
    """The Services whose endpoints must be followed for it, as `namespace/name`."""
    groups: Mapping[str, tuple[GroupReading, ...]] = field(default_factory=dict)
    """VirtualIP to how many nodes hold each of its groups."""
    virtual_ips: Mapping[str, VirtualIPStatus] = field(default_factory=dict)
    """The statuses as they are told now."""
    virtual_servers: Mapping[str, VirtualServerStatus] = field(default_factory=dict)
    """The same of VirtualServers, as `namespace/name`."""


class Reconciler:
    """One for a process: what was decided (virtual router IDs, groups) is adopted once and then remembered."""

    def __init__(
        self,
        judge: Judge | None = None,
        server_judge: ServerJudge | None = None,
        novelties: Novelties = NOVELTIES,
    ) -> None:
        """`novelties` is what daemons of older releases do not know."""
        self._novelties = novelties
        self._judge = judge or Judge()
        self._teller = ServerTeller(server_judge)
        self._reading = Reading()
        self._planner = Planner()
        self._stager = Stager(novelties)
        self._reports = Reports()
        self._departed = Departed()
        self._allocations: Allocations | None = None
        self._standings: dict[str, Standing] = {}
        self._configs: Mapping[str, NodeConfig] = {}
        self._reports_alone: dict[str, tuple[Document, Document]] = {}
        self._virtual_ips = Statuses("VirtualIP", VirtualIPStatus, news_of, _essence)
        self._virtual_servers = Statuses("VirtualServer", VirtualServerStatus, server_news.news_of, _server_essence)

    def turn(
        self, view: View, now: datetime, now_s: float, pods: KnownPods = _NO_PODS, endpoints: Endpoints = _NO_ENDPOINTS
    ) -> Result:
        """What follows from the view. Every kind must have been listed once; views must come in their order.

        `now` is what people read in statuses, `now_s` is of a clock that never jumps. `pods` is where pods are Ready,
        None where that can't be known. What is not in it is being listed, and until then nothing changes on the nodes
        of the VirtualIPs that ask for it: none would seem to have one. So it is with VirtualServers and `endpoints`.
        """
        touched = self._hear(view)
        self._departed.hear(view, now_s)
        snapshot, before = self._seen(view, pods, endpoints)
        standings = self._departed.standings(self._standings)
        plan = self._planner.plan(_with_standing(snapshot, standings), before)
        paused = frozenset(v.metadata.name for v in snapshot.virtual_ips if v.paused)
        nodes = frozenset(view.objects["Node"])
        # A VirtualIP that can't be read is still there: what its nodes run stays as it was when it could.
        asked = {v.metadata.name: selection_of(v.spec.nodes.pods) for v in snapshot.virtual_ips if v.spec.nodes.pods}
        unheard = frozenset(name for name, selection in asked.items() if selection not in pods)
        skew = skew_of(plan.node_configs, standings, self._novelties)
        kept = paused | snapshot.unreadable | plan.kept | unheard | skew.held.keys()
        ready = frozenset(node.name for node in snapshot.nodes if node.ready)
        reported = frozenset(node.name for node in snapshot.nodes if node.interfaces is not None)
        written = self._virtual_ips.stand(view, plan.statuses)
        # Who is given anything for the first time is given all that it may balance.
        uncertain = kept.union(plan.servers[key].virtual_ip for key in plan.services.kept.servers)
        unplanned = unplanned_of(nodes, standings, reported, written, plan.statuses, uncertain)
        kept |= unplanned.waiting.keys()
        self._allocations = plan.allocations.keeping(before, unplanned.waiting.keys())
        services = plan.services.keeping(unplanned.waiting)
        leaving = self._departed.leaving(standings, now_s)
        target = _written(plan.node_configs, unplanned.nodes, leaving)
        staged = self._stager.stage(target, standings, kept, nodes | leaving.keys(), ready, services)
        self._configs = staged.node_configs
        scene = Scene(plan, staged, self._reports, ready, paused, skew, unplanned.waiting)
        stands = {name: status for name, status in written.items() if name not in unheard}
        told = self._judge.judge(scene, self._standings, stands, touched, now)
        statuses = {name: each.status for name, each in told.items()}
        of_servers, servers, times = self._tell_servers(view, scene, statuses, endpoints, now)
        writes = (
            *self._specs(view, staged, kept, services.kept.servers),
            *_anew(view, plan.node_configs.keys() & unplanned.nodes),
            *_leftovers(view, nodes | leaving.keys()),
            *self._virtual_ips.writes(view, stands, statuses),
            *of_servers,
        )
        times += [each.again_after_s for each in told.values() if each.again_after_s is not None]
        times += self._departed.again_after_s(leaving, now_s)
        return Result(
            writes,
            plan.problems,
            min(times, default=None),
            frozenset(asked.values()),
            _services(snapshot),
            {name: each.groups for name, each in told.items()},
            statuses,
            servers,
        )

    def _seen(self, view: View, pods: KnownPods, endpoints: Endpoints) -> tuple[Snapshot, Allocations]:
        """What there is to plan from, and what was decided before; the first time that is adopted from the view."""
        known = {selection: nodes for selection, nodes in pods.items() if nodes is not None}
        snapshot = self._reading.snapshot(self._documents(view), known, endpoints.slices)
        if self._allocations is None:
            self._allocations = adopt(snapshot.virtual_ips, snapshot.configured, self._documents(view))
        return snapshot, self._allocations

    def _tell_servers(
        self, view: View, scene: Scene, statuses: Mapping[str, VirtualIPStatus], endpoints: Endpoints, now: datetime
    ) -> tuple[tuple[Write, ...], Mapping[str, VirtualServerStatus], list[float]]:
        """What is to be written of VirtualServers, what is told of each, and when time alone may change it."""
        # One whose endpoints are on their way is told of when they have come.
        listing = {key for key, plan in scene.plan.servers.items() if plan.kept and not plan.findings}
        keys = scene.plan.servers.keys() - (set() if endpoints.trouble else listing)
        stands = self._virtual_servers.stand(view, keys)
        stored = view.objects["VirtualServer"]
        generations = {key: stored[key].document["metadata"].get("generation") for key in stands}
        standings = self._standings
        told, times = self._teller.tell(scene, statuses, standings, stands, generations, endpoints.trouble, now)
        found = {key: each.status for key, each in told.items()}
        return tuple(self._virtual_servers.writes(view, stands, found)), found, times

    def _hear(self, view: View) -> set[str]:
        """Read the NodeConfigs that changed, in the order in which they did; the nodes of which anything changed."""
        touched: set[str] = set()
        for news in view.news:
            match news:
                case Listed("NodeConfig", objects):
                    touched |= objects.keys() | self._standings.keys()
                    found = {name: self._standing(name, stored) for name, stored in objects.items()}
                    self._standings = found
                    self._reports.listed(found.values())
                case Listed("Node", objects):
                    touched |= objects.keys() | self._standings.keys()
                case Changed("NodeConfig", name, stored):
                    touched.add(name)
                    self._standings[name] = self._standing(name, stored)
                    self._reports.changed(self._standings[name])
                case Removed("NodeConfig", name):
                    touched.add(name)
                    self._standings.pop(name, None)
                    self._reports.gone(name)
                case Changed("Node", name) | Removed("Node", name):
                    touched.add(name)
                case _:
                    pass
        return touched

    def _standing(self, name: str, stored: Stored) -> Standing:
        """Read anew; what is as we have written it is kept once."""
        found = standing_of(stored.document, self._standings.get(name))
        config = self._configs.get(name)
        return found if config is None else found.sharing(config.spec)

    def _documents(self, view: View) -> Iterator[Document]:
        """What a snapshot is read from. The specs of NodeConfigs are read for adoption alone, so once."""
        for kind in ("VirtualIP", "VirtualServer", "Node", "Namespace"):
            yield from (stored.document for stored in view.objects[kind].values())
        configs = view.objects["NodeConfig"]
        for name in self._departed.missing:
            yield self._departed.report(name) or {}
        if self._allocations is None:
            yield from (stored.document for stored in configs.values())
            return
        before, self._reports_alone = self._reports_alone, {}
        for name, stored in configs.items():
            pair = before.get(name)
            if pair is None or pair[0] is not stored.document:
                pair = stored.document, {key: part for key, part in stored.document.items() if key != "spec"}
            self._reports_alone[name] = pair
            yield self._departed.report(name) or pair[1]

    def _specs(self, view: View, staged: Staged, kept: frozenset[str], servers: frozenset[str]) -> Iterator[Write]:
        """Members of one group one after the other: who is not told with the first of them joins in two steps."""
        names = {*staged.changed, *self._departed.missing} & staged.node_configs.keys()
        pairs = [(self._standings.get(name), staged.node_configs[name]) for name in names]
        for standing, config in sorted(pairs, key=lambda pair: (_first_change(*pair), pair[1].metadata.name)):
            stored = view.get("NodeConfig", config.metadata.name)
            wire: Mapping[str, Any] = config.spec.to_wire()
            if stored is not None and standing is not None:
                wire = as_they_stand(wire, stored.document.get("spec"), standing, kept, servers)
            yield _spec(config, wire, stored, standing)


def _with_standing(snapshot: Snapshot, standings: Mapping[str, Standing]) -> Snapshot:
    standing = {name: found.instances for name, found in standings.items()}
    hosted = {name: found.services.backend_addresses for name, found in standings.items()}
    hosting = {name: frozenset(each.address for each in own) for name, own in hosted.items() if own}
    return replace(snapshot, standing=standing, hosting=hosting)


def _services(snapshot: Snapshot) -> frozenset[str]:
    """Those whose endpoints are somebody's backends."""
    return frozenset(service for server in snapshot.virtual_servers if (service := named_service(server)))


def _essence(status: VirtualIPStatus) -> object:
    """What somebody may be waiting for: the conditions without their words, and who holds what."""
    conditions = [(c.type, c.status, c.reason, c.observed_generation) for c in status.conditions]
    return status.observed_generation, conditions, [(group.name, group.holder) for group in status.groups]


def _server_essence(status: VirtualServerStatus) -> object:
    """The same of a VirtualServer: the conditions, who balances, and whether there is a quorum."""
    conditions = [(c.type, c.status, c.reason, c.observed_generation) for c in status.conditions]
    return conditions, status.holder_summary, [(port.name, port.quorum, port.sorry) for port in status.ports]


def _written(
    planned: Mapping[str, NodeConfig], unplanned: frozenset[str], leaving: Mapping[str, NodeConfig]
) -> Mapping[str, NodeConfig]:
    """What is aimed at, without the nodes that can't be written yet and with those that are to end."""
    if not unplanned and not leaving:
        return planned
    return {**{name: config for name, config in planned.items() if name not in unplanned}, **leaving}


def _anew(view: View, nodes: Iterable[str]) -> Iterator[Write]:
    """NodeConfigs for daemons to report in. They list nothing, not even that there is nothing: see unplanned_of."""
    for node in sorted(nodes):
        if view.get("NodeConfig", node) is None:
            yield Write(Verb.CREATE, "NodeConfig", node, "not planned yet", {"metadata": {"name": node}, "spec": {}})


def _first_change(standing: Standing | None, config: NodeConfig) -> str:
    """The first instance, by name, in which the two differ."""
    old = {instance.name: instance for instance in (standing.instances if standing else ())}
    new = {instance.name: instance for instance in config.spec.instances}
    return min((name for name in old.keys() | new.keys() if old.get(name) != new.get(name)), default="")


def _spec(config: NodeConfig, spec: Mapping[str, Any], stored: Stored | None, standing: Standing | None) -> Write:
    node = config.metadata.name
    reason = differences(standing, config.spec)
    metadata: Document = {"name": node}
    document: Document = {"metadata": metadata, "spec": spec}
    if stored is None:
        # Without annotations: who creates an object by POST owns them in another way than who applies them, and
        # what is owned in both ways does not go when it is no longer applied.
        return Write(Verb.CREATE, "NodeConfig", node, reason, document)
    if config.metadata.annotations:
        metadata["annotations"] = config.metadata.annotations
    news = overruled(stored.foreign)
    return Write(Verb.APPLY, "NodeConfig", node, reason, document, stored.resource_version, stored.uid, news)


def _leftovers(view: View, nodes: frozenset[str]) -> Iterator[Write]:
    """NodeConfigs whose Node is gone, and which nobody runs any more as far as anybody can know."""
    for name, stored in sorted(view.objects["NodeConfig"].items()):
        if name not in nodes:
            yield Write(Verb.DELETE, "NodeConfig", name, "its Node is gone", uid=stored.uid)
