"""The supervisor's loop: signals, children, the local socket, and what must be undone."""

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.files import StateFolder, write_atomically
from mooring_node.kernel.process import now_ns, waits_in_kernel
from mooring_node.log import Log
from mooring_node.supervisor.children import Child, ChildNumber, Duty, collect_orphans
from mooring_node.supervisor.control import MOST_CLIENTS, Client, ControlSocket
from mooring_node.supervisor.handing import APART_NS, PATIENCE_NS, Handing
from mooring_node.supervisor.inquiry import Inquiries, Inquiry
from mooring_node.supervisor.liveness import described, unmendable
from mooring_node.supervisor.readiness import Readiness
from mooring_node.units import SECOND_NS

TURN_S = 0.5
#: When this loop itself was stopped for so long, it cannot tell who else was.
OWN_LATENESS_NS = SECOND_NS
INQUIRY_NS = 2 * SECOND_NS
#: What is not done for somebody who has gone meanwhile.
CHANGES = frozenset({"maintenance", "hand-over"})
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
        self._state = state
        self._board = board
        self._children = {duty.number: Child(duty) for duty in duties}
        self._channels = channels
        self._undo = undo
        self._control = ControlSocket(state.control)
        self._clients: list[Client] = []
        self._inquiries = Inquiries()
        self._handing = Handing()
        self._stopping = False
        self._ending: ChildNumber | None = None
        self._end_by_ns = 0
        self._exit_code = 0
        self._wakeup, self._signalled = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._awake_ns = now_ns()
        self._excused_ns = 0

    def run(self) -> int:
        """Until everything has ended; the exit code."""
        self._listen_to_signals()
        try:
            while True:
                now = now_ns()
                self._excuse(now)
                self._look_after_children(now)
                if self._stopping and not any(child.running for child in self._children.values()):
                    return self._exit_code
                watched: list[Any] = [self._wakeup, self._control, *self._channels.values(), *self._clients]
                pidfds = {child.pidfd: child for child in self._children.values() if child.running}
                ready = select.select([*watched, *pidfds], [], [], self._sleep_s(now))[0]
                self._turn(ready, pidfds)
                collect_orphans([child.pid for child in self._children.values()])
        finally:
            self._control.close()
            self._handing.close()

    def _sleep_s(self, now: int) -> float:
        due = any(child.due(now) for child in self._children.values())
        return 0.0 if due and not self._stopping else TURN_S

    def _turn(self, ready: list[Any], pidfds: dict[int, Child]) -> None:
        now = now_ns()
        self._excuse(now)
        for each in ready:
            if each is self._wakeup:
                for number in os.read(self._wakeup, 64):
                    self._signal(number, now)
            elif each is self._control:
                client = self._control.accept(now)
                if client is not None and len(self._clients) >= MOST_CLIENTS:
                    client.close()
                elif client is not None:
                    self._clients.append(client)
            elif isinstance(each, Client):
                self._serve(each, now)
            elif isinstance(each, Channel):
                self._hear(each)
            elif each in pidfds:
                self._died(pidfds[each], now)
        self._expire(now)

    def _excuse(self, now: int) -> None:
        """What has stopped us for long has stopped the others too, and they need not have woken before us."""
        late_ns = now - self._awake_ns
        self._awake_ns = now
        if late_ns > OWN_LATENESS_NS:
            self._excused_ns = now
            self._inquiries.prolong(late_ns)
            for client in self._clients:
                client.until_ns += late_ns

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
            self._inquire(now, self._write_dump)

    def stop(self, now: int) -> None:
        """Let the VRRP process hand over, then end the others. A second time changes nothing."""
        if self._stopping:
            return
        self._log.write("info", "stopping: what is held is handed over")
        self._stopping = True
        for child in self._children.values():
            child.start_at_ns = None
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
            if not self._stopping and not child.running and child.due(now):
                self._board.progress(child.duty.number, now)
                child.start(now, self._control.leave)
            elif child.running:
                self._watch(child, now)

    def _watch(self, child: Child, now: int) -> None:
        said_ns, stalled_s = self._said_ns(child), child.duty.stall_ns // SECOND_NS
        if now - child.went_on_ns(said_ns, now) > child.duty.stall_ns:
            self._log.write("error", f"the {child.duty.name} process has made no progress for {stalled_s}s; killing it")
            child.kill(now)
            self._board.progress(child.duty.number, now)
        elif child.begins_long_wait(said_ns, now):
            self._log.write(
                "warning",
                f"the {child.duty.name} process has waited in the kernel for {stalled_s}s, for its lock of the network"
                " or for a disk; nothing can end it there, and it is left alone",
            )

    def _said_ns(self, child: Child) -> int:
        """When it last said that it goes on, as far as it could."""
        return max(self._board.last_progress(child.duty.number), child.started_ns, self._excused_ns)

    def _died(self, child: Child, now: int) -> None:
        code = child.reap(now)
        if self._stopping:
            child.start_at_ns = None
            self._end_next(now)
            return
        if code == 0 and not child.duty.wanted():
            self._log.write("info", f"the {child.duty.name} process has nothing left to do")
            return
        self._log.write("error", f"the {child.duty.name} process ended ({child.last_exit}); it is started again")
        if child.duty.number is ChildNumber.VRRP and child.dies_often:
            self._undo()
        if code == 0 and child.duty.number is ChildNumber.VRRP:
            # It was told to stop by somebody else (a SIGTERM to all processes): so are we.
            self.stop(now)

    def _hear(self, channel: Channel) -> None:
        for message in channel.receive():
            self._inquiries.take(message)
            if "handedOver" in message:
                self._handing.done()
            if "unusable" in message:
                self._exit_code = int(message["unusable"])
                self._log.write("error", f"there is nothing to run, and no last good one; exit code {self._exit_code}")
                self.stop(now_ns())

    # The local socket.

    def _serve(self, client: Client, now: int) -> None:
        try:
            request = client.request()
        except (EOFError, ValueError):
            client.close()
            self._clients.remove(client)
            return
        if request is None:
            return
        self._clients.remove(client)
        if request.get("do") in CHANGES and client.gone:
            # He was told that nobody answers, and may have done something else since.
            self._log.write("warning", f"nothing is done: who asked for {request['do']} did not wait for it")
            client.close()
            return
        match request.get("do"):
            case "status":
                self._inquire(now, client.answer)
            case "maintenance":
                client.answer(self._set_maintenance(bool(request.get("on"))))
            case "live":
                client.say(self._live(now))
            case "ready":
                self._ask_whether_ready(client, now)
            case "hand-over":
                self._hand_over(client, now)
            case other:
                client.answer({"error": f"unknown request {other!r}"})

    def _set_maintenance(self, on: bool) -> dict[str, Any]:
        """On disk first: a node in maintenance must not take the role after a restart."""
        try:
            if on:
                write_atomically(self._state.maintenance, "on\n")
            else:
                self._state.maintenance.unlink(missing_ok=True)
        except OSError as error:
            return {"error": f"nothing has changed: {self._state.maintenance}: {error}"}
        self._log.write("info", f"maintenance is {'on' if on else 'off'}")
        if ChildNumber.VRRP not in self._children:
            return {"maintenance": on, "remark": "it has no effect while no VRRP is spoken (--checks-only)"}
        self._channels[ChildNumber.VRRP].send({"do": "maintenance", "on": on})
        return {"maintenance": on}

    def _live(self, now: int) -> str:
        lives = [
            child.life(now, child.went_on_ns(self._said_ns(child), now))
            for child in self._children.values()
            if child.running or child.duty.wanted()
        ]
        # While it ends, each has its time, and is killed after it.
        why = "" if self._stopping else unmendable(lives)
        return f"no {why}" if why else f"yes {described(lives)}"

    def _ask_whether_ready(self, client: Client, now: int) -> None:
        if self._stopping:
            client.say("no the daemon is ending")
            return
        if now < (until_ns := self._board.apart_until_ns()):
            left_s = (until_ns - now) // SECOND_NS
            client.say(f"no everything is handed over; it takes part again in {left_s} s, unless it is ended")
            return
        number = self._inquiries.next_number()
        asked = [child for child in self._children.values() if child.duty.number is not ChildNumber.CHECKS]
        self._inquiries.ask(
            Readiness(
                number,
                now + INQUIRY_NS,
                lambda waits: client.say(f"no {waits}" if waits else "yes ready"),
                tuple(child.duty.name for child in asked),
            )
        )
        for child in asked:
            self._channels[child.duty.number].send({"do": "ready", "id": number})

    def _hand_over(self, client: Client, now: int) -> None:
        """Until the end of this daemon, or APART_NS; nothing of it is on disk, a new daemon knows nothing of it."""
        if ChildNumber.VRRP not in self._children:
            client.answer({"handedOver": True, "remark": "no VRRP is spoken (--checks-only)"})
            return
        self._log.write("info", "everything is handed over, and nothing is taken until this daemon ends")
        self._handing.ask(client, now)
        # On the board for a VRRP process that is replaced meanwhile; the message is to wake it.
        self._board.stay_apart(now + APART_NS)
        self._channels[ChildNumber.VRRP].send({"do": "hand-over"})

    def _inquire(self, now: int, done: Callable[[dict[str, Any]], None]) -> None:
        number = self._inquiries.next_number()
        # One that is about to be started again is missed, too; one that has nothing to do is not.
        asked = [child for child in self._children.values() if child.running or child.duty.wanted()]
        self._inquiries.ask(Inquiry(number, now + INQUIRY_NS, done, [child.duty.name for child in asked]))
        for child in asked:
            self._channels[child.duty.number].send({"do": "snapshot", "id": number})

    def _expire(self, now: int) -> None:
        self._inquiries.expire(now, lambda: self._about(now))
        self._handing.expire(now)
        for client in [each for each in self._clients if now >= each.until_ns]:
            client.close()
            self._clients.remove(client)

    def _about(self, now: int) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "maintenance": self._state.maintenance.exists(),
            "stopping": self._stopping,
            "apartSeconds": max(0, self._board.apart_until_ns() - now) // SECOND_NS,
            "processes": [
                {
                    "name": child.duty.name,
                    "pid": child.pid,
                    "restarts": child.restarts,
                    "lastExit": child.last_exit,
                    "forSeconds": (now - child.started_ns) // SECOND_NS,
                    "idleSeconds": round((now - self._said_ns(child)) / SECOND_NS, 1) if child.running else None,
                    "stallSeconds": child.duty.stall_ns // SECOND_NS,
                    "waitsInKernel": child.running and waits_in_kernel(child.pid),
                }
                for child in self._children.values()
                if child.running or child.duty.wanted()
            ],
            # By the board: what is known of the groups also where the VRRP process does not answer.
            "leases": [
                {"group": group, "seconds": (standing.lease_end_ns - now) // SECOND_NS}
                for group, standing in self._board.standings()
                if standing.lease_end_ns > now
            ],
        }

    def _write_dump(self, reply: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            write_atomically(self._state.dump, json.dumps(reply | {"time": time.time()}, indent=1) + "\n")
            self._log.write("info", f"state written to {self._state.dump}")
