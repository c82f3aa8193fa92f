"""From what is known of the cluster to what is to be written: pure but for its memory."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from mooring_api.nodeconfig import Instance, NodeConfig
from mooring_api.problems import Problem
from mooring_api.virtualip import VirtualIPStatus
from mooring_operator.allocations import Allocations, adopt
from mooring_operator.planner import Planner
from mooring_operator.reading import snapshot_of
from mooring_operator.snapshot import Snapshot
from mooring_operator.staging import Staged, Stager
from mooring_operator.standing import Standing, standing_of
from mooring_operator.store import Changed, Listed, Removed, View
from mooring_operator.writes import Document, Verb, Write


@dataclass(frozen=True)
class Result:
    """All that is to be written now, and what is wrong."""

    writes: tuple[Write, ...]
    problems: tuple[Problem, ...]


class Reconciler:
    """One for a process: what was decided (virtual router IDs, groups) is adopted once and then remembered."""

    def __init__(self) -> None:
        self._planner = Planner()
        self._stager = Stager()
        self._allocations: Allocations | None = None
        self._standings: dict[str, Standing] = {}

    def turn(self, view: View, now: datetime) -> Result:
        """What follows from the view. Every kind must have been listed once; views must come in their order."""
        self._stand(view)
        snapshot = snapshot_of([s.document for objects in view.objects.values() for s in objects.values()])
        if self._allocations is None:
            self._allocations = adopt(snapshot.virtual_ips, snapshot.configured)
        plan = self._planner.plan(snapshot, self._allocations)
        self._allocations = plan.allocations
        nodes = frozenset(view.objects["Node"])
        staged = self._stager.stage(plan.node_configs, self._standings, _paused(snapshot), nodes)
        writes = (
            *self._specs(view, staged),
            *_leftovers(view, nodes),
            *_statuses(view, plan.statuses),
        )
        return Result(writes, plan.problems)

    def _stand(self, view: View) -> None:
        """Read the NodeConfigs that changed."""
        for news in view.news:
            match news:
                case Listed("NodeConfig", objects):
                    self._standings = {name: standing_of(stored.document) for name, stored in objects.items()}
                case Changed("NodeConfig", name, stored):
                    self._standings[name] = standing_of(stored.document)
                case Removed("NodeConfig", name):
                    self._standings.pop(name, None)
                case _:
                    pass

    def _specs(self, view: View, staged: Staged) -> Iterator[Write]:
        for node in sorted(staged.changed):
            config = staged.node_configs.get(node)
            if config is None:
                continue
            standing, stored = self._standings.get(node), view.get("NodeConfig", node)
            if standing is not None and stored is not None and _stands(standing, config):
                continue
            reason = differences(standing.instances if standing else (), config.spec.instances)
            document = {"metadata": {"name": node}, "spec": config.spec.to_wire()}
            if stored is None:
                yield Write(Verb.CREATE, "NodeConfig", node, reason, document)
            else:
                yield Write(Verb.APPLY, "NodeConfig", node, reason, document, stored.resource_version)


def _stands(standing: Standing, config: NodeConfig) -> bool:
    """Whether it is written already; values are compared, so what the API server fills in does not count."""
    return not standing.unreadable and standing.instances == config.spec.instances


def _paused(snapshot: Snapshot) -> frozenset[str]:
    return frozenset(v.metadata.name for v in snapshot.virtual_ips if v.paused)


def _leftovers(view: View, nodes: frozenset[str]) -> Iterator[Write]:
    """NodeConfigs whose Node is gone."""
    for name, stored in sorted(view.objects["NodeConfig"].items()):
        if name not in nodes:
            yield Write(Verb.DELETE, "NodeConfig", name, "its Node is gone", uid=stored.uid)


def _statuses(view: View, statuses: Mapping[str, VirtualIPStatus]) -> Iterator[Write]:
    for name, status in sorted(statuses.items()):
        stored = view.get("VirtualIP", name)
        wanted = status.to_wire()
        if stored is None or _without_nothing(stored.document.get("status")) == _without_nothing(wanted):
            continue
        document: Document = {"metadata": {"name": name}, "status": wanted}
        yield Write(Verb.STATUS, "VirtualIP", name, "", document, stored.resource_version)


def _without_nothing(status: object) -> object:
    if not isinstance(status, Mapping):
        return {}
    return {key: value for key, value in status.items() if value not in ([], None)}


def differences(before: Iterable[Instance], after: Iterable[Instance]) -> str:
    """What changes from one list of instances to another, in a few words for the log."""
    old = {instance.name: instance for instance in before}
    new = {instance.name: instance for instance in after}
    parts = [f"+{name}" for name in new if name not in old]
    parts += [f"-{name}" for name in old if name not in new]
    for name, instance in new.items():
        if name in old and old[name] != instance:
            fields = (field for field in Instance.model_fields if getattr(old[name], field) != getattr(instance, field))
            parts.append(f"{name} ({', '.join(fields)})")
    return " ".join(parts) or "no instances"
