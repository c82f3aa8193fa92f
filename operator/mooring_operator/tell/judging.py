"""The statuses of all VirtualIPs: one of whose parts none has changed is not judged again."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial

from mooring_api.nodeconfig import NodeConfig
from mooring_api.virtualip import VirtualIPStatus
from mooring_operator.stage.standing import Standing
from mooring_operator.tell.conditions import Told, status_of
from mooring_operator.tell.memory import Memory
from mooring_operator.tell.scene import Scene

#: An instance's name begins with its VirtualIP's: `web-0`, `web-0-ipv6`.
_INSTANCE = re.compile(r"(.+)-\d+(?:-ipv[46])?")


class Judge:
    """status_of for every VirtualIP, with a memory; the result is equal."""

    def __init__(self) -> None:
        self._memory = Memory[Told]()
        self._configs: Mapping[str, NodeConfig] = {}
        self._mentions: dict[str, frozenset[str]] = {}

    def judge(
        self,
        scene: Scene,
        standings: Mapping[str, Standing],
        stands: Mapping[str, VirtualIPStatus | None],
        touched: Iterable[str],
        now: datetime,
    ) -> dict[str, Told]:
        """All VirtualIPs in `stands`, which holds the statuses as they stand in the API.

        `touched` names the nodes whose Node or NodeConfig has changed since the last call.
        """
        affected = self._affected(scene, standings, touched)
        told = {}
        for name, before in stands.items():
            parts = (scene.plan.statuses[name], before, name in scene.paused, *_way(scene, name))
            judge = partial(status_of, scene, name, before, now)
            told[name] = self._memory.recall(name, parts, judge, now, anew=name in affected)
        self._memory.forget_others()
        return told

    def _affected(self, scene: Scene, standings: Mapping[str, Standing], touched: Iterable[str]) -> set[str]:
        """The VirtualIPs that a node runs, ran or is to run, for each node of which something has changed."""
        configs = scene.staged.node_configs
        nodes = {*touched, *(node for node, config in configs.items() if self._configs.get(node) is not config)}
        nodes |= self._configs.keys() - configs.keys()
        self._configs = configs
        found: set[str] = set()
        for node in nodes:
            mentioned = frozenset(_mentioned(scene, node, standings.get(node)))
            found |= mentioned | self._mentions.get(node, frozenset())
            self._mentions[node] = mentioned
            if not mentioned:
                del self._mentions[node]
        return found


def _mentioned(scene: Scene, node: str, standing: Standing | None) -> Iterator[str]:
    config, status = scene.staged.node_configs.get(node), scene.reports.status(node)
    for instance in (*(config.spec.instances if config else ()), *(standing.instances if standing else ())):
        yield instance.virtual_ip or ""
    yield from scene.reports.running_on(node)
    for reported in status.instances if status else ():
        if match := _INSTANCE.fullmatch(reported.name):
            yield match[1]


def _way(scene: Scene, name: str) -> tuple[object, ...]:
    """How far the change is that is under way."""
    skew = scene.skew.held.get(name), scene.skew.without.get(name)
    return name in scene.staged.moving, scene.waiting.get(name, ()), scene.unplanned.get(name), skew
