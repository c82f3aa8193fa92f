"""Our own complete lists: at the start, whenever kopf lists anew, and every now and then.

kopf tells neither where a list ends nor what has vanished when it lists again, so its events alone would keep
objects for ever that were deleted while nobody was watching.
"""

import logging
import math
import random
import threading
from collections.abc import Callable

from mooring_kube.errors import KubeError
from mooring_operator.clock import Clock, boottime_s
from mooring_operator.cluster.api import Cluster
from mooring_operator.cluster.store import Replaced, Store
from mooring_operator.cluster.view import KINDS

#: kopf's lists come object by object; ours follows when none has come for so long.
QUIET_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0

log = logging.getLogger(__name__)


class Schedule:
    """When each kind is to be listed; pure but for its own state."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._due = dict.fromkeys(KINDS, 0.0)
        self._failures = dict.fromkeys(KINDS, 0)
        self._latest = 0.0
        self._listed: set[str] = set()

    def asked(self, now: float) -> None:
        """kopf lists anew. Each call puts our lists off until it is quiet, but by no more than ten times that.

        All kinds follow, for kopf says nothing of a kind of which nothing is left; but the first lists do not wait.
        """
        if self._latest < now:
            self._latest = now + 10 * QUIET_S
        for kind in self._listed:
            self._due[kind] = min(now + QUIET_S, self._latest)

    def begun(self, kind: str) -> None:
        """Its list is under way; what is asked for meanwhile asks for another one."""
        self._due[kind] = math.inf

    def listed(self, kind: str, now: float, jitter: float) -> None:
        """It is done; the next one in 0.8 to 1.2 times the usual time, by `jitter` from 0 to 1."""
        self._failures[kind] = 0
        self._listed.add(kind)
        self._due[kind] = min(self._due[kind], now + self._every_s * (0.8 + 0.4 * jitter))

    def failed(self, kind: str, now: float, jitter: float) -> None:
        self._failures[kind] += 1
        longest = min(_FIRST_PAUSE_S * 2.0 ** min(self._failures[kind] - 1, 16), _LONGEST_PAUSE_S)
        self._due[kind] = now + longest * (0.5 + jitter / 2)

    def next(self) -> tuple[float, str]:
        """The time and the kind of the next list."""
        return min((due, kind) for kind, due in self._due.items())


class Lister(threading.Thread):
    """Lists by schedule until `stop`; `listed` is called after each list with what it brought."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        every_s: float,
        listed: Callable[[str, Replaced], None],
        *,
        clock: Clock = boottime_s,
    ) -> None:
        super().__init__(name="list", daemon=True)
        self._cluster, self._store, self._listed, self._clock = cluster, store, listed, clock
        self._schedule = Schedule(every_s)
        self._condition = threading.Condition()
        self._stopping = False
        self.trouble: dict[str, str] = {}
        """Why a kind could not be listed last time."""

    def again(self) -> None:
        """kopf lists anew."""
        with self._condition:
            self._schedule.asked(self._clock())
            self._condition.notify()

    def stop(self) -> None:
        with self._condition:
            self._stopping = True
            self._condition.notify()

    def run(self) -> None:
        while (kind := self._next()) is not None:
            self._list(kind)

    def _next(self) -> str | None:
        with self._condition:
            while not self._stopping:
                due, kind = self._schedule.next()
                wait_s = due - self._clock()
                if wait_s <= 0:
                    self._schedule.begun(kind)
                    return kind
                self._condition.wait(wait_s)
        return None

    def _list(self, kind: str) -> None:
        try:
            listing = self._cluster.list(kind)
        except KubeError as error:
            if self.trouble.get(kind) != str(error):
                log.warning("%ss cannot be listed: %s", kind, error)
            self.trouble[kind] = str(error)
            with self._condition:
                self._schedule.failed(kind, self._clock(), random.random())
            return
        self.trouble.pop(kind, None)
        replaced = self._store.replace(kind, listing.items, listing.resource_version)
        self._listed(kind, replaced)
        with self._condition:
            self._schedule.listed(kind, self._clock(), random.random())
