"""The checks process from its real parts: IPVS, nftables, checks, scripts."""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from mooring_node.balance.answer import Load
from mooring_node.balance.config import BalanceConfig, SyncConfig
from mooring_node.balance.parts import Owners, Parts, Remark
from mooring_node.balance.process import Process
from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.checks.config import Target
from mooring_node.checks.probes import Probes
from mooring_node.checks.runner import Runner, allow_descriptors
from mooring_node.checks.scripts import DEFAULT_FOLDER, Scripts
from mooring_node.checks.scripts import run as run_script
from mooring_node.checks.verdict import Verdict
from mooring_node.files import StateFolder
from mooring_node.forwarding.marks import marks
from mooring_node.forwarding.node import Forwarding
from mooring_node.forwarding.problem import Problem
from mooring_node.ipvs.findings import Problem as TableProblem
from mooring_node.ipvs.keeper import SyncKeeper
from mooring_node.ipvs.kernel import Ipvs
from mooring_node.ipvs.owned import Owned
from mooring_node.ipvs.reconcile import Reconciler
from mooring_node.ipvs.sync import both_roles
from mooring_node.ipvs.table import DestinationKey, Table, spelled
from mooring_node.keeping import keeping
from mooring_node.kernel.process import bound_memory
from mooring_node.units import SECOND_NS

SYNC_NS = 30 * SECOND_NS
RETRY_NS = 5 * SECOND_NS
#: Many times what the largest configuration takes.
MOST_MEMORY = 512 * 1024 * 1024


class KernelTables:
    """IPVS' table and its sync daemon."""

    def __init__(self, ipvs: Ipvs, owned: Owned) -> None:
        self.ipvs = ipvs
        self.reconciler = Reconciler(ipvs, owned)
        self._keeper = SyncKeeper(ipvs, owned)
        self._table: Table = {}
        self._sync: SyncConfig | None = None
        self._sync_at_ns = 0
        self._mistake = ""

    def want(self, table: Table, sync: SyncConfig | None) -> None:
        self._table = table
        self.reconciler.want(table)
        if sync != self._sync or not self._sync_at_ns:
            self._sync, self._sync_at_ns = sync, 0
            self._keeper.want(both_roles(sync.interface, sync.sync_id, sync.group, sync.port) if sync else ())

    def turn(self, now_ns: int) -> int:
        self._mistake = ""
        try:
            if now_ns >= self._sync_at_ns:
                self._sync_at_ns = now_ns + SYNC_NS
                self._keeper.turn()
                if any(each.module for each in self._keeper.problems):
                    # It may be loaded just now.
                    self._sync_at_ns = now_ns + RETRY_NS
            return min(self.reconciler.turn(now_ns), self._sync_at_ns)
        except Exception as error:  # noqa: BLE001 - whatever tables stumble over, backends are checked on
            self._mistake = f"the tables are not as they should be: {type(error).__name__}: {error}"
            return now_ns + RETRY_NS

    def remarks(self, owners: Owners) -> tuple[Remark, ...]:
        of_services = (
            (owners.get(each.service, "") if each.service else "", each) for each in self.reconciler.problems
        )
        services = (Remark(server, "", each.message, each.module or "") for server, each in of_services)
        sync = (Remark("", "spec.connectionSync", each.message, each.module or "") for each in self._keeper.problems)
        mistake = (Remark("", "", self._mistake),) if self._mistake else ()
        return (*mistake, *services, *sync)

    def lacking(self, owners: Owners) -> dict[str, str]:
        return {owners.get(key, ""): _in_short(each) for key, each in self.reconciler.lacking.items()}

    def release(self) -> tuple[str, ...]:
        return tuple(each.message for each in (*self._keeper.release(), *self.reconciler.release()))

    def about(self) -> dict[str, Any]:
        """Counters of what was done."""
        drift = self.reconciler.drift
        return {
            "writes": self.ipvs.messages_sent,
            "refused": dict(Counter(each.trouble.value for each in self.reconciler.problems)),
            "drift": drift.mended,
        }

    def loads(self, owners: Owners) -> Iterator[Load]:
        """What each of our services and its backends have to do."""
        for key, (counters, backends) in self.reconciler.readings.items():
            server, service, balanced = owners.get(key, ""), spelled(key), self._table.get(key)
            yield Load(server, service, "", 0, 0, 0, 0, *counters)
            for backend, load in backends.items():
                wanted = balanced.destinations.get(backend) if balanced is not None else None
                state = (wanted.weight if wanted is not None else 0, load.active, load.inactive, load.persistent)
                yield Load(server, service, _endpoint(backend), *state, *load.counters)


