"""Figures in rows, and rows as a table or JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

OURS, THEIRS = "Mooring", "keepalived"


@dataclass(slots=True)
class Row:
    """One figure of both systems; less is better. `bound` is a promise of ours, where there is one.

    A difference within `resolution` is none.
    """

    title: str
    unit: str
    bound: float | None = None
    compared: bool = False
    resolution: float = 0.0
    samples: dict[str, list[float]] = field(default_factory=lambda: {OURS: [], THEIRS: []})
    pressure: float | None = None
    """The share of time in which something waited for a CPU, in percent, when the row was complete."""

    def add(self, system: str, value: float) -> None:
        self.samples[system].append(value)

    @property
    def verdict(self) -> str:
        """Only says what was seen; nothing is decided by it."""
        ours, theirs = self.samples[OURS], self.samples[THEIRS]
        said = []
        if self.bound is not None and ours:
            met = "yes" if median(ours) <= self.bound else "NO"
            said.append(f"within {self.bound:g}: {met}")
        if self.compared and ours and theirs:
            slower = median(ours) - median(theirs)
            same = f" (the same within {self.resolution:g})" if 0 < slower <= self.resolution else ""
            said.append(f"no slower: {'yes' if slower <= self.resolution else 'NO, by ' + _figure(slower)}{same}")
        return "; ".join(said)

    def cells(self) -> tuple[str, ...]:
        pressure = "" if self.pressure is None else f"{self.pressure:.0f} %"
        return (
            self.title,
            self.unit,
            summary(self.samples[OURS]),
            summary(self.samples[THEIRS]),
            pressure,
            self.verdict,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "unit": self.unit,
            "samples": self.samples,
            "median": {name: median(values) if values else None for name, values in self.samples.items()},
            "bound": self.bound,
            "resolution": self.resolution,
            "verdict": self.verdict,
            "cpuPressurePercent": self.pressure,
        }


HEADINGS = ("", "unit", OURS, THEIRS, "CPU pressure", "")


def summary(values: Sequence[float]) -> str:
    """Median and range."""
    if not values:
        return "-"
    if len(values) == 1:
        return _figure(values[0])
    return f"{_figure(median(values))} ({_figure(min(values))} to {_figure(max(values))})"


def _figure(value: float) -> str:
    """Three or four digits that mean something."""
    return (
        f"{value:.0f}"
        if abs(value) >= 100 or value == int(value)
        else f"{value:.1f}"
        if abs(value) >= 5
        else f"{value:.2f}"
    )


def text_table(rows: Sequence[Row]) -> str:
    """For a file or a pipe: columns of blanks."""
    table = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(cells[place]) for cells in table) for place in range(len(HEADINGS))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in table)
    return "\n".join(line.rstrip() for line in lines)


def document(rows: Sequence[Row], surroundings: Mapping[str, str]) -> dict[str, Any]:
    """Everything, for a machine to read."""
    return {"surroundings": dict(surroundings), "rows": [row.to_json() for row in rows]}
