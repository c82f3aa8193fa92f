"""What the operator wants written, as values: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mooring_operator.tell.news import News

Document = dict[str, Any]
#: One thing that can be written at a time: a kind, a name, and "spec" or "status".
Key = tuple[str, str, str]


class Verb(StrEnum):
    """How it is written; also the label of the metric."""

    CREATE = "create"
    APPLY = "apply"
    STATUS = "status"
    DELETE = "delete"
    LOOK = "look"
    """Nothing is written: what stands is read, because the outcome of a write is unknown."""


@dataclass(frozen=True)
class Write:
    """One request to the API server.

    `document` is the object as it is to be, with name and without resourceVersion. `resource_version` is that of
    the object from which the write was worked out: if it has changed since, the server refuses (Conflict).
    """

    verb: Verb
    kind: str
    name: str
    """`namespace/name` of what is namespaced."""
    reason: str
    """What changes, in words for the log."""
    document: Mapping[str, Any] = field(default_factory=dict)
    resource_version: str = ""
    uid: str = ""
    news: tuple[News, ...] = ()
    """Events about the object, to be told once it is written."""
    urgent: bool = True
    """A status that tells no more than its last one but for words and counts is not."""

    @property
    def key(self) -> Key:
        return self.kind, self.name, "status" if self.verb is Verb.STATUS else "spec"

    def __str__(self) -> str:
        return f"{self.verb} {self.kind}/{self.name}"