class Rules:
    """Forwarding, with its problems as remarks."""

    def __init__(self, forwarding: Forwarding) -> None:
        self.forwarding = forwarding

    async def configure(self, config: BalanceConfig) -> tuple[Remark, ...]:
        return _remarks(await self.forwarding.configure(config))

    async def turn(self) -> tuple[Remark, ...]:
        return _remarks(await self.forwarding.turn())

    async def release(self) -> tuple[str, ...]:
        await self.forwarding.close()
        return ()

    def fileno(self) -> int:
        return self.forwarding.fileno()


class Known:
    """What the parts know of themselves."""

    def __init__(self, tables: KernelTables, rules: Rules) -> None:
        self.runner: Runner | None = None
        self._tables = tables
        self._rules = rules

    async def about(self) -> dict[str, Any]:
        guard = await self._rules.forwarding.counters()
        return {
            "probes": self.runner.to_wire() if self.runner is not None else {},
            "ipvs": self._tables.about(),
            "portGuard": [
                {"address": address, "mode": mode, "packets": packets, "bytes": size}
                for (mode, address), (packets, size) in guard.items()
            ],
        }

    def loads(self, owners: Owners) -> Iterable[Load]:
        return self._tables.loads(owners)

    def kube_proxy(self) -> dict[str, Any] | None:
        found = self._rules.forwarding.kube_proxy
        if found is None:
            return None
        removes = found.mode == "IPVS" and self._tables.reconciler.drift.vanished_services > 0
        return {"mode": found.mode, "removesServices": removes, "answersArp": found.answers_arp}


class ScriptPrograms:
    """Programs of the scripts folder."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def __call__(self, file: str, arguments: tuple[str, ...], timeout_s: float) -> str:
        try:
            ended = await run_script(self._scripts, file, arguments, {}, timeout_s)
        except TimeoutError:
            return f"ended after {timeout_s:g} s, it took too long"
        return f"exit code {ended.code}: {ended.first_line}" if ended.code else ""


def run_checks(
    state: StateFolder,
    board: Board,
    child: int,
    channels: tuple[Channel, Channel, Channel],
    folder: Path | None,
    sys_net: Path,
) -> None:
    """The checks process, from its limits to its end.

    `channels`: supervisor, agent, VRRP process. `folder` has the scripts, None: where they are by default. `sys_net` is
    where the kernel's settings of the network are written.
    """
    bound_memory(MOST_MEMORY)
    allow_descriptors()
    gc.freeze()
    asyncio.run(_run(state, board, child, channels, Scripts(folder or DEFAULT_FOLDER), sys_net))


async def _run(
    state: StateFolder,
    board: Board,
    child: int,
    channels: tuple[Channel, Channel, Channel],
    scripts: Scripts,
    sys_net: Path,
) -> None:
    agent = channels[1]

    def log(level: str, message: str) -> None:
        agent.send({"log": {"level": level, "message": message, "server": ""}})

    with Ipvs() as ipvs:
        tables = KernelTables(ipvs, Owned(state.ipvs_owned))
        rules = Rules(Forwarding(state.forwarding, log, sys_net=sys_net))
        known = Known(tables, rules)

        def checker(
            told: Callable[[Target, Verdict], None],
            troubled: Callable[[str], None],
            withheld: Callable[[Target, str], None],
        ) -> Runner:
            known.runner = Runner(told, troubled, withheld, probes=Probes(scripts))
            return known.runner

        def keeps() -> bool:
            return bool(keeping(state, board))

        parts = Parts(checker, tables, rules, ScriptPrograms(scripts), marks, known, keeps)
        await Process(state, board, child, channels, parts).run()


def _in_short(problem: TableProblem) -> str:
    return f"{problem.module} is missing" if problem.module else problem.message


def _remarks(problems: Iterable[Problem]) -> tuple[Remark, ...]:
    return tuple(Remark(each.server, each.path, each.message) for each in problems)


def _endpoint(key: DestinationKey) -> str:
    return f"[{key.address}]:{key.port}" if ":" in key.address else f"{key.address}:{key.port}"
