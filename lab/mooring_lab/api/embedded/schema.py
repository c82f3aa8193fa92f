"""Structural schemas: what pruning drops, what defaults add, and what is wrong in the words of the real server."""

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from mooring_lab.api.embedded.errors import Cause, Object

Schema = dict[str, Any]
PRESERVE, LIST_TYPE, LIST_KEYS = (
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
)
_TYPES: dict[str, tuple[type, ...]] = {"object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,)}


def child(schema: Schema, key: str) -> Schema | None:
    """The schema of an object's field; None: there is no such field."""
    found = schema.get("properties", {}).get(key)
    if found is None:
        found = schema.get("additionalProperties")
        if not isinstance(found, dict):
            free = schema.get(PRESERVE) or found is True or not ({"type", "properties"} & schema.keys())
            found = {PRESERVE: True} if free else None
    return found


def prune(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """Take away what the schema does not know; yields the paths of what went."""
    if isinstance(value, dict):
        for key in list(value):
            below = child(schema, key)
            here = f"{path}.{key}" if path else key
            if below is None:
                del value[key]
                yield here
            else:
                yield from prune(below, value[key], here)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from prune(schema.get("items", {PRESERVE: True}), item, f"{path}[{index}]")


def default(schema: Schema, value: Any) -> None:
    """Fill in defaults, also where null stands for a field that may not be null."""
    if isinstance(value, dict):
        for key, below in schema.get("properties", {}).items():
            absent = key not in value or (value[key] is None and not below.get("nullable"))
            if absent and "default" in below:
                value[key] = copy.deepcopy(below["default"])
        for key, item in value.items():
            if isinstance(item, dict | list):
                default(child(schema, key) or {}, item)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            default(schema["items"], item)


def correlate(schema: Schema, old: Any, item: Any, index: int) -> Any:
    """The item of the old list that a new one succeeds: by its keys, else none."""
    keys = schema.get(LIST_KEYS)
    if not isinstance(old, list) or not keys or not isinstance(item, dict):
        return None
    return next((o for o in old if isinstance(o, dict) and all(o.get(k) == item.get(k) for k in keys)), None)


def validate(schema: Schema, value: Any, path: str = "", old: Any = None) -> Iterator[Cause]:
    """What is wrong; a part that is as it was before an update is not asked (ratcheting)."""
    if old is not None and old == value:
        return
    if value is None and schema.get("nullable"):
        return
    wrong = _type(schema, value, path)
    if wrong:
        yield wrong
        return
    if isinstance(value, dict):
        yield from _object(schema, value, path, old if isinstance(old, dict) else {})
    elif isinstance(value, list):
        yield from _array(schema, value, path, old)
    else:
        yield from _scalar(schema, value, path)


def _name(value: Any) -> str:
    if isinstance(value, float):
        return "number"
    names = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object", type(None): "null"}
    return names[type(value)]


def _type(schema: Schema, value: Any, path: str) -> Cause | None:
    wanted = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        fits = isinstance(value, int | str) and not isinstance(value, bool)
        wanted = "integer,string"
    elif wanted in ("integer", "number"):
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        fits = fits and (wanted == "number" or float(value).is_integer())
    else:
        fits = wanted is None or (value is not None and isinstance(value, _TYPES[wanted]))
    if fits:
        return None
    name = json.dumps(_name(value))
    message = f"Invalid value: {name}: {path} in body must be of type {wanted}: {name}"
    return Cause("FieldValueTypeInvalid", message, path or "<nil>")


def _object(schema: Schema, value: Object, path: str, old: Object) -> Iterator[Cause]:
    dot = f"{path}." if path else ""
    for key in schema.get("required", ()):
        if key not in value:
            yield Cause("FieldValueRequired", "Required value", dot + key)
    most = schema.get("maxProperties")
    if most is not None and len(value) > most:
        yield Cause("FieldValueTooMany", f"Too many: {len(value)}: must have at most {most} items", path)
    for key, item in value.items():
        yield from validate(child(schema, key) or {}, item, dot + key, old.get(key))


def _array(schema: Schema, value: list[Any], path: str, old: Any) -> Iterator[Cause]:
    least, most = schema.get("minItems", 0), schema.get("maxItems", len(value))
    if len(value) > most:
        yield Cause("FieldValueTooMany", f"Too many: {len(value)}: must have at most {most} items", path)
    if len(value) < least:
        message = f"Invalid value: {len(value)}: {path} in body should have at least {least} items"
        yield Cause("FieldValueInvalid", message, path)
    for index, item in enumerate(value):
        before = correlate(schema, old, item, index)
        yield from validate(schema.get("items", {}), item, f"{path}[{index}]", before)
    yield from _duplicates(schema, value, path)


def _duplicates(schema: Schema, value: list[Any], path: str) -> Iterator[Cause]:
    if schema.get(LIST_TYPE) not in ("map", "set"):
        return
    seen, keys = set(), schema.get(LIST_KEYS, ())
    for index, item in enumerate(value):
        shown = {key: item[key] for key in keys if key in item} if keys and isinstance(item, dict) else item
        text = json.dumps(shown, sort_keys=True, separators=(",", ":"))
        if text in seen:
            yield Cause("FieldValueDuplicate", f"Duplicate value: {text}", f"{path}[{index}]")
        seen.add(text)


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\$$", r"\\Z", pattern))


def _scalar(schema: Schema, value: Any, path: str) -> Iterator[Cause]:
    text = json.dumps(value, ensure_ascii=False)

    def invalid(why: str) -> Cause:
        return Cause("FieldValueInvalid", f"Invalid value: {text}: {path} in body should {why}", path)

    if isinstance(value, str):
        if len(value) > schema.get("maxLength", len(value)):
            yield Cause("FieldValueTooLong", f"Too long: may not be more than {schema['maxLength']} bytes", path)
        if len(value) < schema.get("minLength", 0):
            yield invalid(f"be at least {schema['minLength']} chars long")
        if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
            yield invalid(f"match '{schema['pattern']}'")
    elif not isinstance(value, bool):
        if value < schema.get("minimum", value):
            yield invalid(f"be greater than or equal to {schema['minimum']}")
        if value > schema.get("maximum", value):
            yield invalid(f"be less than or equal to {schema['maximum']}")
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(f'"{item}"' for item in schema["enum"])
        yield Cause("FieldValueNotSupported", f"Unsupported value: {text}: supported values: {allowed}", path)
