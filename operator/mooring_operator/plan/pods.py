"""Pods that a node must run to be of use: which a VirtualIP asks for, and on which nodes they are Ready."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mooring_api.virtualip import Pods
from mooring_operator.plan.labels import selects, terms_of


class PodSelection(NamedTuple):
    """Which pods: a namespace and a label selector as the API server takes it."""

    namespace: str
    selector: str


#: The nodes on which pods of a selection are Ready. A selection that is not in it is not known yet.
PodNodes = Mapping[PodSelection, frozenset[str]]


class Pod(NamedTuple):
    """A pod that is Ready and stays."""

    namespace: str
    labels: Mapping[str, str]
    node: str


def selection_of(pods: Pods) -> PodSelection:
    """Two that select alike in the same words are one."""
    return PodSelection(pods.namespace, ",".join(sorted(terms_of(pods.selector))))


def ready_pod(document: Mapping[str, Any]) -> Pod | None:
    """The pod of a document where it runs on a node, is Ready and is not being deleted; never raises."""
    metadata, spec, status = (_mapping(document.get(part)) for part in ("metadata", "spec", "status"))
    namespace, node, labels = metadata.get("namespace", "default"), spec.get("nodeName"), metadata.get("labels")
    conditions = status.get("conditions")
    ready = any(
        _mapping(each).get("type") == "Ready" and _mapping(each).get("status") == "True"
        for each in (conditions if isinstance(conditions, list) else ())
    )
    if not ready or metadata.get("deletionTimestamp") or not isinstance(node, str) or not node:
        return None
    return Pod(str(namespace), {str(k): str(v) for k, v in _mapping(labels).items()}, node)


def nodes_with(pods: Iterable[Pod], wanted: Pods) -> frozenset[str]:
    """The nodes on which one of these pods is wanted."""
    return frozenset(
        pod.node for pod in pods if pod.namespace == wanted.namespace and selects(wanted.selector, pod.labels)
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
