"""The loop around the reconciler: one turn at a time, soon after something has changed."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from mooring_operator.clock import Clock, boottime_s, now_utc
from mooring_operator.cluster.store import Store
from mooring_operator.cluster.view import Endpoints
from mooring_operator.cluster.writer import Writer
from mooring_operator.metrics import Metrics
from mooring_operator.reconcile import KnownPods, Reconciler, Result

#: A turn begins when nothing has changed for QUIET_S, and at the latest MOST_S after the first change.
QUIET_S, MOST_S = 0.02, 0.05
#: What the last turn wanted is written first, so that members of a new group are told in one go; but no change
#: waits longer than this for it.
PATIENCE_S = 0.25
#: Nothing is written during a turn, so between two there is as much time as the last one took, but no more than this.
LONGEST_REST_S = 2.0
#: After a turn that failed; a change makes the next one come sooner.
_AGAIN_S = 5.0

log = logging.getLogger(__name__)


class Loop(threading.Thread):
    """Turns until `stop`, once the store is complete."""

    def __init__(
        self,
        store: Store,
        reconciler: Reconciler,
        metrics: Metrics,
        writer: Writer,
        turned: Callable[[Result], None],
        pods: Callable[[], KnownPods],
        endpoints: Callable[[], Endpoints] = Endpoints,
        *,
        clock: Clock = boottime_s,
        wall_clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`look` is to be called when the writer has become idle, `turned` is told of each result.

        `pods` and `endpoints` are asked at each turn for what is known beside the store.
        """
        super().__init__(name="reconcile", daemon=True)
        self._writer, self._pods, self._endpoints = writer, pods, endpoints
        self._store, self._reconciler, self._metrics, self._turned = store, reconciler, metrics, turned
        self._clock, self._wall_clock = clock, wall_clock
        self._condition = threading.Condition()
        self._dirty_since: float | None = None
        self._last_change = 0.0
        self._again_at: float | None = None
        self._later: float | None = None
        self._turning_since: float | None = None
        self._rested_at = 0.0
        self._stopping = False
        self.trouble = ""
        """Why the last turn failed; empty: it did not."""

    def wake(self) -> None:
        """Something has changed; callable from any thread."""
        with self._condition:
            now = self._clock()
            self._dirty_since = now if self._dirty_since is None else self._dirty_since
            self._last_change = now
            self._condition.notify()

    def wake_at(self, time: float) -> None:
        """There will be something new from that time on, by the clock of this loop; callable from any thread."""
        with self._condition:
            self._later = time if self._later is None else min(time, self._later)
            self._condition.notify()

    def look(self) -> None:
        """What kept a turn from beginning may be over."""
        with self._condition:
            self._condition.notify()

    def stop(self) -> None:
        with self._condition:
            self._stopping = True
            self._condition.notify()

    @property
    def behind_s(self) -> float:
        """For how long a change has waited for a turn that succeeds; 0 when none waits."""
        with self._condition:
            times = [time for time in (self._turning_since, self._dirty_since) if time is not None]
            return self._clock() - min(times) if times else 0.0

    def run(self) -> None:
        while (since := self._next()) is not None:
            self._turn(since)

    def _next(self) -> float | None:
        """Wait for a change, and for the quiet after it; when the first change came."""
        with self._condition:
            while not self._stopping:
                now, due = self._clock(), self._due()
                if due is not None and due <= now and self._store.complete:
                    since = now if self._dirty_since is None else self._dirty_since
                    self._dirty_since, self._again_at, self._turning_since = None, None, since
                    self._later = self._later if self._later is not None and self._later > now else None
                    return since
                self._condition.wait(None if due is None else max(due - now, 0.0) or None)
        return None

    def _due(self) -> float | None:
        """When the next turn is due; None: not before something changes."""
        times = [time for time in (self._again_at, self._later) if time is not None]
        if (since := self._dirty_since) is not None:
            quiet = min(self._last_change + QUIET_S, since + MOST_S)
            times.append(since + PATIENCE_S if self._writer.busy() else quiet)
        return max(min(times), self._rested_at) if times else None

    def _turn(self, since: float) -> None:
        try:
            self._writer.hold()
            began = self._clock()
            with self._metrics.reconcile.time():
                known = (self._pods(), self._endpoints())
                result = self._reconciler.turn(self._store.view(), self._wall_clock(), began, *known)
            ended = self._clock()
            self._rested_at = ended + min(ended - began, LONGEST_REST_S)
            self._writer.want(result.writes)
            self._turned(result)
        except Exception as error:  # what was planned before goes on; the next change may help
            log.exception("the plan failed by a mistake of the operator's own; please report it")
            self.trouble = f"{type(error).__name__}: {error}"
            with self._condition:
                self._condition.wait_for(lambda: self._stopping or self._dirty_since is not None, _AGAIN_S)
                self._dirty_since = since
            return
        self.trouble = ""
        self._metrics.turned(result)
        with self._condition:
            self._turning_since = None
            if result.again_after_s is not None:
                self._again_at = self._clock() + result.again_after_s
