"""What a metric is called and means: the shape of the daemon's and the operator's tables of metrics. Pure.

What is in the tables is a contract with users, as the API is: dashboards and alerts are written against it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class MetricType(StrEnum):
    """As in Prometheus' text format; an info metric is a gauge of the value 1 there."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    INFO = "info"


class Stability(StrEnum):
    """What a release may change."""

    STABLE = "stable"
    """Name, type, unit and labels stay; what is to replace one stands beside it for two minor versions."""
    BETA = "beta"
    """May change with each minor version, as the changelog says."""


_SUFFIX = {MetricType.COUNTER: "_total", MetricType.INFO: "_info"}
HEAD = ("metric", "type", "unit", "labels", "stability", "meaning")


@dataclass(frozen=True, slots=True)
class MetricName:
    """One row of a table. `name` is the whole name as Prometheus shows it, with `_total` or `_info`."""

    name: str
    type: MetricType
    unit: str
    """Seconds, bytes, what is counted, or which numbers there are."""
    meaning: str
    labels: tuple[str, ...] = ()
    stability: Stability = Stability.STABLE

    @property
    def family(self) -> str:
        """The name without what the text format adds by the type."""
        return self.name.removesuffix(_SUFFIX.get(self.type, ""))


def rows(names: Iterable[MetricName]) -> Iterator[tuple[str, ...]]:
    """The cells below HEAD, in Markdown."""
    for each in names:
        labels = ", ".join(f"`{label}`" for label in each.labels)
        yield f"`{each.name}`", str(each.type), each.unit, labels, str(each.stability), each.meaning
