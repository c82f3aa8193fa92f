"""The operator's clocks. Only shells read them; what decides takes the time as an argument."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

#: Seconds of a clock that never jumps.
Clock = Callable[[], float]


def boottime_s() -> float:
    """CLOCK_BOOTTIME: it also counts the time in which the machine was suspended, and a lease runs out in it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def now_utc() -> datetime:
    """For what people and other machines read; no decision rests on it."""
    return datetime.now(UTC)
