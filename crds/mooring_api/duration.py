"""Durations as users write them (`100ms`, `1s`, `1m30s`) and as the code counts them: nanoseconds."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Self

_UNIT_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h)")

#: The wire form, for JSON schema. The parser below reads exactly this.
PATTERN = r"^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$"
#: The same with nothing finer than a millisecond: CEL's getMilliseconds() drops what is finer.
MILLISECOND_PATTERN = r"^([0-9]+(ms|m|h)|[0-9]+(\.[0-9]{1,3})?s)+$"


@lru_cache(maxsize=1024)  # a configuration has few different ones, each of them many times
def _nanoseconds(text: str) -> int:
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write a number and a unit, such as 100ms, 1s or 1m30s")
    return round(sum(Fraction(number) * _UNIT_NS[unit] for number, unit in parts))


class Duration(int):
    """A length of time in nanoseconds.

    Written on the wire as Go and Kubernetes write it: a sum of decimal numbers with a unit each.
    """

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1m30s`, `100ms` or `0.5s`; ValueError when it is not of that form."""
        return cls(_nanoseconds(text))

    @classmethod
    def of(cls, *, s: float = 0, ms: float = 0) -> Self:
        """A duration from seconds and milliseconds."""
        return cls(round(s * 1_000_000_000 + ms * 1_000_000))

    @property
    def seconds(self) -> float:
        return self / 1_000_000_000

    def __str__(self) -> str:
        """A whole number of the largest unit that fits (`1500ms`, never `1.5s`); parse() reads it back."""
        if self == 0:
            return "0s"
        for unit in ("h", "m", "s", "ms", "us"):
            if self % _UNIT_NS[unit] == 0:
                return f"{self // _UNIT_NS[unit]}{unit}"
        return f"{int(self)}ns"

    def __repr__(self) -> str:
        return f"Duration({self!s})"
