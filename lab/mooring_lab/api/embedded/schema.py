"""Structural schemas: what pruning drops, what defaults add, and what is wrong in the words of the real server."""

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from mooring_lab.api.embedded.errors import Cause, Object

Schema = dict[str, Any]
PRESERVE = "x-kubernetes-preserve-unknown-fields"
LIST_TYPE, LIST_KEYS = "x-kubernetes-list-type", "x-kubernetes-list-map-keys"
RULES = "x-kubernetes-validations"
FREE: Schema = {PRESERVE: True}
TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": float}
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def child(schema: Schema, key: str) -> Schema | None:
    """The schema of an object's field; None: there is no such field."""
    found: Schema | None = schema.get("properties", {}).get(key)
    if found is None:
        more = schema.get("additionalProperties")
        if isinstance(more, dict):
            return more
        free = schema.get(PRESERVE) or more is True or not {"type", "properties"} & schema.keys()
        return FREE if free else None
    return found


def prune(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """Take away what the schema does not know; yields the paths of what went."""
    if isinstance(value, dict):
        for key in list(value):
            below, here = child(schema, key), f"{path}.{key}" if path else key
            if below is None:
                del value[key]
                yield here
            else:
                yield from prune(below, value[key], here)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from prune(schema.get("items", FREE), item, f"{path}[{index}]")


def default(schema: Schema, value: Any) -> None:
    """Fill in defaults; null goes where a field may not be null."""
    if isinstance(value, dict):
        for key in [key for key, item in value.items() if item is None]:
            below = child(schema, key) or FREE
            if not (below.get("nullable") or below.get(PRESERVE)):
                del value[key]
        for key, below in schema.get("properties", {}).items():
            for word in ("default", "x-default"):
                if key not in value and word in below:
                    value[key] = copy.deepcopy(below[word])
        for key, item in value.items():
            default(child(schema, key) or {}, item)
    elif isinstance(value, list):
        for item in value:
            default(schema.get("items", {}), item)


def drop_empty(schema: Schema, value: Any) -> None:
    """Take away the empty lists and maps that Go leaves out of built-in objects."""
    if isinstance(value, list):
        for item in value:
            drop_empty(schema.get("items", {}), item)
    elif isinstance(value, dict):
        for key, item in list(value.items()):
            below = child(schema, key) or {}
            drop_empty(below, item)
            is_empty = item == [] or (item == {} and "additionalProperties" in below)
            if is_empty and key not in schema.get("required", ()):
                del value[key]


def correlate(schema: Schema, old: Any, item: Any) -> Any:
    """The item of the old list that a new one succeeds: by its keys, else none."""
    keys = schema.get(LIST_KEYS)
    if not isinstance(old, list) or not keys or not isinstance(item, dict):
        return None
    return next((one for one in old if isinstance(one, dict) and all(one.get(k) == item.get(k) for k in keys)), None)


def has_rules(schema: Schema) -> bool:
    """Whether a rule (x-kubernetes-validations) is anywhere in a schema."""
    below = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return RULES in schema or any(has_rules(one) for one in below if isinstance(one, dict))


def type_name(value: Any) -> str:
    """The JSON type's name."""
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def validate(schema: Schema, value: Any, path: str = "", old: Any = None) -> Iterator[Cause]:
    """What is wrong; a part that is as it was before an update is not asked (ratcheting)."""
    if (old is not None and old == value) or (value is None and (schema.get("nullable") or "x-default" in schema)):
        return
    wrong = list(_type(schema, value, path))
    if wrong:
        yield from wrong
    elif isinstance(value, dict):
        yield from _object(schema, value, path, old if isinstance(old, dict) else {})
    elif isinstance(value, list):
        yield from _array(schema, value, path, old)
    else:
        yield from _scalar(schema, value, path)


def _type(schema: Schema, value: Any, path: str) -> Iterator[Cause]:
    wanted, named = schema.get("type"), json.dumps(type_name(value))
    if schema.get("x-kubernetes-int-or-string"):
        wanted, fits = "integer,string", isinstance(value, int | str) and not isinstance(value, bool)
    elif wanted in ("integer", "number"):
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        if fits and wanted == "integer" and not float(value).is_integer():
            fits, why = False, f"Checked value must be of type integer (default format) in {path}"
            yield Cause("FieldValueInvalid", f'Invalid value: "": {why}', "<nil>")
    else:
        fits = wanted is None or isinstance(value, TYPES[wanted])
        if schema.get("format") == "date-time" and isinstance(value, str) and not _TIME.fullmatch(value):
            wanted, named, fits = "date-time", json.dumps(value), False
    if not fits:
        said = f"Invalid value: {named}: {path} in body must be of type {wanted}: {named}"
        yield Cause("FieldValueTypeInvalid", said, path)


def _object(schema: Schema, value: Object, path: str, old: Object) -> Iterator[Cause]:
    dot, most = f"{path}." if path else "", schema.get("maxProperties", len(value))
    for key in schema.get("required", ()):
        if key not in value:
            yield Cause("FieldValueRequired", "Required value", dot + key)
    if len(value) > most:
        yield Cause("FieldValueTooMany", f"Too many: {len(value)}: must have at most {most} items", path)
    for key, item in value.items():
        yield from validate(child(schema, key) or {}, item, dot + key, old.get(key))


def _array(schema: Schema, value: list[Any], path: str, old: Any) -> Iterator[Cause]:
    least, most = schema.get("minItems", 0), schema.get("maxItems", len(value))
    if len(value) > most:
        yield Cause("FieldValueTooMany", f"Too many: {len(value)}: must have at most {most} items", path)
    if len(value) < least:
        said = f"Invalid value: {len(value)}: {path} in body should have at least {least} items"
        yield Cause("FieldValueInvalid", said, path)
    for index, item in enumerate(value):
        yield from validate(schema.get("items", {}), item, f"{path}[{index}]", correlate(schema, old, item))
    seen, keys = set(), schema.get(LIST_KEYS, ())
    for index, item in enumerate(value if schema.get(LIST_TYPE) in ("map", "set") else ()):
        shown = {key: item[key] for key in keys if key in item} if keys and isinstance(item, dict) else item
        text = json.dumps(shown, sort_keys=True, separators=(",", ":"))
        if text in seen:
            yield Cause("FieldValueDuplicate", f"Duplicate value: {text}", f"{path}[{index}]")
        seen.add(text)


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    # Go's $ is the very end, Python's is also before a last line feed.
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", pattern))


def _scalar(schema: Schema, value: Any, path: str) -> Iterator[Cause]:
    text, wrong = json.dumps(value, ensure_ascii=False), []
    if isinstance(value, str):
        if len(value) > schema.get("maxLength", len(value)):
            yield Cause("FieldValueTooLong", f"Too long: may not be more than {schema['maxLength']} bytes", path)
        if len(value) < schema.get("minLength", 0):
            wrong.append(f"be at least {schema['minLength']} chars long")
        if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
            wrong.append(f"match '{schema['pattern']}'")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            wrong.append(f"be greater than or equal to {schema['minimum']}")
        if value > schema.get("maximum", value):
            wrong.append(f"be less than or equal to {schema['maximum']}")
    for why in wrong:
        yield Cause("FieldValueInvalid", f"Invalid value: {text}: {path} in body should {why}", path)
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(f'"{item}"' for item in schema["enum"])
        yield Cause("FieldValueNotSupported", f"Unsupported value: {text}: supported values: {allowed}", path)
