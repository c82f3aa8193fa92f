"""Events: told once each, lost rather than waited for."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.operator.fake_api import FakeApi

from mooring_api.problems import Problem
from mooring_kube.errors import Forbidden, Invalid, KubeError, ServerError, TooManyRequests, Unreachable
from mooring_operator.cluster import events
from mooring_operator.cluster.events import EventPoster
from mooring_operator.cluster.slim import Ownership
from mooring_operator.cluster.store import Store
from mooring_operator.cluster.writes import Verb, Write
from mooring_operator.metrics import Metrics
from mooring_operator.tell.log_words import overruled

NEWS = overruled((Ownership("alice", "spec.instances"),))


def write(name: str = "n1") -> Write:
    return Write(Verb.APPLY, "NodeConfig", name, "", uid=f"uid-{name}", news=NEWS)


class Api(FakeApi):
    """Tells when an event has come, and fails first as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[KubeError] = []
        self.came = threading.Semaphore(0)

    def event(self, document: Mapping[str, Any]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        super().event(document)
        self.came.release()


class Bench:
    def __init__(self) -> None:
        self.api, self.store, self.metrics = Api(), Store(), Metrics()
        self.leads = True
        self.poster = EventPoster(self.api, self.store, self.metrics, "pod-1", may_write=lambda: self.leads)

    def posted(self, result: str) -> float:
        name = "mooring_operator_events_written_total"
        return self.metrics.registry.get_sample_value(name, {"result": result}) or 0.0


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_what_was_written_is_told_on_its_object(bench: Bench) -> None:
    bench.poster.start()
    bench.poster.tell(write())
    assert bench.api.came.acquire(timeout=30.0)
    bench.poster.stop()
    bench.poster.join(30.0)
    (event,) = bench.api.events
    assert event["involvedObject"] == {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "NodeConfig",
        "name": "n1",
        "uid": "uid-n1",
    }
    assert (event["type"], event["reason"]) == ("Warning", "Overruled")
    assert "alice wrote spec.instances" in event["message"]
    assert bench.posted("ok") == 1


def test_who_does_not_lead_tells_nothing(bench: Bench) -> None:
    bench.leads = False
    bench.poster.start()
    bench.poster.tell(write())
    bench.poster.stop()
    bench.poster.join(30.0)
    assert bench.api.events == []


def test_a_problem_of_a_node_is_told_when_it_begins(bench: Bench) -> None:
    problem = Problem("Node/n1", "status.addresses[0]", "is no address")
    for problems in ([problem], [problem], [], [problem]):
        bench.poster.report(problems)
    bench.poster.report([Problem("VirtualIP/web", "spec", "its conditions say so")])
    bench.poster.start()
    for _ in range(2):
        assert bench.api.came.acquire(timeout=30.0)
    bench.poster.stop()
    bench.poster.join(30.0)
    assert [event["count"] for event in bench.api.events] == [1, 2]
    assert {event["reason"] for event in bench.api.events} == {"Unreadable"}
    # kubectl describe node looks for its name here.
    assert bench.api.events[0]["involvedObject"] == {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "n1"}


def test_too_many_are_dropped_and_nobody_waits(bench: Bench) -> None:
    for number in range(2000):
        bench.poster.tell(write(f"n{number}"))
    assert bench.posted("dropped") > 0


@pytest.mark.parametrize(
    "error",
    [
        Forbidden(403, "Forbidden", "the namespace is being terminated"),
        Invalid(422, "Invalid", "a policy says no"),
    ],
)
def test_one_that_is_refused_for_good_holds_up_no_other(bench: Bench, error: KubeError) -> None:
    """In a namespace that is being deleted every event is refused; what is told of others is not to wait for that."""
    bench.api.failures = [error] * 3
    for name in ("n1", "n2", "n3", "n4"):
        bench.poster.tell(write(name))
    bench.poster.start()
    assert bench.api.came.acquire(timeout=30.0)
    bench.poster.stop()
    bench.poster.join(30.0)
    assert [event["involvedObject"]["name"] for event in bench.api.events] == ["n4"]
    assert (bench.posted("failed"), bench.posted("ok")) == (3, 1)


@pytest.mark.parametrize(
    "error", [Unreachable("timed out"), ServerError(503, "", "starting"), TooManyRequests(429, "", "later")]
)
def test_what_may_go_next_time_is_tried_again(bench: Bench, error: KubeError, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_PAUSE_S", 0.0)
    bench.api.failures = [error] * 2
    bench.poster.tell(write())
    bench.poster.start()
    assert bench.api.came.acquire(timeout=30.0)
    bench.poster.stop()
    bench.poster.join(30.0)
    assert (bench.posted("failed"), bench.posted("ok")) == (0, 1)
