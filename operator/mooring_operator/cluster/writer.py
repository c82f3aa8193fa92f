"""The threads that write what waits, and tell the store what came of it."""

import logging
import random
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from mooring_kube.errors import ApiError, Conflict, KubeError, NotFound, ServerError, Unreachable
from mooring_operator.clock import Clock, boottime_s
from mooring_operator.cluster.api import Cluster
from mooring_operator.cluster.backlog import Backlog, Outcome
from mooring_operator.cluster.store import Store
from mooring_operator.cluster.writes import Key, Verb, Write
from mooring_operator.logs import object_fields

THREADS = 8
#: Ready, while nothing is to be written; only so often does a thread look up by itself.
_LONGEST_WAIT_S = 30.0

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Who counts writes and tells of them."""

    def wrote(self, write: Write, result: str) -> None:
        """A write has ended: `ok`, `conflict`, `refused` or `failed`. Called from any thread; must not block."""


class Writer:
    """Writes what was wanted last, several objects at a time, while `may_write` says so."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        observer: Observer,
        *,
        may_write: Callable[[], bool],
        again: Callable[[], None],
        idle: Callable[[], None] = lambda: None,
        threads: int = THREADS,
        clock: Clock = boottime_s,
    ) -> None:
        """`again` is called when a write must be worked out anew although the store has not changed.

        `idle` is called when `busy` has become False.
        """
        self._cluster, self._store, self._observer = cluster, store, observer
        self._may_write, self._again, self._idle, self._clock = may_write, again, idle, clock
        self._backlog = Backlog(most=threads)
        self._condition = threading.Condition()
        self._stopping = False
        self._threads = [threading.Thread(target=self._run, name=f"write {i}", daemon=True) for i in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def hold(self) -> None:
        """Begin no spec before the next `want`, and wait until none is under way.

        What is worked out then knows the outcome of each.
        """
        with self._condition:
            self._backlog.hold()
            self._condition.wait_for(lambda: self._stopping or not self._backlog.specs_under_way)

    def want(self, writes: Iterable[Write]) -> None:
        """The whole of what is to be written now, worked out after `hold`."""
        with self._condition:
            self._backlog.want(writes, self._clock())
            self._condition.notify_all()

    def busy(self) -> bool:
        """Whether something is being written, or could be; not what waits for its time after a failure."""
        with self._condition:
            return bool(self._backlog.under_way) or self._backlog.has_due(self._clock())

    @property
    def wanted(self) -> frozenset[Key]:
        """What is not yet as it should be."""
        with self._condition:
            return self._backlog.keys

    def stop(self, patience_s: float) -> bool:
        """Begin no write any more; whether it is known what came of each spec when all ended, or after `patience_s`.

        Of a spec without a reply it is not: the API server may still do it. A status need not end.
        """
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._backlog.under_way == 0, patience_s)
            return self._backlog.settled

    def step(self) -> bool:
        """Do one write whose time has come; False when there is none."""
        with self._condition:
            write = None if self._stopping else self._backlog.take(self._clock())
        if write is not None:
            self._do(write)
        return write is not None

    def _run(self) -> None:
        while not self._stopping:
            if not self.step():
                self._wait()

    def _wait(self) -> None:
        """Until there may be something to write."""
        with self._condition:
            now = self._clock()
            if self._stopping or self._backlog.has_due(now):
                return
            until = self._backlog.next_time(now)
            self._condition.wait(_LONGEST_WAIT_S if until is None else min(until - now, _LONGEST_WAIT_S))

    def _do(self, write: Write) -> None:
        outcome, asked_s = Outcome.UNKNOWN, 0.0
        try:
            outcome, asked_s = self._look(write) if write.verb is Verb.LOOK else self._attempt(write)
        except Exception:  # one object that trips us must not cost the others
            log.exception("%s: a mistake of the operator's own; please report it", write, extra=_fields(write))
        with self._condition:
            self._backlog.done(write, outcome, self._clock(), jitter=random.random(), asked_s=asked_s)
            self._condition.notify_all()
        if outcome is Outcome.STALE or (outcome is Outcome.DONE and write.verb is Verb.LOOK):
            self._again()
        if not self.busy():
            self._idle()

    def _attempt(self, write: Write) -> tuple[Outcome, float]:
        # The last thing before the request: whoever was stopped on the way here may no longer be the leader.
        if not self._may_write():
            return Outcome.FAILED, 0.0
        try:
            reply = self._cluster.write(write)
        except (Conflict, NotFound) as error:
            self._observer.wrote(write, "conflict")
            log.info("%s: it has changed meanwhile (%s)", write, error.message, extra=_fields(write))
            return (Outcome.STALE if self._read(write) else Outcome.UNKNOWN), 0.0
        except (Unreachable, ServerError) as error:
            again = write.verb is Verb.STATUS
            self._failed(write, error, "failed", "it will be tried again" if again else "what came of it is looked up")
            return Outcome.UNKNOWN, getattr(error, "retry_after_s", None) or 0.0
        except ApiError as error:
            refused = error.status in (400, 413, 422)
            what = ("refused", "the API server refuses it") if refused else ("failed", "it will be tried again")
            self._failed(write, error, *what)
            return Outcome.FAILED, error.retry_after_s or 0.0
        if reply is not None:
            self._store.put(reply)
        else:
            self._store.forget(write.kind, write.name)
        self._observer.wrote(write, "ok")
        generation = (reply or {}).get("metadata", {}).get("generation")
        number = f", generation {generation}" if generation else ""
        log.info("%s%s: %s", write, number, write.reason, extra=_fields(write))
        return Outcome.DONE, 0.0

    def _look(self, write: Write) -> tuple[Outcome, float]:
        return (Outcome.DONE if self._read(write) else Outcome.UNKNOWN), 0.0

    def _read(self, write: Write) -> bool:
        """Have what stands now in the store, so that the next turn begins with it; whether that could be done."""
        try:
            found = self._cluster.read(write.kind, write.name)
        except KubeError as error:
            log.warning("%s/%s cannot be read: %s", write.kind, write.name, error, extra=_fields(write))
            return False
        if found is None:
            self._store.forget(write.kind, write.name)
        else:
            self._store.put(found)
        return True

    def _failed(self, write: Write, error: KubeError, result: str, what: str) -> None:
        self._observer.wrote(write, result)
        log.warning("%s: %s: %s", write, what, error, extra=_fields(write))


def _fields(write: Write) -> dict[str, str]:
    return object_fields(write.kind, write.name)
