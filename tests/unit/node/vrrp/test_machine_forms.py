"""Changes that go round the members one by one, in any order: who holds the addresses meanwhile."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.node.vrrp.simulation import MS, NOW, Node, S, Segment, segment

from mooring_node.vrrp.machine import step
from mooring_node.vrrp.states import (
    HOLDING,
    Active,
    Backup,
    Doubting,
    Drained,
    Effect,
    Event,
    Fault,
    Heard,
    Initialize,
    LeaseEnded,
    Observing,
    Pace,
    Reconfigured,
    Router,
    Settings,
    Start,
    State,
    Stop,
    Tick,
)
from mooring_node.vrrp.timing import active_down_ns, adoptable_ns, deadline, is_late, release_spacing_ns

FACTOR = 3
SLOW, FAST = Pace(3, S), Pace(3, 50 * MS)


@dataclass(frozen=True)
class Form:
    """What a member's adverts look like; `mark` stands for VRID, password and whatever else must fit."""

    pace: Pace
    mark: str = ""


@dataclass(frozen=True)
class Stage:
    """A generation of the configuration: the form that is sent, and those that count besides."""

    own: Form
    accepted: tuple[Form, ...] = ()


def stages(old: Form, new: Form) -> tuple[Stage, ...]:
    """The generations of one change after the one that stands."""
    return Stage(old, (new,)), Stage(new, (old,)), Stage(new)


def configured(node: Node, stage: Stage) -> Settings:
    pace, accepted = stage.own.pace, tuple(form.pace for form in stage.accepted)
    return replace(node.router.settings, version=pace.version, interval_ns=pace.interval_ns, accepted=accepted)


def enter(wire: Segment, node: Node, stage: Stage, *, restart: bool = False) -> None:
    """The generation lands at a member: in place, or with a restart of a Backup's daemon."""
    node.form, node.accepted = stage.own, frozenset(stage.accepted)
    if restart and not isinstance(node.router.state, HOLDING):
        node.router = Router(configured(node, stage))
        wire.feed(node, Start())
    else:
        wire.feed(node, Reconfigured(configured(node, stage)))


def started(ranks: list[int], delay: int, form: Form) -> Segment:
    """Members of one form, of whom the first choice is Active."""
    wire = segment(*ranks, delay_ns=delay, preempt=False)
    for node in wire.nodes:
        node.form = form
        node.router = Router(configured(node, Stage(form)))
    wire.start()
    wire.run(NOW + 20 * form.pace.interval_ns)
    assert [node.router.settings.priority for node in wire.holders()] == [max(ranks)]
    wire.takings = 0
    wire.gaps.clear()
    wire.overlaps.clear()
    return wire


forms = st.builds(
    Form,
    pace=st.sampled_from([Pace(2, S), Pace(2, 3 * S), FAST, Pace(3, 100 * MS), SLOW, Pace(3, 2 * S)]),
    mark=st.sampled_from(["VRID 66", "VRID 67", "another password"]),
)
changes = st.tuples(forms, forms)
priorities = st.lists(st.integers(1, 254), min_size=2, max_size=3, unique=True)
delays = st.sampled_from([0, MS, 4 * MS])
#: How late each member hears of each generation, and whether its daemon is restarted with it.
landings = st.lists(
    st.tuples(st.sampled_from([0, MS, 20 * MS, 700 * MS, 4 * S, 30 * S]), st.booleans()), min_size=9, max_size=9
)
steps = st.integers(0, 8)


def landed(wire: Segment, change: tuple[Form, Form], late: list[tuple[int, bool]]) -> Iterator[int]:
    """Runs the generations round, each once all have the one before; numbers each landing, before it happens.

    A member that is gone reports nothing, so no generation begins after it.
    """
    numbers, at_hand = itertools.count(), iter(late)
    for stage in stages(*change):
        if not all(node.alive for node in wire.nodes):
            break
        begun = wire.now
        plan = [(*next(at_hand), node) for node in wire.nodes]
        for wait, restart, node in sorted(plan, key=lambda each: each[0]):
            wire.run(max(wire.now, begun + wait))
            yield next(numbers)
            if node.alive:
                enter(wire, node, stage, restart=restart)
    wire.run(wire.now + 4 * max(form.pace.interval_ns for form in change))


@given(priorities, delays, changes, landings)
@settings(max_examples=150, deadline=None)
def test_where_nothing_is_lost_the_role_stays_where_it_is(
    ranks: list[int], delay: int, change: tuple[Form, Form], late: list[tuple[int, bool]]
) -> None:
    wire = started(ranks, delay, change[0])
    holders = wire.holders()
    assert all(wire.holders() == holders for _ in landed(wire, change, late))
    assert wire.holders() == holders
    assert (wire.takings, wire.gaps, wire.overlaps) == (0, [], [])
    assert {node.router.settings.pace for node in wire.nodes} == {change[1].pace}


