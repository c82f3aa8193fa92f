"""Binds pods to this node, as no scheduler does it in a lab."""

import threading
from collections.abc import Iterable

from mooring_kube.errors import Conflict, KubeError, NotFound
from mooring_kube.resources import PODS
from mooring_lab.kubelet import fitting
from mooring_lab.kubelet.bound import Bound
from mooring_lab.kubelet.document import Document, PodKey, is_deleted, is_over
from mooring_lab.kubelet.services import Services


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
        ports = {port for other in self._bound.documents() if not is_over(other) for port in fitting.host_ports(other)}
        if fitting.obstacle(pod, node, ports) is None:
            self._bind(pod)

    def _bind(self, pod: Document) -> None:
        key = PodKey.of(pod)
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": key.name, "uid": key.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._services.node.name},
        }
        try:
            self._services.client.request("POST", PODS.path(key.namespace, key.name, "binding"), body=body)
            self._bound.expect(pod)
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
