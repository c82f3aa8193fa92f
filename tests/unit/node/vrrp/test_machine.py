"""The machine alone: every state with every event, random walks, and several machines on a simulated network."""

import itertools
import random
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.node.vrrp.simulation import MS, NOW, SPEAKING, S, check_step, segment

from mooring_node.vrrp import states
from mooring_node.vrrp.machine import step
from mooring_node.vrrp.states import (
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
    Pace,
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

PLAIN = Settings(version=3, priority=128, interval_ns=S)
EACH_S = PLAIN.pace
OWNER = replace(PLAIN, priority=255)


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
    Backup(NOW, EACH_S),
    Backup(NOW + S, EACH_S, preempt_at=NOW + 2 * S),
    Backup(NOW, EACH_S, put_off=True),
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
    *(Heard(p, EACH_S, tie) for p in (0, 1, 128, 255) for tie in (True, False, None)),
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
paces = st.builds(Pace, version=st.sampled_from([2, 3]), interval_ns=intervals)
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
    accepted=st.lists(paces, max_size=2).map(tuple),
)
events = st.one_of(
    st.builds(Heard, priority=priorities, pace=paces, wins_tie=st.sampled_from([True, False, None])),
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
        router_as(Active(NOW, NOW), chosen), (NOW + S, Late()), (NOW + S, Heard(0, EACH_S, None)), (NOW + S, Drained())
    )
    assert router.state == Active(advert_at=NOW + S + 100 * MS, since=NOW)
    assert effects == [Effect.SEND_ADVERT]


@pytest.mark.parametrize("priority", [1, 128, 255])
def test_doubt_ends_as_backup_where_anybody_claims_the_role(priority: int) -> None:
    router, effects = run(router_as(Doubting(ACTIVE)), (NOW, Heard(priority, EACH_S, False)), (NOW, Drained()))
    assert router.state == Backup(NOW + active_down_ns(PLAIN, EACH_S), EACH_S)
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


def test_a_backup_is_late_an_interval_after_its_timer_ran_out_and_only_once() -> None:
    router = router_as(Backup(NOW, Pace(3, 500 * MS)))
    assert not is_late(router, NOW + 500 * MS - 1)
    assert is_late(router, NOW + 500 * MS)
    assert not is_late(router_as(Backup(NOW, EACH_S, put_off=True)), NOW + 90 * S)
    assert not is_late(router_as(Observing()), NOW + 90 * S)


def test_who_has_yet_to_listen_is_late() -> None:
    assert is_late(router_as(Doubting(ACTIVE)), NOW)


def test_a_backup_that_woke_late_listens_for_a_whole_active_down() -> None:
    router = router_as(Backup(NOW, EACH_S))
    woken = NOW + 600 * S
    down = active_down_ns(PLAIN, EACH_S)
    router, effects = run(router, (woken, Late()), (woken, Drained()), (woken + down - 1, Tick()))
    assert (router.state, effects) == (Backup(woken + down, EACH_S, put_off=True), [])
    router, effects = step(router, Tick(), woken + down)
    assert isinstance(router.state, Active)


def test_who_stalls_again_and_again_waits_once_more_and_then_takes_over() -> None:
    router = router_as(Backup(NOW, EACH_S))
    router, effects = run(router, (NOW + 60 * S, Late()), (NOW + 120 * S, Late()), (NOW + 120 * S, Tick()))
    assert isinstance(router.state, Active)
    assert Effect.TAKE_ADDRESSES in effects


def test_an_advert_gives_a_new_wait_that_may_be_put_off() -> None:
    router, _ = run(router_as(Backup(NOW, EACH_S)), (NOW + 60 * S, Late()), (NOW + 61 * S, Heard(200, EACH_S, None)))
    assert router.state == Backup(NOW + 61 * S + active_down_ns(PLAIN, EACH_S), EACH_S)


def test_a_preemption_delay_goes_on_while_a_backup_sleeps() -> None:
    delayed = replace(PLAIN, preempt_delay_ns=100 * S)
    router, _ = run(router_as(Backup(NOW, EACH_S, preempt_at=NOW + 100 * S), delayed), (NOW + 60 * S, Late()))
    later = NOW + 61 * S
    router, _ = step(router, Heard(100, EACH_S, None), later)
    assert router.state == Backup(later + active_down_ns(delayed, EACH_S), EACH_S, preempt_at=NOW + 100 * S)


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
    router, effects = run(router, (NOW + 1, Heard(1, EACH_S, False)))
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
    assert back.state == Backup(NOW + S + active_down_ns(PLAIN, EACH_S), EACH_S)
    owner, effects = run(router_as(Fault(NOW), OWNER), (NOW, Tick()))
    assert isinstance(owner.state, Active)
    assert effects[0] is Effect.TAKE_ADDRESSES


