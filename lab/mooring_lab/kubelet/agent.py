"""The stand-in itself: follows the pods of its node, keeps a worker for each, binds those that belong here."""

import json
import threading
from collections.abc import Iterable
from contextlib import suppress

from mooring_kube.errors import Conflict, KubeError, NotFound
from mooring_kube.follow import Follower
from mooring_kube.resources import NODES, PODS
from mooring_lab.kubelet import fitting
from mooring_lab.kubelet.document import Document, PodKey, is_deleted
from mooring_lab.kubelet.heartbeat import Heartbeat
from mooring_lab.kubelet.services import Services
from mooring_lab.kubelet.worker import POD, PodWorker

#: How often volumes are brought up to date with what they show, and the binder looks again.
RENEW_S = 10.0
#: SIGKILL follows the grace period; nothing takes longer than this after it.
_PATIENCE_S = 30.0
_OVER = ("Succeeded", "Failed")


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

    # -- the follower's handler

    def listed(self, items: Iterable[Document]) -> None:
        found = {pod["metadata"]["uid"]: pod for pod in items}
        with self._lock:
            self._pods = found
            self._done &= found.keys()
            gone = [worker for uid, worker in self._workers.items() if uid not in found]
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
        over = (pod.get("status") or {}).get("phase") in _OVER
        with self._lock:
            worker = self._workers.get(uid)
            if worker:
                worker.changed(pod)
            elif not self._stopping and uid not in self._done and (not over or is_deleted(pod)):
                self._workers[uid] = PodWorker(pod, self._services, self._ended)
                self._workers[uid].start()

    def _ended(self, key: PodKey) -> None:
        with self._lock:
            worker = self._workers.pop(key.uid)
            if worker.finished:
                self._done.add(key.uid)
            self._changed.notify_all()


class Binder:
    """Binds waiting pods to this node: those that name it, and with `all_pods` any other that fits."""

    def __init__(self, services: Services, bound: Bound, *, all_pods: bool) -> None:
        self._services = services
        self._bound = bound
        self._all_pods = all_pods
        self._lock = threading.Lock()
        self._waiting: dict[str, Document] = {}
        self._node: Document | None = None

    def look(self) -> None:
        """Bind what can be bound now."""
        with self._lock:
            node, waiting = self._node, tuple(self._waiting.values())
        if node is None or is_deleted(node):
            return
        for pod in waiting:
            self._consider(pod, node)

    def saw_node(self, node: Document | None) -> None:
        with self._lock:
            self._node = node
        self.look()

    # -- the follower's handler, of pods that are bound to nothing

    def listed(self, items: Iterable[Document]) -> None:
        with self._lock:
            self._waiting = {pod["metadata"]["uid"]: pod for pod in items}
        self.look()

    def changed(self, item: Document) -> None:
        with self._lock:
            self._waiting[item["metadata"]["uid"]] = item
        self.look()

    def deleted(self, item: Document) -> None:
        with self._lock:
            self._waiting.pop(item["metadata"]["uid"], None)

    def failed(self, error: KubeError) -> None:
        self._services.log(f"waiting pods: {error}")

    def _consider(self, pod: Document, node: Document) -> None:
        name = self._services.node.name
        if not fitting.is_waiting(pod) or not (self._all_pods or fitting.wants_node(pod, name)):
            return
        ports = {port for other in self._bound.documents() if not _is_over(other) for port in fitting.host_ports(other)}
        if fitting.obstacle(pod, node, ports) is None:
            self._bind(PodKey.of(pod))

    def _bind(self, key: PodKey) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": key.name, "uid": key.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._services.node.name},
        }
        try:
            self._services.client.request("POST", PODS.path(key.namespace, key.name, "binding"), body=body)
        except (Conflict, NotFound):
            pass  # another stand-in was first, or it was deleted meanwhile
        except KubeError as error:
            self._services.log(f"binding {key.namespace}/{key.name}: {error}")
            return
        with self._lock:
            self._waiting.pop(key.uid, None)


class NodeWatch:
    """Tells the binder of changes of the Node."""

    def __init__(self, services: Services, binder: Binder) -> None:
        self._services = services
        self._binder = binder

    def listed(self, items: Iterable[Document]) -> None:
        self._binder.saw_node(next(iter(items), None))

    def changed(self, item: Document) -> None:
        self._binder.saw_node(item)

    def deleted(self, item: Document) -> None:  # noqa: ARG002 - the follower's interface
        self._binder.saw_node(None)

    def failed(self, error: KubeError) -> None:
        self._services.log(f"node: {error}")


def _is_over(pod: Document) -> bool:
    return (pod.get("status") or {}).get("phase") in _OVER


class Agent:
    """All parts of one kubelet."""

    def __init__(self, services: Services, *, bind_all: bool, renew_s: float = RENEW_S) -> None:
        self._services = services
        self._renew_s = renew_s
        self._bound = Bound(services)
        self._binder = Binder(services, self._bound, all_pods=bind_all)
        self._heartbeat = Heartbeat(services.client, services.node, services.log)
        watch = NodeWatch(services, self._binder)
        name = services.node.name
        client = services.client
        self._followers = (
            Follower(client, NODES, watch, field_selector=f"metadata.name={name}"),
            Follower(client, PODS, self._bound, field_selector=f"spec.nodeName={name}"),
            Follower(client, PODS, self._binder, field_selector="spec.nodeName="),
        )
        self._stopping = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="renewing", daemon=True)

    def start(self) -> None:
        self._services.reporter.start()
        self._services.teller.start()
        self._bound.adopt()
        for thread in (self._heartbeat, *self._followers, self._renewing):
            thread.start()

    def stop(self, within_s: float) -> None:
        """End all containers within so many seconds, and say so where somebody hears it."""
        self._stopping.set()
        for follower in self._followers:
            follower.stop()
        self._bound.stop(within_s)
        self._services.reporter.stop(within_s=2.0)
        self._heartbeat.stop()

    def _renew(self) -> None:
        while not self._stopping.wait(self._renew_s):
            self._binder.look()
            for worker in self._bound.workers():
                worker.renew()
