"""The pods of this node: a worker for each, from the day it is bound to the day the API server forgets it."""

import json
import threading
from collections.abc import Iterable
from contextlib import suppress

from mooring_kube.errors import KubeError
from mooring_lab.kubelet.document import Document, PodKey, is_deleted, is_over
from mooring_lab.kubelet.services import Services
from mooring_lab.kubelet.worker import POD, PodWorker

#: SIGKILL follows the grace period; nothing takes longer than this after it.
_PATIENCE_S = 30.0


class Bound:
    """The pods that are bound to this node, each with its worker."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._pods: dict[str, Document] = {}
        self._workers: dict[str, PodWorker] = {}
        self._done: set[str] = set()
        """Pods that have ended here, until the API server has forgotten them too."""
        self._left: frozenset[str] = frozenset()
        """Static pods whose manifest has gone, and that were told to end."""
        self._stopping = False

    def adopt(self) -> None:
        """Go on with the pods that another kubelet left on disk, before the API server is asked."""
        for folder in self._services.pods.glob("*"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                self._start(json.loads((folder / POD).read_text()))

    def documents(self) -> tuple[Document, ...]:
        """The pods as the API server has them."""
        with self._lock:
            return tuple(self._pods.values())

    def expect(self, pod: Document) -> None:
        """It was bound to this node just now; its ports are taken before the API server tells of it."""
        with self._lock:
            self._pods.setdefault(pod["metadata"]["uid"], pod)

    def workers(self) -> tuple[PodWorker, ...]:
        with self._lock:
            return tuple(self._workers.values())

    def stop(self, within_s: float) -> None:
        """End all containers within so many seconds; returns when they have ended, or long after they should."""
        with self._lock:
            self._stopping = True
            for worker in self._workers.values():
                worker.stop(within_s)
            self._changed.wait_for(lambda: not self._workers, within_s + _PATIENCE_S)
            for worker in self._workers.values():
                self._services.log(f"pod {worker.key.namespace}/{worker.key.name} has not ended")

    def static(self, pods: Iterable[Document]) -> None:
        """These are the static pods now; one that replaces another of its name waits for the end of that."""
        found = {pod["metadata"]["uid"]: pod for pod in pods}
        with self._lock:
            static = [worker for worker in self._workers.values() if worker.static]
            left = [worker for worker in static if worker.key.uid not in found]
            gone = [worker for worker in left if worker.key.uid not in self._left]
            self._left = frozenset(worker.key.uid for worker in left)
            running = {(worker.key.namespace, worker.key.name) for worker in left}
        for worker in gone:
            worker.gone()
        for pod in found.values():
            key = PodKey.of(pod)
            if (key.namespace, key.name) not in running:
                self._start(pod)

    # -- the follower's handler

    def listed(self, items: Iterable[Document]) -> None:
        found = {pod["metadata"]["uid"]: pod for pod in items}
        with self._lock:
            self._pods = found
            self._done &= found.keys()
            gone = [worker for uid, worker in self._workers.items() if uid not in found and not worker.static]
        for worker in gone:
            worker.gone()
        for pod in found.values():
            self._start(pod)

    def changed(self, item: Document) -> None:
        with self._lock:
            self._pods[item["metadata"]["uid"]] = item
        self._start(item)

    def deleted(self, item: Document) -> None:
        uid = item["metadata"]["uid"]
        with self._lock:
            self._pods.pop(uid, None)
            self._done.discard(uid)
            worker = self._workers.get(uid)
        if worker:
            worker.gone()

    def failed(self, error: KubeError) -> None:
        self._services.log(f"pods: {error}")

    def _start(self, pod: Document) -> None:
        """Hand it to its worker; a pod that is over needs one only to be deleted for good."""
        uid = pod["metadata"]["uid"]
        with self._lock:
            worker = self._workers.get(uid)
            if worker:
                worker.changed(pod)
            elif not self._stopping and uid not in self._done and (not is_over(pod) or is_deleted(pod)):
                self._workers[uid] = PodWorker(pod, self._services, self._ended)
                self._workers[uid].start()

    def _ended(self, key: PodKey) -> None:
        with self._lock:
            worker = self._workers.pop(key.uid)
            if worker.finished and not worker.static:
                self._done.add(key.uid)
            self._changed.notify_all()
