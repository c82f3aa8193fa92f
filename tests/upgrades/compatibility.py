"""What a definition takes away from who was written for an earlier one. Pure: two schemas in, sentences out."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

#: Below these something that was valid would no longer be.
_LEAST = ("minimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "maxLength", "maxItems", "maxProperties")
#: What may not be another: a value would be read, kept or merged in another way.
_SAME = (
    "type",
    "default",
    "pattern",
    "format",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
)
_RULES = "x-kubernetes-validations"


def breaks(old: Schema, new: Schema, place: str = "") -> Iterator[str]:
    """Each thing by which an object that was right for `old` may be wrong, or mean something else, for `new`."""
    for key in _SAME:
        if old.get(key) != new.get(key):
            yield f"{place}: {key} was {old.get(key)!r} and is {new.get(key)!r}"
    yield from _bounds(old, new, place)
    yield from _values(old, new, place)
    yield from _fields(old, new, place)
    for inside in ("items", "additionalProperties"):
        if isinstance(old.get(inside), Mapping) and isinstance(new.get(inside), Mapping):
            yield from breaks(old[inside], new[inside], f"{place}[]")


def _bounds(old: Schema, new: Schema, place: str) -> Iterator[str]:
    for key, tighter in (*((k, 1) for k in _LEAST), *((k, -1) for k in _MOST)):
        before, now = old.get(key), new.get(key)
        if now is not None and (before is None or (now - before) * tighter > 0):
            yield f"{place}: {key} was {before!r} and is {now!r}"


def _values(old: Schema, new: Schema, place: str) -> Iterator[str]:
    if "enum" in new and "enum" not in old:
        yield f"{place}: only {new['enum']} may be written"
    for value in old.get("enum", ()):
        if "enum" in new and value not in new["enum"]:
            yield f"{place}: the value {value!r} is gone"
    before = {rule["rule"] for rule in old.get(_RULES, ())}
    for rule in new.get(_RULES, ()):
        if rule["rule"] not in before:
            yield f"{place}: a new rule: {rule['message']}"


def _fields(old: Schema, new: Schema, place: str) -> Iterator[str]:
    before, now = old.get("properties", {}), new.get("properties", {})
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{place}.{name}: must be written now"
    for name, below in before.items():
        if name not in now:
            yield f"{place}.{name}: is gone"
        else:
            yield from breaks(below, now[name], f"{place}.{name}")


def added(old: Schema, new: Schema, place: str = "") -> Iterator[tuple[str, str]]:
    """What `new` has beside: paths of fields, each with "", and of fields with a new value, each with the value."""
    before, now = old.get("properties", {}), new.get("properties", {})
    for name, below in now.items():
        if name not in before:
            yield f"{place}.{name}", ""
        else:
            yield from added(before[name], below, f"{place}.{name}")
    yield from ((place, value) for value in new.get("enum", ()) if "enum" in old and value not in old["enum"])
    for inside in ("items", "additionalProperties"):
        if isinstance(old.get(inside), Mapping) and isinstance(new.get(inside), Mapping):
            yield from added(old[inside], new[inside], f"{place}[]")


def pruned(value: Any, schema: Schema) -> Any:
    """What of a value a definition knows; the API server drops the rest."""
    if isinstance(value, Mapping) and "properties" in schema:
        known = schema["properties"]
        return {name: pruned(below, known[name]) for name, below in value.items() if name in known}
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        return [pruned(each, schema["items"]) for each in value]
    return value


def schema_of(definition: Mapping[str, Any]) -> Schema:
    """Of a CustomResourceDefinition with one version."""
    (served,) = definition["spec"]["versions"]
    found: Schema = served["schema"]["openAPIV3Schema"]
    return found
