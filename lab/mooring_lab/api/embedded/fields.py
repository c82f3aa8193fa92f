"""Who owns which field: sets of paths, compared, merged and written as FieldsV1, by structured-merge-diff's rules.

A path is a tuple of FieldsV1's own elements: `f:spec`, `k:{"name":"a"}`, `v:"x"`.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from mooring_lab.api.embedded.errors import Object
from mooring_lab.api.embedded.schema import LIST_KEYS, LIST_TYPE, Schema, child

Path = tuple[str, ...]
ABSENT: Any = object()


class UntypedError(Exception):
    """A value does not fit its schema so far that nobody could own its fields."""


class Difference(NamedTuple):
    """The paths in which two objects differ."""

    added: set[Path]
    modified: set[Path]
    removed: set[Path]


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _key(schema: Schema, item: Any) -> str:
    if schema.get(LIST_TYPE) == "set" or not isinstance(item, dict):
        return f"v:{_compact(item)}"
    known = schema.get("items", {}).get("properties", {})
    keys = {key: item.get(key, known.get(key, {}).get("default")) for key in schema[LIST_KEYS]}
    return f"k:{_compact({key: value for key, value in keys.items() if value is not None})}"


def parts(schema: Schema, value: Any) -> dict[str, tuple[Schema, Any]] | None:
    """The members of an object or list by path element; None for what is owned as a whole."""
    if value is ABSENT or value is None:
        return {}
    if isinstance(value, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        return {f"f:{key}": (child(schema, key) or {}, item) for key, item in value.items()}
    if isinstance(value, list) and schema.get(LIST_TYPE) in ("map", "set"):
        return {_key(schema, item): (schema.get("items", {}), item) for item in value}
    return None


def check(schema: Schema, value: Any, path: str = "") -> None:
    """Raise UntypedError, with the real server's words, where a value is none of its schema's."""
    if schema.get("type") in ("integer", "number") and isinstance(value, str | bool | dict | list):
        raise UntypedError(f"{path}: expected numeric (int or float), got {'boolean' if value is True else 'string'}")
    if isinstance(value, dict):
        for key, item in value.items():
            below = child(schema, key)
            if below is None:
                raise UntypedError(f"{path}.{key}: field not declared in schema")
            check(below, item, f"{path}.{key}")
    elif isinstance(value, list):
        elements = [_key(schema, item) if schema.get(LIST_TYPE) in ("map", "set") else "" for item in value]
        for index, (element, item) in enumerate(zip(elements, value, strict=True)):
            if element == "k:{}":
                names = json.dumps(schema[LIST_KEYS])
                why = f"associative list with keys has an element that omits all key fields {names}"
                raise UntypedError(
                    f"{path}: element {index}: {why} (and doesn't have default values for any key fields)"
                )
            if element and element in elements[:index]:
                raise UntypedError(f"{path}: duplicate entries for key {shown((element,))}")
            check(schema.get("items", {}), item, path + shown((element,)) if element else f"{path}[{index}]")


def owned(schema: Schema, value: Any, path: Path = ()) -> Iterator[Path]:
    """What the applier of this value owns."""
    members = parts(schema, value)
    if members is None:
        yield path
        return
    declared = schema.get("properties", {})
    for element, (below, item) in members.items():
        here = (*path, element)
        yield from owned(below, item, here)
        if item is None or item == {} or not (element.startswith("f:") and element[2:] in declared):
            yield here


def compare(schema: Schema, old: Any, new: Any) -> Difference:
    """What became of the old value."""
    found = Difference(set(), set(), set())
    _compare(schema, old, new, (), found)
    return found


def _compare(schema: Schema, old: Any, new: Any, path: Path, found: Difference) -> None:
    before, after = parts(schema, old), parts(schema, new)
    if before is not None and after is not None:
        for element in before.keys() | after.keys():
            below = (after.get(element) or before[element])[0]
            was, now = before.get(element, (below, ABSENT))[1], after.get(element, (below, ABSENT))[1]
            if was is not now:
                _compare(below, was, now, (*path, element), found)
    if old is ABSENT:
        found.added.add(path)
    elif new is ABSENT:
        found.removed.add(path)
    elif (before is None or after is None or not (before or after)) and old != new:
        found.modified.add(path)


def merge(schema: Schema, live: Any, config: Any) -> Any:
    """The live value with an applied one laid over it; lists with keys keep the order of what both have."""
    before, after = parts(schema, live), parts(schema, config)
    if config is None or after is None or not before:
        return config
    merged = {
        element: merge(below, before.get(element, (below, ABSENT))[1], item) for element, (below, item) in after.items()
    }
    if isinstance(config, dict):
        return {**live, **{element[2:]: item for element, item in merged.items()}}
    result, waiting = [], list(after)
    for element, (_, item) in before.items():
        if element not in after:
            result.append(item)
        elif element == next((one for one in waiting if one in before), None):
            place = waiting.index(element) + 1
            result += [merged[one] for one in waiting[:place]]
            del waiting[:place]
    return result + [merged[one] for one in waiting]


def without(schema: Schema, value: Any, gone: set[Path], path: Path = ()) -> Any:
    """The value without some paths and what is below them."""
    members = parts(schema, value)
    if not members:
        return value
    kept = {
        element: without(below, item, gone, (*path, element))
        for element, (below, item) in members.items()
        if (*path, element) not in gone
    }
    return {element[2:]: item for element, item in kept.items()} if isinstance(value, dict) else list(kept.values())


def with_parents(schema: Schema, paths: Iterable[Path]) -> set[Path]:
    """The paths and the declared fields that they lie in."""
    found = set(paths)
    for path in tuple(found):
        here: Schema = schema
        for depth, element in enumerate(path, 1):
            if element.startswith("f:"):
                if element[2:] in here.get("properties", {}):
                    found.add(path[:depth])
                here = child(here, element[2:]) or {}
            else:
                here = here.get("items", {})
    return found


def to_fields(paths: Iterable[Path]) -> Object:
    """FieldsV1 of a set of paths, in an order that is always the same."""
    root: Object = {}
    members = []
    for path in sorted(paths):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        members.append(node)
    for node in members:
        if node:
            node["."] = {}
    return root


def from_fields(fields: Object, path: Path = ()) -> Iterator[Path]:
    """The set of paths of FieldsV1."""
    for element, below in fields.items():
        if element == ".":
            yield path
        elif below:
            yield from from_fields(below, (*path, element))
        else:
            yield (*path, element)


def shown(path: Path) -> str:
    """As the real server writes it: `.spec.addresses[address="10.0.0.1/24"].label`."""
    text = ""
    for element in path:
        sort, value = element[0], element[2:]
        if sort == "f":
            text += f".{value}"
        elif sort == "k":
            text += "[" + ",".join(f"{key}={json.dumps(item)}" for key, item in json.loads(value).items()) + "]"
        else:
            text += f"[={value}]"
    return text