def test_the_skew_follows_the_priority_at_once() -> None:
    """Two candidates whose priorities change in turn, as at a drain: with the skews of before both took the role."""
    first, second = replace(PLAIN, priority=250), replace(PLAIN, priority=240)
    heard = NOW - 100 * MS
    waiting = Backup(heard + active_down_ns(second, EACH_S), EACH_S)
    for before, after in ((second, first), (second, second), (second, replace(PLAIN, priority=7))):
        router, effects = run(router_as(waiting, before), (NOW, Reconfigured(after)))
        assert (deadline(router), effects) == (heard + active_down_ns(after, EACH_S), [])
    slow = Pace(3, 2 * S)
    router, _ = run(router_as(Backup(heard + active_down_ns(second, slow), slow), second), (NOW, Reconfigured(first)))
    assert deadline(router) == heard + active_down_ns(first, slow)


def test_no_timer_restarts_at_another_configuration() -> None:
    waiting = Backup(NOW + 1, EACH_S, preempt_at=NOW + 5)
    router, effects = run(router_as(waiting), (NOW, Reconfigured(replace(PLAIN, interval_ns=9 * S))))
    assert (router.state, effects) == (waiting, [])
    learned = Backup(NOW + 1, Pace(3, 2 * S))
    assert run(router_as(learned), (NOW, Reconfigured(replace(PLAIN, interval_ns=9 * S))))[0].state == learned
    older = replace(PLAIN, version=2)
    assert run(router_as(learned), (NOW, Reconfigured(older)))[0].state == replace(learned, pace=older.pace)
    router, effects = run(router_as(Active(NOW + 1, NOW)), (NOW, Reconfigured(replace(PLAIN, interval_ns=9 * S))))
    assert deadline(router) == NOW + 1
    assert effects == [Effect.SEND_ADVERT]
    sooner, _ = run(router_as(Active(NOW + S, NOW)), (NOW, Reconfigured(replace(PLAIN, interval_ns=10 * MS))))
    assert deadline(sooner) == NOW + 10 * MS


def test_a_node_that_may_hold_again_waits_its_turn() -> None:
    router, effects = run(router_as(Observing(), replace(PLAIN, eligible=False)), (NOW, Reconfigured(PLAIN)))
    assert router.state == Backup(NOW + active_down_ns(PLAIN, EACH_S), EACH_S)
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
        router, _ = step(router, Heard(200, EACH_S, True), now)
    return router, now


def test_a_damped_node_does_not_preempt() -> None:
    router, last = flapped()
    assert router.hold_down_until == last + 30 * S
    now = last
    while now < last + 30 * S - S:
        now += S
        router, effects = run(router, (now, Heard(1, EACH_S, False)), (now, Tick()))
        assert effects == []
    # The last advert within the hold-down restarts the timer; those behind it no longer do.
    held_until = now + active_down_ns(PLAIN, EACH_S)
    for later in (last + 30 * S, last + 31 * S):
        router, _ = step(router, Heard(1, EACH_S, False), later)
    assert deadline(router) == held_until
    router, effects = run(router, (held_until, Tick()))
    assert isinstance(router.state, Active)


def test_a_damped_node_succeeds_a_silent_active() -> None:
    router, last = flapped()
    due = deadline(router)
    assert due == last + active_down_ns(PLAIN, EACH_S)
    assert due < router.hold_down_until
    router, effects = run(router, (due, Tick()))
    assert isinstance(router.state, Active)
    assert effects[0] is Effect.TAKE_ADDRESSES


def test_takings_outside_the_window_are_forgotten() -> None:
    chosen = replace(PLAIN, damping_transitions=3, damping_window_ns=60 * S)
    taken = (NOW - 60 * S, NOW - 61 * S)
    router, _ = run(Router(chosen, Backup(NOW, EACH_S), takings=taken), (NOW, Tick()))
    assert router.takings == (NOW,)
    assert router.hold_down_until == 0
    taken = (NOW - 59 * S, NOW - 58 * S)
    router, _ = run(Router(chosen, Backup(NOW, EACH_S), takings=taken), (NOW, Tick()))
    assert router.hold_down_until == NOW + 30 * S


