"""The OpenAPI documents that kubectl reads: version 3 of each group, and version 2 as JSON and as gnostic's protobuf."""

import json
import struct
from collections.abc import Iterable
from typing import Any

from mooring_lab.api.embedded.errors import Object
from mooring_lab.api.embedded.kinds import META, Kind, definitions
from mooring_lab.api.embedded.schema import Schema

PATCHES = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"]
STRATEGIC = "application/strategic-merge-patch+json"
_INFO = {"title": "Kubernetes", "version": "1.37"}
_GVK = "x-kubernetes-group-version-kind"
_PARAMETERS = {"dryRun": "string", "fieldManager": "string", "fieldValidation": "string", "force": "boolean"}
_LISTED = {"allOf", "anyOf", "oneOf", "not"}


def _kind(kind: Kind, suffix: str = "") -> Object:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind + suffix}


def _schemas(kinds: Iterable[Kind]) -> dict[str, Schema]:
    """The definitions of kinds, their lists and what they refer to, with `#` for the documents' own prefix."""
    found: dict[str, Schema] = {}
    for kind in kinds:
        own = kind.schema
        if kind.builtin:
            own = definitions()[kind.definition]
        else:
            own = {**own, "properties": {**own["properties"], "metadata": {"$ref": META + "ObjectMeta"}}}
        found[kind.definition] = {**own, _GVK: [_kind(kind)]}
        items = {"type": "array", "items": {"$ref": kind.definition}}
        head = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"$ref": META + "ListMeta"}}
        listed = {"type": "object", "required": ["items"], "properties": {**head, "items": items}}
        found[kind.definition + "List"] = {**listed, _GVK: [_kind(kind, "List")]}
    waiting = [*found.values(), *({"$ref": META + name} for name in ("DeleteOptions", "Status"))]
    while waiting:
        node = waiting.pop()
        name = node.get("$ref")
        if isinstance(name, str) and name not in found:
            waiting.append(found.setdefault(name, definitions()[name]))
        waiting += [below for below in node.values() if isinstance(below, dict)]
    return found


def _referring(node: Any, prefix: str) -> Any:
    if isinstance(node, dict):
        return {
            key: prefix + value if key == "$ref" and isinstance(value, str) else _referring(value, prefix)
            for key, value in node.items()
        }
    return [_referring(item, prefix) for item in node] if isinstance(node, list) else node


def _paths(kinds: Iterable[Kind], version: int) -> Object:
    found: Object = {}
    for kind in kinds:
        base = f"/apis/{kind.api_version}/" if kind.group else "/api/v1/"
        base += f"namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else kind.plural
        verbs = {"get": "list", "post": "post", "delete": "deletecollection"}
        found[base] = {method: _operation(kind, action, method, version) for method, action in verbs.items()}
        verbs = {"get": "get", "put": "put", "delete": "delete", "patch": "patch"}
        found[base + "/{name}"] = {
            method: _operation(kind, action, method, version) for method, action in verbs.items()
        }
    return found


def _operation(kind: Kind, action: str, method: str, version: int) -> Object:
    names = (
        []
        if method == "get"
        else ["dryRun"]
        if method == "delete"
        else list(_PARAMETERS)[: 4 if method == "patch" else 3]
    )
    parameters: list[Object] = []
    for name in names:
        sort = {"type": _PARAMETERS[name]}
        parameters.append({"name": name, "in": "query", **({"schema": sort} if version == 3 else sort)})
    patches = [*PATCHES, *([STRATEGIC] if kind.builtin else [])] if method == "patch" else []
    consumes: Object = {"consumes": patches} if patches else {}
    if patches and version == 3:
        consumes = {"requestBody": {"content": {name: {"schema": {"$ref": META + "Patch"}} for name in patches}}}
    return {
        "operationId": f"{action}{kind.group.title().replace('.', '')}{kind.version.title()}{kind.kind}",
        **consumes,
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        _GVK: _kind(kind),
    }


