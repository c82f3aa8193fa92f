"""What the real server's code does with objects of built-in kinds, beside what their schemas say."""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

from mooring_lab.api.embedded.errors import Cause, Object
from mooring_lab.api.embedded.kinds import Kind, resolved
from mooring_lab.api.embedded.schema import LIST_KEYS, LIST_TYPE, TYPES, validate

_SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_UNASKED = {"allOf", "anyOf", "not", "oneOf"}
#: An event of events.k8s.io is stored as the core group's.
_EVENT_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "reportingController": "reportingComponent",
}


def stored(kind: Kind, body: Object) -> Object:
    """A document as it is stored."""
    if kind.group != "events.k8s.io":
        return body
    return {_EVENT_NAMES.get(key, key): value for key, value in body.items()} | {"apiVersion": "v1"}


def shown(kind: Kind, body: Object) -> Object:
    """A stored document as this kind shows it."""
    if kind.group != "events.k8s.io":
        return body
    names = {value: key for key, value in _EVENT_NAMES.items()}
    return {names.get(key, key): value for key, value in body.items()} | {"apiVersion": kind.api_version}


def normal(kind: Kind, body: Object) -> Object:
    """A document with the defaults that depend on it, and a Secret's stringData in its data."""
    if kind.well_known == "customresourcedefinitions":
        names = body["spec"]["names"]
        names = {"singular": names["kind"].lower(), "listKind": f"{names['kind']}List", **names}
        return {**body, "spec": {"conversion": {"strategy": "None"}, **body["spec"], "names": names}}
    if kind.well_known == "secrets" and "stringData" in body:
        plain = {key: base64.b64encode(text.encode()).decode() for key, text in body["stringData"].items()}
        rest = {key: value for key, value in body.items() if key != "stringData"}
        return {**rest, "data": {**(body.get("data") or {}), **plain}}
    if kind.well_known == "services":
        ports = [{**one, "targetPort": one.get("targetPort", one["port"])} for one in body["spec"].get("ports") or ()]
        return {**body, "spec": {**body["spec"], **({"ports": ports} if ports else {})}}
    return body


