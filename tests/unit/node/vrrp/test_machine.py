"""The machine alone: every state with every event, random walks, and several machines on a simulated network."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring_node.vrrp import states
from mooring_node.vrrp.machine import step
from mooring_node.vrrp.states import (
    HOLDING,
    SECOND_NS,
    Active,
    Backup,
    Doubting,
    Drained,
    Effect,
    Event,
    Fault,
    FaultsChanged,
    Heard,
    Initialize,
    Late,
    LeaseEnded,
    Leaving,
    NotTaken,
    Observing,
    Reconfigured,
    Router,
    Settings,
    Start,
    State,
    Stop,
    Stopped,
    Tick,
)
from mooring_node.vrrp.timing import active_down_ns, deadline, is_late, skew_ns

MS = 1_000_000
S = SECOND_NS
NOW = 1000 * S
PLAIN = Settings(version=3, priority=128, interval_ns=S)
OWNER = replace(PLAIN, priority=255)
SPEAKING = {Effect.SEND_ADVERT, Effect.SEND_RELEASE, Effect.ANNOUNCE, Effect.REANNOUNCE}


def run(router: Router, *events: tuple[int, Event]) -> tuple[Router, list[Effect]]:
    done: list[Effect] = []
    for now, event in events:
        router, effects = step(router, event, now)
        done.extend(effects)
    return router, done


def router_as(state: State, chosen: Settings = PLAIN) -> Router:
    return Router(chosen, state)


# Every state with every event.

ACTIVE = Active(advert_at=NOW, since=NOW - 10 * S)
STATES: tuple[State, ...] = (
    Initialize(),
    Backup(NOW, S),
    Backup(NOW + S, S, preempt_at=NOW + 2 * S),
    Observing(),
    ACTIVE,
    replace(ACTIVE, advert_at=NOW + S, answer_allowed_at=NOW + S, reannounce_allowed_at=NOW + S),
    Doubting(ACTIVE),
    Leaving(until=NOW, repeat_at=NOW, stopping=True),
    Leaving(until=NOW + S, repeat_at=NOW, stopping=False),
    Fault(),
    Fault(NOW),
    Stopped(),
)
EVENTS: tuple[Event, ...] = (
    Start(),
    Start(adopt=True),
    *(Heard(p, S, tie) for p in (0, 1, 128, 255) for tie in (True, False, None)),
    Tick(),
    Late(),
    Drained(),
    LeaseEnded(),
    FaultsChanged(faulty=True),
    FaultsChanged(faulty=False),
    NotTaken(),
    Reconfigured(PLAIN),
    Reconfigured(replace(PLAIN, eligible=False)),
    Stop(),
    Stop(keep=True),
)
CHOICES = tuple(
    Settings(version, priority, S, preempt=preempt, eligible=eligible, alone=alone)
    for version, priority, preempt, eligible, alone in itertools.product(
        (2, 3), (128, 255), (True, False), (True, False), (True, False)
    )
)


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


def test_the_lists_above_are_complete() -> None:
    assert {type(each) for each in STATES} == set(get_args(states.State))
    assert {type(each) for each in EVENTS} == set(get_args(states.Event))


@pytest.mark.parametrize("event", EVENTS, ids=repr)
def test_every_state_answers_every_event(event: Event) -> None:
    visited = set()
    for state, chosen in itertools.product(STATES, CHOICES):
        before = router_as(state, chosen)
        after, effects = step(before, event, NOW)
        visited.add(type(state))
        check_step(before, event, after, effects)
        assert (deadline(after) or NOW + 1) > NOW or not isinstance(event, Tick)
        if isinstance(state, Stopped):
            assert after.state == Stopped()
            assert effects == ()
    assert visited == set(get_args(states.State))


# Random walks.

priorities = st.one_of(st.sampled_from([0, 1, 100, 254, 255]), st.integers(0, 255))
intervals = st.sampled_from([10 * MS, 100 * MS, S, 5 * S])
configurations = st.builds(
    Settings,
    version=st.sampled_from([2, 3]),
    priority=st.integers(1, 255),
    interval_ns=intervals,
    active_down_factor=st.integers(1, 5),
    preempt=st.booleans(),
    preempt_delay_ns=st.sampled_from([0, 3 * S]),
    eligible=st.sampled_from([True, True, False]),
    alone=st.booleans(),
    damping_transitions=st.integers(2, 4),
    damping_hold_down_ns=st.sampled_from([0, 30 * S]),
)
events = st.one_of(
    st.builds(Heard, priority=priorities, interval_ns=intervals, wins_tie=st.sampled_from([True, False, None])),
    st.just(Tick()),
    st.just("deadline"),
    st.just("deadline"),
    st.just(Late()),
    st.just(Drained()),
    st.just(LeaseEnded()),
    st.builds(FaultsChanged, faulty=st.booleans()),
    st.just(NotTaken()),
    st.builds(Reconfigured, configurations),
    st.builds(Stop, keep=st.booleans()),
    st.builds(Start, adopt=st.booleans()),
)
walks = st.lists(st.tuples(st.integers(0, 4 * S), events), max_size=40)


@given(configurations, st.builds(Start, adopt=st.booleans()), walks)
@settings(max_examples=300, deadline=None)
def test_no_walk_breaks_what_always_holds(chosen: Settings, start: Start, walk: list[tuple[int, Any]]) -> None:
    router, now = Router(chosen), NOW

    def feed(event: Event) -> tuple[Effect, ...]:
        nonlocal router
        before = router
        router, effects = step(before, event, now)
        check_step(before, event, router, effects)
        if isinstance(event, Tick):
            due = deadline(router)
            assert due is None or due > now
        return effects

    feed(start)
    for passes, event in walk:
        if event == "deadline":
            now = max(now, deadline(router) or now)
            feed(Tick())
        else:
            now += passes
            feed(event)
    feed(Stop())
    # Repeats follow the newest interval, the end the one of the beginning: 3.3 of the longest are the bound.
    stopped_by = now + 3 * 5 * S * 11 // 10
    while not isinstance(router.state, Stopped):
        due = deadline(router)
        assert due is not None
        assert due <= stopped_by
        now = max(now, due)
        feed(Tick())


@given(configurations, walks)
@settings(max_examples=150, deadline=None)
def test_nothing_is_said_between_late_and_drained(chosen: Settings, walk: list[tuple[int, Any]]) -> None:
    chosen = replace(chosen, eligible=True)
    router = router_as(Active(advert_at=NOW, since=NOW), chosen)
    now = NOW + 3 * chosen.interval_ns
    router, effects = step(router, Late(), now)
    assert effects == ()
    for passes, event in walk:
        if event == "deadline" or isinstance(event, Drained | Stop | FaultsChanged | NotTaken | Reconfigured | Start):
            continue  # told by us, not by the wire; or it is the end of the doubt
        now += passes
        before = router.state
        router, effects = step(router, event, now)
        if not isinstance(before, Doubting):
            break
        assert not SPEAKING & set(effects)


def test_doubt_ends_with_an_advert_where_nobody_spoke() -> None:
    chosen = replace(PLAIN, interval_ns=100 * MS)
    router, effects = run(
        router_as(Active(NOW, NOW), chosen), (NOW + S, Late()), (NOW + S, Heard(0, S, None)), (NOW + S, Drained())
    )
    assert router.state == Active(advert_at=NOW + S + 100 * MS, since=NOW)
    assert effects == [Effect.SEND_ADVERT]


@pytest.mark.parametrize("priority", [1, 128, 255])
def test_doubt_ends_as_backup_where_anybody_claims_the_role(priority: int) -> None:
    router, effects = run(router_as(Doubting(ACTIVE)), (NOW, Heard(priority, S, False)), (NOW, Drained()))
    assert router.state == Backup(NOW + active_down_ns(PLAIN, S), S)
    assert effects == [Effect.STOP_ANNOUNCING, Effect.RELEASE_ADDRESSES]


@pytest.mark.parametrize("state", [ACTIVE, Doubting(ACTIVE)])
def test_an_ended_lease_is_let_go_in_silence(state: State) -> None:
    router, effects = run(router_as(state), (NOW, LeaseEnded()))
    assert isinstance(router.state, Backup)
    assert effects == [Effect.STOP_ANNOUNCING, Effect.RELEASE_ADDRESSES]


def test_late_is_three_intervals_after_the_last_advert() -> None:
    router = router_as(Active(advert_at=NOW + S, since=NOW))
    assert not is_late(router, NOW + 3 * S - 1)
    assert is_late(router, NOW + 3 * S)
    assert not is_late(router_as(Backup(NOW, S)), NOW + 90 * S)


def test_a_little_lateness_does_not_add_up() -> None:
    router = router_as(Active(advert_at=NOW, since=NOW))
    router, _ = step(router, Tick(), NOW + 7 * MS)
    assert deadline(router) == NOW + S
    router, _ = step(router, Tick(), NOW + 5 * S)
    assert deadline(router) == NOW + 6 * S


# Starting, stopping, faults, settings.


def test_adopted_addresses_are_not_taken_again_and_are_announced() -> None:
    router, effects = run(Router(PLAIN), (NOW, Start(adopt=True)))
    assert isinstance(router.state, Active)
    assert effects == [Effect.SEND_ADVERT, Effect.REANNOUNCE]
    assert router.takings == ()


def test_a_node_that_may_not_hold_hands_over_what_it_adopted() -> None:
    router, effects = run(Router(replace(PLAIN, eligible=False)), (NOW, Start(adopt=True)))
    assert isinstance(router.state, Leaving)
    assert effects == [Effect.STOP_ANNOUNCING, Effect.SEND_RELEASE]
    router, effects = run(router, (NOW + 1, Heard(1, S, False)))
    assert (router.state, effects) == (Observing(), [Effect.RELEASE_ADDRESSES])


def test_asked_back_in_time_it_keeps_the_addresses() -> None:
    leaving = router_as(Leaving(NOW + 3 * S, NOW + S, stopping=False), replace(PLAIN, eligible=False))
    router, effects = run(leaving, (NOW, Reconfigured(PLAIN)))
    assert isinstance(router.state, Active)
    assert effects == [Effect.SEND_ADVERT, Effect.REANNOUNCE]
    withdrawn = router_as(Leaving(NOW + 3 * S, NOW + S, stopping=True))
    assert isinstance(run(withdrawn, (NOW, Reconfigured(PLAIN)))[0].state, Active)


def test_a_fault_that_ends_is_waited_out_for_one_interval() -> None:
    router, _ = run(router_as(Fault()), (NOW, FaultsChanged(faulty=False)))
    assert deadline(router) == NOW + S
    flickering, _ = run(router, (NOW + 1, FaultsChanged(faulty=True)))
    assert deadline(flickering) is None
    back, _ = run(router, (NOW + S, Tick()))
    assert back.state == Backup(NOW + S + active_down_ns(PLAIN, S), S)
    owner, effects = run(router_as(Fault(NOW), OWNER), (NOW, Tick()))
    assert isinstance(owner.state, Active)
    assert effects[0] is Effect.TAKE_ADDRESSES


def test_no_timer_restarts_at_another_configuration() -> None:
    waiting = Backup(NOW + 1, S, preempt_at=NOW + 5)
    router, effects = run(router_as(waiting), (NOW, Reconfigured(replace(PLAIN, priority=7))))
    assert (router.state, effects) == (waiting, [])
    learned = Backup(NOW + 1, 2 * S)
    assert run(router_as(learned), (NOW, Reconfigured(replace(PLAIN, priority=7))))[0].state == learned
    older = replace(PLAIN, version=2)
    assert run(router_as(learned), (NOW, Reconfigured(older)))[0].state == replace(learned, active_interval_ns=S)
    router, effects = run(router_as(Active(NOW + 1, NOW)), (NOW, Reconfigured(replace(PLAIN, interval_ns=9 * S))))
    assert deadline(router) == NOW + 1
    assert effects == [Effect.SEND_ADVERT]
    router, effects = run(router_as(Active(NOW + S, NOW)), (NOW, Reconfigured(PLAIN)))
    assert effects == []
    sooner, _ = run(router_as(Active(NOW + S, NOW)), (NOW, Reconfigured(replace(PLAIN, interval_ns=10 * MS))))
    assert deadline(sooner) == NOW + 10 * MS


def test_a_node_that_may_hold_again_waits_its_turn() -> None:
    router, effects = run(router_as(Observing(), replace(PLAIN, eligible=False)), (NOW, Reconfigured(PLAIN)))
    assert router.state == Backup(NOW + active_down_ns(PLAIN, S), S)
    assert effects == []


# Flap damping.


def flapped() -> tuple[Router, int]:
    """A router that has taken the role three times within its window, and lost it again."""
    chosen = replace(PLAIN, damping_transitions=3, damping_window_ns=60 * S, damping_hold_down_ns=30 * S)
    router, _ = step(Router(chosen), Start(), NOW)
    now = NOW
    for _ in range(3):
        due = deadline(router)
        assert due is not None
        router, _ = step(router, Tick(), due)
        assert isinstance(router.state, Active)
        now = due
        router, _ = step(router, Heard(200, S, True), now)
    return router, now


def test_a_damped_node_does_not_preempt() -> None:
    router, last = flapped()
    assert router.hold_down_until == last + 30 * S
    now = last
    while now < last + 30 * S - S:
        now += S
        router, effects = run(router, (now, Heard(1, S, False)), (now, Tick()))
        assert effects == []
    # The last advert within the hold-down restarts the timer; those behind it no longer do.
    held_until = now + active_down_ns(PLAIN, S)
    for later in (last + 30 * S, last + 31 * S):
        router, _ = step(router, Heard(1, S, False), later)
    assert deadline(router) == held_until
    router, effects = run(router, (held_until, Tick()))
    assert isinstance(router.state, Active)


def test_a_damped_node_succeeds_a_silent_active() -> None:
    router, last = flapped()
    due = deadline(router)
    assert due == last + active_down_ns(PLAIN, S)
    assert due < router.hold_down_until
    router, effects = run(router, (due, Tick()))
    assert isinstance(router.state, Active)
    assert effects[0] is Effect.TAKE_ADDRESSES


def test_takings_outside_the_window_are_forgotten() -> None:
    chosen = replace(PLAIN, damping_transitions=3, damping_window_ns=60 * S)
    taken = (NOW - 60 * S, NOW - 61 * S)
    router, _ = run(Router(chosen, Backup(NOW, S), takings=taken), (NOW, Tick()))
    assert router.takings == (NOW,)
    assert router.hold_down_until == 0
    taken = (NOW - 59 * S, NOW - 58 * S)
    router, _ = run(Router(chosen, Backup(NOW, S), takings=taken), (NOW, Tick()))
    assert router.hold_down_until == NOW + 30 * S


def test_no_hold_down_means_no_damping() -> None:
    chosen = replace(PLAIN, damping_transitions=2, damping_hold_down_ns=0)
    router, _ = run(Router(chosen, Backup(NOW, S), takings=(NOW - 1,)), (NOW, Tick()))
    assert router.hold_down_until == 0


# Several machines on one segment.


@dataclass
class Node:
    """A machine with its address, and what it was seen to do."""

    router: Router
    address: int
    alive: bool = True
    activity: list[tuple[int, bool]] = field(default_factory=list)


@dataclass
class Segment:
    """Carries adverts between machines with a delay, drops what `lost` says, and moves a virtual clock."""

    nodes: list[Node]
    delay_ns: int
    lost: Callable[[], bool] = lambda: False
    now: int = NOW
    _flying: list[tuple[int, int, int, Node, Heard]] = field(default_factory=list)
    _count: int = 0
    overlaps: list[tuple[int, int]] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    _holders_since: tuple[int, int] = (0, NOW)

    def feed(self, node: Node, event: Event) -> None:
        if not node.alive:
            return
        before = node.router
        node.router, effects = step(before, event, self.now)
        check_step(before, event, node.router, effects)
        for effect in effects:
            if effect in (Effect.SEND_ADVERT, Effect.SEND_RELEASE):
                self._send(node, 0 if effect is Effect.SEND_RELEASE else node.router.settings.priority)

    def _send(self, sender: Node, priority: int) -> None:
        for node in self.nodes:
            if node is not sender and not self.lost():
                heard = Heard(priority, sender.router.settings.interval_ns, sender.address > node.address)
                self._count += 1
                heapq.heappush(self._flying, (self.now + self.delay_ns, self._count, node.address, node, heard))

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
            due = [(at, node) for node in self.nodes if node.alive and (at := deadline(node.router)) is not None]
            times = [at for at, _ in due] + ([self._flying[0][0]] if self._flying else [])
            if not times or min(times) > until:
                break
            self.now = max(self.now, min(times))
            while self._flying and self._flying[0][0] <= self.now:
                _, _, _, node, heard = heapq.heappop(self._flying)
                self.feed(node, heard)
                self.note()
            for at, node in due:
                if at <= self.now:
                    self.feed(node, Tick())
                    self.note()
        self.now = until

    def start(self) -> None:
        for node in self.nodes:
            self.feed(node, Start())
        self.note()


def segment(*priorities: int, delay_ns: int = 2 * MS, **chosen: Any) -> Segment:
    base = {"version": 3, "interval_ns": 100 * MS} | chosen
    nodes = [Node(Router(Settings(priority=p, **base)), address) for address, p in enumerate(priorities, start=1)]
    return Segment(nodes, delay_ns)


pairs = st.lists(st.integers(1, 254), min_size=2, max_size=3)
delays = st.sampled_from([0, MS, 5 * MS, 30 * MS])


@given(pairs, delays, st.sampled_from([2, 3]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_two_are_never_active_for_longer_than_an_interval_and_the_delay(
    priorities: list[int], delay: int, version: int, preempt: bool
) -> None:
    interval = S if version == 2 else 100 * MS
    wire = segment(*priorities, delay_ns=delay, version=version, interval_ns=interval, preempt=preempt)
    wire.start()
    wire.run(NOW + 20 * interval)
    holder = wire.holders()
    assert len(holder) == 1
    assert all(end - since <= interval + delay for since, end in wire.overlaps)
    # With one killed another takes over within the wait of whoever is next.
    holder[0].alive = False
    wire.note()
    killed_at = wire.now
    left = [node.router.settings for node in wire.nodes if node.alive]
    bound = min(active_down_ns(each, interval) for each in left)
    wire.run(killed_at + bound + delay)
    assert wire.holders()
    # The next but one may have taken over too, where the skews differ by less than the delay: until it hears the other.
    wire.run(killed_at + bound + 2 * delay)
    assert wire.holders()[0].router.settings.priority == max(each.priority for each in left)
    wire.run(killed_at + bound + 20 * interval)
    assert len(wire.holders()) == 1
    assert all(end - since <= interval + delay for since, end in wire.overlaps)


@given(pairs, delays, st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_planned_stop_leaves_no_moment_without_a_holder(priorities: list[int], delay: int, preempt: bool) -> None:
    wire = segment(*priorities, delay_ns=delay, preempt=preempt)
    wire.start()
    wire.run(NOW + 2 * S)
    (leaver,) = wire.holders()
    wire.gaps.clear()
    wire.feed(leaver, Stop())
    wire.run(NOW + 4 * S)
    (successor,) = wire.holders()
    assert successor is not leaver
    assert leaver.router.state == Stopped()
    assert wire.gaps == []


def test_the_higher_priority_comes_back_without_a_gap() -> None:
    wire = segment(200, 100)
    high, low = wire.nodes
    wire.start()
    wire.run(NOW + S)
    high.alive = False
    wire.run(NOW + 2 * S)
    assert wire.holders() == [low]
    wire.gaps.clear()
    high.alive, high.router = True, Router(high.router.settings)
    wire.feed(high, Start())
    wire.run(NOW + 4 * S)
    assert wire.holders() == [high]
    assert wire.gaps == []
    assert all(end - since <= 2 * MS for since, end in wire.overlaps)


def test_never_leaves_the_role_where_it_is() -> None:
    wire = segment(200, 100, preempt=False)
    high, low = wire.nodes
    wire.feed(low, Start())
    wire.run(NOW + S)
    wire.feed(high, Start())
    wire.run(NOW + 10 * S)
    assert wire.holders() == [low]
    low.alive = False
    wire.run(NOW + 10 * S + active_down_ns(high.router.settings, 100 * MS))
    assert wire.holders() == [high]


def test_with_a_delay_preemption_waits_and_succession_does_not() -> None:
    wire = segment(200, 100, preempt_delay_ns=5 * S)
    high, low = wire.nodes
    wire.feed(low, Start())
    wire.run(NOW + S)
    wire.feed(high, Start())
    wire.run(NOW + 6 * S)
    assert wire.holders() == [low]
    wire.run(NOW + 7 * S)
    assert wire.holders() == [high]
    high.alive = False
    wire.run(wire.now + active_down_ns(low.router.settings, 100 * MS))
    assert wire.holders() == [low]


def test_among_equals_the_higher_address_holds() -> None:
    wire = segment(100, 100, 100, delay_ns=5 * MS)
    wire.start()
    wire.run(NOW + 5 * S)
    assert [node.address for node in wire.holders()] == [3]


def test_a_partition_ends_with_one_holder_within_an_interval() -> None:
    wire = segment(200, 100)
    cut = True
    wire.lost = lambda: cut
    wire.start()
    wire.run(NOW + 3 * S)
    assert len(wire.holders()) == 2
    cut = False
    healed = wire.now
    wire.run(healed + 100 * MS + wire.delay_ns)
    assert [node.address for node in wire.holders()] == [1]


@given(st.integers(0, 1 << 30), st.sampled_from([0.1, 0.3]), pairs)
@settings(max_examples=40, deadline=None)
def test_loss_ends_and_then_there_is_one_holder(seed: int, share: float, priorities: list[int]) -> None:
    chance = random.Random(seed)
    wire = segment(*priorities)
    wire.lost = lambda: chance.random() < share
    wire.start()
    wire.run(NOW + 10 * S)
    assert wire.holders()
    wire.lost = lambda: False
    wire.run(wire.now + S)
    assert len(wire.holders()) == 1


def test_the_skew_orders_the_backups() -> None:
    for version, interval in ((2, S), (2, 5 * S), (3, 10 * MS), (3, S)):
        waits = [skew_ns(Settings(version, priority, interval), interval) for priority in range(1, 256)]
        assert waits == sorted(waits, reverse=True)
        assert len(set(waits)) == 255
