"""Prometheus' text format, version 0.0.4, as its own library for Python writes it. Pure.

https://prometheus.io/docs/instrumenting/exposition_formats/. That library costs a daemon 2.4 MiB on every node.
"""

from collections.abc import Iterable, Sequence
from math import inf, isnan

from mooring_api.metric import MetricName, MetricType

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Family:
    """A gauge, a counter or an info metric. Samples are kept as their lines: a large table has half a million."""

    def __init__(self, row: MetricName) -> None:
        self.row = row
        self.lines: list[str] = []
        self._line = _line(row.name, row.labels)

    def add(self, labels: Sequence[str], value: float) -> None:
        """`labels` has the values, in the order of the row."""
        assert len(labels) == len(self.row.labels)
        self.lines.append(self._line.format(number(value), *map(_escaped, labels)))


class Histogram:
    """Buckets, their sum and their count."""

    def __init__(self, row: MetricName) -> None:
        self.row = row
        self.lines: list[str] = []
        self._bucket = _line(f"{row.name}_bucket", (*row.labels, "le"))
        self._count = _line(f"{row.name}_count", row.labels)
        self._sum = _line(f"{row.name}_sum", row.labels)

    def add(self, labels: Sequence[str], bounds: Iterable[float], counts: Iterable[int], total: float) -> None:
        """`counts` has one for each bound and one beyond, each for itself; `total` is the sum of what was measured."""
        assert len(labels) == len(self.row.labels)
        said = [_escaped(each) for each in labels]
        until = 0
        for bound, count in zip((*bounds, inf), counts, strict=True):
            until += count
            name = "+Inf" if bound == inf else str(float(bound))
            self.lines.append(self._bucket.format(number(until), *said, name))
        self.lines.append(self._count.format(number(until), *said))
        self.lines.append(self._sum.format(number(total), *said))


def page(families: Iterable[Family | Histogram]) -> bytes:
    """A whole answer."""
    # Each family is made to bytes as it comes: its lines need not wait for those of the others.
    return b"".join([_text(each).encode() for each in families])


def number(value: float) -> str:
    """As Go writes it; negative ones as Python does, which is read as well."""
    value = float(value)
    if isnan(value):
        return "NaN"
    if value in (inf, -inf):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    whole, dot, fraction = text.partition(".")
    # Go goes over to exponents sooner.
    if value >= 1e6 and dot and "e" not in fraction:
        return f"{whole[0]}.{whole[1:]}{fraction}".rstrip("0.") + f"e+{len(whole) - 1:02d}"
    return text


def _text(family: Family | Histogram) -> str:
    row = family.row
    kind = MetricType.GAUGE if row.type is MetricType.INFO else row.type
    meaning = row.meaning.replace("\\", r"\\").replace("\n", r"\n")
    return "".join((f"# HELP {row.name} {meaning}\n# TYPE {row.name} {kind}\n", *family.lines))


def _line(name: str, labels: Sequence[str]) -> str:
    """To format with the number and the labels' values; the labels stand in the order of their names."""
    said = ",".join(
        f'{label}="{{{place}}}"' for label, place in sorted(zip(labels, range(1, len(labels) + 1), strict=True))
    )
    return f"{name}{{{{{said}}}}} {{0}}\n" if said else f"{name} {{0}}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
