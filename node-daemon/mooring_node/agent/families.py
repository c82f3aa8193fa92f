"""Metric families by their row in the table: what is not in it cannot be exported."""

from mooring_api.metric import MetricType
from mooring_node.agent.exposition import Family, Histogram
from mooring_node.agent.metric_names import NodeMetric


def gauge(metric: NodeMetric, value: float | None = None) -> Family:
    """With its one value, or without: then the samples are added, with their labels in the order of the table."""
    assert metric.value.type is MetricType.GAUGE
    return _family(metric, value)


def counter(metric: NodeMetric, value: float | None = None) -> Family:
    """The same of a counter."""
    assert metric.value.type is MetricType.COUNTER
    return _family(metric, value)


def info(metric: NodeMetric, *labels: str) -> Family:
    """With its one sample."""
    assert metric.value.type is MetricType.INFO
    family = Family(metric.value)
    family.add(labels, 1)
    return family


def histogram(metric: NodeMetric) -> Histogram:
    """Empty."""
    assert metric.value.type is MetricType.HISTOGRAM
    return Histogram(metric.value)


def _family(metric: NodeMetric, value: float | None) -> Family:
    family = Family(metric.value)
    if value is not None:
        family.add((), value)
    return family
