"""What the server knows of each kind: the built-in ones from builtin.json, the others from their definitions."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mooring_lab.api.embedded.errors import Object
from mooring_lab.api.embedded.schema import FREE, Schema

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


class Column(NamedTuple):
    """A column of a table; `cell` is a JSONPath, before it a way of tables.WAYS for built-in kinds."""

    name: str
    type: str
    format: str
    priority: int
    cell: str
    description: str = ""


@dataclass(frozen=True, eq=False)
class Kind:
    """One resource in one version; a built-in one without columns is a review, which is only created."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    status: bool
    schema: Schema
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    selectable: tuple[str, ...] = ()
    builtin: str = ""
    """The name of a built-in kind's schema."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def bucket(self) -> str:
        """Where the store keeps its objects: those of both kinds of events are the same."""
        return "/events" if self.well_known == "events" else f"{self.group}/{self.plural}"

    @property
    def definition(self) -> str:
        """The name of its schema in OpenAPI documents."""
        return self.builtin or ".".join([*reversed(self.group.split(".")), self.version, self.kind])

    @property
    def well_known(self) -> str:
        """The plural of a built-in kind, empty for others."""
        return self.plural if self.builtin else ""

    def empty(self) -> Object:
        """What is there before a create: built-in kinds have parts that are always there."""
        parts = _zero(self.schema) if self.builtin else {}
        return {**parts, "apiVersion": self.api_version, "kind": self.kind, "metadata": {}}


def _zero(schema: Schema) -> Object:
    """Lists that must be there, and what has a default that is empty."""
    known = schema.get("properties", {})
    found: Object = {name: None for name in schema.get("required", ()) if known[name].get("type") == "array"}
    for name, below in known.items():
        empty = below.get("default", below.get("x-default", 1))
        if empty is None or ("default" in below and not empty):
            found[name] = _zero(below) if isinstance(empty, dict) else empty
    return found


@cache
def _data() -> Object:
    data: Object = json.loads(Path(__file__).with_name("builtin.json").read_text())
    return data


def definitions() -> dict[str, Schema]:
    """The schemas of the built-in kinds by name, with references among them."""
    found: dict[str, Schema] = _data()["definitions"]
    return found


def _resolve(node: Any, names: dict[str, Schema]) -> None:
    """Put definitions in the place of references; copies are shallow, so recursive ones become circles."""
    for key, below in node.items():
        if isinstance(below, dict):
            if isinstance(below.get("$ref"), str):
                node[key] = {**names[below["$ref"]], **{name: one for name, one in below.items() if name != "$ref"}}
            else:
                _resolve(below, names)


@cache
def resolved() -> dict[str, Schema]:
    """The same without references."""
    names: dict[str, Schema] = json.loads(json.dumps(definitions()))
    _resolve(names, names)
    return names


@cache
def builtin() -> tuple[Kind, ...]:
    """The kinds that are there without a definition."""
    return tuple(
        Kind(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
            | {
                "schema": resolved()[found["schema"]],
                "columns": tuple(Column(*column) for column in found["columns"]),
                "builtin": found["schema"],
            }
        )
        for found in _data()["resources"]
    )


def defined(definition: Object) -> Kind:
    """The kind that a CustomResourceDefinition makes; its storage version alone is served."""
    spec, names = definition["spec"], definition["spec"]["names"]
    version = next(one for one in spec["versions"] if one.get("storage"))
    schema = version.get("schema", {}).get("openAPIV3Schema", FREE)
    own = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": resolved()[META + "ObjectMeta"]}
    printed = [
        Column(
            one["name"],
            one["type"],
            one.get("format", ""),
            one.get("priority", 0),
            one["jsonPath"],
            one.get("description", ""),
        )
        for one in version.get("additionalPrinterColumns") or [_AGE]
    ]
    return Kind(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        status="status" in version.get("subresources", {}),
        schema={**schema, "properties": {**schema.get("properties", {}), **own}},
        columns=(Column("Name", "string", "name", 0, ".metadata.name"), *printed),
        short_names=tuple(names.get("shortNames", ())),
        categories=tuple(names.get("categories", ())),
        selectable=tuple(one["jsonPath"].lstrip(".") for one in version.get("selectableFields", ())),
    )
