"""What a document becomes before it is stored, and what is wrong with it. Pure."""

import json
import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any

from mooring_lab.api.embedded import builtins, errors, names, rules
from mooring_lab.api.embedded.errors import Cause, Object, StatusError
from mooring_lab.api.embedded.kinds import Kind
from mooring_lab.api.embedded.schema import default, drop_empty, has_rules, prune, validate
from mooring_lab.api.embedded.store import encode

_KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "namespace")
_COUNTED = (
    "customresourcedefinitions",
    "endpointslices",
    "pods",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
)
_BLOCKING = (
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
)
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


@dataclass(frozen=True)
class Ask:
    """What a request asks beside its document; `warnings` are for the client."""

    manager: str
    now: str
    subresource: str = ""
    patch: bool = False
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False
    warnings: list[str] = field(default_factory=list)
    doubled: tuple[str, ...] = ()
    """The paths of fields that stand twice in the document."""


def taken(kind: Kind, document: Any, ask: Ask) -> Object:
    """A document as it is taken: of the right kind, pruned and with defaults."""
    body = json.loads(encode(document))
    _of_kind(kind, body)
    default(kind.schema, body)
    broken = _undecodable(kind, body)
    wrong = [f'duplicate field "{path}"' for path in ask.doubled]
    wrong += sorted(f'unknown field "{path}"' for path in prune(kind.schema, body))
    if broken or (wrong and ask.validation == "Strict"):
        why = broken or f"strict decoding error: {', '.join(wrong)}"
        if ask.patch:
            text = json.dumps(json.dumps(document, sort_keys=True, separators=(",", ":")))
            raise errors.invalid("", "", "", [Cause("FieldValueInvalid", f"Invalid value: {text}: {why}", "patch")])
        raise errors.bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}')
    if ask.validation == "Warn":
        ask.warnings.extend(wrong)
    if kind.builtin:
        drop_empty(kind.schema, body)
    meta = {key: value for key, value in body["metadata"].items() if value not in (None, "", {}, [])}
    return builtins.normal(kind, {**body, "metadata": meta})


def _undecodable(kind: Kind, body: Object) -> str:
    """Why no Go structure can be filled with a built-in object, or with metadata; empty if it can."""
    part, path = (body, "") if kind.builtin else (body["metadata"], "metadata")
    schema = kind.schema if kind.builtin else kind.schema["properties"]["metadata"]
    found = (cause.message for cause in validate(schema, part, path) if cause.reason == "FieldValueTypeInvalid")
    return next((f"json: cannot unmarshal: {message}" for message in found), "")


def _of_kind(kind: Kind, body: Any) -> None:
    if not isinstance(body, dict) or not isinstance(body.setdefault("metadata", {}), dict):
        raise errors.bad_request(f"the object provided is unrecognized (must be of type {kind.kind})")
    version, name = body.get("apiVersion", ""), body.get("kind", "")
    right = (version or kind.api_version, name or kind.kind) == (kind.api_version, kind.kind)
    if kind.builtin and not right:
        why = f'no kind "{name}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'
        if version == kind.api_version:
            internal = f"({version}.{name}) to ({'core' if not kind.group else kind.group}.{kind.kind})"
            why = f"converting {internal}: unknown conversion"
        raise errors.bad_request(f'{name} in version "{version}" cannot be handled as a {kind.kind}: {why}')
    if not kind.builtin and not name:
        text = json.dumps({key: value for key, value in body.items() if key != "metadata" or value})
        why = f"Object 'Kind' is missing in '{text}' ({text})"
        raise errors.bad_request(f"the object provided is unrecognized (must be of type {kind.kind}): {why}")
    if not kind.builtin and version != kind.api_version:
        why = f"does not match the expected API version ({kind.api_version})"
        raise errors.bad_request(f"the API version in the data ({version}) {why}")
    if not right:
        cause = Cause("FieldValueInvalid", f'Invalid value: "{name}": must be {kind.kind}', "kind")
        raise errors.invalid(name, kind.group, body["metadata"].get("name", ""), [cause])
    body.update(apiVersion=kind.api_version, kind=kind.kind)


