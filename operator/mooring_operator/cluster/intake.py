"""What the watches tell, on its way into the store; and whether they still tell everything."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from mooring_operator.clock import Clock, boottime_s
from mooring_operator.cluster.store import Replaced, Store, version_of
from mooring_operator.cluster.view import KINDS
from mooring_operator.metrics import Metrics


class Intake:
    """Puts events into the store, and compares them with our own lists.

    A list may show an object that no event has told of. Where its event does not follow, that kind's watch is deaf.
    """

    def __init__(
        self, store: Store, metrics: Metrics, relisted: Callable[[], None], *, clock: Clock = boottime_s
    ) -> None:
        """`relisted` is called when kopf lists anew."""
        self._store, self._metrics, self._relisted, self._clock = store, metrics, relisted, clock
        self._lock = threading.Lock()
        self._heard = dict.fromkeys(KINDS, 0)
        self._listing: dict[str, bool] = dict.fromkeys(KINDS, False)
        self._missing: dict[str, tuple[int, float]] = {}

    def received(self, type_: str | None, document: Mapping[str, Any]) -> None:
        """An event of a watch; without a type, an object of a list that a watch begins with."""
        kind = str(document.get("kind"))
        if kind not in self._heard:
            return
        self._metrics.events.labels(kind).inc()
        with self._lock:
            self._heard[kind] = max(self._heard[kind], version_of(document))
            begins = type_ is None and not self._listing[kind]
            self._listing[kind] = type_ is None
            if kind in self._missing and self._missing[kind][0] <= self._heard[kind]:
                del self._missing[kind]
        if begins:
            self._metrics.relists.labels(kind).inc()
        if type_ is None:
            self._relisted()
        if type_ == "DELETED":
            self._store.remove(document)
        else:
            self._store.put(document)

    def listed(self, kind: str, replaced: Replaced) -> None:
        """One of our own lists is in the store."""
        self._metrics.lists.labels(kind).inc()
        if replaced.first:
            return
        self._metrics.corrections.labels(kind).inc(replaced.brought + replaced.vanished)
        with self._lock:
            if replaced.newest > self._heard[kind] and kind not in self._missing:
                self._missing[kind] = (replaced.newest, self._clock())

    def deaf_s(self) -> Mapping[str, float]:
        """Kinds of which a list has shown what no event has told since, and for how long."""
        with self._lock:
            now = self._clock()
            return {kind: now - since for kind, (_, since) in self._missing.items()}
