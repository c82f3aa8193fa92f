"""When the status of the NodeConfig is written, and when not. Pure: time and chance are arguments.

What counts is what the server has, not what was sent: it may drop fields that its CRD does not know, another
writer may come after us, and a reply that never came may have been a write all the same.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from mooring_node.agent.versions import is_older
from mooring_node.units import SECOND_NS

#: At most one write in this time; the first change is written at once.
EVERY_NS = SECOND_NS
#: That another generation runs is written sooner: somebody takes the next step of a change upon it, so its own
#: writes set the pace.
CONFIRM_NS = SECOND_NS // 10
#: After an outage the nodes of a cluster write within this time, not all at once.
SPREAD_NS = 5 * SECOND_NS
FIRST_PAUSE_NS = SECOND_NS
LONGEST_PAUSE_NS = 60 * SECOND_NS

Status: TypeAlias = Mapping[str, Any]
_GENERATION = "observedGeneration"


class Publication:
    """One status and one object. The caller writes what `take` gives and tells what became of it."""

    def __init__(self) -> None:
        self.wanted: Status | None = None
        """What the status is to be; None: nothing is known yet."""
        self.uid: str | None = None
        """Of the object that is there; None: there is none, or it has not been seen."""
        self.version = ""
        """Of that object, as it was last seen or written."""
        self._there: Status | None = None
        self._sent: Status | None = None
        self._sent_for = ""
        """The version that it was made for."""
        self._answer: Status | None = None
        self._connected = False
        self._outage = False
        self._writing = False
        self._last_ns = -EVERY_NS
        """When the last write began."""
        self._held_until_ns = 0
        """After a failure or an outage nothing is written before, whatever changes."""
        self._conflict_until_ns = 0
        """The same, until the object has been seen as it is now."""
        self._failures = 0
        self._told: object = None
        """The generation that the server was told of last."""

    @property
    def ready(self) -> bool:
        """Whether there is an object, a server that is heard, and no write under way."""
        return self.uid is not None and self._connected and not self._writing

    # What the server has.

    def observed(self, uid: str, version: str, status: Status | None, *, newest: bool = False) -> bool:
        """The object was seen; True when somebody else has changed what we wrote.

        `newest`: it is from a list, which is the present; what a watch says late is ignored.
        """
        if uid != self.uid:
            self.uid, self.version, self._sent, self._answer, self._told = uid, "", None, None, None
        elif not newest and self.knows_newer(uid, version):
            return False
        # Equal: our own write coming round, after its reply has told us already.
        news = version != self.version
        if news:
            self._conflict_until_ns = 0
        self.version, self._there = version, status
        return news and not self._writing and self._answer is not None and status != self._answer

    def knows_newer(self, uid: str, version: str) -> bool:
        """Whether a newer version of that object has been seen or written."""
        return uid == self.uid and is_older(version, self.version)

    def absent(self) -> None:
        """There is no object to write to."""
        self.uid = self._there = None

    def connected(self, now_ns: int, jitter: float) -> None:
        """The server is heard again; `jitter` from 0 to 1 spreads many clients."""
        if self._outage and not self._connected:
            self._held_until_ns = max(self._held_until_ns, now_ns + int(SPREAD_NS * jitter))
        self._connected, self._outage = True, False

    def lost(self) -> None:
        """The server is not heard: nothing is tried meanwhile."""
        self._connected, self._outage = False, True

    # Writing.

    def earliest_ns(self, *, confirms: bool = False) -> int:
        """Nothing is written earlier; `confirms`: that another generation runs is to be said."""
        paced_ns = self._last_ns + (CONFIRM_NS if confirms else EVERY_NS)
        return max(self._held_until_ns, self._conflict_until_ns, paced_ns)

    def take(self, now_ns: int, *, at_once: bool = False) -> Status | None:
        """What is to be written now, once; `at_once` does not wait for its turn (the last words of a daemon)."""
        due_ns = self.due_ns()
        if due_ns is None or self.wanted is None or (now_ns < due_ns and not at_once):
            return None
        self._writing = True
        self._sent, self._sent_for, self._answer = self.wanted, self.version, None
        self._last_ns = now_ns
        return self.wanted

    def due_ns(self) -> int | None:
        """When `take` will give something; None: not before something else happens."""
        if self.wanted is None or not self.ready or self._there == self.wanted:
            return None
        if self._sent == self.wanted and self._there == self._answer:
            # The server has taken of it what it takes.
            return None
        confirms = self.wanted.get(_GENERATION) not in (None, self._told)
        return self.earliest_ns(confirms=confirms)

    def written(self, version: str, status: Status | None) -> None:
        """The server took it, and this is what it has now."""
        self._writing = False
        self._failures = 0
        self._answer = status
        self._told = (self._sent or {}).get(_GENERATION)
        if not is_older(version, self.version):
            self.version, self._there = version, status

    def failed(self, now_ns: int, jitter: float, retry_after_ns: int = 0) -> None:
        """It did not take it, or did not say so; tried again after a pause that grows."""
        self._writing = False
        self._sent = self._answer = None
        self._failures += 1
        longest = min(FIRST_PAUSE_NS << min(self._failures - 1, 16), LONGEST_PAUSE_NS)
        pause = max(int(longest * (0.5 + jitter / 2)), retry_after_ns)
        self._held_until_ns = max(self._held_until_ns, now_ns + pause)

    def conflicted(self, now_ns: int, jitter: float) -> None:
        """The object has changed since it was seen: written again when that has been heard, or after a pause."""
        self._writing = False
        self._sent = self._answer = None
        if self.version != self._sent_for:
            # It was heard while we wrote.
            return
        self._conflict_until_ns = now_ns + int(FIRST_PAUSE_NS * (0.5 + jitter / 2))
