"""The OpenAPI documents that kubectl reads, for its checks, for `explain` and for what it may ask of the server."""

from collections.abc import Sequence
from typing import Any

from mooring_lab.api.embedded.errors import Object
from mooring_lab.api.embedded.kinds import META, Kind, definitions
from mooring_lab.api.embedded.schema import Schema

JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
APPLY_PATCH, STRATEGIC = "application/apply-patch+yaml", "application/strategic-merge-patch+json"
_INFO = {"title": "Kubernetes", "version": "1.37"}
_KIND = "x-kubernetes-group-version-kind"
_DELETING = {"dryRun": "string"}
_WRITING = {**_DELETING, "fieldManager": "string", "fieldValidation": "string"}
_PATCHING = {**_WRITING, "force": "boolean"}
_ACTIONS = {
    "": {"get": ("list", {}), "post": ("post", _WRITING), "delete": ("deletecollection", _DELETING)},
    "/{name}": {
        "get": ("get", {}),
        "put": ("put", _WRITING),
        "delete": ("delete", _DELETING),
        "patch": ("patch", _PATCHING),
    },
}


def patch_types(kind: Kind) -> list[str]:
    """The content types of a PATCH."""
    return [JSON_PATCH, MERGE_PATCH, *([STRATEGIC] if kind.builtin else []), APPLY_PATCH]


def version_3(kinds: Sequence[Kind]) -> Object:
    """The document of one group and version."""
    schemas = {**_schemas(kinds), META + "Patch": definitions()[META + "Patch"]}
    document = {"openapi": "3.0.0", "info": _INFO, "paths": _paths(kinds, 3), "components": {"schemas": schemas}}
    found: Object = _referring(document, "#/components/schemas/", True)
    return found


def version_2(kinds: Sequence[Kind]) -> Object:
    """The document of all groups."""
    document = {"swagger": "2.0", "info": _INFO, "paths": _paths(kinds, 2), "definitions": _schemas(kinds)}
    found: Object = _referring(document, "#/definitions/", False)
    return found


def _named(kind: Kind, suffix: str = "") -> Object:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind + suffix}


def _schemas(kinds: Sequence[Kind]) -> dict[str, Schema]:
    """The definitions of kinds, of their lists, and what they refer to."""
    found: dict[str, Schema] = {}
    for kind in kinds:
        own = definitions()[kind.builtin] if kind.builtin else kind.schema
        known = {**own["properties"], "metadata": {"$ref": META + "ObjectMeta"}}
        found[kind.definition] = {**own, "properties": known, _KIND: [_named(kind)]}
        items = {"type": "array", "items": {"$ref": kind.definition}}
        head = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"$ref": META + "ListMeta"}}
        listed = {"type": "object", "required": ["items"], "properties": {**head, "items": items}}
        found[f"{kind.definition}List"] = {**listed, _KIND: [_named(kind, "List")]}
    waiting: list[Any] = [*found.values()]
    while waiting:
        node = waiting.pop()
        name = node.get("$ref")
        if isinstance(name, str) and name not in found:
            waiting.append(found.setdefault(name, definitions()[name]))
        waiting += [below for below in node.values() if isinstance(below, dict)]
    return found


def _referring(node: Any, prefix: str, alone: bool) -> Any:
    """References as the document has them; version 3 allows nothing beside one but in allOf."""
    if isinstance(node, list):
        return [_referring(item, prefix, alone) for item in node]
    if not isinstance(node, dict):
        return node
    found = {
        key: _referring(value, prefix, alone) for key, value in node.items() if key not in ("x-number", "x-default")
    }
    if isinstance(node.get("$ref"), str):
        found["$ref"] = prefix + node["$ref"]
        if alone and len(found) > 1:
            found["allOf"] = [{"$ref": found.pop("$ref")}]
    return found


def _paths(kinds: Sequence[Kind], version: int) -> Object:
    found: Object = {}
    for kind in kinds:
        base = f"/apis/{kind.api_version}/" if kind.group else "/api/v1/"
        base += f"namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else kind.plural
        for end, actions in _ACTIONS.items():
            found[base + end] = {
                method: _operation(kind, action, parameters, version)
                for method, (action, parameters) in actions.items()
            }
    return found


def _operation(kind: Kind, action: str, parameters: dict[str, str], version: int) -> Object:
    patches = patch_types(kind) if action == "patch" else []
    content = {name: {"schema": {"$ref": META + "Patch"}} for name in patches}
    body = {"requestBody": {"content": content}} if version == 3 else {"consumes": patches}
    return {
        "operationId": f"{action}{kind.group.title().replace('.', '')}{kind.version.title()}{kind.kind}",
        **(body if patches else {}),
        "parameters": [
            {"name": name, "in": "query", **({"schema": {"type": sort}} if version == 3 else {"type": sort})}
            for name, sort in parameters.items()
        ],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        _KIND: _named(kind),
    }
