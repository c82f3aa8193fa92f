"""Several machines on a simulated network, and what holds for each of their steps."""

import heapq
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from mooring_node.vrrp.machine import step
from mooring_node.vrrp.states import (
    HOLDING,
    SECOND_NS,
    Active,
    Doubting,
    Drained,
    Effect,
    Event,
    FaultsChanged,
    Heard,
    Initialize,
    Late,
    Leaving,
    NotTaken,
    Reconfigured,
    Router,
    Settings,
    Start,
    Stop,
    Tick,
)
from mooring_node.vrrp.timing import deadline, is_late

MS = 1_000_000
S = SECOND_NS
NOW = 1000 * S
SPEAKING = {Effect.SEND_ADVERT, Effect.SEND_RELEASE, Effect.ANNOUNCE, Effect.REANNOUNCE}


def held_after(held: bool, effects: tuple[Effect, ...]) -> bool:
    """Follows the addresses; taking twice would be refused by the kernel, and silence is due without them."""
    for effect in effects:
        if effect is Effect.TAKE_ADDRESSES:
            assert not held
            held = True
        elif effect is Effect.RELEASE_ADDRESSES:
            assert held
            held = False
        elif effect in (Effect.ANNOUNCE, Effect.REANNOUNCE):
            assert held
    return held


def check_step(before: Router, event: Event, after: Router, effects: tuple[Effect, ...]) -> None:
    """What holds for each step from any state, whatever led there."""
    was, is_now = isinstance(before.state, HOLDING), isinstance(after.state, HOLDING)
    adopts = isinstance(event, Start) and event.adopt and isinstance(before.state, Initialize)
    keeps = isinstance(event, Stop) and event.keep
    held = held_after(was or adopts, effects)
    assert held == (is_now or (keeps and was))
    # The one word without addresses is a loser's last advert.
    if Effect.SEND_ADVERT in effects and not is_now:
        assert isinstance(before.state, Active)
        assert effects[-2:] == (Effect.RELEASE_ADDRESSES, Effect.SEND_ADVERT)
    if isinstance(before.state, Doubting) and not isinstance(
        event, Drained | Stop | FaultsChanged | NotTaken | Reconfigured
    ):
        assert not SPEAKING & set(effects)
    if was and not is_now and not isinstance(before.state, Leaving):
        assert Effect.STOP_ANNOUNCING in effects


@dataclass(eq=False)
class Node:
    """A machine with its address, what it sends and accepts besides, and what it has missed of the others."""

    router: Router
    address: int
    alive: bool = True
    form: Hashable = None
    accepted: frozenset[Hashable] = frozenset()
    waiting: list[tuple[Hashable, Heard]] | None = None
    """What has come while its process did not run; None: it runs."""
    missed: Counter[int] = field(default_factory=Counter)
    """Adverts that were lost on their way here since the last one that put the timer off, by the sender's address."""


@dataclass
class Segment:
    """Carries adverts between machines with a delay, drops what `lost` says, and moves a virtual clock."""

    nodes: list[Node]
    delay_ns: int
    lost: Callable[[], bool] = lambda: False
    watch: Callable[[Node], None] = lambda _: None
    """Called with each machine that takes the role, before it does."""
    now: int = NOW
    takings: int = 0
    _flying: list[tuple[int, int, Node, Hashable, Heard]] = field(default_factory=list)
    _count: int = 0
    overlaps: list[tuple[int, int]] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    _holders_since: tuple[int, int] = (0, NOW)

    def feed(self, node: Node, event: Event) -> None:
        if not node.alive:
            return
        before = node.router
        after, effects = step(before, event, self.now)
        check_step(before, event, after, effects)
        if Effect.TAKE_ADDRESSES in effects:
            self.takings += 1
            self.watch(node)
        node.router = after
        for effect in effects:
            if effect in (Effect.SEND_ADVERT, Effect.SEND_RELEASE):
                self._send(node, 0 if effect is Effect.SEND_RELEASE else node.router.settings.priority)
        self.note()

    def _send(self, sender: Node, priority: int) -> None:
        for node in self.nodes:
            if node is sender:
                continue
            if self.lost():
                node.missed[sender.address] += 1
                continue
            heard = Heard(priority, sender.router.settings.pace, sender.address > node.address)
            self._count += 1
            heapq.heappush(self._flying, (self.now + self.delay_ns, self._count, node, sender.form, heard))

    def _deliver(self, node: Node, form: Hashable, heard: Heard) -> None:
        if form != node.form and form not in node.accepted:
            return
        if node.waiting is not None:
            node.waiting.append((form, heard))
            return
        before = deadline(node.router)
        self.feed(node, heard)
        if deadline(node.router) != before:
            node.missed.clear()

    def holders(self) -> list[Node]:
        return [node for node in self.nodes if node.alive and isinstance(node.router.state, HOLDING)]

    def note(self) -> None:
        """Closes a time with several holders, or with none, when the number of holders changes."""
        count, since = self._holders_since
        if len(self.holders()) == count:
            return
        if count > 1:
            self.overlaps.append((since, self.now))
        elif count == 0:
            self.gaps.append((since, self.now))
        self._holders_since = (len(self.holders()), self.now)

    def run(self, until: int) -> None:
        while True:
            awake = [node for node in self.nodes if node.alive and node.waiting is None]
            due = [(at, node) for node in awake if (at := deadline(node.router)) is not None]
            times = [at for at, _ in due] + ([self._flying[0][0]] if self._flying else [])
            if not times or min(times) > until:
                break
            self.now = max(self.now, min(times))
            while self._flying and self._flying[0][0] <= self.now:
                _, _, node, form, heard = heapq.heappop(self._flying)
                self._deliver(node, form, heard)
            for at, node in due:
                if at <= self.now:
                    self.feed(node, Tick())
        self.now = until

    def sleep(self, node: Node, for_ns: int, *, kept: bool) -> None:
        """Its process does not run; then it does what the VRRP process does in its first turn.

        What the others say meanwhile waits in its sockets where it is `kept`, as when the process alone was stopped;
        of a machine that was suspended nothing is.
        """
        node.waiting = []
        self.run(self.now + for_ns)
        waiting, node.waiting = node.waiting, None
        late = is_late(node.router, self.now)
        if late:
            self.feed(node, Late())
        for form, heard in waiting if kept else ():
            self._deliver(node, form, heard)
        if late:
            self.feed(node, Drained())
        self.feed(node, Tick())

    def start(self) -> None:
        for node in self.nodes:
            self.feed(node, Start())


def segment(*priorities: int, delay_ns: int = 2 * MS, **chosen: Any) -> Segment:
    """Machines with these priorities and the addresses 1, 2, ...; further settings as keywords."""
    base = {"version": 3, "interval_ns": 100 * MS} | chosen
    nodes = [Node(Router(Settings(priority=p, **base)), address) for address, p in enumerate(priorities, start=1)]
    return Segment(nodes, delay_ns)