def test_no_hold_down_means_no_damping() -> None:
    chosen = replace(PLAIN, damping_transitions=2, damping_hold_down_ns=0)
    router, _ = run(Router(chosen, Backup(NOW, EACH_S), takings=(NOW - 1,)), (NOW, Tick()))
    assert router.hold_down_until == 0


# Several machines on one segment.


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
    bound = min(active_down_ns(each, each.pace) for each in left)
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
    wire.run(NOW + 10 * S + active_down_ns(high.router.settings, high.router.settings.pace))
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
    wire.run(wire.now + active_down_ns(low.router.settings, low.router.settings.pace))
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


naps = st.lists(st.tuples(st.integers(0, 700), st.integers(1, 2000)), max_size=6)


#: Awake for long enough to hear an advert; asleep for an interval longer than Active_Down is.
suspensions = st.lists(st.tuples(st.integers(130, 700), st.integers(500, 2000)), max_size=6)


@given(
    st.one_of(st.tuples(naps, st.just(True)), st.tuples(suspensions, st.just(False))),
    st.sampled_from([{"preempt": False}, {"preempt_delay_ns": 3600 * S}]),
    delays,
)
@settings(max_examples=60, deadline=None)
def test_a_backup_that_sleeps_takes_no_role_that_it_may_not_have(
    slept_and_kept: tuple[list[tuple[int, int]], bool], chosen: dict[str, Any], delay: int
) -> None:
    """Stopped (what is said waits in its sockets) or suspended (it is lost): the holder never changes."""
    slept, kept = slept_and_kept
    wire = segment(200, 100, delay_ns=delay, **chosen)
    sleeper, holder = wire.nodes
    wire.feed(holder, Start())
    wire.run(NOW + S)
    wire.feed(sleeper, Start())
    wire.run(wire.now + S)
    taken = wire.takings
    for awake_ms, asleep_ms in slept:
        wire.run(wire.now + awake_ms * MS)
        wire.sleep(sleeper, asleep_ms * MS, kept=kept)
    wire.run(wire.now + 5 * S)
    assert wire.holders() == [holder]
    assert wire.takings == taken


@given(naps, st.booleans(), st.booleans(), st.integers(1, 254))
@settings(max_examples=60, deadline=None)
def test_a_backup_that_sleeps_again_and_again_follows_the_dead_in_the_end(
    slept: list[tuple[int, int]], kept: bool, preempt: bool, priority: int
) -> None:
    wire = segment(priority, 254, preempt=preempt)
    sleeper, holder = wire.nodes
    wire.start()
    wire.run(NOW + 2 * S)
    holder.alive = False
    wire.note()
    wait = active_down_ns(sleeper.router.settings, sleeper.router.settings.pace)
    died = wire.now
    for awake_ms, asleep_ms in slept:
        wire.run(wire.now + awake_ms * MS)
        wire.sleep(sleeper, asleep_ms * MS, kept=kept)
    # Of two waits each may end in one of the naps.
    longest = max((asleep_ms * MS for _, asleep_ms in slept), default=0)
    wire.run(max(wire.now, died + 2 * (wait + longest)))
    assert wire.holders() == [sleeper]


@given(naps, st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_holder_that_sleeps_is_replaced_and_then_there_is_one(slept: list[tuple[int, int]], kept: bool) -> None:
    wire = segment(200, 100)
    sleeper, _ = wire.nodes
    wire.start()
    wire.run(NOW + 2 * S)
    for awake_ms, asleep_ms in slept:
        wire.run(wire.now + awake_ms * MS)
        wire.sleep(sleeper, asleep_ms * MS, kept=kept)
    wire.run(wire.now + 2 * S)
    assert wire.holders() == [sleeper]


def test_the_skew_orders_the_backups() -> None:
    for version, interval in ((2, S), (2, 5 * S), (3, 10 * MS), (3, S)):
        waits = [skew_ns(Settings(version, priority, interval), Pace(version, interval)) for priority in range(1, 256)]
        assert waits == sorted(waits, reverse=True)
        assert len(set(waits)) == 255
