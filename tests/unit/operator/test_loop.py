"""One turn at a time, soon after a change; a turn that fails ends nothing."""

import threading
from datetime import datetime

import pytest
from tests.unit.operator.fake_api import FakeApi

from mooring_operator.cluster.store import Store
from mooring_operator.cluster.view import KINDS, Endpoints, View
from mooring_operator.cluster.writer import Writer
from mooring_operator.cluster.writes import Write
from mooring_operator.loop import LONGEST_REST_S, Loop
from mooring_operator.metrics import Metrics
from mooring_operator.reconcile import KnownPods, Result

LONG_S = 30.0


class Turns:
    """A Reconciler that counts, and does as it is told."""

    def __init__(self) -> None:
        self.views: list[View] = []
        self.again_after_s: float | None = None
        self.fails = False
        self.happened = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.go_on.set()

    def turn(self, view: View, now: datetime, now_s: float, pods: KnownPods, endpoints: Endpoints) -> Result:
        assert (pods, endpoints) == ({}, Endpoints())
        assert now.tzinfo
        assert now_s > 0.0
        self.views.append(view)
        self.happened.release()
        assert self.go_on.wait(LONG_S)
        if self.fails:
            raise ZeroDivisionError("a mistake")
        return Result((), (), self.again_after_s)


class Bench:
    """A Loop with threads and the real clock."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.store = Store(self._wake)
        self.writer = Writer(FakeApi(), self.store, self, may_write=lambda: True, again=self._wake)
        self.loop = Loop(self.store, self.turns, Metrics(), self.writer, self._turned, dict)  # type: ignore[arg-type]
        self.results: list[Result] = []

    def wrote(self, write: Write, result: str) -> None:
        raise AssertionError(f"{write}: {result}")

    def _wake(self) -> None:
        self.loop.wake()

    def _turned(self, result: Result) -> None:
        self.results.append(result)

    def list_all(self) -> None:
        for kind in KINDS:
            self.store.replace(kind, [], "1")

    def next(self) -> None:
        assert self.turns.happened.acquire(timeout=LONG_S)


@pytest.fixture
def bench() -> Bench:
    found = Bench()
    found.loop.start()
    yield found
    found.turns.go_on.set()
    found.loop.stop()
    found.loop.join(LONG_S)
    assert not found.loop.is_alive()


def node(name: str, version: int) -> dict[str, object]:
    return {"kind": "Node", "metadata": {"name": name, "resourceVersion": str(version)}}


def test_no_turn_before_everything_was_listed(bench: Bench) -> None:
    for kind in KINDS[:-1]:
        bench.store.replace(kind, [], "1")
    assert not bench.turns.happened.acquire(timeout=0.3)
    bench.store.replace(KINDS[-1], [], "1")
    bench.next()


def test_changes_that_come_together_are_one_turn(bench: Bench) -> None:
    bench.list_all()
    bench.next()
    for number in range(50):
        bench.store.put(node(f"n{number}", number + 2))
    bench.next()
    while bench.turns.happened.acquire(timeout=0.3):
        pass
    assert len(bench.turns.views) < 10
    assert len(bench.turns.views[-1].objects["Node"]) == 50


def test_what_changes_during_a_turn_is_in_the_next(bench: Bench) -> None:
    bench.turns.go_on.clear()
    bench.list_all()
    bench.next()
    bench.store.put(node("a", 2))
    bench.turns.go_on.set()
    bench.next()
    assert set(bench.turns.views[-1].objects["Node"]) == {"a"}


def test_a_turn_begins_when_the_outcome_of_each_write_is_known(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    for name in ("hold", "want"):
        whole = getattr(bench.writer, name)
        monkeypatch.setattr(bench.writer, name, lambda *a, of=whole, said=name: (steps.append(said), of(*a)))
    turn = bench.turns.turn
    monkeypatch.setattr(bench.turns, "turn", lambda *a: (steps.append("turn"), turn(*a))[1])
    bench.list_all()
    bench.next()
    bench.store.put(node("a", 2))
    bench.next()
    assert steps[:5] == ["hold", "turn", "want", "hold", "turn"]


def test_it_looks_again_when_a_turn_asks_for_it(bench: Bench) -> None:
    bench.turns.again_after_s = 0.05
    bench.list_all()
    bench.next()
    bench.next()
    bench.next()


def test_a_turn_begins_when_there_is_said_to_be_something_and_not_before() -> None:
    clock = [100.0]
    store = Store()
    writer = Writer(FakeApi(), store, Bench(), may_write=lambda: True, again=store.view)
    loop = Loop(store, Turns(), Metrics(), writer, lambda _: None, dict, clock=lambda: clock[0])  # type: ignore[arg-type]
    for kind in KINDS:
        store.replace(kind, [], "1")
    loop.wake_at(103.0)
    loop.wake_at(102.0)
    assert loop._due() == 102.0
    # A turn for another reason does not cost it.
    loop.wake()
    clock[0] = 101.0
    assert loop._next() is not None
    assert loop._due() == 102.0
    clock[0] = 102.0
    assert loop._next() is not None
    assert loop._due() is None


def test_a_turn_that_fails_is_told_and_the_next_change_is_tried(bench: Bench) -> None:
    bench.turns.fails = True
    bench.list_all()
    bench.next()
    bench.store.put(node("a", 2))
    bench.next()
    assert "ZeroDivisionError" in bench.loop.trouble
    assert bench.loop.behind_s > 0.0
    bench.turns.fails = False
    bench.store.put(node("b", 3))
    bench.next()
    # The trouble is over when the turn is.
    bench.store.put(node("c", 4))
    bench.next()
    assert bench.loop.trouble == ""


@pytest.mark.parametrize(("turn_s", "rest_s"), [(0.5, 0.5), (30.0, LONGEST_REST_S)])
def test_where_turns_are_long_the_writes_between_them_get_as_long(turn_s: float, rest_s: float) -> None:
    clock = [100.0]

    class Slow(Turns):
        def turn(self, view: View, now: datetime, now_s: float, pods: KnownPods, endpoints: Endpoints) -> Result:
            clock[0] += turn_s
            return super().turn(view, now, now_s, pods, endpoints)

    store = Store()
    writer = Writer(FakeApi(), store, Bench(), may_write=lambda: True, again=store.view)
    loop = Loop(store, Slow(), Metrics(), writer, lambda _: None, dict, clock=lambda: clock[0])  # type: ignore[arg-type]
    loop._turn(clock[0])
    loop.wake()
    assert loop._due() == clock[0] + rest_s
