"""Objects as they are kept: nothing but what is read, so that a thousand nodes cost little."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mooring_api.wire import GROUP

#: The operator's name in managedFields.
MANAGER = "mooring-operator"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Ownership:
    """A field of an object's spec and who else than the operator wrote it."""

    manager: str
    field: str


def slim(document: Mapping[str, Any]) -> Document:
    """The document without what nobody reads; never raises for what stands in it.

    resourceVersion is not in it: two states of an object that differ in nothing that is read are equal.
    """
    kept: Document = {key: document[key] for key in ("apiVersion", "kind") if key in document}
    kept["metadata"] = _metadata(_mapping(document.get("metadata")))
    if document.get("kind") == "Node":
        return kept | {"spec": _node_spec(_mapping(document.get("spec"))), "status": _node_status(document)}
    if document.get("kind") == "Namespace":
        return kept | {
            "metadata": {key: kept["metadata"][key] for key in ("name", "labels") if key in kept["metadata"]}
        }
    return kept | {key: document[key] for key in ("spec", "status") if key in document}


def lean(document: Document) -> Document:
    """The document as a list may hand it to the store: slim, with its version, and who owns its fields."""
    metadata = _mapping(document.get("metadata"))
    kept = slim(document)
    also = ("resourceVersion", "managedFields") if document.get("kind") == "NodeConfig" else ("resourceVersion",)
    kept["metadata"] |= {key: metadata[key] for key in also if key in metadata}
    return kept


def foreign_owners(document: Mapping[str, Any]) -> tuple[Ownership, ...]:
    """Who else than the operator owns a field of a NodeConfig's spec, by its managedFields."""
    if document.get("kind") != "NodeConfig":
        return ()
    found: set[Ownership] = set()
    for entry in _list(_mapping(document.get("metadata")).get("managedFields")):
        manager = _mapping(entry).get("manager")
        if manager != MANAGER:
            owned = _mapping(_mapping(_mapping(entry).get("fieldsV1")).get("f:spec"))
            found.update(Ownership(str(manager), path) for path in _paths(owned, "spec"))
    return tuple(sorted(found))


def _paths(fields: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, below in fields.items():
        if key.startswith("f:"):
            path = f"{prefix}.{key[2:]}"
            inner = list(_paths(_mapping(below), path))
            yield from inner or [path]


def _metadata(metadata: Mapping[str, Any]) -> Document:
    names = ("name", "namespace", "uid", "generation", "creationTimestamp")
    kept = {key: metadata[key] for key in names if key in metadata}
    labels, annotations = metadata.get("labels"), metadata.get("annotations")
    if labels:
        kept["labels"] = labels
    if isinstance(annotations, Mapping):
        annotations = {key: value for key, value in annotations.items() if str(key).startswith(f"{GROUP}/")}
    if annotations:
        kept["annotations"] = annotations
    return kept


def _node_spec(spec: Mapping[str, Any]) -> Document:
    return {"unschedulable": spec["unschedulable"]} if spec.get("unschedulable") else {}


def _node_status(document: Mapping[str, Any]) -> Document:
    status = _mapping(document.get("status"))
    ready = [
        {"type": "Ready", "status": _mapping(condition).get("status")}
        for condition in _list(status.get("conditions"))
        if _mapping(condition).get("type") == "Ready"
    ]
    internal = [each for each in _list(status.get("addresses")) if _mapping(each).get("type") == "InternalIP"]
    return {"conditions": ready, "addresses": internal}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
