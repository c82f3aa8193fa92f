"""Who asks on the local socket, and what he is told: status, probes, maintenance, the hand-over before the end."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.files import StateFolder, write_atomically
from mooring_node.log import Log
from mooring_node.supervisor.children import ChildNumber
from mooring_node.supervisor.control import MOST_CLIENTS, Client, ControlSocket
from mooring_node.supervisor.family import Family
from mooring_node.supervisor.handing import APART_NS, Handing
from mooring_node.supervisor.inquiry import Inquiries, Inquiry
from mooring_node.supervisor.readiness import Readiness
from mooring_node.units import SECOND_NS

INQUIRY_NS = 2 * SECOND_NS
#: What is not done for somebody who has gone meanwhile.
CHANGES = frozenset({"maintenance", "hand-over"})


class Requests:
    """The socket, its clients, and what of the children they wait for."""

    def __init__(
        self, state: StateFolder, board: Board, family: Family, channels: Mapping[ChildNumber, Channel], log: Log
    ) -> None:
        self._state = state
        self._board = board
        self._family = family
        self._channels = channels
        self._log = log
        self.control = ControlSocket(state.control)
        self.clients: list[Client] = []
        self._inquiries = Inquiries()
        self._handing = Handing()

    def close(self) -> None:
        """The daemon ends."""
        self.control.close()
        self._handing.close()

    def turn(self, ready: ControlSocket | Client, now: int) -> None:
        """Somebody comes, or has said something."""
        if isinstance(ready, Client):
            self._serve(ready, now)
            return
        client = ready.accept(now)
        if client is not None and len(self.clients) >= MOST_CLIENTS:
            client.close()
        elif client is not None:
            self.clients.append(client)

    def take(self, message: dict[str, Any]) -> None:
        """A message of a child, which may be an answer."""
        self._inquiries.take(message)
        if "handedOver" in message:
            self._handing.done()

    def prolong(self, by_ns: int) -> None:
        """For so long nobody could ask or answer."""
        self._inquiries.prolong(by_ns)
        for client in self.clients:
            client.until_ns += by_ns

    def expire(self, now: int) -> None:
        """Answer what can be answered, and whoever has waited long enough."""
        self._inquiries.expire(now, lambda: self.about(now))
        self._handing.expire(now)
        for client in [each for each in self.clients if now >= each.until_ns]:
            client.close()
            self.clients.remove(client)

    def dump(self, now: int) -> None:
        """Write the state to disk, when all have told theirs."""
        self._inquire(now, self._write_dump)

    def about(self, now: int) -> dict[str, Any]:
        """What the supervisor itself knows."""
        return {
            "pid": os.getpid(),
            "maintenance": self._state.maintenance.exists(),
            "stopping": self._family.stopping,
            "apartSeconds": max(0, self._board.apart_until_ns() - now) // SECOND_NS,
            "processes": self._family.processes(now),
            # By the board: what is known of the groups also where the VRRP process does not answer.
            "leases": [
                {"group": group, "seconds": (standing.lease_end_ns - now) // SECOND_NS}
                for group, standing in self._board.standings()
                if standing.lease_end_ns > now
            ],
        }

    def _serve(self, client: Client, now: int) -> None:
        try:
            request = client.request()
        except (EOFError, ValueError):
            client.close()
            self.clients.remove(client)
            return
        if request is None:
            return
        self.clients.remove(client)
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
                client.say(self._family.life(now))
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
        if ChildNumber.VRRP not in self._family:
            return {"maintenance": on, "remark": "it has no effect while no VRRP is spoken (--checks-only)"}
        self._channels[ChildNumber.VRRP].send({"do": "maintenance", "on": on})
        return {"maintenance": on}

    def _ask_whether_ready(self, client: Client, now: int) -> None:
        if self._family.stopping:
            client.say("no the daemon is ending")
            return
        if now < (until_ns := self._board.apart_until_ns()):
            left_s = (until_ns - now) // SECOND_NS
            client.say(f"no everything is handed over; it takes part again in {left_s} s, unless it is ended")
            return
        number = self._inquiries.next_number()
        asked = [child for child in self._family.children.values() if child.duty.number is not ChildNumber.CHECKS]
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
        if ChildNumber.VRRP not in self._family:
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
        asked = self._family.concerned
        self._inquiries.ask(Inquiry(number, now + INQUIRY_NS, done, [child.duty.name for child in asked]))
        for child in asked:
            self._channels[child.duty.number].send({"do": "snapshot", "id": number})

    def _write_dump(self, reply: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            write_atomically(self._state.dump, json.dumps(reply | {"time": time.time()}, indent=1) + "\n")
            self._log.write("info", f"state written to {self._state.dump}")
