"""Deletion: what waits, what goes with an object, and what goes after it."""

from collections.abc import Iterable

from mooring_lab.api.embedded import builtins, errors, kinds
from mooring_lab.api.embedded.documents import Ask
from mooring_lab.api.embedded.errors import Object
from mooring_lab.api.embedded.kinds import Kind
from mooring_lab.api.embedded.store import Store, Stored

NAMESPACES = ("", "v1", "namespaces")
DEFINITIONS = ("apiextensions.k8s.io", "v1", "customresourcedefinitions")
Kinds = dict[tuple[str, str, str], Kind]


class Deletion:
    """Deletes objects of the kinds that there are."""

    def __init__(self, store: Store, kinds: Kinds) -> None:
        self._store, self._kinds = store, kinds

    def delete(self, kind: Kind, live: Stored, options: Object, ask: Ask) -> tuple[Stored, bool]:
        """Delete an object or, where something holds it, mark it; whether it is gone. 409 by preconditions."""
        meta = live.body["metadata"]
        _agree(kind, meta, options.get("preconditions") or {})
        grace = builtins.grace_s(kind, live.body, options)
        held = grace > 0 or bool(meta.get("finalizers")) or self._holds(kind)
        marked = {
            **meta,
            "deletionTimestamp": meta.get("deletionTimestamp", ask.now),
            "deletionGracePeriodSeconds": grace,
        }
        if "generation" in meta and "deletionTimestamp" not in meta:
            marked["generation"] = meta["generation"] + 1
        body = {**live.body, "metadata": marked if held or kind.well_known == "pods" else meta}
        if kind.well_known == "namespaces":
            del marked["deletionGracePeriodSeconds"]
            body["status"] = {"phase": "Terminating"}
        if ask.dry_run:
            return Stored(live.revision, body, b""), not held
        if not held:
            return self.remove(kind, live._replace(body=body), ask), True
        stored = live if "deletionTimestamp" in meta else self._store.write(kind.bucket, body)
        for below, found in self._content(kind, stored.body):
            self.delete(below, found, {"gracePeriodSeconds": 0}, ask)
        self.settle(kind, stored, ask)
        return stored, False

    def remove(self, kind: Kind, live: Stored, ask: Ask) -> Stored:
        """Take an object away for good, and then what it owned and who waited for it."""
        stored = self._store.write(kind.bucket, live.body, deleted=True)
        meta = live.body["metadata"]
        if kind.definition == self._kinds[DEFINITIONS].definition:
            gone = kinds.defined(live.body)
            self._kinds.pop((gone.group, gone.version, gone.plural), None)
        for other, found in self._owned_by(meta["uid"]):
            if self._store.get(other.bucket, found.key) == found:
                self.delete(other, found, {}, ask)
        name = f"{kind.plural}.{kind.group}"
        for holder, key in ((NAMESPACES, meta.get("namespace", "")), (DEFINITIONS, name)):
            waiting = self._store.get(self._kinds[holder].bucket, ("", key))
            if waiting is not None:
                self.settle(self._kinds[holder], waiting, ask)
        return stored

    def _holds(self, kind: Kind) -> bool:
        return kind in (self._kinds[NAMESPACES], self._kinds[DEFINITIONS])

    def ends(self, kind: Kind, meta: Object) -> bool:
        """Whether an object that is written for the last time goes with it."""
        waits = meta.get("finalizers") or meta.get("deletionGracePeriodSeconds") or self._holds(kind)
        return "deletionTimestamp" in meta and not waits

    def settle(self, kind: Kind, stored: Stored, ask: Ask) -> None:
        """A namespace or a definition that is to be deleted goes when it is empty."""
        meta = stored.body["metadata"]
        ends = self._holds(kind) and "deletionTimestamp" in meta and not meta.get("finalizers")
        if ends and not self._content(kind, stored.body) and self._store.get(kind.bucket, stored.key) is not None:
            self.remove(kind, stored, ask)

    def _content(self, kind: Kind, body: Object) -> list[tuple[Kind, Stored]]:
        if kind is self._kinds[NAMESPACES]:
            inside = [one for one in self._kinds.values() if one.namespaced and one.columns]
            name = body["metadata"]["name"]
            return [(one, found) for one in _once(inside) for found in self._store.objects(one.bucket, name)]
        if kind is self._kinds[DEFINITIONS]:
            own = kinds.defined(body)
            return [(own, found) for found in self._store.objects(own.bucket)]
        return []

    def _owned_by(self, uid: str) -> list[tuple[Kind, Stored]]:
        """What named this owner and has no other left."""
        everything = [(kind, one) for kind in _once(self._kinds.values()) for one in self._store.objects(kind.bucket)]
        named = [(kind, one, refs) for kind, one in everything if uid in (refs := _owners(one))]
        uids = {one.body["metadata"]["uid"] for _, one in everything} if named else set()
        return [(kind, one) for kind, one, refs in named if not refs & uids]


def _owners(stored: Stored) -> set[str]:
    return {one.get("uid", "") for one in stored.body["metadata"].get("ownerReferences", ())}


def _once(found: Iterable[Kind]) -> list[Kind]:
    """One kind for each bucket: events have two."""
    return list({kind.bucket: kind for kind in found}.values())


def _agree(kind: Kind, meta: Object, wanted: Object) -> None:
    for key, word, cause in (
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ):
        if wanted.get(key) not in (None, meta[key]):
            why = f"the {word} in the precondition ({wanted[key]}) does not match the {word} in record ({meta[key]})"
            raise errors.conflict(kind, meta["name"], f"{why}. The object might have been {cause}", kind.kind)
