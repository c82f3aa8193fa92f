"""Each item gets its turn when it is due, however its deadline moves."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from mooring_node.vrrp.timers import Timers


@dataclass(eq=False)
class Item:
    deadline_ns: int | None = None
    turns: list[int] = field(default_factory=list)


def fire(timers: Timers[Item], now: int, following: int | None = None) -> list[Item]:
    """Every item due has its turn, and wants the next one at `following`."""
    done = []
    for item in timers.due(now):
        assert item.deadline_ns is not None
        assert item.deadline_ns <= now
        item.deadline_ns = following
        item.turns.append(now)
        done.append(item)
    return done


moves = st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(1, 50), st.integers(0, 5)), max_size=60)


@given(moves)
def test_nothing_is_forgotten_and_nothing_comes_too_early(steps: list[tuple[int, int | None, int]]) -> None:
    timers, items, now = Timers[Item](), [Item() for _ in range(4)], 0
    for index, ahead, passes in steps:
        items[index].deadline_ns = None if ahead is None else now + ahead
        timers.plan(items[index])
        now += passes
        due = [item for item in items if item.deadline_ns is not None and item.deadline_ns <= now]
        assert set(map(id, fire(timers, now))) == set(map(id, due))
        waiting = [item.deadline_ns for item in items if item.deadline_ns is not None]
        assert not waiting or (timers.earliest_ns is not None and timers.earliest_ns <= min(waiting))


def test_a_deadline_that_only_moves_away_costs_no_entry() -> None:
    timers, item = Timers[Item](), Item(10)
    for moved in range(10, 1000):
        item.deadline_ns = moved
        timers.plan(item)
    assert len(timers._heap) == 1
    assert fire(timers, 998) == []
    assert fire(timers, 999) == [item]


def test_a_turn_that_plans_the_next_one_comes_once() -> None:
    timers, item = Timers[Item](), Item(10)
    timers.plan(item)
    assert fire(timers, 10, following=20) == [item]
    assert timers.earliest_ns == 20


def test_a_deadline_that_comes_back_to_an_old_entry_is_one_turn() -> None:
    timers, item = Timers[Item](), Item(10)
    timers.plan(item)
    item.deadline_ns = 5
    timers.plan(item)
    assert fire(timers, 5, following=10) == [item]
    assert fire(timers, 10) == [item]


def test_what_is_forgotten_has_no_turn() -> None:
    timers, item = Timers[Item](), Item(10)
    timers.plan(item)
    timers.forget(item)
    assert fire(timers, 10) == []
    assert timers.earliest_ns is None
