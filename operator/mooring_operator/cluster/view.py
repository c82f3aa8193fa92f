"""What is known of the cluster at one moment, and what led there: values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mooring_operator.cluster.slim import Ownership
from mooring_operator.plan.endpoints import EndpointSlice

Document = dict[str, Any]

#: The kinds that must be listed once before anything is written.
KINDS = ("VirtualIP", "VirtualServer", "NodeConfig", "Node", "Namespace")


@dataclass(frozen=True, slots=True)
class Stored:
    """One object, slimmed, and the resourceVersion that a write of it must name."""

    document: Document
    resource_version: str
    foreign: tuple[Ownership, ...] = ()
    """Fields of its spec that others than the operator own."""

    @property
    def uid(self) -> str:
        return str(self.document["metadata"].get("uid") or "")


def name_of(document: Mapping[str, Any]) -> str | None:
    """How an object is called here: `namespace/name`, or its name where it has no namespace; None: it has no name."""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(name, str):
        return None
    namespace = metadata.get("namespace")
    return f"{namespace}/{name}" if namespace else name


def parts_of(name: str) -> tuple[str | None, str]:
    """Namespace, None where there is none, and name."""
    namespace, _, own = name.rpartition("/")
    return namespace or None, own


@dataclass(frozen=True, slots=True)
class Listed:
    """The objects of a kind as a complete list left them; in which order they came to be so is not known."""

    kind: str
    objects: Mapping[str, Stored]


@dataclass(frozen=True, slots=True)
class Changed:
    """An object is new or other than before."""

    kind: str
    name: str
    stored: Stored


@dataclass(frozen=True, slots=True)
class Removed:
    """An object is no longer there."""

    kind: str
    name: str


News = Listed | Changed | Removed


@dataclass(frozen=True, slots=True)
class View:
    """The store at one moment; nothing in it changes any more."""

    objects: Mapping[str, Mapping[str, Stored]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    news: tuple[News, ...] = ()
    """What led here since the last view, in the order in which it was heard."""

    def get(self, kind: str, name: str) -> Stored | None:
        return self.objects[kind].get(name)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The EndpointSlices of the Services that VirtualServers name."""

    slices: Mapping[str, tuple[EndpointSlice, ...]] = field(default_factory=dict)
    """By `namespace/service`; one that is not in it is being listed."""
    trouble: str = ""
    """Why nobody can tell what the others' are; empty: they are on their way."""
