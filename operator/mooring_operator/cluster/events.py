"""Kubernetes events, written beside everything else: what happened is told, and nothing waits for it."""

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from mooring_api.problems import Problem
from mooring_kube.errors import KubeError, ServerError, TooManyRequests, Unreachable
from mooring_operator.clock import Clock, boottime_s, now_utc
from mooring_operator.cluster.api import RESOURCES, Cluster
from mooring_operator.cluster.store import Store
from mooring_operator.cluster.writes import Write
from mooring_operator.logs import object_fields
from mooring_operator.metrics import Metrics
from mooring_operator.tell.event_budget import EventBudget, Posting, Subject
from mooring_operator.tell.news import EVENT_LENGTH, News
from mooring_operator.words.phrases import clipped
from mooring_operator.words.reasons import EVENTS, EventReason

_MOST_WAITING = 1000
_ATTEMPTS, _PAUSE_S = 3, 2.0
_WITHOUT_CONDITIONS = ("Node", "NodeConfig")

log = logging.getLogger(__name__)


class EventPoster(threading.Thread):
    """Writes the news of what was written, while `may_write` says so; loses some rather than hold up anything."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        metrics: Metrics,
        instance: str,
        *,
        may_write: Callable[[], bool],
        clock: Clock = boottime_s,
        wall_clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`instance` is this process, as the events name it."""
        super().__init__(name="events", daemon=True)
        self._cluster, self._store, self._metrics = cluster, store, metrics
        self._instance, self._may_write = instance, may_write
        self._clock, self._wall_clock = clock, wall_clock
        self._budget = EventBudget()
        self._reported: frozenset[Problem] = frozenset()
        self._lock = threading.Lock()
        self._queue: queue.Queue[tuple[str, Posting] | None] = queue.Queue(_MOST_WAITING)
        self._stopping = threading.Event()

    def tell(self, write: Write) -> None:
        """The write was done: its news may be told. Never blocks."""
        for news in write.news:
            self._tell(write.kind, Subject(write.name, write.uid), news)

    def report(self, problems: Iterable[Problem]) -> None:
        """What is wrong with objects that have no conditions of ours; told when it begins. Never blocks."""
        found = frozenset(problem for problem in problems if problem.object.partition("/")[0] in _WITHOUT_CONDITIONS)
        new, self._reported = found - self._reported, found
        for problem in sorted(new):
            kind, _, name = problem.object.partition("/")
            log.warning("%s", problem, extra=object_fields(kind, name))
            # As for the events of kubelet: kubectl looks for those of a Node by its name in the place of its uid.
            uid = name if kind == "Node" else (stored.uid if (stored := self._store.get(kind, name)) else "")
            message = clipped(f"{problem.path}: {problem.message}", EVENT_LENGTH)
            news = News(EVENTS[EventReason.UNREADABLE], EventReason.UNREADABLE, message, problem.path)
            self._tell(kind, Subject(name, uid), news)

    def _tell(self, kind: str, subject: Subject, news: News) -> None:
        with self._lock:
            posting = self._budget.admit(subject, news, self._clock(), self._wall_clock())
        try:
            if posting is not None:
                self._queue.put_nowait((kind, posting))
                return
        except queue.Full:
            log.debug("too many events wait")
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
            except (Unreachable, ServerError, TooManyRequests) as error:
                log.debug("event %s: %s", posting.name, error)
            except KubeError as error:
                # The server would say the same again, and all others wait for this one.
                log.debug("event %s is refused: %s", posting.name, error)
                break
            else:
                return True
        about = object_fields(kind, posting.subject.name)
        log.warning("event on %s/%s is lost: %s", kind, posting.subject.name, posting.news.message, extra=about)
        return False


def _of_kind(document: dict[str, Any], kind: str) -> Mapping[str, Any]:
    api_version = RESOURCES[kind].api_version
    return document | {"involvedObject": document["involvedObject"] | {"kind": kind, "apiVersion": api_version}}
