"""The statuses of all VirtualServers: one of whose parts none has changed is not judged again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mooring_api.virtualserver_status import VirtualServerStatus
from mooring_api.vrrp import Family
from mooring_operator.tell.servers.programmed import families_of
from mooring_operator.tell.servers.scene import ServerScene
from mooring_operator.tell.servers.status import ServerTold, status_of


@dataclass(frozen=True, slots=True)
class _Known:
    """What was judged, from what, and how long it holds by itself."""

    told: ServerTold
    parts: tuple[object, ...]
    at: datetime
    until: datetime | None


class ServerJudge:
    """status_of for every VirtualServer, with a memory; the result is equal."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def judge(
        self, scene: ServerScene, stands: Mapping[str, VirtualServerStatus | None], now: datetime
    ) -> dict[str, ServerTold]:
        """All VirtualServers in `stands`, which holds the statuses as they stand in the API."""
        found: dict[str, _Known] = {}
        for key, before in stands.items():
            parts = (before, *_parts(scene, key))
            known = self._known.get(key)
            if known is None or not _same(known.parts, parts) or not _holds(known, now):
                told = status_of(scene, key, before, now)
                again = told.again_after_s
                known = _Known(told, parts, now, None if again is None else now + timedelta(seconds=again))
            found[key] = known
        self._known = found
        return {key: _since(known, now) for key, known in found.items()}


def _parts(scene: ServerScene, key: str) -> Iterator[object]:
    """All that its status is judged from."""
    plan = scene.plans[key]
    yield plan
    yield scene.generations.get(key)
    status = scene.virtual_ips.get(plan.virtual_ip)
    if status is not None:
        yield [(group.addresses, group.holder) for group in status.groups]
        yield [(condition.type, condition.status, condition.reason) for condition in status.conditions]
    yield (scene.trouble, scene.runs(key)) if plan.kept else ""
    share, groups = scene.share(key), scene.groups(plan.virtual_ip)
    for node, own in share.items():
        said = scene.reports.status(node)
        yield node
        yield own
        yield node in scene.ready, node in scene.late
        yield scene.reports.balancing(node, key)
        yield [scene.reports.server(node, e.name, family) is not None for e in own for family in families_of(e)]
        yield (said.problems, said.kube_proxy) if said else None
    for port in plan.ports:
        yield [scene.beside.get(address) for address in port.addresses]
        holders = {group.holder for address in port.addresses if (group := groups.get(address)) and group.holder}
        yield [scene.reports.server(node, port.entry, family) for node in sorted(holders) for family in Family]
        yield holders & scene.ready


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(one) == len(other) and all(a is b or a == b for a, b in zip(one, other, strict=True))


def _holds(known: _Known, now: datetime) -> bool:
    """Whether time alone has not changed it; a clock that was set back says nothing."""
    return known.until is None or known.at <= now < known.until


def _since(known: _Known, now: datetime) -> ServerTold:
    if known.until is None or known.at == now:
        return known.told
    return ServerTold(known.told.status, (known.until - now).total_seconds())
