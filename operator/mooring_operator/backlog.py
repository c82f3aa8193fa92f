"""What waits to be written, and when it may be: the newest wish for each object, one request for each at a time."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from mooring_operator.writes import Key, Verb, Write

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
#: A VirtualIP's status follows every transition of its holders. One that flaps costs a write each second; what
#: belongs together (planned, confirmed, held) comes at once.
STATUS_EVERY_S, STATUS_BURST = 1.0, 4


class Outcome(Enum):
    """How a write ended. DONE: as asked. STALE: made from what is no longer so. FAILED: to be tried again."""

    DONE = auto()
    STALE = auto()
    FAILED = auto()


@dataclass(slots=True)
class _Past:
    """What is remembered of an object's writes."""

    failures: int = 0
    not_before: float = 0.0
    from_version: str = ""
    """The resourceVersion that the last write that succeeded was made from."""
    booked_until: float = 0.0
    """Each status that was written books a second; a burst may be booked ahead."""

    @property
    def busy_until(self) -> float:
        """Until when it must be remembered."""
        return max(self.not_before, self.booked_until)


class Backlog:
    """Pure but for its own state; not thread-safe. Times are seconds of one clock that never jumps."""

    def __init__(self, *, most: int = 8, most_statuses: int = 2) -> None:
        """At most so many requests under way; fewer of them statuses, so that a spec never waits for a status."""
        self._most, self._most_statuses = most, most_statuses
        self._waiting: dict[Key, Write] = {}
        self._under_way: dict[Key, Write] = {}
        self._pasts: dict[Key, _Past] = {}

    @property
    def keys(self) -> frozenset[Key]:
        """What waits or is under way."""
        return frozenset(self._waiting.keys() | self._under_way.keys())

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def want(self, writes: Iterable[Write], now: float) -> None:
        """The whole of what is to be written now; what was wanted before and is not among it is no longer."""
        self._waiting = {write.key: write for write in writes if self._is_news(write)}
        wanted = self._waiting.keys() | self._under_way.keys()
        # An object that is as it should be starts afresh, but for the pause between two statuses.
        self._pasts = {key: past for key, past in self._pasts.items() if key in wanted or past.busy_until > now}

    def _is_news(self, write: Write) -> bool:
        """False for what is under way, and for what was worked out from the state before our last write."""
        past = self._pasts.get(write.key)
        stale = past is not None and write.resource_version and write.resource_version == past.from_version
        return not stale and self._under_way.get(write.key) != write

    def take(self, now: float) -> Write | None:
        """The next write whose time has come, specs before statuses; it is under way until `done`."""
        write = self._first(now)
        if write is not None:
            del self._waiting[write.key]
            self._under_way[write.key] = write
        return write

    def has_due(self, now: float) -> bool:
        """Whether `take` would give something."""
        return self._first(now) is not None

    def _first(self, now: float) -> Write | None:
        if len(self._under_way) >= self._most:
            return None
        write = self._first_of(now, statuses=False)
        if write is None and sum(map(_is_status, self._under_way.values())) < self._most_statuses:
            write = self._first_of(now, statuses=True)
        return write

    def _first_of(self, now: float, *, statuses: bool) -> Write | None:
        ready = (
            write
            for key, write in self._waiting.items()
            if _is_status(write) is statuses and key not in self._under_way and self._not_before(key) <= now
        )
        return next(ready, None)

    def next_time(self, now: float) -> float | None:
        """When `take` may give something that it does not give at `now`; None: only after another call."""
        times = [self._not_before(key) for key in self._waiting if key not in self._under_way]
        return min((time for time in times if time > now), default=None)

    def done(self, write: Write, outcome: Outcome, now: float, *, jitter: float = 1.0, asked_s: float = 0.0) -> None:
        """The write has ended. `jitter` from 0 to 1 spreads what failed together; `asked_s`: the server's own wish."""
        key = write.key
        del self._under_way[key]
        past = self._pasts.setdefault(key, _Past())
        if outcome is Outcome.DONE:
            past.failures, past.from_version, past.not_before = 0, write.resource_version, 0.0
            if _is_status(write):
                past.booked_until = max(past.booked_until, now) + STATUS_EVERY_S
                past.not_before = past.booked_until - (STATUS_BURST - 1) * STATUS_EVERY_S
            # What waited was worked out before this was written.
            self._waiting.pop(key, None)
            return
        past.failures += 1
        longest = min(FIRST_PAUSE_S * 2.0 ** min(past.failures - 1, 16), LONGEST_PAUSE_S)
        pause = max(longest * (0.5 + jitter / 2), asked_s)
        if outcome is Outcome.FAILED:
            self._waiting.setdefault(key, write)
        else:
            self._waiting.pop(key, None)
            # The first time the newer state is all that was missing; then somebody else keeps writing.
            pause = pause if past.failures > 1 else 0.0
        past.not_before = now + pause

    def _not_before(self, key: Key) -> float:
        past = self._pasts.get(key)
        return past.not_before if past else 0.0


def _is_status(write: Write) -> bool:
    return write.verb is Verb.STATUS
