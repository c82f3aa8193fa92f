"""As much of protobuf as kubectl needs: built-in objects that it sends, and the OpenAPI document that it asks for.

The numbers of the fields stand in builtin.json (`x-number`).
"""

import base64
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from mooring_lab.api.embedded.errors import Object, bad_request
from mooring_lab.api.embedded.schema import PRESERVE, Schema

MAGIC = b"k8s\0"
_EMPTY: dict[str, Any] = {"integer": 0, "boolean": 0, "number": bytes(8)}


def message(*fields: tuple[int, Any]) -> bytes:
    """A message of (number, value): text and bytes by length, whole numbers as varints, floats as doubles."""
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


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place, value, shift = place + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while place < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
            continue
        length = {1: 8, 5: 4}.get(tag & 7) or varint()
        yield tag >> 3, data[place : place + length]
        place += length


def read(schema: Schema, body: bytes) -> Object:
    """A built-in object in Kubernetes' envelope; 400 if it is broken."""
    try:
        envelope = dict(_fields(body.removeprefix(MAGIC)))
        typed = dict(_fields(envelope[1]))
        head = {"apiVersion": typed[1].decode(), "kind": typed[2].decode()}
        return {**head, **_object(schema, envelope.get(2, b""))}
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, struct.error) as error:
        raise bad_request("the object provided is unrecognized: broken protobuf") from error


def _object(schema: Schema, data: bytes) -> Object:
    names = {below["x-number"]: (name, below) for name, below in schema["properties"].items() if "x-number" in below}
    found: Object = {}
    for number, value in _fields(data):
        if number not in names:
            continue
        name, below = names[number]
        if below.get("type") == "array":
            found.setdefault(name, []).append(_value(below["items"], value))
        elif "additionalProperties" in below:
            entry, sort = dict(_fields(value)), below["additionalProperties"]
            key = entry.get(1, b"").decode()
            found.setdefault(name, {})[key] = _value(sort, entry.get(2, _EMPTY.get(sort.get("type", ""), b"")))
        else:
            found[name] = _value(below, value)
    return {name: value for name, value in found.items() if value not in ("", None)}


def _value(schema: Schema, value: Any) -> Any:
    sort, form = schema.get("type"), schema.get("format")
    if sort == "boolean":
        return bool(value)
    if sort == "integer":
        return value - (1 << 64) if value >= 1 << 63 else value
    if sort == "number":
        return struct.unpack("<d", value)[0]
    if form == "date-time":
        return _time(dict(_fields(value)))
    if sort == "string":
        return base64.b64encode(value).decode() if form == "byte" else value.decode()
    if sort == "array":
        return [_value(schema["items"], item) for _, item in _fields(value)]
    if sort == "object" and not schema.get(PRESERVE):
        return _object(schema, value)
    entry = dict(_fields(value))
    if form == "int-or-string":
        return entry[3].decode() if entry.get(1) else entry.get(2, 0)
    return json.loads(entry[1]) if schema.get(PRESERVE) or not schema else entry[1].decode()


def _time(entry: dict[int, Any]) -> str | None:
    if not entry.get(1):
        return None
    text = datetime.fromtimestamp(entry[1], UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{entry[2] // 1000:06}Z" if entry.get(2) else f"{text}Z"


def gnostic(document: Object) -> bytes:
    """An OpenAPI document of version 2 as openapi.v2.Document (gnostic's OpenAPIv2.proto)."""
    info = message((1, document["info"]["title"]), (2, document["info"]["version"]))
    paths = ((2, message((1, name), (2, _path(item)))) for name, item in document["paths"].items())
    return message((1, "2.0"), (2, info), (8, message(*paths)), (9, _schemas(document["definitions"])))


def _path(item: Object) -> bytes:
    numbers = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
    return message(*((numbers[method], _operation(one)) for method, one in item.items()))


def _operation(one: Object) -> bytes:
    queries = (message((2, "query"), (4, each["name"]), (6, each["type"])) for each in one["parameters"])
    return message(
        (5, one["operationId"]),
        *((7, name) for name in one.get("consumes", ())),
        *((8, message((1, message((2, message((3, query))))))) for query in queries),
        *_extensions(one, 13),
    )


def _schemas(schemas: dict[str, Schema]) -> bytes:
    return message(*((1, message((1, name), (2, _schema(node)))) for name, node in schemas.items()))


_PLAIN = {"$ref": 1, "format": 2, "description": 4, "maxLength": 11, "minLength": 12, "pattern": 13, "maxItems": 14}
_PLAIN |= {"minItems": 15, "maxProperties": 17, "minProperties": 18}


def _schema(node: Schema) -> bytes:
    more = node.get("additionalProperties")
    writers: dict[str, tuple[int, Any]] = {
        "maximum": (7, float),
        "minimum": (9, float),
        "default": (5, _any),
        "additionalProperties": (21, lambda _: message((1, _schema(more)) if isinstance(more, dict) else (2, more))),
        "type": (22, lambda name: message((1, name))),
        "items": (23, lambda below: message((1, _schema(below)))),
        "properties": (25, _schemas),
    }
    return message(
        *((number, node[key]) for key, number in _PLAIN.items() if key in node),
        *((number, write(node[key])) for key, (number, write) in writers.items() if key in node),
        *((19, name) for name in node.get("required", ())),
        *((20, _any(one)) for one in node.get("enum", ())),
        *_extensions(node, 31),
    )


def _any(value: Any) -> bytes:
    return message((2, json.dumps(value)))


def _extensions(node: Object, number: int) -> list[tuple[int, Any]]:
    return [(number, message((1, key), (2, _any(value)))) for key, value in node.items() if key.startswith("x-")]
