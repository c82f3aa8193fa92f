"""The checks process: an asyncio loop around checks, tables and what packets need beside them (shell)."""

import asyncio
import contextlib
import signal

from mooring_node.balance.answer import parts
from mooring_node.balance.balancer import Balancer
from mooring_node.balance.config import ServerConfig
from mooring_node.balance.desired import keys
from mooring_node.balance.holding import Holding
from mooring_node.balance.notify import Notifier
from mooring_node.balance.parts import Parts, Remark, without_consequences
from mooring_node.balance.results import Results
from mooring_node.balance.rules import RuleKeeper
from mooring_node.balance.states import Finding
from mooring_node.balance.store import Kept
from mooring_node.balance.tables import TableKeeper
from mooring_node.balance.teller import Teller
from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.checks.config import Target
from mooring_node.checks.verdict import Verdict
from mooring_node.files import StateFolder, write_atomically
from mooring_node.ipvs.table import ServiceKey
from mooring_node.kernel.process import now_ns
from mooring_node.units import SECOND_NS

#: The supervisor sees progress at least this often.
LONGEST_SLEEP_NS = SECOND_NS // 4
#: The configuration on disk is looked at so often, should the word that it changed have been lost.
LOOK_NS = SECOND_NS
TRACKED_NS = SECOND_NS
#: The programs that are told of the end may take so long in all.
END_PATIENCE_S = 10.0
#: A hand-over takes no longer: the supervisor waits so long for the VRRP process.
HAND_OVER_NS = 150 * SECOND_NS
#: Of a kind, where a person is told.
MOST_NAMED = 100
HOLDING = "holding"
LACKING = "lacking"


