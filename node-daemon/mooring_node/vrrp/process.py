"""The VRRP process: one loop over sockets and timers. Standard library only, and nothing in it may block."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.kernel.addresses import AddressKey
from mooring_node.kernel.process import now_ns
from mooring_node.kernel.rtnetlink import Rtnetlink
from mooring_node.units import SECOND_NS
from mooring_node.vrrp import snapshot
from mooring_node.vrrp.apart import Apart
from mooring_node.vrrp.arrivals import Arrivals
from mooring_node.vrrp.beginning import Beginning
from mooring_node.vrrp.breath import Breath
from mooring_node.vrrp.config import GroupConfig, NodeRuntime, from_json
from mooring_node.vrrp.group import Group
from mooring_node.vrrp.held import Held
from mooring_node.vrrp.lateness import Lateness
from mooring_node.vrrp.matching import continued
from mooring_node.vrrp.network import READ_AGAIN_NS, Network
from mooring_node.vrrp.news import News
from mooring_node.vrrp.order import Order
from mooring_node.vrrp.ports import Port
from mooring_node.vrrp.prepared import packed
from mooring_node.vrrp.reports import Outbox, Reports
from mooring_node.vrrp.services import Services
from mooring_node.vrrp.timers import Timers
from mooring_node.vrrp.tracking import Bad, Words, tracked_names
from mooring_node.vrrp.waiting import Waiting

#: The supervisor sees progress at least this often, also when there is nothing to do.
LONGEST_SLEEP_NS = SECOND_NS // 4
#: A flood must not keep the timers waiting; after a late wake-up everything that waits is read first.
PACKETS_AT_ONCE = 256
PACKETS_AFTER_SLEEP = 16_384
#: The shortest interval: with less no group is late (timing.is_late).
OVERDUE_NS = 10_000_000
#: Places among the channels.
SUPERVISOR, AGENT, CHECKS = 0, 1, 2


class Process:
    """All groups of one node.

    `supervisor` and `agent` carry requests: configure, maintenance, snapshot, stop. `checks` brings the state of
    the virtual servers that are tracked. `accepted` is the last good configuration on disk, read when a request says
    that it has changed; the first one waits for the tables of what is balanced, where `balance` is there.
    """

    def __init__(
        self,
        board: Board,
        child: int,
        supervisor: Channel,
        agent: Channel,
        checks: Channel,
        accepted: Path,
        balance: Path,
    ) -> None:
        self._waiting = Waiting()
        self._board = board
        self._child = child
        self._channels = tuple((each, Outbox(each)) for each in (supervisor, agent, checks))
        self._accepted = accepted
        self._balance = balance
        self._beginning = Beginning()
        self._reports = Reports(self._channels[AGENT][1])
        self._rtnetlink = Rtnetlink()
        self.network = Network(self._rtnetlink)
        self._services = Services(self._rtnetlink, self.network, self._reports, now_ns)
        self.runtime = NodeRuntime(generation=0)
        self.groups: dict[str, Group] = {}
        self._leaving: list[Group] = []
        self.lateness = Lateness()
        self.apart = Apart()
        self._stopping = False
        self._stop_asked = False
        self._breath = Breath(now_ns())
        self._timers: Timers[Group] = Timers()
        self._arrivals = Arrivals(self._reports, self._timers.plan)
        self._words = Words()
        self._held = Held()
        self._order = Order(self.network, self._reports)
        self._news = News(self.network, self._order, self._reports, self._touch)
        self._bad: Bad = {}
        self.facts: dict[str, Any] = {}

    def say(self, level: str, message: str) -> None:
        """A line for the log."""
        self._reports.log(level, message)

    def ask_to_stop(self) -> None:
        """For a signal handler: the next turn begins to stop."""
        self._stop_asked = True

    def wait_for_agent(self, patience_ns: int) -> None:
        """Give the agent a chance to bring a configuration before the last good one is run."""
        self._beginning.wait(now_ns() + patience_ns)

    def tables_stand(self) -> None:
        """What answers on the addresses is there: nothing has to wait for it."""
        self._beginning.settled()

    def run(self) -> None:
        """Until a stop has been asked for and every group has handed over."""
        while not (self._stopping and not self.groups and not self._leaving):
            deadline = self._timers.earliest_ns
            before = now_ns()
            sleep_ns = LONGEST_SLEEP_NS if deadline is None else max(0, min(deadline - before, LONGEST_SLEEP_NS))
            ports = {port.fileno(): port for port in self.network.ports()}
            others: list[News | Channel] = [self._news, *(channel for channel, _ in self._channels)]
            ready = self._waiting.wait({**ports, **{each.fileno(): each for each in others}}, sleep_ns)
            now = now_ns()
            self._breath.take(before, now)
            if deadline is not None and now > deadline:
                self.lateness.record(now - deadline)
            self._board.progress(self._child, now)
            # Where a timer is due every port is read, whatever was seen: we may have been stopped since.
            timer_due = deadline is not None and now >= deadline
            self._turn(now, [port for fileno, port in ports.items() if timer_due or fileno in ready], ready)

    def _turn(self, now: int, readable: list[Port], ready: set[int]) -> None:
        """One turn: doubt, listen, kernel, requests, timers, in this order.

        Much of it may wait for the kernel's lock of the network. Who is late by then is left to the next turn, which
        listens first.
        """
        doubting = [group for group in self._all() if group.is_late(now)] if self._overdue(now) else []
        for group in doubting:
            self._touch(group, now, group.late)
        for port in readable:
            self._arrivals.read(port, now, PACKETS_AFTER_SLEEP if doubting else PACKETS_AT_ONCE)
        if self._news.fileno() in ready or self._news.overdue:
            self._news.read(self._all(), now)
        for group in doubting:
            self._touch(group, now, group.on_time)
        if doubting:
            # Once more: the kernel may have kept us waiting again.
            for port in self.network.ports():
                self._arrivals.read(port, now, PACKETS_AFTER_SLEEP)
        for group in doubting:
            self._touch(group, now, group.drained)
        self._listen(ready, now)
        self._stand_aside(now)
        self._track(now)
        self._fire(now)
        self._order.keep(self._all, now)
        for part in self._held.due(self._held_now, now):
            # One that is lost is asked for again.
            self._channels[CHECKS][0].send(part)
        for _, outbox in self._channels:
            outbox.flush()

    def _listen(self, ready: set[int], now: int) -> None:
        """What the supervisor, the agent or a signal ask for."""
        for channel, outbox in self._channels:
            if channel.fileno() in ready:
                for message in channel.receive():
                    self._hear(message, now)
                    self._answer(outbox, message, now)
        if self._stop_asked and not self._stopping:
            self.stop(now)
        if self._beginning.due(now):
            self._run_what_is_asked(now)

    def _all(self) -> list[Group]:
        return [*self.groups.values(), *self._leaving]

    def _held_now(self) -> tuple[frozenset[AddressKey], ...]:
        return tuple(group.holdings.held for group in self._all())

    def _holds_something(self) -> bool:
        return any(group.holding for group in self._all())

    def _overdue(self, now: int) -> bool:
        earliest = self._timers.earliest_ns
        return earliest is not None and now >= earliest + OVERDUE_NS

    # Timers.

    def _touch(self, group: Group, now: int, action: Callable[[int], None]) -> None:
        action(now)
        self._timers.plan(group)

    def _fire(self, now: int) -> None:
        for group in self._timers.due(now):
            group.on_time(now)
        gone = [each for each in self._leaving if each.stopped]
        for group in gone:
            self._leaving.remove(group)
            self._timers.forget(group)
        if gone:
            self._route()
            self._tell_what_runs()

    # Requests.

    def _hear(self, said: dict[str, Any], now: int) -> None:
        """What the checks process tells unasked."""
        if isinstance(tracked := said.get("tracked"), dict):
            self._words.hear(tracked, now)
        if "settled" in said and self._beginning.settled():
            self._run_what_is_asked(now)

    def _answer(self, outbox: Outbox, request: dict[str, Any], now: int) -> None:
        match request.get("do"):
            case "configure":
                if self._beginning.asked(now, balances=self._balance.exists()):
                    self._run_what_is_asked(now)
            case "maintenance":
                self.apart.maintenance = bool(request.get("on"))
                self._take_part_or_not(now)
            case "hand-over":
                self.apart.asked()
            case "ready":
                outbox.put(snapshot.ready(self.groups.values(), self.runtime.generation, now) | {"id": request["id"]})
            case "snapshot":
                for part in snapshot.parts(self.groups.values(), self._about(now), now):
                    outbox.put(part | {"id": request.get("id")})
            case "holding":
                self._held.ask(now)
            case "stop":
                self.stop(now)

    def _run_what_is_asked(self, now: int) -> None:
        self.configure(now)
        self._tell_what_runs()

    def _track(self, now: int) -> None:
        """What is tracked may have changed, or have been silent for too long."""
        bad = self._words.turn(now)
        if bad != self._bad:
            self._bad = bad
            for group in self.groups.values():
                if group.config.trackers:
                    group.tracked(bad, now)
                    self._timers.plan(group)

    def _tell_what_runs(self) -> None:
        """To the agent; a configuration runs as it says once everything that it lacks has been handed over."""
        _, outbox = self._channels[AGENT]
        outbox.put({"configured": self.runtime.generation, "leaving": len(self._leaving)})

    def _about(self, now: int) -> dict[str, Any]:
        return {
            "generation": self.runtime.generation,
            "leaving": len(self._leaving),
            "maintenance": self.apart.maintenance,
            "refused": snapshot.refused(self._arrivals.refusals, now),
            "astray": snapshot.astray(self._arrivals.astray.all(), now),
            "lateness": snapshot.lateness(self.lateness),
            "foreignRouters": [snapshot.foreign_router(router) for router in self._arrivals.foreign.all()],
            **self.facts,
        }

    def configure(self, now: int) -> None:
        """Run the last good configuration: what it leaves alone is not touched, what it lacks is handed over.

        In this order: what another group may take is let go; the kernel is read again, so that nobody counts on it;
        groups change or start, and find it free; then adverts go to whom they concern now.
        """
        if not self._beginning.begun and self.network.behind and not self.network.read():
            # Nothing would be adopted, and what we held before would be in our way.
            self._beginning.wait(now + READ_AGAIN_NS)
            return
        self._beginning.over()
        runtime = None if self._stopping else self._last_good()
        if runtime is None:
            return
        running = self._all()
        # A predecessor may have died with slots of groups that are gone.
        names = {config.name for config in runtime.groups}
        self._board.forget_all_but(frozenset(names).union(group.config.name for group in running))
        places = continued([group.config for group in running], runtime.groups)
        going_on = {name: running[place] for name, place in places.items()}
        self._withdraw([group for group in running if group not in going_on.values()], runtime.groups, now)
        self._leaving = [group for group in self._leaving if group not in going_on.values()]
        self.groups = self._continued_and_new(runtime.groups, going_on, first=not running)
        self.network.read()
        self.network.never_as_source(
            frozenset(packed(each.address) for group in runtime.groups for each in group.addresses())
        )
        self._want(runtime.groups, now)
        for config in runtime.groups:
            group = self.groups[config.name]
            group.tracked(self._bad, now)
            group.reconfigure(config, now, maintenance=bool(self.apart))
            if not group.started:
                group.start(now)
            self._timers.plan(group)
        self.runtime = runtime
        self._route()
        self._board.forget_all_but(frozenset(group.config.name for group in self._all()))

    def _last_good(self) -> NodeRuntime | None:
        """The last good configuration; None: what runs goes on."""
        try:
            return from_json(self._accepted.read_text())
        except FileNotFoundError:
            # Nothing was ever accepted here: there is nothing to run, and nothing wrong.
            pass
        except (OSError, ValueError) as error:
            self._reports.log("error", f"{self._accepted}: {error}; what runs goes on", "")
        return None

    def _continued_and_new(
        self, wanted: Sequence[GroupConfig], going_on: dict[str, Group], *, first: bool
    ) -> dict[str, Group]:
        """The wanted groups by name. Only the `first` ones of this process may adopt what their slots tell of.

        Later, a slot that a new group finds under its name tells of another group, which this process has let go.
        """
        for config in wanted:
            if config.name in going_on:
                going_on[config.name].go_on(config, self._board.slot(config.name))
        groups = {}
        for config in wanted:
            group = going_on.get(config.name)
            if group is None:
                slot = self._board.slot(config.name)
                if not first:
                    slot.write(0, 0)
                group = Group(config, self._services, slot, maintenance=bool(self.apart))
            groups[config.name] = group
        return groups

    def _want(self, groups: Sequence[GroupConfig], now: int) -> None:
        """Track what these groups name, and ask for what nobody has spoken of: it counts as good meanwhile."""
        unheard = self._words.want(tracked_names(groups), now)
        self._bad = self._words.turn(now)
        if unheard:
            self._channels[CHECKS][1].put({"do": "tracked"})

    def _withdraw(self, groups: list[Group], wanted: Sequence[GroupConfig], now: int) -> None:
        """Hand groups over; at once where another group of this node takes over an address of theirs."""
        names = {config.name for config in wanted}
        claimed = {(each.address, each.interface) for config in wanted for each in config.addresses()}
        for group in groups:
            if group not in self._leaving:
                if group.config.name in names:
                    group.former = ", ".join(f"VRID {each.config.virtual_router_id}" for each in group.members)
                group.stop(now, keep=False)
                if not group.stopped:
                    self._leaving.append(group)
            if any((each.address, each.interface) in claimed for each in group.config.addresses()):
                group.holdings.release()
            self._timers.plan(group)

    def _route(self) -> None:
        self.network.keep_only(self._arrivals.route(self._leaving, tuple(self.groups.values())))

    def _stand_aside(self, now: int) -> None:
        """What the board says of that; the supervisor is told when all is handed over."""
        if self.apart.until(self._board.apart_until_ns(), now):
            self._take_part_or_not(now)
        if self.apart.take_word(self._holds_something):
            self._channels[SUPERVISOR][1].put({"handedOver": True})

    def _take_part_or_not(self, now: int) -> None:
        for group in self.groups.values():
            group.reconfigure(group.config, now, maintenance=bool(self.apart))
            self._timers.plan(group)

    def stop(self, now: int) -> None:
        """Hand everything over; `run` ends when that is done."""
        self._stopping = True
        for group in self.groups.values():
            group.stop(now)
            self._timers.plan(group)
        self._leaving.extend(group for group in self.groups.values() if not group.stopped)
        self.groups.clear()
