"""When each group wants its turn: a heap that grows with groups, not with adverts."""

import heapq
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    @property
    def deadline_ns(self) -> int | None: ...


TimedT = TypeVar("TimedT", bound=Timed)


class Timers(Generic[TimedT]):
    """At most one entry counts for each item: its earliest plan.

    A turn that is planned earlier than wanted stays: it plans the later one when it comes. So an advert, which only
    puts a Backup's deadline off, costs the heap nothing.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, TimedT]] = []
        self._planned: dict[int, int] = {}

    @property
    def earliest_ns(self) -> int | None:
        """When the next turn may be due; it may turn out not to be."""
        return self._heap[0][0] if self._heap else None

    def plan(self, item: TimedT) -> None:
        """Note an item's deadline; to be called whenever it may have changed."""
        deadline = item.deadline_ns
        planned = self._planned.get(id(item))
        if deadline is None or (planned is not None and planned <= deadline):
            return
        self._planned[id(item)] = deadline
        heapq.heappush(self._heap, (deadline, id(item), item))

    def due(self, now_ns: int) -> Iterator[TimedT]:
        """The items whose deadline has come, each once; those that the caller has dealt with are planned again."""
        given: list[TimedT] = []
        while self._heap and self._heap[0][0] <= now_ns:
            planned, key, item = heapq.heappop(self._heap)
            if self._planned.get(key) != planned:
                continue
            del self._planned[key]
            deadline = item.deadline_ns
            if deadline is not None and deadline <= now_ns:
                given.append(item)
                yield item
            else:
                self.plan(item)
        # Not before: one that puts off what it is to do has its next turn when this one is over.
        for item in given:
            self.plan(item)

    def forget(self, item: TimedT) -> None:
        """The item is gone; its entry is dropped when it surfaces."""
        self._planned.pop(id(item), None)
