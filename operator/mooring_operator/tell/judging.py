"""The statuses of all VirtualIPs: one of whose parts none has changed is not judged again."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mooring_api.nodeconfig import NodeConfig
from mooring_api.virtualip import VirtualIPStatus
from mooring_operator.stage.standing import Standing
from mooring_operator.tell.conditions import Told, status_of
from mooring_operator.tell.scene import Scene

#: An instance's name begins with its VirtualIP's: `web-0`, `web-0-ipv6`.
_INSTANCE = re.compile(r"(.+)-\d+(?:-ipv[46])?")


@dataclass(frozen=True, slots=True)
class _Known:
    """What was judged, from what, and how long it holds by itself."""

    told: Told
    parts: tuple[object, ...]
    at: datetime
    until: datetime | None


class Judge:
    """status_of for every VirtualIP, with a memory; the result is equal."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
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
        found: dict[str, _Known] = {}
        for name, before in stands.items():
            parts = (scene.plan.statuses[name], before, name in scene.paused, *_way(scene, name))
            known = self._known.get(name)
            if known is None or name in affected or not _same(known.parts, parts) or not _holds(known, now):
                told = status_of(scene, name, before, now)
                again = told.again_after_s
                known = _Known(told, parts, now, None if again is None else now + timedelta(seconds=again))
            found[name] = known
        self._known = found
        return {name: _since(known, now) for name, known in found.items()}

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
    return name in scene.staged.moving, scene.waiting.get(name, ())


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return all(a is b or a == b for a, b in zip(one, other, strict=True))


def _holds(known: _Known, now: datetime) -> bool:
    """Whether time alone has not changed it; a clock that was set back says nothing."""
    return known.until is None or known.at <= now < known.until


def _since(known: _Known, now: datetime) -> Told:
    if known.until is None or known.at == now:
        return known.told
    return Told(known.told.status, (known.until - now).total_seconds())
