"""What the operator counts, for Prometheus."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from mooring_api.version import VERSION
from mooring_operator.cluster.writes import Write
from mooring_operator.metric_names import OperatorMetric
from mooring_operator.reconcile import Result
from mooring_operator.tell.readings import condition_readings

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
        # When each series began is of no use here, and would be as many series again.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=True)
        self.reconcile = self._histogram(OperatorMetric.RECONCILE)
        self.writes = self._counter(OperatorMetric.WRITES)
        self.lists = self._counter(OperatorMetric.LISTS)
        self.corrections = self._counter(OperatorMetric.CORRECTIONS)
        self.relists = self._counter(OperatorMetric.WATCH_RESTARTS)
        self.events = self._counter(OperatorMetric.EVENTS_RECEIVED)
        self.posted = self._counter(OperatorMetric.EVENTS_WRITTEN)
        row = OperatorMetric.PROBLEMS.value
        self.problems = Gauge(row.family, row.meaning, row.labels, registry=self.registry)
        self._told = _Told()
        self.registry.register(self._told)

    def _counter(self, metric: OperatorMetric) -> Counter:
        row = metric.value
        return Counter(row.family, row.meaning, row.labels, registry=self.registry)

    def _histogram(self, metric: OperatorMetric) -> Histogram:
        row = metric.value
        return Histogram(row.family, row.meaning, row.labels, buckets=_DURATIONS_S, registry=self.registry)

    def wrote(self, write: Write, result: str) -> None:
        self.writes.labels(write.kind, write.verb.value, result).inc()

    def turned(self, result: Result) -> None:
        """The loop has made a turn: this stands until the next."""
        self.problems.set(len(result.problems))
        self._told.result = result

    def read_from(self, readings: Readings) -> None:
        """From now on a scrape asks these too."""
        self.registry.register(_Asked(readings))


class _Told(Collector):
    """What the last turn said of the objects; nothing before the first, and so nothing where another leads."""

    def __init__(self) -> None:
        self.result: Result | None = None

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        about = OperatorMetric.INFO.value
        yield InfoMetricFamily(about.family, about.meaning, value={"version": VERSION})
        result, holders, conditions = (
            self.result,
            _gauge(OperatorMetric.GROUP_HOLDERS),
            _gauge(OperatorMetric.CONDITION),
        )
        if result is not None:
            for name, groups in sorted(result.groups.items()):
                for group in groups:
                    holders.add_metric([name, group.group, group.family], group.holders)
            for kind, statuses in (("VirtualIP", result.virtual_ips), ("VirtualServer", result.virtual_servers)):
                for each in condition_readings(kind, statuses):
                    conditions.add_metric([each.kind, each.object, each.condition], each.value)
        yield from (holders, conditions)


class _Asked(Collector):
    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield _gauge(OperatorMetric.LEADER, int(self._readings.leader()))
        yield _gauge(OperatorMetric.QUEUE, self._readings.queue())
        objects = _gauge(OperatorMetric.OBJECTS)
        for kind, count in sorted(self._readings.objects().items()):
            objects.add_metric([kind], count)
        yield objects


def _gauge(metric: OperatorMetric, value: float | None = None) -> GaugeMetricFamily:
    row = metric.value
    return GaugeMetricFamily(row.family, row.meaning, value=value, labels=row.labels or None)
