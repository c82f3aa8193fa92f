"""What the operator counts, for Prometheus."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mooring_operator.cluster.writes import Write

_DURATIONS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Readings:
    """What is asked when somebody scrapes."""

    leader: Callable[[], bool]
    queue: Callable[[], int]
    objects: Callable[[], Mapping[str, int]]


class Metrics:
    """The metrics of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        own = self.registry
        self.reconcile = Histogram(
            "mooring_operator_reconcile_seconds",
            "One turn: from what is known to what is to be written",
            buckets=_DURATIONS_S,
            registry=own,
        )
        self.writes = Counter(
            "mooring_operator_writes",
            "Requests that write, by how they ended",
            ["kind", "verb", "result"],
            registry=own,
        )
        self.lists = Counter("mooring_operator_lists", "Our own complete lists", ["kind"], registry=own)
        self.corrections = Counter(
            "mooring_operator_list_corrections",
            "Objects that a list brought, or took away, before the watch did",
            ["kind"],
            registry=own,
        )
        self.relists = Counter(
            "mooring_operator_watch_restarts",
            "Times that kopf began to watch a kind anew, from a list of its own",
            ["kind"],
            registry=own,
        )
        self.events = Counter("mooring_operator_events_received", "What the watches told", ["kind"], registry=own)
        self.posted = Counter(
            "mooring_operator_events_written", "Kubernetes events, by what became of them", ["result"], registry=own
        )
        self.problems = Gauge(
            "mooring_operator_plan_problems", "What is wrong with the objects, by the plan", registry=own
        )

    def wrote(self, write: Write, result: str) -> None:
        self.writes.labels(write.kind, write.verb.value, result).inc()

    def read_from(self, readings: Readings) -> None:
        """From now on a scrape asks these too."""
        self.registry.register(_Asked(readings))


class _Asked(Collector):
    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "mooring_operator_leader", "1 while this process leads and may write", value=int(self._readings.leader())
        )
        yield GaugeMetricFamily(
            "mooring_operator_queue", "Objects that are not yet as they should be", value=self._readings.queue()
        )
        objects = GaugeMetricFamily("mooring_operator_objects", "Objects that are known", labels=["kind"])
        for kind, count in sorted(self._readings.objects().items()):
            objects.add_metric([kind], count)
        yield objects


def everything() -> Metrics:
    """All metrics with one series each, for the documentation."""
    found = Metrics()
    found.read_from(Readings(lambda: True, lambda: 0, lambda: {"Node": 0}))
    found.writes.labels("NodeConfig", "apply", "ok")
    for each in (found.lists, found.corrections, found.relists, found.events):
        each.labels("Node")
    found.posted.labels("ok")
    return found
