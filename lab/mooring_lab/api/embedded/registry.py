"""The kinds that there are, and the writes to their objects."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mooring_lab.api.embedded import builtins, documents, errors, fields, kinds, managers
from mooring_lab.api.embedded.deletion import DEFINITIONS, NAMESPACES, Deletion, Kinds
from mooring_lab.api.embedded.documents import Ask
from mooring_lab.api.embedded.errors import Cause, Object, StatusError
from mooring_lab.api.embedded.kinds import Kind
from mooring_lab.api.embedded.managers import Manager, Sets
from mooring_lab.api.embedded.store import Key, Store, Stored

_FIRST = ("default", "kube-node-lease", "kube-public", "kube-system")
_STORED_ONLY = ("rbac.authorization.k8s.io", "admissionregistration.k8s.io")


class Registry:
    """Objects and what may become of them; for one thread."""

    def __init__(self, store: Store, now: str) -> None:
        self.store = store
        self.kinds: Kinds = {(kind.group, kind.version, kind.plural): kind for kind in kinds.builtin()}
        self._deletion = Deletion(store, self.kinds)
        for stored in store.objects(self.kinds[DEFINITIONS].bucket):
            self._serve(stored.body)
        namespaces = self.kinds[NAMESPACES]
        for name in _FIRST:
            if store.get(namespaces.bucket, ("", name)) is None:
                self.create(namespaces, "", {"metadata": {"name": name}}, Ask("kube-apiserver", now))

    def get(self, kind: Kind, key: Key) -> Stored:
        """The object; 404."""
        found = self.store.get(kind.bucket, key)
        if found is None:
            raise errors.not_found(kind, key[1])
        return found

    def create(self, kind: Kind, namespace: str, document: Any, ask: Ask) -> Stored:
        """Store a new object; 409 if there is one."""
        body = documents.begun(kind, namespace, documents.taken(kind, document, ask), ask)
        sets = managers.updated(kind.schema, kind.empty(), body, {}, _manager(kind, ask, "Update"))
        return self._finish(kind, None, builtins.admitted(kind, body), sets, ask)

    def update(self, kind: Kind, key: Key, change: Callable[[Object], Any], ask: Ask) -> Stored:
        """Store what `change` makes of an object; 404, and 409 if it is of another state of the object."""
        stored = self.get(kind, key)
        live = builtins.shown(kind, stored.body)
        body = documents.taken(kind, change(live), ask)
        _agree(kind, live["metadata"], body["metadata"], ask)
        body = documents.isolated(kind, live, body, ask.subresource)
        sets = managers.read(body["metadata"].get("managedFields", live["metadata"].get("managedFields", ())))
        if sets:
            sets = managers.updated(kind.schema, live, body, sets, _manager(kind, ask, "Update"))
        return self._finish(kind, stored, body, sets, ask)

    def apply(self, kind: Kind, key: Key, config: Any, ask: Ask) -> tuple[Stored, bool]:
        """Server-side apply, and whether it created; 404 for the status of nothing, 409 for conflicts."""
        if not ask.manager:
            cause = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
            raise errors.invalid("PatchOptions", "meta.k8s.io", "", [cause])
        stored = self.store.get(kind.bucket, key)
        if stored is None and ask.subresource:
            raise errors.not_found(kind, key[1])
        config = _applicable(kind, key, config)
        live = builtins.shown(kind, stored.body) if stored else kind.empty()
        if stored is not None:
            _agree(kind, live["metadata"], config["metadata"], ask)
        sets = self._before_apply(kind, live) if stored else {}
        part = documents.own_part(kind, config, ask.subresource)
        new, sets = managers.applied(kind.schema, live, part, sets, _manager(kind, ask, "Apply"), force=ask.force)
        new = documents.taken(kind, new, ask)
        if stored is None:
            new = builtins.admitted(kind, documents.begun(kind, key[0], new, ask))
        else:
            new = documents.isolated(kind, live, new, ask.subresource)
        return self._finish(kind, stored, new, sets, ask), stored is None

    def delete(self, kind: Kind, key: Key, options: Object, ask: Ask) -> tuple[Stored, bool]:
        """Delete an object or, where something holds it, mark it; whether it is gone. 404, 409."""
        return self._deletion.delete(kind, self.get(kind, key), options, ask)

    def _before_apply(self, kind: Kind, live: Object) -> Sets:
        """The sets that an apply meets; what nobody is known to own belongs to `before-first-apply`."""
        sets = managers.read(live["metadata"].get("managedFields", ()))
        if sets:
            return sets
        time = live["metadata"]["creationTimestamp"]
        manager = Manager(managers.BEFORE_FIRST_APPLY, "Update", kind.api_version, "", time)
        part = {key: value for key, value in live.items() if key != "status" or not kind.status}
        return managers.updated(kind.schema, kind.empty(), part, {}, manager)

    def _finish(self, kind: Kind, live: Stored | None, body: Object, sets: Sets, ask: Ask) -> Stored:
        """Check and store what a write made."""
        old = builtins.shown(kind, live.body) if live else None
        name = body["metadata"].get("name", "")
        causes = documents.causes(kind, body, old, ask)
        if causes:
            raise errors.invalid(kind.kind, kind.group, name, causes)
        written = {"managedFields": managers.written(sets)} if sets else {}
        meta = {
            key: value for key, value in body["metadata"].items() if key not in ("managedFields", "resourceVersion")
        }
        # apiVersion and kind come first: lists of built-in kinds leave them out by their length.
        body = {"apiVersion": "", "kind": "", **body, "metadata": {**meta, **written}}
        if kind.group in _STORED_ONLY:
            ask.warnings.append(f"the embedded API server stores this {kind.kind} and enforces nothing of it")
        if old is None:
            self._may_begin(kind, meta)
        else:
            body = documents.counted(old, body)
        if live is not None and old is not None and documents.same(old, body):
            return live
        body = builtins.stored(kind, body)
        if ask.dry_run:
            version = {"resourceVersion": str(live.revision)} if live else {}
            return Stored(self.store.revision, {**body, "metadata": {**body["metadata"], **version}}, b"")
        if live is not None and self._deletion.ends(kind, meta):
            self._deletion.remove(kind, live._replace(body=body), ask)
            return live._replace(body={**body, "metadata": {**body["metadata"], "resourceVersion": str(live.revision)}})
        stored = self.store.write(kind.bucket, body)
        if "deletionTimestamp" in meta:
            self._deletion.settle(kind, stored, ask)
        if kind is self.kinds[DEFINITIONS] and ask.subresource != "status":
            self._establish(kind, stored, ask)
        return stored

    def _may_begin(self, kind: Kind, meta: Object) -> None:
        key = (meta.get("namespace", ""), meta["name"])
        if kind.namespaced:
            home = self.get(self.kinds[NAMESPACES], ("", key[0]))
            if "deletionTimestamp" in home.body["metadata"]:
                why = f"unable to create new content in namespace {key[0]} because it is being terminated"
                raise errors.forbidden(kind, key[1], why)
        if self.store.get(kind.bucket, key) is not None:
            raise errors.already_exists(kind, key[1])

    def _serve(self, definition: Object) -> None:
        kind = kinds.defined(definition)
        for key in [key for key, known in self.kinds.items() if known.bucket == kind.bucket]:
            del self.kinds[key]
        self.kinds[kind.group, kind.version, kind.plural] = kind
        self.store.begin(kind.bucket)

    def _establish(self, kind: Kind, stored: Stored, ask: Ask) -> None:
        """A definition's kind is served from now on, and its status says so."""
        self._serve(stored.body)
        spec = stored.body["spec"]
        said = (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
        fresh = [
            {"type": sort, "status": "True", "reason": reason, "message": text, "lastTransitionTime": ask.now}
            for sort, reason, text in said
        ]
        status = {
            "acceptedNames": spec["names"],
            "conditions": (stored.body.get("status") or {}).get("conditions") or fresh,
            "storedVersions": [one["name"] for one in spec["versions"] if one.get("storage")],
        }
        if len(spec["versions"]) > 1:
            ask.warnings.append("the embedded API server serves the storage version of this definition alone")
        for word in builtins.unasked(stored.body):
            ask.warnings.append(f"the embedded API server does not ask what {word} says in this definition")
        own = replace(ask, manager="kube-apiserver", subresource="status", doubled=())
        self.update(kind, stored.key, lambda live: {**live, "status": status}, own)


def _manager(kind: Kind, ask: Ask, operation: str) -> Manager:
    return Manager(ask.manager, operation, kind.api_version, ask.subresource, ask.now)


def _agree(kind: Kind, old: Object, meta: Object, ask: Ask) -> None:
    """Names and uids must agree, and a resourceVersion that is given must be the last one."""
    name, version = str(meta.setdefault("name", old["name"])), meta.get("resourceVersion")
    if name != old["name"]:
        raise errors.other_name(name, old["name"])
    if not version and not kind.builtin and not ask.patch:
        why = "Invalid value: 0: must be specified for an update"
        cause = Cause("FieldValueInvalid", why, "metadata.resourceVersion")
        raise errors.invalid(kind.plural, kind.group, name, [cause])
    if meta.get("uid") not in (None, "", old["uid"]):
        where = "/".join(filter(None, ("/registry", kind.group, kind.plural, old.get("namespace"), name)))
        why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['uid']}"
        why = f"StorageError: invalid object, Code: 4, Key: {where}, ResourceVersion: 0, AdditionalErrorMsg: {why}"
        raise errors.conflict(kind, name, why)
    if version not in (None, "", old["resourceVersion"]):
        raise errors.conflict(kind, name)


def _applicable(kind: Kind, key: Key, config: Any) -> Object:
    """An applied document, if it can be laid over anything."""
    given = (config.get("apiVersion", ""), config.get("kind", "")) if isinstance(config, dict) else ("", "")
    if given != (kind.api_version, kind.kind):
        version = given[0] if "/" in given[0] else f"/{given[0]}"
        raise errors.bad_request(f"invalid object type: {version}, Kind={given[1]}")
    given_meta = config.get("metadata") or {}
    if not isinstance(given_meta, dict):
        raise errors.bad_request("error decoding patch: metadata is no object")
    meta = {"name": key[1], **given_meta}
    if meta["name"] != key[1]:
        raise errors.other_name(meta["name"], key[1])
    if meta.pop("managedFields", None):
        raise errors.bad_request("metadata.managedFields must be nil")
    try:
        fields.check(kind.schema, config)
    except fields.UntypedError as error:
        what = f"{meta.get('namespace', '')}/{key[1]}; {kind.group}/{kind.version}, Kind={kind.kind}"
        raise StatusError(500, "", f"failed to create typed patch object ({what}): {error}") from error
    return {**config, "metadata": {**meta, **({"namespace": key[0]} if kind.namespaced else {})}}
