"""Events on their way into the store, and watches that have become deaf."""

import pytest
from tests.unit.operator.test_store import Document, node

from mooring_operator.cluster.intake import Intake
from mooring_operator.cluster.store import Store
from mooring_operator.metrics import Metrics


class Bench:
    """An Intake whose clock the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.relists = 0
        self.store = Store()
        self.metrics = Metrics()
        self.intake = Intake(self.store, self.metrics, self._count, clock=lambda: self.now)

    def _count(self) -> None:
        self.relists += 1

    def list(self, *documents: Document, version: int) -> None:
        self.intake.listed("Node", self.store.replace("Node", documents, str(version)))

    def counted(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"mooring_operator_{name}", {"kind": "Node"}) or 0.0


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_events_come_into_the_store(bench: Bench) -> None:
    bench.intake.received("ADDED", node("a", 1))
    bench.intake.received("MODIFIED", node("a", 2, cordoned=True))
    bench.intake.received("ADDED", node("b", 3))
    bench.intake.received("DELETED", node("b", 4))
    assert set(bench.store.view().objects["Node"]) == {"a"}
    assert bench.counted("events_received_total") == 4
    assert bench.relists == 0


def test_a_list_of_kopfs_is_noticed_once_and_asks_for_ours(bench: Bench) -> None:
    for number in range(3):
        bench.intake.received(None, node(f"n{number}", number + 1))
    assert bench.counted("watch_restarts_total") == 1
    assert bench.relists == 3
    bench.intake.received("MODIFIED", node("n0", 9))
    bench.intake.received(None, node("n0", 10))
    assert bench.counted("watch_restarts_total") == 2


def test_a_watch_that_does_not_tell_what_a_list_shows_is_deaf(bench: Bench) -> None:
    bench.list(node("a", 1), version=1)
    bench.intake.received("MODIFIED", node("a", 2))
    bench.now = 100.0
    bench.list(node("a", 5, cordoned=True), version=6)
    assert bench.intake.deaf_s() == {"Node": 0.0}
    bench.now = 130.0
    assert bench.intake.deaf_s() == {"Node": 30.0}
    bench.intake.received("MODIFIED", node("a", 4))
    assert bench.intake.deaf_s() == {"Node": 30.0}
    # Late, and it is heard: the store knows it already.
    bench.intake.received("MODIFIED", node("a", 5, cordoned=True))
    assert bench.intake.deaf_s() == {}
    assert bench.counted("list_corrections_total") == 1


def test_the_first_lists_come_before_any_watch(bench: Bench) -> None:
    bench.list(node("a", 5), version=9)
    assert bench.intake.deaf_s() == {}
    assert bench.counted("list_corrections_total") == 0


def test_what_is_nothing_of_ours_is_passed_over(bench: Bench) -> None:
    bench.intake.received("ADDED", {})
    bench.intake.received("ADDED", {"kind": "Secret", "metadata": {"name": "a"}})
    bench.intake.received("ADDED", {"kind": "Node"})
    assert bench.store.view().objects["Node"] == {}
