"""The agent's process: an asyncio loop around configuration, conflicts, transitions and metrics."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mooring_api.problems import InvalidObject, Problem
from mooring_api.version import VERSION
from mooring_node.agent.balancing import Balancing
from mooring_node.agent.judging import JudgeProcess, failed
from mooring_node.agent.metrics_server import MetricsServer
from mooring_node.agent.options import AgentOptions
from mooring_node.agent.preflight import Preflight
from mooring_node.agent.questions import Questions
from mooring_node.agent.running import Running
from mooring_node.agent.transitions import Transition, TransitionLog
from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.files import StateFolder
from mooring_node.judge.messages import Judgement
from mooring_node.judge.source import in_file, text_of
from mooring_node.kernel.process import bound_memory, now_ns
from mooring_node.kernel.rtnetlink import Monitor, Rtnetlink
from mooring_node.log import Log, Subject, of_group, timestamp
from mooring_node.supervisor.handing import PATIENCE_NS
from mooring_node.units import SECOND_NS

if TYPE_CHECKING:
    from mooring_node.agent.observer import Observer
    from mooring_node.agent.upstream import Upstream

TURN_S = 0.5
#: Many times what the largest NodeConfig takes. Whatever an API server says, the VRRP process next door has its share.
MOST_MEMORY = 512 * 1024 * 1024
UNUSABLE = 3
#: So many problems are told to who asks, and so much of each: an answer must fit a message.
MOST_TOLD = 200
LONGEST_TOLD = 400


class Agent:
    """Everything of the daemon that may be late."""

    def __init__(
        self,
        options: AgentOptions,
        state: StateFolder,
        board: Board,
        child: int,
        vrrp: Channel,
        supervisor: Channel,
        checks: Channel,
    ) -> None:
        self._options = options
        self._log = Log(as_json=options.json_logs, node=options.node)
        self._state = state
        self._board = board
        self._child = child
        self._vrrp = vrrp
        self._supervisor = supervisor
        self._checks = checks
        self._rtnetlink = Rtnetlink()
        self._transitions = TransitionLog(state.transitions)
        self._balancing = Balancing(checks, self._log, self._balanced)
        self._running = Running(
            state,
            vrrp,
            self._balancing,
            self._rtnetlink,
            self._log,
            self._called,
            checks_only=options.checks_only,
        )
        self._judge = JudgeProcess(options.judge, self._log)
        self._questions = Questions({"vrrp": vrrp, "checks": checks}, self._about)
        self._observer: Observer | None = None
        self._upstream: Upstream | None = None
        self._preflight = Preflight(options.preflight, self._log, self._looked, now_ns()) if options.preflight else None
        self._stopping = asyncio.Event()
        self._stop_by_ns: int | None = None

    async def run(self) -> None:
        """Until the supervisor says stop; the process's memory is bounded from here on.

        A SIGTERM is somebody else's, to all processes, or the kernel's when the supervisor has died: the VRRP process
        hands over then, and what it has to say of that is told before the end.
        """
        bound_memory(MOST_MEMORY)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminated)
        monitor = Monitor()
        loop.add_reader(self._vrrp.fileno(), self._hear_vrrp)
        loop.add_reader(self._checks.fileno(), self._hear_checks)
        loop.add_reader(self._supervisor.fileno(), self._hear_supervisor)
        loop.add_reader(monitor.fileno(), self._kernel_changed, monitor)
        metrics = self._serve_metrics()
        self._begin()
        self._ask_vrrp(self._note_states)
        while not self._stopping.is_set():
            self._board.progress(self._child, now_ns())
            self._turn()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), TURN_S)
        # All of it: what it said last is how everything ended.
        while self._hear_vrrp() or self._hear_checks():
            pass
        self._save_transitions()
        if self._preflight is not None:
            await self._preflight.stop()
        if self._upstream is not None:
            await self._upstream.finish()
        await self._judge.stop()
        if metrics is not None:
            await metrics.stop()
        # One that comes while the loop is closed would find its descriptor closed, and Python complains.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def _terminated(self) -> None:
        if self._stop_by_ns is None:
            self._stop_by_ns = now_ns() + PATIENCE_NS
        self._stop_if_due()

    def _stop_if_due(self) -> None:
        """After a SIGTERM: when the VRRP process has ended, or has had its time; there may be none."""
        ended = self._vrrp.ended or self._options.checks_only
        if self._stop_by_ns is not None and (ended or now_ns() >= self._stop_by_ns):
            self._stopping.set()

    # The source of the configuration.

    def _begin(self) -> None:
        if isinstance(self._options.source, Path):
            # While the file is judged, an agent that is started again knows what runs already.
            self._running.prepare_last_good()
            self._load(self._options.source)
            return
        # Only here: a daemon with a file does without the client of the API.
        from mooring_node.agent.assembly import assemble

        self._observer, self._upstream = assemble(
            self._options.source,
            self._state,
            self._running,
            self._transitions,
            self._rtnetlink,
            self._balancing,
            self._judge,
            None if self._options.checks_only else self._ask_vrrp,
            self._log,
        )
        if not self._upstream.start():
            self._supervisor.send({"unusable": UNUSABLE})

    def _load(self, path: Path) -> None:
        """Read the file and have run what of it is good."""
        try:
            question = self._running.question(text_of(path), "file", str(path))
        except InvalidObject as error:
            # While an earlier one is being judged, that one is not overtaken: the file is read again.
            self._judged(Judgement(error.problems, failed=self._judge.busy))
        except OSError as error:
            self._judged(failed(str(path), f"the node's interfaces could not be read: {error}"))
        else:
            self._judge.ask(question, self._judged)

    def _judged(self, judgement: Judgement) -> None:
        self._running.take(judgement)
        if self._running.runtime is None and not self._running.unsaved and not judgement.failed:
            self._supervisor.send({"unusable": UNUSABLE})

    def _called(self, problem: Problem) -> str:
        source = self._options.source
        return in_file(source, problem) if isinstance(source, Path) else str(problem)

    # What the others say.

    def _kernel_changed(self, monitor: Monitor) -> None:
        changes = monitor.read()
        if self._observer is not None and changes:
            self._observer.kernel_changed()
        self._running.kernel_changed(changes)

    def _hear_vrrp(self) -> bool:
        """Take what waits, at most a batch; whether there was anything."""
        message: dict[str, Any] | None = None
        for message in self._vrrp.receive():
            if "log" in message:
                log = message["log"]
                self._log.write(log["level"], log["message"], self._about_group(log["group"]))
            elif "transition" in message:
                self._transition(message["transition"])
            elif "priority" in message:
                self._priority(message["priority"])
            elif "configured" in message:
                self._configured(message["configured"], message["leaving"])
            else:
                self._questions.hear(message)
        if self._vrrp.ended:
            asyncio.get_running_loop().remove_reader(self._vrrp.fileno())
            self._stop_if_due()
        return message is not None

    def _hear_checks(self) -> bool:
        """The same of the checks process."""
        message: dict[str, Any] | None = None
        for message in self._checks.receive():
            self._balancing.hear(message)
            self._questions.hear(message)
        return message is not None

    def _ask_vrrp(self, done: Callable[[dict[str, Any]], None]) -> None:
        self._questions.ask(done, "vrrp")

    def _configured(self, generation: int, leaving: int) -> None:
        news = self._running.configured(generation, leaving)
        if self._observer is not None and self._upstream is not None:
            self._observer.configured(now_ns())
            if news:
                self._upstream.changed(confirms=True)

    def _balanced(self, confirms: bool) -> None:
        """The checks process has said something that the status tells of, or failed to; see Balancing."""
        news = confirms and self._running.look()
        if self._upstream is not None:
            self._upstream.changed(confirms=news)

    def _looked(self) -> None:
        if self._observer is not None and self._preflight is not None:
            self._observer.remark(self._preflight.remarks)

    def _priority(self, told: dict[str, Any]) -> None:
        self._transitions.weighed(told["group"], told["priority"])
        if self._upstream is not None:
            self._upstream.changed()

    def _transition(self, told: dict[str, Any]) -> None:
        reason, former = told["reason"], told["former"]
        if former:
            reason = f"its former form ({former}): {reason}"
        else:
            self._running.claims.state_changed(told["group"], told["from"], told["to"])
        entry = Transition(timestamp(told["time"]), told["group"], told["from"], told["to"], reason)
        self._transitions.add(entry, former=bool(former))
        level = "error" if told["to"] == "Fault" else "info"
        self._log.write(level, f"{told['from']} -> {told['to']}: {reason}", self._about_group(told["group"]))
        if self._upstream is not None:
            self._upstream.changed()

    def _hear_supervisor(self) -> None:
        for message in self._supervisor.receive():
            if message.get("do") == "reload":
                self._reload()
            elif message.get("do") == "stop":
                self._stopping.set()
            elif message.get("do") == "snapshot":
                self._supervisor.send({"agent": self._about(), "id": message.get("id")})
            elif message.get("do") == "ready":
                self._supervisor.send(self._ready() | {"id": message.get("id")})

    def _reload(self) -> None:
        if isinstance(self._options.source, Path):
            self._load(self._options.source)
        elif self._upstream is not None:
            self._upstream.judge()

    def _ready(self) -> dict[str, Any]:
        """What is still waited for, and whether it is known that there is nothing to run."""
        nothing = self._upstream is not None and self._running.runtime is None and self._upstream.nothing_there
        waits = "" if nothing else self._running.waits
        return {"ready": "agent", "nothing": nothing, "waits": waits}

    def _about(self) -> dict[str, Any]:
        runtime, problems = self._running.runtime, self._running.outcome.problems
        source = self._options.source
        return {
            "version": VERSION,
            "configuration": {
                "file": str(source) if isinstance(source, Path) else None,
                "generation": runtime.generation if runtime else 0,
                "judging": self._judge.busy,
                "ageSeconds": (now_ns() - self._running.accepted_at_ns) // SECOND_NS,
                "problems": [self._called(problem)[:LONGEST_TOLD] for problem in problems[:MOST_TOLD]],
                "moreProblems": max(0, len(problems) - MOST_TOLD),
            },
            "api": self._upstream.about() if self._upstream is not None else None,
            "balance": self._balancing.about(),
            "checksOnly": self._options.checks_only,
            "preflight": [each[:LONGEST_TOLD] for each in self._preflight.remarks] if self._preflight else [],
            "conflictsTotal": self._running.claims.conflicts.total,
            "conflicts": [
                {
                    "address": each.address,
                    "mac": each.mac,
                    "interface": each.interface,
                    "count": each.count,
                    "secondsAgo": round((now_ns() - each.last_ns) / SECOND_NS, 1),
                }
                for each in self._running.claims.conflicts.all()
            ],
        }

    def _about_group(self, name: str) -> Subject | None:
        """For the log; None: the line is about no group."""
        groups = self._running.runtime.groups if self._running.runtime else ()
        virtual_ips = (group.virtual_ip for group in groups if group.name == name)
        return of_group(name, next(virtual_ips, None)) if name else None

    # The turn.

    def _turn(self) -> None:
        now = now_ns()
        self._hear_vrrp()
        self._stop_if_due()
        self._questions.expire()
        self._running.turn(now)
        if self._preflight is not None:
            self._preflight.turn(now)
        if self._observer is not None and self._upstream is not None:
            self._observer.turn(now)
            self._upstream.turn(now)
        elif isinstance(self._options.source, Path) and self._running.again(now) and not self._judge.busy:
            self._load(self._options.source)
        for conflict in self._running.claims.confirm():
            self._log.write(
                "error", f"{conflict.mac} claims {conflict.address} on {conflict.interface}, which is held here:"
                " two holders, or another device has this address"
            )  # fmt: skip
        self._save_transitions()

    def _save_transitions(self) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end the agent; tried again at the next turn
            self._transitions.save()

    def _ask_all(self, done: Callable[[dict[str, Any]], None]) -> None:
        """Everybody who has something to do, with what has been reported unasked."""
        asked = [] if self._options.checks_only else ["vrrp"]
        if self._balancing.wanted:
            asked.append("checks")
        self._questions.ask(lambda answer: done({**answer, "servers": self._balancing.report.servers}), *asked)

    def _note_states(self, answer: dict[str, Any]) -> None:
        for group in answer["groups"]:
            self._running.claims.state_known(group["name"], group["state"])

    def _serve_metrics(self) -> MetricsServer | None:
        if not self._options.metrics_port:
            return None
        server = MetricsServer(self._options.metrics_address, self._options.metrics_port, self._scraped, self._log)
        server.start()
        return server

    def _scraped(self) -> asyncio.Future[dict[str, Any]]:
        """Everybody's answer, after PATIENCE_S at the latest."""
        answer = asyncio.get_running_loop().create_future()

        def done(said: dict[str, Any]) -> None:
            if not answer.done():
                answer.set_result(said)

        self._ask_all(done)
        return answer
