"""The agent's process: an asyncio loop around configuration, conflicts, transitions and metrics."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mooring_node.agent import metrics, settings
from mooring_node.agent.claims import ClaimWatch
from mooring_node.agent.compile import NodeFacts, facts_of
from mooring_node.agent.configuration import Outcome, accept, in_file
from mooring_node.agent.transitions import Transition, TransitionLog
from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.files import StateFolder
from mooring_node.kernel.process import now_ns
from mooring_node.kernel.rtnetlink import AddressGone, Monitor, Rtnetlink
from mooring_node.ledger import Ledger
from mooring_node.log import Log, timestamp
from mooring_node.supervisor.inquiry import Inquiry
from mooring_node.vrrp.config import NodeRuntime

TURN_S = 0.5
SCRAPE_S = 2.0
#: After a change, what was configured before may still be handed over: the ledger keeps it for so long.
NARROW_AFTER_S = 120.0
#: An interface that an instance left to us was not found: looked for again, routes may come late.
RETRY_NS = 5_000_000_000
UNUSABLE = 3


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What the command line says."""

    config: Path
    metrics_address: str
    metrics_port: int
    """0: no metrics."""
    json_logs: bool


class Agent:
    """Everything of the daemon that may be late."""

    def __init__(
        self, options: AgentOptions, state: StateFolder, board: Board, child: int, vrrp: Channel, supervisor: Channel
    ) -> None:
        self._options = options
        self._log = Log(as_json=options.json_logs)
        self._state = state
        self._board = board
        self._child = child
        self._vrrp = vrrp
        self._supervisor = supervisor
        self._rtnetlink = Rtnetlink()
        self._ledger = Ledger(state.ledger)
        self._transitions = TransitionLog(state.transitions)
        self._claims = ClaimWatch(self._rtnetlink)
        self._outcome = Outcome(None, (), changed=False)
        self._accepted_at = now_ns()
        self._loaded_at = 0
        self._inquiries: dict[int, Inquiry] = {}
        self._numbers = 0
        self._stopping = asyncio.Event()
        self._narrow: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Until SIGTERM."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        monitor = Monitor()
        loop.add_reader(self._vrrp.fileno(), self._hear_vrrp)
        loop.add_reader(self._supervisor.fileno(), self._hear_supervisor)
        loop.add_reader(monitor.fileno(), self._kernel_changed, monitor)
        stop_metrics = self._serve_metrics(loop)
        self.load()
        self._inquire(self._note_states)
        while not self._stopping.is_set():
            self._board.progress(self._child, now_ns())
            self._turn()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), TURN_S)
        stop_metrics()
        self._hear_vrrp()
        self._save_transitions()

    # Configuration.

    def load(self) -> None:
        """Read the file and have run what of it is good; the VRRP process is told in any case."""
        self._loaded_at = now_ns()
        try:
            outcome = accept(self._options.config, self._state, self._facts)
        except OSError as error:
            self._log.write("error", f"{self._state.path}: {error}; what runs goes on")
            return
        news = outcome.problems != self._outcome.problems or not outcome.waits
        self._outcome = outcome
        for problem in outcome.problems if news else ():
            self._log.write("error", in_file(self._options.config, problem))
        if outcome.runtime is None:
            self._supervisor.send({"unusable": UNUSABLE})
            return
        if outcome.problems and news:
            self._log.write("warning", "what is wrong keeps its last good configuration; all else is as the file says")
        if outcome.changed:
            self._accepted_at = now_ns()
        self._prepare(outcome.runtime)
        self._vrrp.send({"do": "configure"})
        if news:
            self._log.write("info", f"configuration {outcome.runtime.generation}: {len(outcome.runtime.groups)} groups")

    def _prepare(self, runtime: NodeRuntime) -> None:
        self._ensure_settings(runtime)
        self._claims.configured(runtime)
        if self._narrow is not None:
            self._narrow.cancel()
        loop = asyncio.get_running_loop()
        self._narrow = loop.call_later(NARROW_AFTER_S, self._narrow_ledger)

    def _ensure_settings(self, runtime: NodeRuntime) -> None:
        try:
            settings.ensure(self._rtnetlink, self._ledger, runtime.groups)
        except OSError as error:
            self._log.write(
                "error", f"promote_secondaries could not be set: {error}; deleting one address may take others"
            )

    def _narrow_ledger(self) -> None:
        if self._outcome.runtime is not None:
            with contextlib.suppress(OSError):  # a full disk: the ledger stays as wide as it was
                settings.restore_unused(self._rtnetlink, self._ledger, self._outcome.runtime.groups)

    def _facts(self) -> NodeFacts:
        names = {link.index: link.name for link in self._rtnetlink.links()}
        addresses = [
            (names[each.interface_index], socket.inet_ntop(each.family, each.address), each.prefix_length)
            for each in self._rtnetlink.addresses()
            if each.interface_index in names
        ]
        families: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 6}
        defaults = self._rtnetlink.default_interfaces()
        return facts_of(addresses, [(families[family], names[index]) for family, index in defaults.items()])

    def _kernel_changed(self, monitor: Monitor) -> None:
        if all(isinstance(change, AddressGone) for change in monitor.read()):
            return
        if self._outcome.runtime is not None:
            self._ensure_settings(self._outcome.runtime)
            self._claims.configured(self._outcome.runtime)

    # What the others say.

    def _hear_vrrp(self) -> None:
        for message in self._vrrp.receive():
            for inquiry in self._inquiries.values():
                inquiry.take(message)
            if "log" in message:
                log = message["log"]
                self._log.write(log["level"], log["message"], log["group"])
            elif "transition" in message:
                self._transition(message["transition"])
        self._finish_inquiries()

    def _transition(self, told: dict[str, Any]) -> None:
        self._claims.state_changed(told["group"], told["from"], told["to"])
        entry = Transition(timestamp(told["time"]), told["group"], told["from"], told["to"], told["reason"])
        self._transitions.add(entry)
        level = "error" if told["to"] == "Fault" else "info"
        self._log.write(level, f"{told['from']} -> {told['to']}: {told['reason']}", told["group"])

    def _hear_supervisor(self) -> None:
        for message in self._supervisor.receive():
            if message.get("do") == "reload":
                self.load()
            elif message.get("do") == "snapshot":
                self._supervisor.send({"agent": self._about(), "id": message.get("id")})

    def _about(self) -> dict[str, Any]:
        runtime = self._outcome.runtime
        return {
            "version": daemon_version(),
            "configuration": {
                "file": str(self._options.config),
                "generation": runtime.generation if runtime else 0,
                "ageSeconds": (now_ns() - self._accepted_at) // 1_000_000_000,
                "problems": [in_file(self._options.config, problem) for problem in self._outcome.problems],
            },
            "conflictsTotal": self._claims.conflicts.total,
            "conflicts": [
                {"address": each.address, "mac": each.mac, "interface": each.interface, "count": each.count}
                for each in self._claims.conflicts.all()
            ],
        }

    # The turn.

    def _turn(self) -> None:
        self._hear_vrrp()
        if self._outcome.waits and now_ns() - self._loaded_at > RETRY_NS:
            self.load()
        for conflict in self._claims.confirm():
            self._log.write(
                "error", f"{conflict.mac} claims {conflict.address} on {conflict.interface}, which is held here:"
                " two holders, or another device has this address"
            )  # fmt: skip
        self._save_transitions()

    def _save_transitions(self) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end the agent; tried again at the next turn
            self._transitions.save()

    # Questions to the VRRP process.

    def _inquire(self, done: Callable[[dict[str, Any]], None]) -> None:
        self._numbers += 1
        inquiry = Inquiry(self._numbers, now_ns() + int(SCRAPE_S * 1_000_000_000), done)
        inquiry.take({"agent": self._about(), "id": self._numbers})
        self._inquiries[self._numbers] = inquiry
        self._vrrp.send({"do": "snapshot", "id": self._numbers})
        asyncio.get_running_loop().call_later(SCRAPE_S, self._finish_inquiries)

    def _finish_inquiries(self) -> None:
        for number, inquiry in tuple(self._inquiries.items()):
            if inquiry.complete or now_ns() >= inquiry.until_ns:
                del self._inquiries[number]
                inquiry.finish({})

    def _note_states(self, answer: dict[str, Any]) -> None:
        for group in answer["groups"]:
            self._claims.state_known(group["name"], group["state"])

    def _serve_metrics(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        if not self._options.metrics_port:
            return lambda: None

        def read() -> dict[str, Any]:
            answer: Future[dict[str, Any]] = Future()
            loop.call_soon_threadsafe(self._inquire, answer.set_result)
            return answer.result(timeout=2 * SCRAPE_S)

        try:
            return metrics.serve(self._options.metrics_address, self._options.metrics_port, read)
        except OSError as error:
            where = f"{self._options.metrics_address}:{self._options.metrics_port}"
            self._log.write("error", f"no metrics: {where}: {error}; choose another --metrics-address")
            return lambda: None


def daemon_version() -> str:
    try:
        return version("mooring")
    except PackageNotFoundError:
        return "unknown"
