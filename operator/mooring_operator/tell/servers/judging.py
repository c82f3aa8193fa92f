"""The statuses of all VirtualServers: one of whose parts none has changed is not judged again."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial

from mooring_api.virtualserver_status import VirtualServerStatus
from mooring_api.vrrp import Family
from mooring_operator.tell.memory import Memory
from mooring_operator.tell.servers.programmed import families_of
from mooring_operator.tell.servers.scene import ServerScene
from mooring_operator.tell.servers.status import ServerTold, status_of


class ServerJudge:
    """status_of for every VirtualServer, with a memory; the result is equal."""

    def __init__(self) -> None:
        self._memory = Memory[ServerTold]()

    def judge(
        self, scene: ServerScene, stands: Mapping[str, VirtualServerStatus | None], now: datetime
    ) -> dict[str, ServerTold]:
        """All VirtualServers in `stands`, which holds the statuses as they stand in the API."""
        told = {}
        for key, before in stands.items():
            judge = partial(status_of, scene, key, before, now)
            told[key] = self._memory.recall(key, (before, *_parts(scene, key)), judge, now)
        self._memory.forget_others()
        return told


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
