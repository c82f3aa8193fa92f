"""Pods that nodes must run to be of use: one watch for each selector, for as long as a VirtualIP names it."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from mooring_api.virtualip import LabelSelector, LabelSelectorOperator, Pods
from mooring_kube.client import Client
from mooring_kube.errors import KubeError
from mooring_kube.follow import Follower
from mooring_kube.resources import PODS

Document = dict[str, Any]

log = logging.getLogger(__name__)


class PodSelection(NamedTuple):
    """Which pods: a namespace and a label selector as the API server takes it."""

    namespace: str
    selector: str


def selection_of(pods: Pods) -> PodSelection:
    """Two that select alike in the same words are one."""
    return PodSelection(pods.namespace, ",".join(sorted(_terms(pods.selector))))


def _terms(selector: LabelSelector) -> Iterable[str]:
    yield from (f"{key}={value}" for key, value in selector.match_labels.items())
    for term in selector.match_expressions:
        values = f"({','.join(sorted(term.values))})"
        match term.operator:
            case LabelSelectorOperator.IN:
                yield f"{term.key} in {values}"
            case LabelSelectorOperator.NOT_IN:
                yield f"{term.key} notin {values}"
            case LabelSelectorOperator.EXISTS:
                yield term.key
            case LabelSelectorOperator.DOES_NOT_EXIST:
                yield f"!{term.key}"


class _Watched:
    """The nodes on which pods of one selection are Ready; a Follower's handler."""

    def __init__(self, selection: PodSelection, changed: Callable[[], None]) -> None:
        self._selection, self._changed = selection, changed
        self._lock = threading.Lock()
        self._ready: dict[str, str] = {}
        self._nodes: frozenset[str] | None = None
        self._trouble = ""

    @property
    def nodes(self) -> frozenset[str] | None:
        """None until all pods were listed once."""
        with self._lock:
            return self._nodes

    def listed(self, items: Iterable[Document]) -> None:
        self._trouble = ""
        found = dict(pair for item in items if (pair := ready_pod(item)) is not None)
        with self._lock:
            self._ready = found
        self._sum_up()

    def changed(self, item: Document) -> None:
        name = str(item["metadata"]["name"])
        pair = ready_pod(item)
        with self._lock:
            if pair is None:
                self._ready.pop(name, None)
            else:
                self._ready[name] = pair[1]
        self._sum_up()

    def deleted(self, item: Document) -> None:
        with self._lock:
            self._ready.pop(str(item["metadata"]["name"]), None)
        self._sum_up()

    def failed(self, error: KubeError) -> None:
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


def ready_pod(pod: Mapping[str, Any]) -> tuple[str, str] | None:
    """A pod's name and node where it is Ready and stays; never raises for what stands in it."""
    metadata, spec, status = (_mapping(pod.get(part)) for part in ("metadata", "spec", "status"))
    name, node = metadata.get("name"), spec.get("nodeName")
    conditions = status.get("conditions")
    ready = any(
        _mapping(each).get("type") == "Ready" and _mapping(each).get("status") == "True"
        for each in (conditions if isinstance(conditions, list) else ())
    )
    if not ready or metadata.get("deletionTimestamp") or not isinstance(name, str) or not isinstance(node, str):
        return None
    return name, node


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

    def nodes(self) -> dict[PodSelection, frozenset[str]]:
        """The nodes with a Ready pod, for each selection that was listed once."""
        with self._lock:
            found = {selection: watched.nodes for selection, (watched, _) in self._followed.items()}
        return {selection: nodes for selection, nodes in found.items() if nodes is not None}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
