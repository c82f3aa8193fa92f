"""Objects of Kubernetes' own that stand in a manifest and in what the cluster printed, as one (pure)."""

from collections.abc import Iterable, Mapping
from typing import Any

Document = Mapping[str, Any]

#: With the group of their apiVersion: others have kinds of the same names.
_GROUPS = {"Namespace": "v1", "EndpointSlice": "discovery.k8s.io/v1"}
#: What of metadata is the author's; the rest is the API server's, or tells of how it was written.
_METADATA = ("name", "namespace", "labels")


def united(documents: Iterable[Document]) -> list[Document]:
    """The documents, where of Namespaces and EndpointSlices those of one name are one.

    A field that only one of them has is taken from it. Where they contradict each other both stay, for the reader of
    documents to refuse. A Namespace's spec and status, of which nothing is planned, contradict nothing.
    """
    found: list[Document] = []
    places: dict[tuple[str, str, str], int] = {}
    for document in documents:
        key = _key(document)
        place = places.get(key) if key else None
        both = None if place is None else _both(_essence(found[place]), _essence(document))
        if place is not None and both is not None:
            found[place] = both
            continue
        if key:
            places.setdefault(key, len(found))
        found.append(document)
    return found


def _key(document: Document) -> tuple[str, str, str] | None:
    kind, metadata = document.get("kind"), document.get("metadata")
    if kind not in _GROUPS or document.get("apiVersion") != _GROUPS[kind] or not isinstance(metadata, Mapping):
        return None
    name, namespace = metadata.get("name"), metadata.get("namespace") or "default"
    if not isinstance(name, str) or not isinstance(namespace, str):
        return None
    return kind, "" if kind == "Namespace" else namespace, name


def _essence(document: Document) -> Document:
    """Without what tells nothing: `labels: null` is as none at all."""
    left_out = ("spec", "status") if document.get("kind") == "Namespace" else ()
    metadata = {field: document["metadata"][field] for field in _METADATA if document["metadata"].get(field)}
    return {**{field: value for field, value in document.items() if field not in left_out}, "metadata": metadata}


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any] | None:
    """A mapping with the fields of both; None where they contradict each other."""
    made = dict(one)
    for field, value in other.items():
        there = made.setdefault(field, value)
        if isinstance(there, Mapping) and isinstance(value, Mapping):
            there = _both(there, value)
            if there is None:
                return None
            made[field] = there
        elif there != value:
            return None
    return made