def admitted(kind: Kind, body: Object) -> Object:
    """A new object with what admission adds, which nobody owns."""
    if kind.well_known == "namespaces":
        return {**body, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    if kind.well_known == "customresourcedefinitions":
        versions = [one["name"] for one in body["spec"].get("versions", ()) if one.get("storage")]
        return {**body, "status": {"acceptedNames": {}, "conditions": [], "storedVersions": versions}}
    if kind.well_known == "pods":
        account = body["spec"].get("serviceAccountName", "default")
        added = {"preemptionPolicy": "PreemptLowerPriority", "priority": 0, "serviceAccount": account}
        asking = any(one.get("resources") for one in body["spec"].get("containers", ()))
        status = {"phase": "Pending", "qosClass": "Burstable" if asking else "BestEffort"}
        return {**body, "spec": {**added, "serviceAccountName": account, **body["spec"]}, "status": status}
    if kind.well_known == "services" and body["spec"]["type"] != "ExternalName":
        address = body["spec"].get("clusterIP") or _cluster_ip(body["metadata"])
        given = {"clusterIP": address, "clusterIPs": [address]}
        families: Object = {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
        if address == "None" and not body["spec"].get("selector"):
            families = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}
        if body["spec"].get("ipFamilyPolicy", "SingleStack") != "SingleStack":
            families = {"ipFamilies": ["IPv4", "IPv6"]}
        return {**body, "spec": {**families, **body["spec"], **given}}
    return body


def _cluster_ip(meta: Object) -> str:
    """One of 10.96.0.0/12 that goes with the name: nothing here leads there."""
    number = zlib.crc32(f"{meta.get('namespace')}/{meta.get('name')}".encode()) % (1 << 20)
    return str(IPv4Address("10.96.0.0") + number)


def unasked(definition: Object) -> list[str]:
    """The words of a definition's schema that say nothing to this server."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            found.update(() if node.get("x-kubernetes-int-or-string") else node.keys() & _UNASKED)
            for below in (node.get("items"), node.get("additionalProperties"), *node.get("properties", {}).values()):
                walk(below)

    for version in definition["spec"]["versions"]:
        walk(version.get("schema", {}).get("openAPIV3Schema"))
    return sorted(found)


def grace_s(kind: Kind, body: Object, options: Object) -> int:
    """How long a deletion waits; only a pod that is bound to a node does, for its kubelet."""
    if kind.well_known != "pods" or not body["spec"].get("nodeName"):
        return 0
    if body.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    asked = options.get("gracePeriodSeconds")
    return int(body["spec"]["terminationGracePeriodSeconds"] if asked is None else asked)


def causes(kind: Kind, body: Object, old: Object | None) -> Iterator[Cause]:
    """Of the many checks that are in the server's code, those that people meet."""
    if kind.well_known == "customresourcedefinitions":
        yield from _definition(body)
    for key, text in (body.get("data") or {}).items() if kind.well_known == "secrets" else ():
        try:
            base64.b64decode(text, validate=True)
        except binascii.Error:
            yield Cause("FieldValueInvalid", f"Invalid value: {json.dumps(text)}: must be base64", f"data[{key}]")
    if old is None or kind.well_known not in ("secrets", "configmaps"):
        return
    if body.get("type") != old.get("type"):
        yield Cause("FieldValueInvalid", f'Invalid value: "{body.get("type")}": field is immutable', "type")
    if old.get("immutable") and any(old.get(key) != body.get(key) for key in ("immutable", "data", "binaryData")):
        field = "data" if body.get("immutable") else "immutable"
        yield Cause("FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set", field)


def _definition(body: Object) -> Iterator[Cause]:
    """What would keep a kind from being served. Much more than this is wrong to the real server."""
    spec, names = body["spec"], body["spec"]["names"]
    wanted = {"spec.group": spec["group"], "spec.names.plural": names["plural"], "spec.names.kind": names["kind"]}
    for path in [path for path, value in wanted.items() if not value]:
        yield Cause("FieldValueRequired", "Required value", path)
    if body["metadata"].get("name") != f"{names['plural']}.{spec['group']}":
        why = 'must be spec.names.plural+"."+spec.group'
        yield Cause("FieldValueInvalid", f'Invalid value: "{body["metadata"].get("name")}": {why}', "metadata.name")
    if spec["scope"] not in ("Cluster", "Namespaced"):
        why = f'Unsupported value: "{spec["scope"]}": supported values: "Cluster", "Namespaced"'
        yield Cause("FieldValueNotSupported", why, "spec.scope")
    versions = spec.get("versions") or []
    if [one.get("storage") for one in versions].count(True) != 1:
        why = "must have exactly one version marked as storage version"
        yield Cause(
            "FieldValueInvalid",
            f"Invalid value: {json.dumps([one['name'] for one in versions])}: {why}",
            "spec.versions",
        )
    for index, one in enumerate(versions):
        yield from _structural(
            one.get("schema", {}).get("openAPIV3Schema", {}), f"spec.versions[{index}].schema.openAPIV3Schema"
        )


def _structural(schema: Any, path: str) -> Iterator[Cause]:
    wrong = [cause for cause in validate(resolved()[_SCHEMA], schema, path) if cause.reason == "FieldValueTypeInvalid"]
    if wrong:
        yield from wrong
        return

    def invalid(field: str, why: str) -> Cause:
        return Cause("FieldValueInvalid", f"Invalid value: {json.dumps(schema.get(field))}: {why}", f"{path}.{field}")

    if schema.get("type", "object") not in TYPES:
        yield invalid("type", f"must be one of {', '.join(TYPES)}")
    try:
        re.compile(schema.get("pattern", ""))
    except re.error as error:
        yield invalid("pattern", f"must be a valid regular expression, but isn't: {error}")
    if schema.get(LIST_TYPE) == "map" and not (schema.get(LIST_KEYS) and schema.get("items")):
        yield invalid(LIST_KEYS, "must not be empty for a list of the type map")
    below = {name: schema[name] for name in ("items", "additionalProperties") if name in schema}
    below |= {f"properties[{name}]": one for name, one in schema.get("properties", {}).items()}
    for name, one in below.items():
        if isinstance(one, dict):
            yield from _structural(one, f"{path}.{name}")
        elif name == "items" or not isinstance(one, bool):
            yield invalid(name, "must be a schema")
