"""Kubernetes events, written beside everything else: what happened is told, and nothing waits for it."""

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mooring_kube.errors import KubeError
from mooring_operator.clock import Clock, boottime_s, now_utc
from mooring_operator.cluster import Cluster
from mooring_operator.event_budget import EventBudget, Posting, Subject
from mooring_operator.metrics import Metrics
from mooring_operator.writes import Write

_MOST_WAITING = 1000
_ATTEMPTS, _PAUSE_S = 3, 2.0

log = logging.getLogger(__name__)


class EventPoster(threading.Thread):
    """Writes the news of what was written, while `may_write` says so; loses some rather than hold up anything."""

    def __init__(
        self,
        cluster: Cluster,
        metrics: Metrics,
        instance: str,
        *,
        may_write: Callable[[], bool],
        clock: Clock = boottime_s,
        wall_clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`instance` is this process, as the events name it."""
        super().__init__(name="events", daemon=True)
        self._cluster, self._metrics, self._instance, self._may_write = cluster, metrics, instance, may_write
        self._clock, self._wall_clock = clock, wall_clock
        self._budget = EventBudget()
        self._lock = threading.Lock()
        self._queue: queue.Queue[tuple[str, Posting] | None] = queue.Queue(_MOST_WAITING)
        self._stopping = threading.Event()

    def tell(self, write: Write) -> None:
        """The write was done: its news may be told. Never blocks."""
        for news in write.news:
            with self._lock:
                posting = self._budget.admit(Subject(write.name, write.uid), news, self._clock(), self._wall_clock())
            if posting is None:
                self._metrics.posted.labels("dropped").inc()
                continue
            try:
                self._queue.put_nowait((write.kind, posting))
            except queue.Full:
                self._metrics.posted.labels("dropped").inc()

    def stop(self) -> None:
        """What waits is not told."""
        self._stopping.set()
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return

    def run(self) -> None:
        while (entry := self._queue.get()) is not None and not self._stopping.is_set():
            kind, posting = entry
            self._metrics.posted.labels("ok" if self._post(kind, posting) else "failed").inc()

    def _post(self, kind: str, posting: Posting) -> bool:
        document = _of_kind(posting.document(self._instance), kind)
        for attempt in range(_ATTEMPTS):
            if not self._may_write() or (attempt and self._stopping.wait(_PAUSE_S)):
                return False
            try:
                self._cluster.event(document)
            except KubeError as error:
                log.debug("event %s: %s", posting.name, error)
            else:
                return True
        log.warning("event on %s/%s is lost: %s", kind, posting.subject.name, posting.news.message)
        return False


def _of_kind(document: dict[str, Any], kind: str) -> Mapping[str, Any]:
    return document | {"involvedObject": document["involvedObject"] | {"kind": kind}}