class Process:
    """What one node balances. `channels`: to the supervisor, the agent, the VRRP process."""

    def __init__(
        self, state: StateFolder, board: Board, child: int, channels: tuple[Channel, Channel, Channel], parts: Parts
    ) -> None:
        self._state = state
        self._board = board
        self._child = child
        self._supervisor, self._agent, self._vrrp = channels
        self._parts = parts
        self._kept = Kept(state.balance)
        self._teller = Teller(self._agent)
        self._results = Results(state.results, lambda words: self._teller.log("error", words))
        results = self._results.read()
        self._holding = Holding(results.get(HOLDING))
        self._balancer = Balancer(results, board.vouched_ns())
        self._servers: dict[str, ServerConfig] = {}
        self._owners: dict[ServiceKey, str] = {}
        self._resting: frozenset[Target] = frozenset()
        self._notifier = Notifier(parts.programs, self._teller.log)
        self._checker = parts.checker(self._found, lambda words: self._teller.log("error", words), self._withheld)
        self._wake = asyncio.Event()
        self._stopping = False
        self._stop_by_ns: int | None = None
        """Asked to end by a signal; until then others may be handing over what our tables serve."""
        self._configured = False
        """A configuration runs; before that nothing tells what of a predecessor's work is to go."""
        self._unreadable = ""
        self._begun = False
        self._tables = TableKeeper(parts.tables, lambda: self._vrrp.send({"settled": True}), results.get(LACKING))
        self._rules = RuleKeeper(parts.packets, self._tables.wishes, self._wake.set)
        self._answers: set[asyncio.Task[None]] = set()
        self._look_at_ns = 0
        self._track_at_ns = 0
        self._tracked: dict[str, bool | str] = {}

    async def run(self) -> None:
        """Until it is told to stop, or there is nothing left to run; what it has set is gone then.

        The supervisor says stop when everything is handed over. A SIGTERM is somebody else's: of the kernel when the
        supervisor has died, or of a service manager that sends it to all processes. The VRRP process hands over then,
        and what is still sent here is balanced until it has ended.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminated)
        for channel in (self._supervisor, self._agent, self._vrrp):
            loop.add_reader(channel.fileno(), self._hear, channel)
        # On disk before anything is set: whoever comes after us, if we die, has something to clear away.
        if not self._state.balancing.exists():
            write_atomically(self._state.balancing, "")
        checks = asyncio.create_task(self._checker.run())
        self._configure(now_ns())
        while not self._stopping and not (self._kept.gone and not self._rules.at_work):
            now = now_ns()
            if self._handed_over(now):
                break
            self._turn(now)
            if checks.done():
                await checks
                raise RuntimeError("the checks ended by themselves")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0, self._next_ns(now) - now) / SECOND_NS):
                    await self._wake.wait()
            self._wake.clear()
        self._checker.stop()
        await checks
        # Readable for ever, when the other end is closed.
        loop.remove_reader(self._vrrp.fileno())
        await self._end()

    # What others say.

    def _stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def _terminated(self) -> None:
        if self._stop_by_ns is None:
            self._stop_by_ns = now_ns() + HAND_OVER_NS
            self._wake.set()

    def _handed_over(self, now: int) -> bool:
        """After a signal: whether the VRRP process has ended, or has had its time."""
        return self._stop_by_ns is not None and (self._vrrp.ended or now >= self._stop_by_ns)

    def _hear(self, channel: Channel) -> None:
        for message in channel.receive():
            if self._holding.hear(message):
                self._results.put(HOLDING, self._holding.noted)
                self._rest()
            match message.get("do"):
                case "configure":
                    self._look_at_ns = 0
                    self._kept.forget()
                case "snapshot":
                    self._answer(channel, message.get("id"))
                case "tracked":
                    # A VRRP process that has just begun must not elect by what it does not know.
                    self._track_at_ns = 0
                case "stop":
                    self._stop()
        if channel.ended:
            asyncio.get_running_loop().remove_reader(channel.fileno())
        self._wake.set()

    def _found(self, target: Target, verdict: Verdict) -> None:
        reason = "" if verdict.good else verdict.words or str(verdict.reason)
        self._balancer.found(target, Finding(verdict.good, reason, verdict.weight), now_ns())
        self._wake.set()

    def _withheld(self, target: Target, words: str) -> None:
        self._balancer.withheld(target, words)
        self._wake.set()

    def _rest(self) -> None:
        """Always told to the checker: what it goes on with from a former configuration may rest, or not any more."""
        self._resting = self._balancer.resting(self._holding.addresses)
        self._checker.pause(self._resting)

    # The configuration.

    def _configure(self, now: int) -> None:
        """Run what is on disk; where that cannot be read, what runs goes on, also what a predecessor has set."""
        self._look_at_ns = now + LOOK_NS
        try:
            config = self._kept.changed()
        except (OSError, ValueError) as error:
            if str(error) != self._unreadable:
                self._unreadable = str(error)
                self._teller.log("error", f"{self._state.balance}: {error}; what runs goes on")
            return
        self._unreadable = ""
        if config is None:
            return
        if self._begun:
            # What was found before does not wait for what the configuration needs.
            self._hand_over(now)
        marks = self._parts.marks(config)
        self._balancer.configure(config, marks, now)
        self._servers = {server.name: server for server in config.servers}
        self._owners = {
            key: name for name, family in self._balancer.pools for key in keys(self._servers[name], family, marks)
        }
        self._checker.set_targets(self._balancer.targets(), self._balancer.starts_up)
        self._rest()
        self._tables.configured(self._balancer.table, now)
        self._rules.want(config)
        self._track_at_ns = 0
        self._configured = True
        self._teller.configured(config.generation)

    # The turn.

    def _turn(self, now: int) -> None:
        self._board.progress(self._child, now)
        if now >= self._look_at_ns:
            self._configure(now)
        if not self._configured:
            return
        if (due_ns := self._rules.due_ns) is not None and now >= due_ns:
            self._rules.look()
        self._balancer.pass_time(now)
        self._hand_over(now)
        self._board.vouch(now)
        self._tell(now)

    def _hand_over(self, now: int) -> None:
        self._take_news(now)
        if self._tables.turn(self._balancer.table, self._balancer.config, self._owners, now):
            self._results.put(LACKING, self._tables.lacking)

    def _take_news(self, now: int) -> None:
        """On disk first, then to the kernel, then to everybody else."""
        news = self._balancer.take()
        if not self._begun:
            self._results.begin({**news.learned, HOLDING: self._holding.noted, LACKING: self._tables.lacking})
            self._begun = True
        else:
            for key, value in news.learned.items():
                self._results.put(key, value)
            self._results.flush()
        for happening in news.happenings:
            server = self._servers.get(happening.server)
            if server is not None:
                self._notifier.tell(server, happening)
        self._teller.happened(news.happenings)
        self._teller.shed(news.shed, now)
        self._teller.changed({key: self._balancer.pools.get(key) for key in news.pools}, self._balancer.unchecked)

    def _tell(self, now: int) -> None:
        tracked = self._balancer.tracked(self._resting, self._tables.lacking, now)
        if now >= self._track_at_ns or tracked != self._tracked:
            self._tracked, self._track_at_ns = tracked, now + TRACKED_NS
            for part in Teller.tracked_parts(tracked):
                self._vrrp.send(part)
            if any(server.checks_on_holder for server in self._balancer.config.servers):
                self._vrrp.send({"do": "holding"})
        refused = [Remark(name, "", f"not taken up: {why}") for name, why in self._balancer.refused.items()]
        self._teller.report(
            now,
            without_consequences((*refused, *self._parts.tables.remarks(self._owners), *self._rules.remarks)),
            self._parts.facts.kube_proxy(),
        )

    def _next_ns(self, now: int) -> int:
        longest = now + LONGEST_SLEEP_NS
        if not self._configured:
            return longest
        others = (self._rules.due_ns, self._balancer.deadline_ns, self._teller.due_ns)
        return min(longest, self._tables.due_ns(now), *(each for each in others if each is not None))

    def _answer(self, channel: Channel, number: object) -> None:
        task = asyncio.get_running_loop().create_task(self._tell_about(channel, number))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _tell_about(self, channel: Channel, number: object) -> None:
        """Loads are for the agent alone: a person is told by it."""
        pools = self._balancer.pools.values()
        about = {
            "generation": self._balancer.config.generation,
            "servers": len(self._servers),
            "targets": len(self._balancer.targets()),
            "resting": len(self._resting),
            "withoutQuorum": [f"{pool.config.name} IPv{pool.family}" for pool in pools if not pool.quorum][:MOST_NAMED],
            "notificationsDropped": self._notifier.dropped,
            **await self._parts.facts.about(),
        }
        if channel is self._agent:
            self._teller.answer(parts(self._parts.facts.loads(self._owners), about, number))
        else:
            channel.send({"checks": about, "id": number})

    # The end.

    async def _end(self) -> None:
        """Programs are told first, then tables go, then rules and addresses; the mark goes when nothing is left.

        Where addresses stay for the next start, so does all that answers on them, what is known of it, and the mark:
        that is no end of anything, so nobody is told of one.
        """
        stays = not self._kept.gone and self._parts.keeps()
        if not self._kept.gone and not stays:
            self._balancer.end(now_ns())
        if self._configured:
            self._take_news(now_ns())
        if not await self._notifier.idle(END_PATIENCE_S):
            self._teller.log("error", f"programs were not told of the end: they took longer than {END_PATIENCE_S:g} s")
        self._board.progress(self._child, now_ns())
        if stays:
            self._teller.log("info", "addresses are kept for the next start: what is balanced stays with them")
            await self._rules.end()
            return
        left = list(self._parts.tables.release())
        await self._rules.end()
        left += await self._rules.release()
        self._results.remove()
        for words in left:
            self._teller.log("error", f"left behind: {words}")
        if not left:
            self._state.balancing.unlink(missing_ok=True)
