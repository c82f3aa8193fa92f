"""What a write makes of an object, and when it is refused: the life of objects from create to collection."""

import base64
import copy
import re
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from mooring_lab.api.embedded import errors, kinds
from mooring_lab.api.embedded.errors import Cause, Object, Refusal
from mooring_lab.api.embedded.kinds import Kind
from mooring_lab.api.embedded.managers import BEFORE_FIRST_APPLY, Managed, Manager, applied, updated
from mooring_lab.api.embedded.rules import Rules
from mooring_lab.api.embedded.schema import default, prune, validate
from mooring_lab.api.embedded.store import Store, Stored

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
STORED_ONLY = ("rbac.authorization.k8s.io", "admissionregistration.k8s.io")
DEFINITIONS = "customresourcedefinitions"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "namespace")
_NO_GENERATION = ("configmaps", "events", "namespaces", "nodes", "secrets", "serviceaccounts", "leases", *STORED_ONLY)


@dataclass(frozen=True)
class Ask:
    """What a request asks beside its document; `warnings` are for the client."""

    manager: str
    now: str
    subresource: str = ""
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False
    warnings: list[str] = field(default_factory=list)


class Registry:
    """All kinds and their objects."""

    def __init__(self, store: Store, now: str) -> None:
        self.store = store
        self._rules = Rules()
        self.kinds: dict[tuple[str, str, str], Kind] = {}
        for kind in kinds.builtin():
            self._know(kind)
        for stored in store.objects(f"apiextensions.k8s.io/{DEFINITIONS}"):
            self._know(kinds.defined(stored.body))
        for name in NAMESPACES:
            if not store.get("/namespaces", "", name):
                self.create(
                    self.kinds["", "v1", "namespaces"], "", {"metadata": {"name": name}}, Ask("kube-apiserver", now)
                )

    def _know(self, kind: Kind) -> None:
        self.kinds[kind.group, kind.version, kind.plural] = kind

    def get(self, kind: Kind, namespace: str, name: str) -> Stored:
        """The object; 404."""
        found = self.store.get(kind.bucket, namespace, name)
        if found is None:
            raise errors.not_found(kind, name)
        return found

    def create(self, kind: Kind, namespace: str, document: Object, ask: Ask) -> Stored:
        """Store a new object; 409 if there is one."""
        body = self._read(kind, document, ask)
        self._begin(kind, namespace, body, ask)
        live = {"apiVersion": kind.api_version, "kind": kind.kind, **kinds.empty(kind)}
        manager = self._manager(kind, ask, "Update")
        managed = updated(kind.schema, live, body, Managed(), manager)
        return self._finish(kind, None, body, managed, ask)

    def update(self, kind: Kind, namespace: str, name: str, change: Callable[[Object], Object], ask: Ask) -> Stored:
        """Store what `change` makes of an object; 404, 409."""
        live = self.get(kind, namespace, name)
        body = self._read(kind, change(copy.deepcopy(live.body)), ask)
        self._fits(kind, live, body)
        body = self._isolated(kind, live.body, body, ask)
        managed = Managed.read(body["metadata"].get("managedFields") or live.body["metadata"].get("managedFields", ()))
        if managed.sets:
            managed = updated(kind.schema, live.body, body, managed, self._manager(kind, ask, "Update"))
        return self._finish(kind, live, body, managed, ask)

    def apply(self, kind: Kind, namespace: str, name: str, config: Object, ask: Ask) -> tuple[Stored, bool]:
        """Server-side apply; whether it was created. 404 for the status of nothing, 409 for conflicts."""
        if not ask.manager:
            cause = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
            raise errors.invalid("PatchOptions", "meta.k8s.io", "", [cause])
        live = self.store.get(kind.bucket, namespace, name)
        if live is None and ask.subresource:
            raise errors.not_found(kind, name)
        config = copy.deepcopy(config)
        self._typed(kind, config)
        if config["metadata"].pop("managedFields", None):
            raise errors.bad_request("metadata.managedFields must be nil")
        unknown = next(prune(kind.schema, config), None)
        if unknown:
            what = f"failed to create typed patch object ({namespace}/{name}; {kind.api_version}, Kind={kind.kind})"
            raise Refusal(500, "", f"{what}: .{unknown}: field not declared in schema")
        config["metadata"].setdefault("name", name)
        if namespace:
            config["metadata"].setdefault("namespace", namespace)
        old = live.body if live else {"apiVersion": kind.api_version, "kind": kind.kind, **kinds.empty(kind)}
        asked = config["metadata"].pop("resourceVersion", None)
        if live is not None:
            self._fits(kind, live, {"metadata": {**config["metadata"], "resourceVersion": asked}})
        managed = self._before_apply(kind, live)
        manager = self._manager(kind, ask, "Apply")
        new, managed = applied(kind.schema, old, self._own_part(kind, config, ask), managed, manager, ask.force)
        default(kind.schema, new)
        if live is None:
            self._begin(kind, namespace, new, ask)
        else:
            new = self._isolated(kind, live.body, new, ask)
        return self._finish(kind, live, new, managed, ask), live is None

    def delete(self, kind: Kind, namespace: str, name: str, options: Object, ask: Ask) -> tuple[Stored, bool]:
        """Delete an object or, where something holds it, mark it; whether it is gone."""
        live = self.get(kind, namespace, name)
        wanted, meta = options.get("preconditions") or {}, live.body["metadata"]
        for key, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            if wanted.get(key) not in (None, meta[key]):
                why = (
                    f"the {word} in the precondition ({wanted[key]}) does not match the {word} in record ({meta[key]})"
                )
                why += ". The object might have been deleted and then recreated" if key == "uid" else ""
                raise errors.conflict(kind, name, why, kind.kind if not kind.builtin else "")
        grace = self._grace(kind, live.body, options)
        if not grace and not meta.get("finalizers") and kind.plural != "namespaces":
            return (live if ask.dry_run else self._remove(kind, live, ask)), True
        if "deletionTimestamp" in meta:
            return live, False
        marked = {**meta, "deletionTimestamp": ask.now, "deletionGracePeriodSeconds": grace}
        if "generation" in meta:
            marked["generation"] = meta["generation"] + 1
        body = {**live.body, "metadata": marked}
        if kind.plural == "namespaces":
            body["status"] = {**body.get("status", {}), "phase": "Terminating"}
        if ask.dry_run:
            return Stored(live.revision, body, b""), False
        stored = self.store.write(kind.bucket, body)
        if kind.plural == "namespaces":
            self._empty_namespace(name, ask)
        return stored, False

    def _read(self, kind: Kind, document: Object, ask: Ask) -> Object:
        """The document as it is taken: typed, pruned and with defaults."""
        body = copy.deepcopy(document)
        self._typed(kind, body)
        unknown = [f'unknown field "{path}"' for path in prune(kind.schema, body)]
        if unknown and ask.validation == "Strict":
            what = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            raise errors.bad_request(f"{what}strict decoding error: {', '.join(unknown)}")
        if ask.validation == "Warn":
            ask.warnings.extend(unknown)
        default(kind.schema, body)
        meta = body["metadata"]
        body["metadata"] = {key: value for key, value in meta.items() if value not in (None, "", {}, [])}
        return body

    @staticmethod
    def _typed(kind: Kind, body: Any) -> None:
        if not isinstance(body, dict) or not isinstance(body.setdefault("metadata", {}), dict):
            raise errors.bad_request(f"the object provided is unrecognized (must be of type {kind.kind})")
        version, name = body.setdefault("apiVersion", kind.api_version), body.setdefault("kind", kind.kind)
        if (version, name) != (kind.api_version, kind.kind):
            raise errors.bad_request(
                f"the API version in the data ({version}, {name}) does not match the expected one ({kind.api_version}, {kind.kind})"
            )

    @staticmethod
    def _manager(kind: Kind, ask: Ask, operation: str) -> Manager:
        return Manager(ask.manager, operation, kind.api_version, ask.subresource, ask.now)

    def _begin(self, kind: Kind, namespace: str, body: Object, ask: Ask) -> None:
        """Give a new object what only the server gives."""
        meta = body["metadata"]
        if meta.get("resourceVersion"):
            raise Refusal(500, "", "resourceVersion should not be set on objects to be created")
        if kind.namespaced:
            if meta.setdefault("namespace", namespace) != namespace:
                raise errors.bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
            home = self.get(self.kinds["", "v1", "namespaces"], "", namespace)
            if "deletionTimestamp" in home.body["metadata"]:
                raise Refusal(
                    403,
                    "Forbidden",
                    f"unable to create new content in namespace {namespace} because it is being terminated",
                )
        else:
            meta.pop("namespace", None)
        if "generateName" in meta and "name" not in meta:
            meta["name"] = meta["generateName"] + "".join(
                secrets.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5)
            )
        for key in _KEPT[:-1]:
            meta.pop(key, None)
        meta.update(uid=str(uuid.uuid4()), creationTimestamp=ask.now)
        if kind.plural not in _NO_GENERATION and kind.group not in STORED_ONLY[:1]:
            meta["generation"] = 1
        if kind.status and not kind.builtin:
            body.pop("status", None)
        if kind.plural == "namespaces":
            meta["labels"] = {**meta.get("labels", {}), "kubernetes.io/metadata.name": meta.get("name", "")}
            body["spec"], body["status"] = {"finalizers": ["kubernetes"]}, {"phase": "Active"}

    @staticmethod
    def _fits(kind: Kind, live: Stored, body: Object) -> None:
        """Names must agree, and a resourceVersion that is given must be the last one."""
        meta, old = body["metadata"], live.body["metadata"]
        name = meta.setdefault("name", old["name"])
        if name != old["name"]:
            raise errors.bad_request(
                f"the name of the object ({name}) does not match the name on the URL ({old['name']})"
            )
        if meta.get("uid") not in (None, "", old["uid"]):
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['uid']}"
            raise errors.conflict(kind, name, why)
        if meta.get("resourceVersion") not in (None, "", old["resourceVersion"]):
            raise errors.conflict(kind, name)

    @staticmethod
    def _own_part(kind: Kind, config: Object, ask: Ask) -> Object:
        """An applied document without what this path does not write."""
        if ask.subresource == "status":
            return {key: value for key, value in config.items() if key != "spec"}
        return {key: value for key, value in config.items() if key != "status" or not kind.status}

    @staticmethod
    def _isolated(kind: Kind, live: Object, new: Object, ask: Ask) -> Object:
        """The new body with the server's fields, and with the part that this path does not write, as they were."""
        meta = {**new["metadata"], **{key: live["metadata"][key] for key in _KEPT if key in live["metadata"]}}
        status = ask.subresource == "status"
        if status and not kind.builtin:
            meta = {**live["metadata"], "managedFields": meta.get("managedFields")}
            body = {**live, **{key: value for key, value in new.items() if key == "status"}}
            body = body if "status" in new else {key: value for key, value in body.items() if key != "status"}
        else:
            other = "spec" if status else "status" if kind.status else ""
            body = {key: value for key, value in new.items() if key != other}
            body |= {other: live[other]} if other in live else {}
        return {**body, "metadata": meta}

    def _before_apply(self, kind: Kind, live: Stored | None) -> Managed:
        """The sets that an apply meets; what nobody is known to own belongs to `before-first-apply`."""
        if live is None:
            return Managed()
        managed = Managed.read(live.body["metadata"].get("managedFields", ()))
        if managed.sets:
            return managed
        manager = Manager(
            BEFORE_FIRST_APPLY, "Update", kind.api_version, "", live.body["metadata"]["creationTimestamp"]
        )
        return updated(kind.schema, kinds.empty(kind), live.body, managed, manager)

    def _finish(self, kind: Kind, live: Stored | None, body: Object, managed: Managed, ask: Ask) -> Stored:
        """Check and store what a write made."""
        name = body["metadata"].get("name", "")
        self._convert(kind, body)
        old = live.body if live else None
        causes = [*self._name_causes(name), *self._causes(kind, body, old, ask)]
        if causes:
            raise errors.invalid(kind.kind, kind.group, name, causes)
        entries = managed.written()
        body = {"apiVersion": kind.api_version, "kind": kind.kind, **body}
        body["metadata"] = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
        if entries:
            body["metadata"]["managedFields"] = entries
        if kind.group in STORED_ONLY:
            ask.warnings.append("the embedded API server stores this and enforces nothing of it")
        if live is not None and old is not None:
            if "generation" in old["metadata"] and _content(old) != _content(body):
                body["metadata"]["generation"] = old["metadata"]["generation"] + 1
            if _but_times(old) == _but_times(body):
                return live
        elif self.store.get(kind.bucket, body["metadata"].get("namespace", ""), name):
            raise errors.already_exists(kind, name)
        if ask.dry_run:
            return Stored(self.store.revision, body, b"")
        stored = self.store.write(kind.bucket, body)
        meta = stored.body["metadata"]
        if "deletionTimestamp" in meta and not meta.get("finalizers") and not meta.get("deletionGracePeriodSeconds"):
            if kind.plural != "namespaces":
                return self._remove(kind, stored, ask)
        if kind.plural == DEFINITIONS and ask.subresource != "status":
            return self._establish(kind, stored, ask)
        return stored

    @staticmethod
    def _name_causes(name: str) -> list[Cause]:
        if not name:
            return [Cause("FieldValueRequired", "Required value: name or generateName is required", "metadata.name")]
        if len(name) > 253 or not _NAME.fullmatch(name):
            why = (
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
                "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
                "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            )
            return [Cause("FieldValueInvalid", f'Invalid value: "{name}": {why}', "metadata.name")]
        return []

    def _causes(self, kind: Kind, body: Object, old: Object | None, ask: Ask) -> list[Cause]:
        if kind.builtin:
            return []
        return self._rules.check(kind.schema, body, old, list(validate(kind.schema, body, "", old)), ask.warnings)

    @staticmethod
    def _convert(kind: Kind, body: Object) -> None:
        """A Secret's stringData is written into its data."""
        if kind.plural == "secrets" and "stringData" in body:
            plain = {key: base64.b64encode(text.encode()).decode() for key, text in body.pop("stringData").items()}
            body["data"] = {**(body.get("data") or {}), **plain}

    @staticmethod
    def _grace(kind: Kind, body: Object, options: Object) -> int:
        """Only a pod that is bound to a node waits, for its kubelet."""
        if kind.plural != "pods" or not body["spec"].get("nodeName"):
            return 0
        if body.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        asked = options.get("gracePeriodSeconds")
        return int(body["spec"]["terminationGracePeriodSeconds"] if asked is None else asked)

    def _remove(self, kind: Kind, live: Stored, ask: Ask) -> Stored:
        if kind.plural == DEFINITIONS:
            gone = kinds.defined(live.body)
            for instance in self.store.objects(gone.bucket):
                self._delete_quietly(gone, instance, ask)
            self.kinds.pop((gone.group, gone.version, gone.plural), None)
        stored = self.store.write(kind.bucket, live.body, deleted=True)
        uid = live.body["metadata"]["uid"]
        for other in list(self.kinds.values()):
            for found in self.store.objects(other.bucket):
                owners = found.body["metadata"].get("ownerReferences", ())
                if any(owner.get("uid") == uid for owner in owners) and not self._owned(owners):
                    self._delete_quietly(other, found, ask)
        return stored

    def _owned(self, owners: list[Object]) -> bool:
        uids = {owner.get("uid") for owner in owners}
        return any(
            found.body["metadata"]["uid"] in uids
            for kind in self.kinds.values()
            for found in self.store.objects(kind.bucket)
        )

    def _delete_quietly(self, kind: Kind, found: Stored, ask: Ask) -> None:
        meta = found.body["metadata"]
        if self.store.get(kind.bucket, meta.get("namespace", ""), meta["name"]) is not None:
            self.delete(kind, meta.get("namespace", ""), meta["name"], {}, ask)

    def _empty_namespace(self, namespace: str, ask: Ask) -> None:
        """Delete what is in a namespace, and it, once nothing holds its content."""
        inside = [kind for kind in self.kinds.values() if kind.namespaced]
        for kind in inside:
            for found in self.store.objects(kind.bucket, namespace):
                self.delete(kind, namespace, found.body["metadata"]["name"], {"gracePeriodSeconds": 0}, ask)
        if not any(self.store.objects(kind.bucket, namespace) for kind in inside):
            home = self.kinds["", "v1", "namespaces"]
            self._remove(home, self.get(home, "", namespace), ask)

    def _establish(self, kind: Kind, stored: Stored, ask: Ask) -> Stored:
        """A definition's kind is served from now on."""
        self._know(kinds.defined(stored.body))
        spec, before = stored.body["spec"], stored.body.get("status") or {}
        conditions = before.get("conditions") or [
            {"type": "NamesAccepted", "reason": "NoConflicts", "message": "no conflicts found", "status": "True"},
            {
                "type": "Established",
                "reason": "InitialNamesAccepted",
                "message": "the initial names have been accepted",
                "status": "True",
            },
        ]
        status = {
            "acceptedNames": spec["names"],
            "conditions": [{"lastTransitionTime": ask.now, **one} for one in conditions],
            "storedVersions": [one["name"] for one in spec["versions"] if one.get("storage")],
        }
        own = replace(ask, manager="kube-apiserver", subresource="status")
        return self.update(kind, "", stored.body["metadata"]["name"], lambda body: {**body, "status": status}, own)


def _content(body: Object) -> Object:
    return {key: value for key, value in body.items() if key not in ("metadata", "status")}


def _but_times(body: Object) -> Object:
    """The body without what changes at each write."""
    meta = {key: value for key, value in body["metadata"].items() if key != "resourceVersion"}
    entries = [{key: value for key, value in entry.items() if key != "time"} for entry in meta.pop("managedFields", ())]
    return {**body, "metadata": {**meta, "managedFields": sorted(entries, key=str)}}
