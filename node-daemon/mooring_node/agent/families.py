"""Metric families by their row in the table: what is not in it cannot be exported."""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from mooring_api.metric import MetricType
from mooring_node.agent.metric_names import NodeMetric


def gauge(metric: NodeMetric, value: float | None = None) -> GaugeMetricFamily:
    """With its one value, or without: then the samples are added, with their labels in the order of the table."""
    row = metric.value
    assert row.type is MetricType.GAUGE
    return GaugeMetricFamily(row.family, row.meaning, value=value, labels=row.labels or None)


def counter(metric: NodeMetric, value: float | None = None) -> CounterMetricFamily:
    """The same of a counter."""
    row = metric.value
    assert row.type is MetricType.COUNTER
    return CounterMetricFamily(row.family, row.meaning, value=value, labels=row.labels or None)


def histogram(metric: NodeMetric) -> HistogramMetricFamily:
    """Empty; `add` has its samples."""
    row = metric.value
    assert row.type is MetricType.HISTOGRAM
    return HistogramMetricFamily(row.family, row.meaning, labels=row.labels or None)


def add(family: HistogramMetricFamily, labels: list[str], bounds: Iterable[float], counted: Mapping[str, Any]) -> None:
    """`counted` holds `counts`, one for each bound and one beyond, each for itself, and `totalSeconds`."""
    buckets, total = [], 0
    for bound, count in zip((*bounds, None), counted["counts"], strict=True):
        total += count
        buckets.append(("+Inf" if bound is None else str(float(bound)), total))
    family.add_metric(labels, buckets, counted["totalSeconds"])