def begun(kind: Kind, namespace: str, body: Object, ask: Ask) -> Object:
    """A new object with what only the server gives."""
    meta = {key: value for key, value in body["metadata"].items() if key not in (*_KEPT[:-1], "managedFields")}
    if meta.pop("resourceVersion", None) and not ask.patch:
        raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
    if kind.namespaced and meta.setdefault("namespace", namespace) != namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if not kind.namespaced:
        meta.pop("namespace", None)
    if "generateName" in meta and "name" not in meta:
        meta["name"] = meta["generateName"] + "".join(secrets.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5))
    if not kind.builtin or kind.well_known in _COUNTED:
        meta["generation"] = 1
    body = {**body, "metadata": {**meta, "uid": str(uuid.uuid4()), "creationTimestamp": ask.now}}
    if kind.well_known == "namespaces":
        body["metadata"]["labels"] = {**meta.get("labels", {}), "kubernetes.io/metadata.name": meta.get("name", "")}
    return {key: value for key, value in body.items() if key != "status" or kind.builtin or not kind.status}


def isolated(kind: Kind, live: Object, new: Object, subresource: str) -> Object:
    """The new body with the server's fields, and with the part that its path does not write, as they were."""
    meta = {**new["metadata"], **{key: live["metadata"][key] for key in _KEPT if key in live["metadata"]}}
    if subresource == "status" and not kind.builtin:
        body = {**{key: value for key, value in live.items() if key != "status"}, "metadata": live["metadata"]}
        return {**body, **({"status": new["status"]} if "status" in new else {})}
    other = "spec" if subresource == "status" else "status" if kind.status else ""
    body = {key: value for key, value in new.items() if key != other}
    return {**body, **({other: live[other]} if other in live else {}), "metadata": meta}


def own_part(kind: Kind, config: Object, subresource: str) -> Object:
    """An applied document without what its path does not write."""
    if subresource == "status":
        config = {key: value for key, value in config.items() if key != "spec"}
        return config if kind.builtin else {**config, "metadata": {"name": config["metadata"]["name"]}}
    return {key: value for key, value in config.items() if key != "status" or not kind.status}


def counted(old: Object, body: Object) -> Object:
    """The body with the next generation, where its content changed."""
    generation = old["metadata"].get("generation")
    keys = (old.keys() | body.keys()) - {"metadata", "status"}
    if generation is None or all(old.get(key) == body.get(key) for key in keys):
        return body
    return {**body, "metadata": {**body["metadata"], "generation": generation + 1}}


def same(old: Object, body: Object) -> bool:
    """Whether a write changes nothing but the times of managers."""

    def told(body: Object) -> Object:
        entries = sorted(str({**one, "time": ""}) for one in body["metadata"].get("managedFields", ()))
        return {**body, "metadata": {**body["metadata"], "managedFields": entries, "resourceVersion": ""}}

    return told(old) == told(body)


def causes(kind: Kind, body: Object, old: Object | None, ask: Ask) -> list[Cause]:
    """What is wrong with an object that is to be stored."""
    found = list(names.causes(kind, body["metadata"]))
    if kind.builtin:
        return found + list(builtins.causes(kind, body, old))
    if ask.subresource == "status":
        schema, before = kind.schema["properties"].get("status", {}), (old or {}).get("status")
        wrong = validate(schema, body.get("status", {}), "", before)
        found += [cause._replace(field=f"status.{cause.field}") for cause in wrong]
    else:
        found += validate(kind.schema, body, "", old)
    if has_rules(kind.schema) and any(cause.reason in _BLOCKING for cause in found):
        return [*found, Cause("FieldValueInvalid", f"Invalid value: null: {_UNCHECKED}", "<nil>")]
    return [*found, *rules.check(kind.schema, body, old, "", ask.warnings)]
