"""The models as plain JSON schema, references inlined: what both the CRDs and the reference are made from."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from mooring_api.duration import Duration
from mooring_api.wire import Wire

Schema = dict[str, Any]

#: Marks, while references are inlined, which model a schema comes from.
_MODEL = "x-mooring-model"


class _WireJsonSchema(GenerateJsonSchema):
    """Writes defaults in their wire form, and a model's as {}: the API server fills in what is below."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, BaseModel):
            return {}
        if isinstance(dft, tuple) and any(isinstance(each, Wire) for each in dft):
            # What is left out of an item is not there: the API server takes no null for it.
            return [each.to_wire() if isinstance(each, Wire) else self.encode_default(each) for each in dft]
        return str(dft) if isinstance(dft, Duration) else super().encode_default(dft)


def _models_below(model: type[Wire], found: dict[str, type[Wire]] | None = None) -> dict[str, type[Wire]]:
    """Every model that is used in a field of `model`, itself included, by class name."""
    found = {} if found is None else found
    if model.__name__ not in found:
        found[model.__name__] = model
        for field in model.model_fields.values():
            for nested in _models_in(field.annotation):
                _models_below(nested, found)
    return found


def _models_in(annotation: Any) -> list[type[Wire]]:
    if isinstance(annotation, type) and issubclass(annotation, Wire):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def inlined_schema(model: type[Wire]) -> tuple[Schema, Mapping[str, type[Wire]]]:
    """`model`'s schema without references, and its models by the name that `x-mooring-model` gives.

    Optional fields are those that are not in `required`; nothing is nullable.
    """
    generated = model.model_json_schema(schema_generator=_WireJsonSchema)
    definitions = generated.pop("$defs", {})
    models = _models_below(model)
    generated[_MODEL] = model.__name__
    return _inline(generated, definitions), models


def model_of(schema: Schema) -> str:
    """The name of the model that a schema comes from, "" where it comes from none."""
    return str(schema.get(_MODEL, ""))


def _inline(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    own = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf", "title")}
    for base in _bases(schema, definitions):
        own = {**{key: value for key, value in base.items() if key != "title"}, **own}
    if own.get("default", ()) is None:
        del own["default"]
    if "const" in own:
        own["enum"] = [own.pop("const")]
    if "properties" in own:
        own["properties"] = {name: _inline(below, definitions) for name, below in own["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(own.get(key), dict):
            own[key] = _inline(own[key], definitions)
    return own


def _bases(schema: Schema, definitions: Mapping[str, Schema]) -> list[Schema]:
    """What a schema refers to: its definition, or the one member beside null of an optional field."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        found = _inline(definitions[name], definitions)
        return [{**found, _MODEL: name} if "properties" in found else found]
    members = [member for member in schema.get("anyOf", ()) if member.get("type") != "null"]
    if len(members) > 1:
        raise TypeError("a field is sometimes of one type and sometimes of another; a CRD has no such thing")
    return [_inline(member, definitions) for member in members]
