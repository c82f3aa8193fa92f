"""Writes what kubelet says of its pods: their status, their end, their events. Late where the API server is."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mooring_kube.client import Client
from mooring_kube.errors import Conflict, KubeError, NotFound
from mooring_kube.follow import pause_s
from mooring_kube.resources import EVENTS, PODS
from mooring_lab.kubelet.document import Document, PodKey
from mooring_lab.kubelet.events import Tell
from mooring_lab.kubelet.pod_status import timestamp

MANAGER = "kubelet"
_MOST_EVENTS = 200
#: An event that happens again is written again after so long, with its count.
_REPEAT_S = 5.0


@dataclass(frozen=True, slots=True)
class _Report:
    """The newest status of a pod; `over`: then it is to be deleted for good."""

    key: PodKey
    status: Document
    over: bool = False


class Reporter(threading.Thread):
    """A thread that brings the newest of each pod to the API server, as often as it takes."""

    def __init__(self, client: Client, log: Callable[[str], None]) -> None:
        super().__init__(name="reporter", daemon=True)
        self._client = client
        self._log = log
        self._changed = threading.Condition()
        self._reports: dict[str, _Report] = {}
        self._stopping = False

    def report(self, key: PodKey, status: Document, *, over: bool = False) -> None:
        """Replaces what was not written yet of this pod."""
        with self._changed:
            self._reports[key.uid] = _Report(key, status, over)
            self._changed.notify_all()

    def stop(self, within_s: float) -> None:
        """Write what is outstanding if that can be done in so short a time, and end."""
        with self._changed:
            self._changed.wait_for(lambda: not self._reports, within_s)
            self._stopping = True
            self._changed.notify_all()

    def run(self) -> None:
        failures = 0
        while (report := self._next()) is not None:
            try:
                self._write(report)
            except KubeError as error:
                failures += 1
                self._log(f"status of {report.key.namespace}/{report.key.name}: {error}")
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, pause_s(failures, random.random()))
                continue
            failures = 0
            with self._changed:
                if self._reports.get(report.key.uid) == report:
                    del self._reports[report.key.uid]
                    self._changed.notify_all()

    def _next(self) -> _Report | None:
        with self._changed:
            self._changed.wait_for(lambda: self._reports or self._stopping)
            return None if self._stopping else next(iter(self._reports.values()))

    def _write(self, report: _Report) -> None:
        key = report.key
        metadata = {"name": key.name, "namespace": key.namespace, "uid": key.uid}
        document = {"metadata": metadata, "status": report.status}
        try:
            self._client.apply(
                PODS, document, manager=MANAGER, force=True, subresource="status", namespace=key.namespace
            )
            if report.over:
                self._forget(key)
        except (NotFound, Conflict):
            # Another pod has that name by now, or none: ours is gone, and that is what we wanted.
            return

    def _forget(self, key: PodKey) -> None:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": key.uid},
        }
        self._client.request("DELETE", PODS.path(key.namespace, key.name), body=options)


@dataclass(slots=True)
class _Counted:
    name: str
    count: int
    written_at: float


class Teller(threading.Thread):
    """A thread that writes events, for `kubectl describe`; those that the API server does not take are lost."""

    def __init__(self, client: Client, node: str) -> None:
        super().__init__(name="teller", daemon=True)
        self._client = client
        self._node = node
        self._changed = threading.Condition()
        self._told: deque[tuple[PodKey, Tell, float]] = deque(maxlen=_MOST_EVENTS)
        self._counted: dict[tuple[str, str, str], _Counted] = {}

    def tell(self, key: PodKey, what: Tell) -> None:
        with self._changed:
            self._told.append((key, what, time.time()))
            self._changed.notify_all()

    def run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._told)
                key, what, at = self._told.popleft()
            try:
                self._write(key, what, at)
            except KubeError:
                continue

    def _write(self, key: PodKey, what: Tell, at: float) -> None:
        counted = self._counted.get((key.uid, what.reason, what.message))
        if counted is None:
            name = f"{key.name}.{time.time_ns():x}"
            if len(self._counted) > _MOST_EVENTS:
                self._counted.clear()
            self._counted[key.uid, what.reason, what.message] = _Counted(name, 1, at)
            self._client.create(EVENTS, _event(key, what, name, self._node, at), key.namespace)
            return
        counted.count += 1
        if at >= counted.written_at + _REPEAT_S:
            counted.written_at = at
            again = {"count": counted.count, "lastTimestamp": timestamp(at)}
            self._client.merge_patch(EVENTS, counted.name, again, key.namespace)


def _event(key: PodKey, what: Tell, name: str, node: str, at: float) -> dict[str, Any]:
    involved = {"apiVersion": "v1", "kind": "Pod", "namespace": key.namespace, "name": key.name, "uid": key.uid}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": key.namespace},
        "involvedObject": involved,
        "reason": what.reason,
        "message": what.message[:1024],
        "type": "Warning" if what.warning else "Normal",
        "source": {"component": "kubelet", "host": node},
        "firstTimestamp": timestamp(at),
        "lastTimestamp": timestamp(at),
        "count": 1,
    }