def version_3(kinds: Iterable[Kind]) -> Object:
    """The document of one group and version."""
    kinds = list(kinds)
    names = {**_schemas(kinds), META + "Patch": definitions()[META + "Patch"]}
    document = {"openapi": "3.0.0", "info": _INFO, "paths": _paths(kinds, 3), "components": {"schemas": names}}
    return _wrapped(_referring(document, "#/components/schemas/"))


def _wrapped(node: Any) -> Any:
    """Version 3 allows nothing beside a reference but in allOf."""
    if isinstance(node, list):
        return [_wrapped(item) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str) and len(node) > 1:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return {**beside, "allOf": [{"$ref": node["$ref"]}]}
    return {key: _wrapped(value) for key, value in node.items()}


def version_2(kinds: Iterable[Kind]) -> Object:
    """The document of all groups."""
    kinds = list(kinds)
    document = {"swagger": "2.0", "info": _INFO, "paths": _paths(kinds, 2), "definitions": _schemas(kinds)}
    found: Object = _referring(document, "#/definitions/")
    return found


def _message(*fields: tuple[int, Any]) -> bytes:
    """A protobuf message of (number, value): text and bytes by length, whole numbers as varints, floats as doubles."""
    out = bytearray()
    for number, value in fields:
        if isinstance(value, str | bytes):
            data = value.encode() if isinstance(value, str) else value
            out += _varint(number << 3 | 2) + _varint(len(data)) + data
        elif isinstance(value, float):
            out += _varint(number << 3 | 1) + struct.pack("<d", value)
        else:
            out += _varint(number << 3) + _varint(int(value))
    return bytes(out)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _any(value: Any) -> bytes:
    return _message((2, json.dumps(value)))


def _extensions(node: Object, number: int) -> list[tuple[int, Any]]:
    return [(number, _message((1, key), (2, _any(value)))) for key, value in node.items() if key.startswith("x-")]


_FIELDS = {"$ref": 1, "format": 2, "description": 4, "maxLength": 11, "minLength": 12, "pattern": 13, "maxItems": 14}
_FIELDS |= {"minItems": 15, "maxProperties": 17, "minProperties": 18}


def _schema(node: Schema) -> bytes:
    fields: list[tuple[int, Any]] = [(number, node[key]) for key, number in _FIELDS.items() if key in node]
    fields += [(number, float(node[key])) for key, number in (("maximum", 7), ("minimum", 9)) if key in node]
    fields += [(5, _any(node["default"]))] if "default" in node else []
    fields += [(19, name) for name in node.get("required", ())] + [(20, _any(one)) for one in node.get("enum", ())]
    more = node.get("additionalProperties")
    if more is not None:
        fields.append((21, _message((1, _schema(more)) if isinstance(more, dict) else (2, more))))
    fields += [(22, _message((1, node["type"])))] if "type" in node else []
    fields += [(23, _message((1, _schema(node["items"]))))] if "items" in node else []
    fields += [(25, _named(node["properties"]))] if "properties" in node else []
    return _message(*fields, *_extensions(node, 31))


def _named(schemas: dict[str, Schema]) -> bytes:
    return _message(*((1, _message((1, name), (2, _schema(node)))) for name, node in schemas.items()))


def _path(item: Object) -> bytes:
    numbers = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
    return _message(*((numbers[method], _operation_message(one)) for method, one in item.items()))


def _operation_message(one: Object) -> bytes:
    queries = [_message((2, "query"), (4, each["name"]), (6, each["type"])) for each in one["parameters"]]
    return _message(
        (5, one["operationId"]),
        *((7, name) for name in one.get("consumes", ())),
        *((8, _message((1, _message((2, _message((3, query))))))) for query in queries),
        *_extensions(one, 13),
    )


def gnostic(document: Object) -> bytes:
    """Version 2 as openapi.v2.Document (gnostic's OpenAPIv2.proto), which kubectl asks for."""
    paths = _message(*((2, _message((1, name), (2, _path(item)))) for name, item in document["paths"].items()))
    info = _message((1, _INFO["title"]), (2, _INFO["version"]))
    return _message((1, "2.0"), (2, info), (8, paths), (9, _named(document["definitions"])))
