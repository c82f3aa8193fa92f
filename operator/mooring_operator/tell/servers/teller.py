"""From one turn's plan to what is told of every VirtualServer: pure but for its memory."""

from collections.abc import Mapping
from datetime import datetime

from mooring_api.nodeconfig import NodeConfig
from mooring_api.nodeconfig_status import ReportedProblem
from mooring_api.virtualip import VirtualIPStatus
from mooring_api.virtualserver_status import VirtualServerStatus
from mooring_operator.stage.standing import Standing
from mooring_operator.tell.scene import Scene
from mooring_operator.tell.servers.judging import ServerJudge
from mooring_operator.tell.servers.lateness import Lateness
from mooring_operator.tell.servers.scene import ServerScene
from mooring_operator.tell.servers.shares import Shares, by_server
from mooring_operator.tell.servers.status import ServerTold

#: The paths of problems that name an address: of a backend's node, or of what guards its ports.
_OF_ADDRESSES = ("spec.backendAddresses", "spec.portGuards")


class ServerTeller:
    """One for a process."""

    def __init__(self, judge: ServerJudge | None = None) -> None:
        self._judge = judge or ServerJudge()
        self._lateness = Lateness()
        self._shares: dict[str, tuple[NodeConfig, Shares]] = {}

    def tell(
        self,
        scene: Scene,
        virtual_ips: Mapping[str, VirtualIPStatus],
        standings: Mapping[str, Standing],
        stands: Mapping[str, VirtualServerStatus | None],
        generations: Mapping[str, int | None],
        trouble: str,
        now: datetime,
    ) -> tuple[dict[str, ServerTold], list[float]]:
        """What is to be told of each in `stands`, and after how many seconds time alone may change it.

        `virtual_ips` are the VirtualIPs' statuses as they are told now; `trouble`: why endpoints can't be listed.
        """
        if not stands:
            self._shares = {}
            return {}, []
        shares = self._shares_of(scene.staged.node_configs)
        late = self._lateness.hear(shares, standings, now)
        found = ServerScene(
            scene.plan.servers,
            shares,
            scene.reports,
            scene.ready,
            virtual_ips,
            late,
            trouble,
            generations,
            _beside(standings),
        )
        told = self._judge.judge(found, stands, now)
        waits = [each.again_after_s for each in told.values() if each.again_after_s is not None]
        return told, [*waits, *self._lateness.again_after_s(now)]

    def _shares_of(self, configs: Mapping[str, NodeConfig]) -> dict[str, Shares]:
        """Node to what it is to run now, for those that balance anything."""
        before, self._shares = self._shares, {}
        for node, config in configs.items():
            if config.spec.virtual_servers:
                known = before.get(node)
                same = known is not None and known[0] is config
                self._shares[node] = known if same and known else (config, by_server(config.spec.virtual_servers))
        return {node: shares for node, (_, shares) in self._shares.items()}


def _beside(standings: Mapping[str, Standing]) -> dict[str, tuple[tuple[str, ReportedProblem], ...]]:
    found: dict[str, tuple[tuple[str, ReportedProblem], ...]] = {}
    for node, standing in sorted(standings.items()):
        for problem in standing.status.problems if standing.status else ():
            if problem.instance and problem.path.startswith(_OF_ADDRESSES):
                found[problem.instance] = (*found.get(problem.instance, ()), (node, problem))
    return found
