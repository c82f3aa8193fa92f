"""What the checks have cost and come to, as plain numbers for metrics. Pure."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mooring_node.checks.verdict import Reason

#: Upper bounds of the histograms' buckets.
BOUNDS_NS = tuple(int(seconds * 1e9) for seconds in (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))


class Histogram:
    """How often a value fell into which bucket; each bucket stands alone, the last is for what is beyond."""

    __slots__ = ("counts", "total_ns")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_NS) + 1)
        self.total_ns = 0

    def record(self, value_ns: int) -> None:
        """Count one value."""
        self.counts[bisect_left(BOUNDS_NS, value_ns)] += 1
        self.total_ns += value_ns

    def to_wire(self) -> dict[str, Any]:
        """As JSON values."""
        return {"counts": list(self.counts), "totalSeconds": self.total_ns / 1e9}


@dataclass
class Counters:
    """Since the start. `durations` and `failures` are by kind of probe; `lateness` is that of tries begun."""

    durations: dict[str, Histogram] = field(default_factory=dict)
    failures: Counter[tuple[str, Reason]] = field(default_factory=Counter)
    withheld: int = 0
    lateness: Histogram = field(default_factory=Histogram)

    def tried(self, kind: str, reason: Reason, duration_ns: int) -> None:
        """One try has ended with an outcome."""
        histogram = self.durations.get(kind)
        if histogram is None:
            histogram = self.durations[kind] = Histogram()
        histogram.record(duration_ns)
        if reason is not Reason.SUCCESS:
            self.failures[kind, reason] += 1

    def to_wire(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "boundsSeconds": [bound / 1e9 for bound in BOUNDS_NS],
            "durations": {kind: histogram.to_wire() for kind, histogram in self.durations.items()},
            "failures": [
                {"kind": kind, "reason": str(reason), "count": count} for (kind, reason), count in self.failures.items()
            ],
            "withheld": self.withheld,
            "lateness": self.lateness.to_wire(),
        }
