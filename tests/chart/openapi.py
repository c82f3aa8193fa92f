"""An API server's OpenAPI as schemas for kubeconform, one file for each kind, in which no unknown field is allowed."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

_PREFIX = "#/definitions/"
#: As kubeconform fills it: the group is the version where there is none.
LOCATION = "{{.Group}}-{{.ResourceAPIVersion}}-{{.ResourceKind}}.json"
#: Text to OpenAPI, and numbers as well to the API server.
_NUMBERS_TOO = ("io.k8s.apimachinery.pkg.api.resource.Quantity", "io.k8s.apimachinery.pkg.util.intstr.IntOrString")


def write(openapi: Mapping[str, Any], folder: Path) -> int:
    """Write the schemas of all kinds of an `/openapi/v2` document; says how many there are."""
    definitions = {name: _strict(name, each) for name, each in openapi["definitions"].items()}
    count = 0
    for name, each in openapi["definitions"].items():
        for kind in each.get("x-kubernetes-group-version-kind", ()):
            schema = {"$ref": _PREFIX + name, "definitions": {n: definitions[n] for n in _reached(definitions, name)}}
            file = f"{kind['group'] or kind['version']}-{kind['version']}-{kind['kind'].lower()}.json"
            (folder / file).write_text(json.dumps(schema))
            count += 1
    return count


def _strict(name: str, definition: Mapping[str, Any]) -> Schema:
    if name in _NUMBERS_TOO:
        return {"type": ["string", "number"]}
    return _closed(definition)


def _closed(schema: Any) -> Any:
    """The same with `additionalProperties: false` wherever fields are listed."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    found = {key: _closed(each) for key, each in schema.items() if not key.startswith("x-") and key != "format"}
    if isinstance(schema.get("properties"), dict):
        found["properties"] = {name: _closed(each) for name, each in schema["properties"].items()}
        open_ = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
        if not open_:
            found["additionalProperties"] = False
    return found


def _reached(definitions: Mapping[str, Schema], name: str) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += _references(definitions[each])
    return found


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.removeprefix(_PREFIX)
        for each in schema.values():
            yield from _references(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _references(each)
