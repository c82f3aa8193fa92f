"""The supervisor's loop: signals, children, and what must be undone."""

import os
import select
import signal
from collections.abc import Callable, Mapping
from typing import Any

from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.files import StateFolder
from mooring_node.kernel.process import now_ns
from mooring_node.log import Log
from mooring_node.supervisor.children import Child, ChildNumber, Duty, collect_orphans
from mooring_node.supervisor.family import Family
from mooring_node.supervisor.handing import PATIENCE_NS
from mooring_node.supervisor.requests import Requests
from mooring_node.units import SECOND_NS

TURN_S = 0.5
#: When this loop itself was stopped for so long, it cannot tell who else was.
OWN_LATENESS_NS = SECOND_NS
#: The order in which they end, and how long each may take: what is held is handed over first (beyond the hand-over's
#: own bound, which the VRRP process keeps: 3.3 of the longest interval), then tables are taken away, and the agent
#: tells of it all.
LONGEST_END_NS = {
    ChildNumber.VRRP: PATIENCE_NS,
    ChildNumber.CHECKS: 20 * SECOND_NS,
    ChildNumber.AGENT: 10 * SECOND_NS,
}


class Supervisor:
    """Runs until it is told to stop; `undo` clears what children that cannot be kept alive have left."""

    def __init__(
        self,
        state: StateFolder,
        board: Board,
        duties: tuple[Duty, ...],
        channels: Mapping[ChildNumber, Channel],
        undo: Callable[[], None],
        log: Log,
    ) -> None:
        self._log = log
        self._board = board
        self._family = Family(duties, board)
        self._children = self._family.children
        self._channels = channels
        self._undo = undo
        self._requests = Requests(state, board, self._family, channels, log)
        self._ending: ChildNumber | None = None
        self._end_by_ns = 0
        self._exit_code = 0
        self._wakeup, self._signalled = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._awake_ns = now_ns()

    def run(self) -> int:
        """Until everything has ended; the exit code."""
        self._listen_to_signals()
        try:
            while True:
                now = now_ns()
                self._excuse(now)
                self._look_after_children(now)
                if self._family.stopping and not self._family.running:
                    return self._exit_code
                asking = self._requests
                watched: list[Any] = [self._wakeup, asking.control, *self._channels.values(), *asking.clients]
                pidfds = {child.pidfd: child for child in self._children.values() if child.running}
                ready = select.select([*watched, *pidfds], [], [], self._sleep_s(now))[0]
                self._turn(ready, pidfds)
                collect_orphans([child.pid for child in self._children.values()])
        finally:
            self._requests.close()

    def _sleep_s(self, now: int) -> float:
        due = any(child.due(now) for child in self._children.values())
        return 0.0 if due and not self._family.stopping else TURN_S

    def _turn(self, ready: list[Any], pidfds: dict[int, Child]) -> None:
        now = now_ns()
        self._excuse(now)
        for each in ready:
            if each is self._wakeup:
                for number in os.read(self._wakeup, 64):
                    self._signal(number, now)
            elif isinstance(each, Channel):
                self._hear(each)
            elif each in pidfds:
                self._died(pidfds[each], now)
            else:
                self._requests.turn(each, now)
        self._requests.expire(now)

    def _excuse(self, now: int) -> None:
        """What has stopped us for long has stopped the others too, and they need not have woken before us."""
        late_ns = now - self._awake_ns
        self._awake_ns = now
        if late_ns > OWN_LATENESS_NS:
            self._family.excuse(now)
            self._requests.prolong(late_ns)

    # Signals.

    def _listen_to_signals(self) -> None:
        signal.set_wakeup_fd(self._signalled, warn_on_full_buffer=False)
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(each, lambda *_: None)

    def _signal(self, number: int, now: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self.stop(now)
        elif number == signal.SIGHUP:
            self._log.write("info", "SIGHUP: the configuration is read again")
            self._channels[ChildNumber.AGENT].send({"do": "reload"})
        elif number == signal.SIGUSR1:
            self._requests.dump(now)

    def stop(self, now: int) -> None:
        """Let the VRRP process hand over, then end the others. A second time changes nothing."""
        if self._family.stopping:
            return
        self._log.write("info", "stopping: what is held is handed over")
        self._family.stop()
        self._end_next(now)

    def _end_next(self, now: int) -> None:
        """Ask the first that still runs to end, once."""
        running = [number for number in LONGEST_END_NS if number in self._children and self._children[number].running]
        if not running or running[0] is self._ending:
            return
        self._ending = running[0]
        self._end_by_ns = now + LONGEST_END_NS[self._ending]
        # Not by a signal: to checks and agent that means that something may still be handed over.
        self._channels[self._ending].send({"do": "stop"})
        if self._ending is ChildNumber.AGENT:
            # It may just have been started, and hear nothing yet.
            self._children[self._ending].terminate()

    # Children.

    def _look_after_children(self, now: int) -> None:
        if self._ending is not None and now > self._end_by_ns and self._children[self._ending].running:
            self._children[self._ending].kill(now)
        for child in self._children.values():
            if not self._family.stopping and not child.running and child.due(now):
                self._board.progress(child.duty.number, now)
                child.start(now, self._requests.control.leave)
            elif child.running:
                self._watch(child, now)

    def _watch(self, child: Child, now: int) -> None:
        said_ns, stalled_s = self._family.said_ns(child), child.duty.stall_ns // SECOND_NS
        if now - child.note_progress_ns(said_ns, now) > child.duty.stall_ns:
            self._log.write("error", f"the {child.duty.name} process has made no progress for {stalled_s}s; killing it")
            child.kill(now)
            self._board.progress(child.duty.number, now)
        elif child.note_long_wait(said_ns, now):
            self._log.write(
                "warning",
                f"the {child.duty.name} process has waited in the kernel for {stalled_s}s, for its lock of the network"
                " or for a disk; nothing can end it there, and it is left alone",
            )

    def _died(self, child: Child, now: int) -> None:
        code = child.reap(now)
        if self._family.stopping:
            child.start_at_ns = None
            self._end_next(now)
            return
        if code == 0 and not child.duty.wanted():
            self._log.write("info", f"the {child.duty.name} process has nothing left to do")
            return
        self._log.write("error", f"the {child.duty.name} process ended ({child.last_exit}); it is started again")
        if child.duty.number is ChildNumber.VRRP and child.dies_often:
            self._undo_addresses()
        if code == 0 and child.duty.number is ChildNumber.VRRP:
            # It was told to stop by somebody else (a SIGTERM to all processes): so are we.
            self.stop(now)

    def _undo_addresses(self) -> None:
        try:
            self._undo()
        except OSError as error:
            self._log.write("error", f"what it held is there until its lease ends, the kernel refuses: {error}")

    def _hear(self, channel: Channel) -> None:
        for message in channel.receive():
            self._requests.take(message)
            if "unusable" in message:
                self._exit_code = int(message["unusable"])
                self._log.write("error", f"there is nothing to run, and no last good one; exit code {self._exit_code}")
                self.stop(now_ns())
