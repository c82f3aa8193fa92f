"""When is the next try: spread over time, and kept so. Pure; all times in nanoseconds.

A target has a beat: its checks are planned at one phase of its interval, which neither a slow reply nor a late
loop moves. So what was spread at the start stays spread, and a check that takes longer than its interval leaves
beats out instead of piling up.
"""

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from mooring_node.checks.config import CheckConfig
from mooring_node.checks.thresholds import Standing

KeyT = TypeVar("KeyT", bound=Hashable)

_GOLDEN = 0.6180339887498949


class Spread:
    """Numbers from 0 up to 1 that lie evenly however many are taken: multiples of the golden ratio.

    `start` is where it begins, so that the nodes that check one backend differ.
    """

    def __init__(self, start: float) -> None:
        self._last = start % 1.0

    def next(self) -> float:
        """The next one."""
        self._last = (self._last + _GOLDEN) % 1.0
        return self._last


def first_ns(check: CheckConfig, now_ns: int, part: float) -> int:
    """When a new target's first check begins: after `part` (0 to 1) of its warmup."""
    return now_ns + int(check.warmup_ns * part)


def resumed_ns(check: CheckConfig, now_ns: int, part: float) -> int:
    """When a paused target's next check begins: within its interval, however long the warmup."""
    return now_ns + int(min(check.warmup_ns, check.interval_ns) * part)


def next_ns(check: CheckConfig, standing: Standing, planned_ns: int, ended_ns: int) -> int:
    """When the next try begins, after one that ended. `planned_ns`: when its check was to begin."""
    if standing.retrying:
        return ended_ns + check.delay_before_retry_ns
    interval_ns = check.interval_ns if standing.up else check.interval_down_ns
    beats = max(1, -((planned_ns - ended_ns) // interval_ns))
    return planned_ns + beats * interval_ns


class Deadlines(Generic[KeyT]):
    """At most one time for each key, soonest first."""

    def __init__(self) -> None:
        self._at: dict[KeyT, int] = {}
        self._heap: list[tuple[int, int, KeyT]] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._at)

    def set(self, key: KeyT, at_ns: int) -> None:
        """`key` is due at `at_ns`, and no longer at another time."""
        self._at[key] = at_ns
        self._number += 1
        heapq.heappush(self._heap, (at_ns, self._number, key))
        if len(self._heap) > 64 + 8 * len(self._at):
            self._heap = [(at, number, key) for number, (key, at) in enumerate(self._at.items())]
            heapq.heapify(self._heap)

    def drop(self, key: KeyT) -> None:
        """`key` is not due any more."""
        self._at.pop(key, None)

    def soonest_ns(self) -> int | None:
        """When something is due next."""
        while self._heap:
            at, _, key = self._heap[0]
            if self._at.get(key) == at:
                return at
            heapq.heappop(self._heap)
        return None

    def due(self, now_ns: int) -> Iterator[tuple[KeyT, int]]:
        """Take out what is due by `now_ns`, soonest first, with its time."""
        while (at := self.soonest_ns()) is not None and at <= now_ns:
            key = heapq.heappop(self._heap)[2]
            del self._at[key]
            yield key, at