#: The generations follow each other within a millisecond, to a longer interval.
AT_ONCE = [(0, False), (700 * MS, False), *[(0, False)] * 2, (MS, False), *[(0, False)] * 4]


@given(priorities, delays, changes, landings, st.integers(0, 1 << 30), st.sampled_from([0.1, 0.3, 0.5]))
@example([1, 2], MS, (Form(FAST, "VRID 66"), Form(Pace(2, S), "VRID 66")), AT_ONCE, 29138, 0.5)
@settings(max_examples=150, deadline=None)
def test_only_three_lost_adverts_in_a_row_make_a_second_holder(
    ranks: list[int], delay: int, change: tuple[Form, Form], late: list[tuple[int, bool]], seed: int, share: float
) -> None:
    wire = started(ranks, delay, change[0])
    (first,) = wire.holders()
    chance = random.Random(seed)
    wire.lost = lambda: chance.random() < share

    def takes(node: Node) -> None:
        assert node.missed[first.address] >= FACTOR

    wire.watch = takes
    assert all(first in wire.holders() for _ in landed(wire, change, late))
    wire.lost = lambda: False
    wire.run(wire.now + max(form.pace.interval_ns for form in change) + 2 * delay)
    assert wire.holders() == [first]


@given(priorities, delays, changes, landings, steps)
@settings(max_examples=100, deadline=None)
def test_a_holder_that_dies_meanwhile_is_succeeded_by_the_next_in_order(
    ranks: list[int], delay: int, change: tuple[Form, Form], late: list[tuple[int, bool]], when: int
) -> None:
    wire = started(ranks, delay, change[0])
    (holder,) = wire.holders()
    dies_at = NOW
    for number in landed(wire, change, [(wait, False) for wait, _ in late]):
        if number == when % (3 * len(ranks)):
            holder.alive, dies_at = False, wire.now
            wire.note()
    left = [node for node in wire.nodes if node.alive]
    silence = max(active_down_ns(node.router.settings, form.pace) for node in left for form in change)
    wire.run(max(wire.now, dies_at + silence + 2 * delay))
    assert [node.router.settings.priority for node in wire.holders()] == [max(n.router.settings.priority for n in left)]
    assert all(end - since <= silence + delay for since, end in wire.gaps)
    assert all(end - since <= delay for since, end in wire.overlaps)


@given(priorities, changes, landings, steps)
@settings(max_examples=100, deadline=None)
def test_a_holder_that_stops_meanwhile_hands_over(
    ranks: list[int], change: tuple[Form, Form], late: list[tuple[int, bool]], when: int
) -> None:
    wire = started(ranks, MS, change[0])
    (holder,) = wire.holders()
    for number in landed(wire, change, [(wait, False) for wait, _ in late]):
        if number == when % (3 * len(ranks)):
            wire.feed(holder, Stop())
            wire.run(wire.now + 10 * S)
            holder.alive = False
            assert len(wire.holders()) == 1
    assert wire.gaps == []


OLD, NEW = Form(SLOW, "VRID 66"), Form(FAST, "VRID 67")
ALL = (Stage(OLD), *stages(OLD, NEW))


@pytest.mark.parametrize(("one", "other"), [(a, b) for a, b in itertools.product(range(4), repeat=2) if abs(a - b) < 2])
def test_two_holders_settle_at_any_moment_of_a_change(one: int, other: int) -> None:
    """As after a partition."""
    wire = started([200, 100], MS, OLD)
    high, low = wire.nodes
    enter(wire, high, ALL[one])
    enter(wire, low, ALL[other])
    low.router = replace(low.router, state=Active(wire.now, wire.now))
    wire.note()
    wire.run(wire.now + S + 2 * MS)
    assert wire.holders() == [high]


# One router.

PLAIN = Settings(version=3, priority=128, interval_ns=S)
LISTENS = replace(PLAIN, accepted=(FAST,))
SPEAKS = replace(PLAIN, interval_ns=FAST.interval_ns, accepted=(SLOW,))


def after(state: State, chosen: Settings, event: Event) -> Router:
    return step(Router(chosen, state), event, NOW)[0]


@pytest.mark.parametrize("chosen", [LISTENS, SPEAKS])
def test_adverts_go_out_at_the_shortest_interval_whatever_they_say(chosen: Settings) -> None:
    router, sent = Router(chosen, Active(NOW, NOW)), []
    for _ in range(5):
        due = deadline(router)
        assert due is not None
        sent.append(due)
        router, effects = step(router, Tick(), due)
        assert effects == (Effect.SEND_ADVERT,)
    assert [later - earlier for earlier, later in itertools.pairwise(sent)] == [FAST.interval_ns] * 4
    for taken in (after(Backup(NOW, SLOW), chosen, Tick()), after(Initialize(), chosen, Start(adopt=True))):
        assert deadline(taken) == NOW + FAST.interval_ns
    assert not is_late(Router(chosen, Active(NOW, NOW)), NOW + 2 * FAST.interval_ns - 1)
    assert is_late(Router(chosen, Active(NOW, NOW)), NOW + 2 * FAST.interval_ns)
    # What another process may adopt is judged by what the others were told.
    assert adoptable_ns(chosen) == 3 * chosen.interval_ns


