"""What waits to be written, and when it may be: the newest wish for each object, one request for each at a time.

What a node is told depends on what stands for the others. So no spec is written that was worked out before the last
write of another was known to be done or not: while the outcome of one is unknown, it is looked up and nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from mooring_operator.cluster.writes import Key, Verb, Write

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
#: A VirtualIP's status follows every transition of its holders. One that flaps costs a write each second; what
#: belongs together (planned, confirmed, held) comes at once, and what is not urgent a second after the last one.
STATUS_EVERY_S, STATUS_BURST = 1.0, 4


class Outcome(Enum):
    """How a write ended."""

    DONE = auto()
    STALE = auto()
    """Not done, for the object is no longer what it was; what it is now is known."""
    FAILED = auto()
    """Not done, to be tried again."""
    UNKNOWN = auto()
    """Nobody knows: the reply never came, or the server stumbled over it."""


@dataclass(slots=True)
class _Past:
    """What is remembered of an object's writes."""

    failures: int = 0
    not_before: float = 0.0
    from_version: str = ""
    """The resourceVersion that the last write that succeeded was made from."""
    booked_until: float = 0.0
    """Each status that was written books a second; a burst may be booked ahead."""
    quiet_until: float = 0.0
    """Before that no status that is not urgent."""

    def allows(self, write: Write) -> float:
        """From when on."""
        if not _is_status(write):
            return self.not_before
        ahead = (STATUS_BURST - 1) * STATUS_EVERY_S
        return max(self.not_before, self.booked_until - ahead, 0.0 if write.urgent else self.quiet_until)

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
        self._unknown: dict[Key, Write] = {}
        self._pasts: dict[Key, _Past] = {}
        self._held = False

    @property
    def keys(self) -> frozenset[Key]:
        """What is not known to be as it should be."""
        return frozenset({*self._waiting, *self._under_way, *self._unknown})

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    @property
    def specs_under_way(self) -> int:
        return sum(not _is_status(write) for write in self._under_way.values())

    @property
    def settled(self) -> bool:
        """Whether it is known of each spec what came of it, so that none can land later."""
        return not self.specs_under_way and not self._in_doubt

    def hold(self) -> None:
        """Begin no spec any more: what is to be written is worked out anew, and `want` is called next."""
        self._held = True

    def want(self, writes: Iterable[Write], now: float) -> None:
        """The whole of what is to be written now; what was wanted before and is not among it is no longer.

        It must have been worked out after `hold`, when no spec was under way any more.
        """
        self._held = False
        self._waiting = {write.key: write for write in writes if self._is_news(write)}
        wanted = self.keys
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
            (self._unknown if write.verb is Verb.LOOK else self._waiting).pop(write.key)
            self._under_way[write.key] = write
        return write

    def has_due(self, now: float) -> bool:
        """Whether `take` would give something."""
        return self._first(now) is not None

    def _first(self, now: float) -> Write | None:
        if len(self._under_way) >= self._most:
            return None
        write = self._first_of(self._unknown.values(), now)
        if write is None and not self._held and not self._in_doubt:
            write = self._first_of((w for w in self._waiting.values() if not _is_status(w)), now)
        if write is None and len(self._under_way) - self.specs_under_way < self._most_statuses:
            write = self._first_of(filter(_is_status, self._waiting.values()), now)
        return write

    def _first_of(self, writes: Iterable[Write], now: float) -> Write | None:
        ready = (w for w in writes if w.key not in self._under_way and self._time_of(w) <= now)
        return next(ready, None)

    @property
    def _in_doubt(self) -> bool:
        """Whether it is unknown what stands for some node."""
        return bool(self._unknown) or any(write.verb is Verb.LOOK for write in self._under_way.values())

    def next_time(self, now: float) -> float | None:
        """When `take` may give something that it does not give at `now`; None: only after another call."""
        waiting = (*self._waiting.values(), *self._unknown.values())
        times = [self._time_of(write) for write in waiting if write.key not in self._under_way]
        return min((time for time in times if time > now), default=None)

    def done(self, write: Write, outcome: Outcome, now: float, *, jitter: float = 1.0, asked_s: float = 0.0) -> None:
        """The write has ended. `jitter` from 0 to 1 spreads what failed together; `asked_s`: the server's own wish."""
        key = write.key
        del self._under_way[key]
        past = self._pasts.setdefault(key, _Past())
        if outcome is Outcome.DONE:
            self._succeeded(write, past, now)
            return
        past.failures += 1
        longest = min(FIRST_PAUSE_S * 2.0 ** min(past.failures - 1, 16), LONGEST_PAUSE_S)
        pause = max(longest * (0.5 + jitter / 2), asked_s)
        if write.verb is Verb.LOOK or (outcome is Outcome.UNKNOWN and not _is_status(write)):
            self._unknown[key] = Write(Verb.LOOK, write.kind, write.name, "what came of the write before")
        elif outcome is Outcome.STALE:
            self._waiting.pop(key, None)
            # The first time the newer state is all that was missing; then somebody else keeps writing.
            pause = pause if past.failures > 1 else 0.0
        else:
            self._waiting.setdefault(key, write)
        past.not_before = now + pause

    def _succeeded(self, write: Write, past: _Past, now: float) -> None:
        if write.verb is Verb.LOOK:
            # Its failures are not forgotten: what is written next may stumble again.
            past.not_before = max(past.not_before, now)
            # What waits was worked out without knowing.
            self._waiting = {key: other for key, other in self._waiting.items() if _is_status(other)}
            return
        past.failures, past.from_version, past.not_before = 0, write.resource_version, 0.0
        if _is_status(write):
            past.booked_until = max(past.booked_until, now) + STATUS_EVERY_S
            past.quiet_until = now + STATUS_EVERY_S
        # What waited was worked out before this was written.
        self._waiting.pop(write.key, None)

    def _time_of(self, write: Write) -> float:
        past = self._pasts.get(write.key)
        return past.allows(write) if past else 0.0


def _is_status(write: Write) -> bool:
    return write.verb is Verb.STATUS
