"""What the operator knows of the cluster: objects by kind and name, never older than what it knew before.

What is namespaced is named `namespace/name`.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mooring_operator.cluster.slim import foreign_owners, slim
from mooring_operator.cluster.view import KINDS, Changed, Listed, News, Removed, Stored, View, name_of


@dataclass(frozen=True, slots=True)
class Replaced:
    """What a list brought that was not known from events."""

    first: bool
    brought: int
    vanished: int
    newest: int = 0
    """The highest version of an object in it."""


@dataclass(slots=True)
class _Kind:
    objects: dict[str, Stored] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    """Deleted since the last list: name to the version in which it was."""
    until: int | None = None
    """All is known up to this version; None: not listed yet."""


class Store:
    """Thread-safe. `changed` is called, outside of the lock, after each change that matters to a plan."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._kinds = {kind: _Kind() for kind in KINDS}
        self._news: list[News] = []

    def put(self, document: Mapping[str, Any]) -> bool:
        """Take an object in; False when something newer is known of it, or it cannot be named."""
        identity = _identity(document)
        if identity is None:
            return False
        kind, name = identity
        new = _stored(document)
        version = _number(new.resource_version)
        with self._lock:
            known = self._kinds[kind]
            if version <= max(known.until or 0, known.gone.get(name, 0)):
                return False
            before = known.objects.get(name)
            if before is not None and version <= _number(before.resource_version):
                return False
            now = known.objects[name] = _kept(before, new)
            differs = _differ(before, now)
            if differs:
                self._news.append(Changed(kind, name, now))
        if differs:
            self._changed()
        return True

    def remove(self, document: Mapping[str, Any]) -> bool:
        """Take an object out; `document` is its last state. False when something newer is known of it."""
        identity = _identity(document)
        if identity is None:
            return False
        kind, name = identity
        version = _number(_version(document))
        with self._lock:
            known = self._kinds[kind]
            before = known.objects.get(name)
            if version <= (known.until or 0) or (before and version < _number(before.resource_version)):
                return False
            known.gone[name] = max(version, known.gone.get(name, 0))
            was_there = self._drop(kind, name)
        if was_there:
            self._changed()
        return True

    def forget(self, kind: str, name: str) -> None:
        """The server said that there is no such object (404), without a version to go by; the next list decides."""
        with self._lock:
            was_there = self._drop(kind, name)
        if was_there:
            self._changed()

    def _drop(self, kind: str, name: str) -> bool:
        if self._kinds[kind].objects.pop(name, None) is None:
            return False
        self._news.append(Removed(kind, name))
        return True

    def replace(self, kind: str, items: Iterable[Mapping[str, Any]], resource_version: str) -> Replaced:
        """A complete list: what is not in it is gone, but for what events have brought since it was made.

        The list must be the server's present state. When its version is older than that of an earlier list, the
        server's history was rewound (etcd restored from a backup), and the list is taken as it is.
        """
        until = _number(resource_version)
        listed = {identity[1]: _stored(item) for item in items if (identity := _identity(item))}
        with self._lock:
            known = self._kinds[kind]
            first = known.until is None
            rewound = known.until is not None and until < known.until
            before = known.objects
            newer = {} if rewound else {n: s for n, s in before.items() if _number(s.resource_version) > until}
            gone = {} if rewound else {n: v for n, v in known.gone.items() if v > until}
            after = {n: s for n, s in listed.items() if n not in gone} | newer
            after = {n: _kept(before.get(n), s) for n, s in after.items()}
            brought = sum(_differ(before.get(n), s) for n, s in after.items())
            vanished = len(before.keys() - after.keys())
            self._kinds[kind] = _Kind(after, gone, until)
            matters = bool(first or brought or vanished)
            if matters:
                self._news.append(Listed(kind, dict(after)))
        if matters:
            self._changed()
        newest = max((_number(stored.resource_version) for stored in listed.values()), default=0)
        return Replaced(first, brought, vanished, newest)

    def get(self, kind: str, name: str) -> Stored | None:
        """One object as it is known now."""
        with self._lock:
            return self._kinds[kind].objects.get(name)

    @property
    def complete(self) -> bool:
        """Whether every kind was listed once."""
        with self._lock:
            return all(known.until is not None for known in self._kinds.values())

    def view(self) -> View:
        """What there is now; the news in it are given once."""
        with self._lock:
            news, self._news = tuple(self._news), []
            return View({kind: dict(known.objects) for kind, known in self._kinds.items()}, news)

    def counts(self) -> dict[str, int]:
        """How many objects there are of each kind."""
        with self._lock:
            return {kind: len(known.objects) for kind, known in self._kinds.items()}


def _stored(document: Mapping[str, Any]) -> Stored:
    return Stored(slim(document), _version(document), foreign_owners(document))


def _kept(before: Stored | None, now: Stored) -> Stored:
    """As `now`, with the document of before where they are equal: readers know by identity what they have read."""
    if before is None or before.document != now.document:
        return now
    return replace(now, document=before.document)


def _differ(before: Stored | None, now: Stored) -> bool:
    return before is None or before.document is not now.document or before.foreign != now.foreign


def _identity(document: Mapping[str, Any]) -> tuple[str, str] | None:
    kind, name = document.get("kind"), name_of(document)
    return (kind, name) if kind in KINDS and isinstance(kind, str) and name is not None else None


def version_of(document: Mapping[str, Any]) -> int:
    """The document's resourceVersion as a number that grows; 0 where it has none."""
    return _number(_version(document)) if isinstance(document.get("metadata"), Mapping) else 0


def _version(document: Mapping[str, Any]) -> str:
    return str(document["metadata"].get("resourceVersion") or "")


def _number(resource_version: str) -> int:
    """Versions of one resource are decimal numbers that grow (KEP-5504); what is none counts as the oldest."""
    return int(resource_version) if resource_version.isdecimal() else 0
