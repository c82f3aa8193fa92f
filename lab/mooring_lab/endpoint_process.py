"""Keeps the EndpointSlices of all Services: `python -m mooring_lab.endpoint_process KUBECONFIG`.

It is what Kubernetes' controller of that name does, for a lab whose API server has no controllers.
"""

import contextlib
import queue
import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_kube.errors import KubeError, NotFound
from mooring_kube.follow import Follower
from mooring_kube.resources import ENDPOINT_SLICES, PODS, Resource
from mooring_lab.endpoints import is_ours, slices_of

SERVICES = Resource("", "v1", "services", "Service", namespaced=True)
_MANAGER = "mooring-lab-endpoints"
_RETRY_SECONDS = 1.0
Document = dict[str, Any]
Key = tuple[str, str]


class Listed:
    """All objects of one resource, as the API tells them; wakes whoever waits for a change."""

    def __init__(self, wake: "queue.SimpleQueue[None]") -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._known: dict[Key, Document] | None = None

    def objects(self) -> dict[Key, Document] | None:
        """By namespace and name; None before the first list."""
        with self._lock:
            return None if self._known is None else dict(self._known)

    def listed(self, items: Iterable[Document]) -> None:
        found = {_key(item): item for item in items}
        with self._lock:
            self._known = found
        self._wake.put(None)

    def changed(self, item: Document) -> None:
        with self._lock:
            self._known = {**(self._known or {}), _key(item): item}
        self._wake.put(None)

    def deleted(self, item: Document) -> None:
        with self._lock:
            self._known = {key: value for key, value in (self._known or {}).items() if key != _key(item)}
        self._wake.put(None)

    def failed(self, error: KubeError) -> None:
        """It is tried again by itself."""


def _key(item: Document) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def bring_up_to_date(
    client: Client, services: dict[Key, Document], pods: dict[Key, Document], slices: dict[Key, Document]
) -> None:
    """Write every slice that is not as it should be, and delete what belongs to no Service; KubeError."""
    wanted = {_key(each): each for service in services.values() for each in slices_of(service, pods.values())}
    for (space, name), document in wanted.items():
        there = slices.get((space, name))
        if there is None or any(there.get(part) != document[part] for part in ("ports", "endpoints")):
            client.apply(ENDPOINT_SLICES, document, manager=_MANAGER, force=True, namespace=space)
    for (space, name), there in slices.items():
        if is_ours(there) and (space, name) not in wanted:
            with contextlib.suppress(NotFound):
                client.delete(ENDPOINT_SLICES, name, namespace=space)


def main(arguments: Sequence[str] | None = None) -> int:
    """Until SIGTERM."""
    (kubeconfig,) = sys.argv[1:] if arguments is None else arguments
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    connection = from_kubeconfig(Path(kubeconfig))
    wake: queue.SimpleQueue[None] = queue.SimpleQueue()
    listed = [Listed(wake) for _ in range(3)]
    for resource, handler in zip((SERVICES, PODS, ENDPOINT_SLICES), listed, strict=True):
        Follower(Client(connection, agent=_MANAGER), resource, handler).start()
    client = Client(connection, agent=_MANAGER)
    again = False
    while True:
        with contextlib.suppress(queue.Empty):
            wake.get(timeout=_RETRY_SECONDS if again else None)
        while not wake.empty():
            wake.get()
        services, pods, slices = (each.objects() for each in listed)
        if services is None or pods is None or slices is None:
            continue
        try:
            bring_up_to_date(client, services, pods, slices)
            again = False
        except KubeError as error:
            again = True
            sys.stderr.write(f"{error}\n")
            sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
