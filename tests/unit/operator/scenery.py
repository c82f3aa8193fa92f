"""A cluster in words: a plan, nodes that confirm and report, and the statuses that follow one upon the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mooring_api.nodeconfig import InstanceState, InstanceStatus, NodeConfigStatus
from mooring_api.virtualip import Condition, GroupStatus, VirtualIPStatus
from mooring_operator.plan.allocations import Allocations
from mooring_operator.plan.planner import Plan, plan
from mooring_operator.plan.reading import snapshot_of
from mooring_operator.stage.staging import Staged, Waiting
from mooring_operator.stage.standing import Standing
from mooring_operator.tell.conditions import Told, status_of
from mooring_operator.tell.reports import Reports
from mooring_operator.tell.scene import Scene

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
Said = str | tuple[str, str]


def report(states: Mapping[str, Said], observed: int | None = 1, **fields: Any) -> NodeConfigStatus:
    """A daemon's status. A state is `Active` or (`Active`, since when); what is written otherwise is another stay."""
    instances = []
    for name, said in states.items():
        state, since = (said, "then") if isinstance(said, str) else said
        instances.append(
            InstanceStatus(
                name=name, state=InstanceState(state), since_time=since, priority=100, transitions=len(since)
            )
        )
    return NodeConfigStatus(observed_generation=observed, instances=tuple(instances), **fields)


@dataclass
class Scenery:
    """What the operator knows and has written of one VirtualIP, `web`, moment after moment."""

    plan: Plan
    reports: Reports = field(default_factory=Reports)
    ready: set[str] = field(default_factory=set)
    waiting: tuple[Waiting, ...] = ()
    moving: frozenset[str] = frozenset()
    paused: frozenset[str] = frozenset()
    generations: dict[str, int] = field(default_factory=dict)
    now: datetime = NOON
    before: VirtualIPStatus | None = None
    told: Told | None = None

    @classmethod
    def of(cls, documents: Sequence[Mapping[str, Any]]) -> "Scenery":
        """Planned from these documents; all nodes are Ready and have said nothing since."""
        made = plan(snapshot_of(documents), Allocations())
        found = cls(made, ready=set(made.node_configs), generations=dict.fromkeys(made.node_configs, 1))
        found.reports.listed(())
        return found

    def standing(self, node: str, status: NodeConfigStatus | None) -> Standing:
        instances = self.plan.node_configs[node].spec.instances
        return Standing(node, instances, self.generations[node], status)

    def say(self, node: str, states: Mapping[str, Said] | None = None, **fields: Any) -> None:
        """A report comes in; without fields it confirms what the node was given."""
        status = report(states or {}, **{"observed": self.generations[node], **fields})
        self.reports.changed(self.standing(node, status))

    def give(self, node: str) -> None:
        """A new generation is written for the node, and the watch shows it with the node's last word."""
        self.generations[node] += 1
        self.reports.changed(self.standing(node, self.reports.status(node)))

    def settle(self) -> VirtualIPStatus:
        """All nodes hold what they are first choice for, and that is written."""
        groups = {g.name: g.order for g in self.plan.statuses["web"].groups}
        for node in self.plan.node_configs:
            mine = {n: "Active" if o[0].node == node else "Backup" for n, o in groups.items() if self._has(o, node)}
            self.say(node, mine)
        return self.judge()

    @staticmethod
    def _has(order: Sequence[Any], node: str) -> bool:
        return any(placed.node == node for placed in order)

    @property
    def scene(self) -> Scene:
        staged = Staged(self.plan.node_configs, self.waiting, self.moving)
        return Scene(self.plan, staged, self.reports, frozenset(self.ready), self.paused)

    def judge(self, after_s: float = 0.0) -> VirtualIPStatus:
        """So much later the status is judged and written; judging again at once must change nothing."""
        self.now += timedelta(seconds=after_s)
        self.told = status_of(self.scene, "web", self.before, self.now)
        self.before = self.told.status
        again = status_of(self.scene, "web", self.before, self.now)
        assert again.status == self.before
        assert VirtualIPStatus.model_validate(self.before.to_wire()) == self.before
        return self.before

    def restart(self) -> None:
        """Another process takes over: it lists what stands, in no order."""
        nodes = [self.standing(node, self.reports.status(node)) for node in sorted(self.plan.node_configs)]
        self.reports = Reports()
        self.reports.listed(nodes)

    def condition(self, kind: str) -> Condition:
        assert self.before is not None
        return next(c for c in self.before.conditions if c.type == kind)

    def group(self, name: str) -> GroupStatus:
        assert self.before is not None
        return next(g for g in self.before.groups if g.name == name)

    def without(self, node: str) -> None:
        """The node's share is planned away; its word stays."""
        configs = dict(self.plan.node_configs)
        configs[node] = configs[node].model_copy(update={"spec": type(configs[node].spec)()})
        self.plan = replace(self.plan, node_configs=configs)
