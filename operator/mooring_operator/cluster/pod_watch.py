"""Pods that nodes must run to be of use: one watch for each selector, for as long as a VirtualIP names it."""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from mooring_kube.client import Client
from mooring_kube.errors import KubeError
from mooring_kube.follow import Follower
from mooring_kube.resources import PODS
from mooring_operator.plan.pods import PodSelection, ready_pod

Document = dict[str, Any]

#: After so many failures (some seconds) nobody waits any more for a first list.
MOST_FAILURES = 5

log = logging.getLogger(__name__)


class _Watched:
    """The nodes on which pods of one selection are Ready; a Follower's handler."""

    def __init__(self, selection: PodSelection, changed: Callable[[], None]) -> None:
        self._selection, self._changed = selection, changed
        self._lock = threading.Lock()
        self._ready: dict[str, str] = {}
        self._nodes: frozenset[str] | None = None
        self._trouble = ""
        self._failures = 0

    @property
    def nodes(self) -> frozenset[str] | None:
        """None until all pods were listed once."""
        with self._lock:
            return self._nodes

    @property
    def hopeless(self) -> bool:
        """Whether they could not be listed for so long that nobody should wait for it."""
        with self._lock:
            return self._nodes is None and self._failures >= MOST_FAILURES

    def listed(self, items: Iterable[Document]) -> None:
        self._trouble = ""
        found = {str(item["metadata"]["name"]): pod.node for item in items if (pod := ready_pod(item))}
        with self._lock:
            self._ready = found
        self._sum_up()

    def changed(self, item: Document) -> None:
        name = str(item["metadata"]["name"])
        pod = ready_pod(item)
        with self._lock:
            if pod is None:
                self._ready.pop(name, None)
            else:
                self._ready[name] = pod.node
        self._sum_up()

    def deleted(self, item: Document) -> None:
        with self._lock:
            self._ready.pop(str(item["metadata"]["name"]), None)
        self._sum_up()

    def failed(self, error: KubeError) -> None:
        with self._lock:
            self._failures += 1
        if self.hopeless:
            self._changed()
        if str(error) != self._trouble:
            self._trouble = str(error)
            log.warning("pods %s in %s cannot be followed: %s", self._selection.selector, self._selection[0], error)

    def _sum_up(self) -> None:
        with self._lock:
            nodes = frozenset(self._ready.values())
            if nodes == self._nodes:
                return
            self._nodes = nodes
        self._changed()


class PodWatch:
    """Follows what it is told to, and nothing else. Thread-safe."""

    def __init__(self, client: Client, changed: Callable[[], None]) -> None:
        """`changed` is called, from any thread, when a node has its first Ready pod or loses its last."""
        self._client, self._changed = client, changed
        self._lock = threading.Lock()
        self._followed: dict[PodSelection, tuple[_Watched, Follower]] = {}

    def follow(self, wanted: Iterable[PodSelection]) -> None:
        """Begin with those that are new, and end those that are no longer wanted."""
        selections = set(wanted)
        with self._lock:
            for gone in self._followed.keys() - selections:
                self._followed.pop(gone)[1].stop()
            for new in sorted(selections - self._followed.keys()):
                watched = _Watched(new, self._changed)
                follower = Follower(self._client, PODS, watched, namespace=new.namespace, label_selector=new.selector)
                self._followed[new] = (watched, follower)
                follower.start()

    def stop(self) -> None:
        self.follow(())

    def nodes(self) -> dict[PodSelection, frozenset[str] | None]:
        """The nodes with a Ready pod, for each selection that was listed once; None where it can't be listed.

        What is not in it is being listed.
        """
        with self._lock:
            followed = [(selection, watched) for selection, (watched, _) in self._followed.items()]
        return {
            selection: watched.nodes for selection, watched in followed if watched.nodes is not None or watched.hopeless
        }
