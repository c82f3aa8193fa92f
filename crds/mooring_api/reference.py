"""Writes the reference of the resources from the models: `python -m mooring_api.reference [FOLDER]`."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from mooring_api import pages
from mooring_api.authentication import FILE_ONLY
from mooring_api.crd import RESOURCES, Resource
from mooring_api.schema import Schema, inlined_schema, model_of
from mooring_api.wire import API_VERSION, VALIDATIONS, Wire

#: Kubernetes' own fields and fixed words, which need no table.
_ELSEWHERE = frozenset({"apiVersion", "kind", "metadata"})
#: What a rule of the API server on a text says of its type, the most telling first.
_ADDRESSES = {"matches(": "multicast address", "isCIDR(": "address/prefix", "isIP(": "address"}


def text_of(resource: Resource) -> str:
    """The page of one kind, Markdown."""
    schema, models = inlined_schema(resource.model)
    reach = "namespaced" if resource.namespaced else "cluster-scoped"
    scope = f"`{API_VERSION}`, {reach}, short name `{resource.short_name}`, category `mooring`."
    lines = [
        f"# {resource.kind}",
        "",
        "<!-- Generated from crds/mooring_api by `python -m mooring_api.reference`; do not edit. -->",
        "",
        str(schema["description"]),
        "",
        scope,
        "",
        "A field without a default may be left out unless it is marked as required.",
    ]
    for path, below in _sections(schema, ""):
        lines += ["", f"## {path}", "", *_section(below, models)]
    lines += ["", "## Columns", "", _columns(resource)]
    return "\n".join(lines) + "\n"


def _columns(resource: Resource) -> str:
    always = ", ".join(f"`{column.name.upper()}`" for column in resource.columns if not column.priority)
    wide = ", ".join(f"`{column.name.upper()}`" for column in resource.columns if column.priority)
    return f"`kubectl get {resource.short_name}` shows {always}" + (f"; with `-o wide` also {wide}." if wide else ".")


def _sections(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Each object with fields and where it stands, parents before children."""
    for name, field in schema.get("properties", {}).items():
        if not path and name in _ELSEWHERE:
            continue
        place = f"{path}.{name}" if path else name
        below = field
        while "items" in below:
            below, place = below["items"], f"{place}[]"
        if "properties" in below:
            yield place, below
            yield from _sections(below, place)


def _section(schema: Schema, models: Mapping[str, type[Wire]]) -> Iterator[str]:
    if description := schema.get("description"):
        yield " ".join(str(description).split())
        yield ""
    yield "| field | type | default | meaning |"
    yield "| --- | --- | --- | --- |"
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        default = "required" if name in required else _default(field)
        meaning = " ".join(str(field.get("description", "")).split())
        if field.get(FILE_ONLY):
            meaning = f"{meaning} Not in the API.".strip()
        yield f"| `{name}` | {_cell(_type(field))} | {default} | {_cell(meaning)} |"
    if rules := models[model_of(schema)].rules:
        yield ""
        yield "Rules:"
        yield ""
        for rule in rules:
            yield f"- `{rule.path}`: {rule.message}." if rule.path else f"- {rule.message}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(field: Schema) -> str:
    if "default" not in field or field["default"] in ([], {}):
        return ""
    return f"`{field['default'] if isinstance(field['default'], str) else json.dumps(field['default'])}`"


def _type(field: Schema) -> str:
    """A field's type and limits in words."""
    if "enum" in field:
        return " | ".join(f"`{value}`" for value in field["enum"])
    kind = field["type"]
    if kind == "array":
        return f"list of {_type(field['items'])}{_limits(field, 'minItems', 'maxItems', ' items')}"
    if kind == "integer":
        return f"integer{_limits(field, 'minimum', 'maximum', '')}"
    if kind == "object":
        return "map of strings" if "additionalProperties" in field and "properties" not in field else "object"
    if kind == "string":
        return _string(field)
    return str(kind)


def _string(field: Schema) -> str:
    validations = field.get(VALIDATIONS, ())
    rules = " ".join(validation["rule"] for validation in validations)
    if "duration(self)" in rules:
        bounds = (str(validation["message"]).removeprefix("must be ") for validation in validations)
        return "duration, " + ", ".join(bounds)
    for mark, words in _ADDRESSES.items():
        if mark in rules:
            return words
    return f"string{_limits(field, 'minLength', 'maxLength', ' characters')}"


def _limits(field: Mapping[str, Any], least: str, most: str, unit: str) -> str:
    if least in field and most in field:
        return f", {field[least]} to {field[most]}{unit}"
    if most in field:
        return f", at most {field[most]}{unit}"
    return f", at least {field[least]}{unit}" if least in field else ""


def main(arguments: Sequence[str]) -> int:
    """Write all pages into the folder that is named, by default docs/reference."""
    return pages.write({each.kind.lower(): partial(text_of, each) for each in RESOURCES}, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