def test_a_holder_says_its_new_form_at_once() -> None:
    for chosen in (LISTENS, SPEAKS, replace(PLAIN, interval_ns=FAST.interval_ns)):
        router, effects = step(Router(PLAIN, Active(NOW + S, NOW - S, NOW, NOW)), Reconfigured(chosen), NOW)
        assert effects == (Effect.SEND_ADVERT,)
        assert router.state == Active(NOW + FAST.interval_ns, NOW - S, NOW, NOW)


def test_an_interval_that_grew_begins_after_as_many_adverts_as_a_backup_may_miss() -> None:
    router, effects = step(Router(SPEAKS, Active(NOW + MS, NOW)), Reconfigured(PLAIN), NOW)
    assert effects == (Effect.SEND_ADVERT,)
    sent = []
    for _ in range(5):
        due = deadline(router)
        assert due is not None
        sent.append(due)
        router, effects = step(router, Tick(), due)
        assert effects == (Effect.SEND_ADVERT,)
    assert sent[0] == NOW + MS
    fast, slow = FAST.interval_ns, PLAIN.interval_ns
    assert [later - earlier for earlier, later in itertools.pairwise(sent)] == [fast, fast, fast, slow]
    # Who was held up meanwhile has not spoken yet, and hurries as well.
    router, _ = step(Router(SPEAKS, Doubting(Active(NOW, NOW))), Reconfigured(PLAIN), NOW)
    router, effects = step(router, Drained(), NOW + S)
    assert (effects, deadline(router)) == ((Effect.SEND_ADVERT,), NOW + S + fast)
    # Who is asked for something shorter meanwhile does not wait for the hurry to end.
    hurried = Active(NOW + MS, NOW, hurried=3, hurry_ns=fast)
    shorter = replace(PLAIN, interval_ns=20 * MS)
    router, _ = step(Router(PLAIN, hurried), Reconfigured(shorter), NOW)
    router, _ = step(router, Tick(), NOW + MS)
    assert deadline(router) == NOW + MS + shorter.interval_ns


@pytest.mark.parametrize("chosen", [LISTENS, SPEAKS])
@pytest.mark.parametrize(
    ("state", "event"),
    [
        (Initialize(), Start()),
        (Observing(), Reconfigured(LISTENS)),
        (Fault(NOW), Tick()),
        (Active(NOW, NOW), LeaseEnded()),
    ],
    ids=["start", "eligible", "recovered", "lease-ended"],
)
def test_before_an_active_router_is_heard_the_longest_silence_counts(
    state: State, event: Event, chosen: Settings
) -> None:
    event = Reconfigured(chosen) if isinstance(event, Reconfigured) else event
    assert after(state, chosen, event).state == Backup(NOW + active_down_ns(chosen, SLOW), SLOW)


def test_a_backup_counts_by_what_it_hears() -> None:
    for chosen, pace in itertools.product((LISTENS, SPEAKS), (SLOW, FAST)):
        router = after(Backup(NOW + S, SLOW), chosen, Heard(200, pace, False))
        assert router.state == Backup(NOW + active_down_ns(chosen, pace), pace)
    # And goes on to when it shall speak otherwise itself.
    waits = Backup(NOW + S, SLOW)
    assert after(waits, LISTENS, Reconfigured(SPEAKS)).state == waits


def test_a_backup_of_another_version_waits_as_the_others_do() -> None:
    """The skew of version 2 is counted in seconds, so the order of the Backups would be lost otherwise."""
    two, three = Pace(2, 2 * S), Pace(3, 100 * MS)
    said_in_two = Settings(2, 100, two.interval_ns, accepted=(three,))
    said_in_three = Settings(3, 100, three.interval_ns, accepted=(two,))
    for pace in (two, three):
        waits = {
            deadline(after(Backup(NOW + S, two), chosen, Heard(200, pace, False)))
            for chosen in (said_in_two, said_in_three)
        }
        assert waits == {NOW + active_down_ns(Settings(pace.version, 100, pace.interval_ns), pace)}


def test_bounds_on_what_is_learned_reach_from_the_shortest_to_the_longest_form() -> None:
    for said, counted in ((MS, 5 * MS), (20 * MS, 20 * MS), (7 * S, 7 * S), (40 * S, 10 * S)):
        router = after(Backup(NOW + S, SLOW), SPEAKS, Heard(200, Pace(3, said), False))
        assert isinstance(router.state, Backup)
        assert router.state.pace == Pace(3, counted)


def test_priority_0_is_repeated_beyond_the_skew_of_any_form() -> None:
    assert release_spacing_ns(LISTENS) == release_spacing_ns(SPEAKS) == release_spacing_ns(PLAIN)
    assert release_spacing_ns(replace(SPEAKS, accepted=(Pace(2, 5 * S),))) == release_spacing_ns(PLAIN)
