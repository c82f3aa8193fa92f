"""What the server knows of each kind: the built-in ones from builtin.json, the others from their definitions."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mooring_lab.api.embedded.errors import Object
from mooring_lab.api.embedded.schema import PRESERVE, Schema

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_FILE = Path(__file__).with_name("builtin.json")
_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


class Column(NamedTuple):
    """A column of a table; built-in kinds compute their cells, the others' have a JSONPath."""

    name: str
    type: str
    format: str = ""
    priority: int = 0
    path: str = ""
    description: str = ""


@dataclass(frozen=True, eq=False)
class Kind:
    """One resource in one version."""

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
    reference: str = ""
    builtin: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def bucket(self) -> str:
        """Where the store keeps its objects: events of both groups are the same."""
        return f"/{self.plural}" if self.plural == "events" else f"{self.group}/{self.plural}"

    @property
    def definition(self) -> str:
        """The name of its schema in OpenAPI documents."""
        return self.reference or ".".join([*reversed(self.group.split(".")), self.version, self.kind])


def _resolve(node: Any, names: dict[str, Schema]) -> None:
    """Put the definitions in the place of references to them; copies are shallow, so recursive ones are circles."""
    for key, below in node.items():
        if isinstance(below, dict):
            if isinstance(below.get("$ref"), str):
                beside = {name: value for name, value in below.items() if name != "$ref"}
                node[key] = {**names[below["$ref"]], **beside}
            else:
                _resolve(below, names)


@cache
def definitions() -> dict[str, Schema]:
    """The schemas of the built-in kinds with references among them, as OpenAPI documents show them."""
    found: dict[str, Schema] = json.loads(_FILE.read_text())["definitions"]
    return found


@cache
def resolved() -> dict[str, Schema]:
    """The same without references."""
    names: dict[str, Schema] = json.loads(_FILE.read_text())["definitions"]
    _resolve(names, names)
    return names


@cache
def builtin() -> tuple[Kind, ...]:
    """The kinds that are there without a definition."""
    return tuple(
        Kind(
            **{
                name: found[name] for name in ("group", "version", "plural", "singular", "kind", "namespaced", "status")
            },
            schema=resolved()[found["schema"]],
            columns=tuple(Column(*column) for column in found["columns"]),
            short_names=tuple(found["shortNames"]),
            categories=tuple(found["categories"]),
            selectable=tuple(found["selectable"]),
            reference=found["schema"],
            builtin=True,
        )
        for found in json.loads(_FILE.read_text())["resources"]
    )


def defined(definition: Object) -> Kind:
    """The kind that a CustomResourceDefinition makes; its storage version alone is served."""
    spec = definition["spec"]
    names = spec["names"]
    version = next(one for one in spec["versions"] if one.get("storage"))
    schema = version.get("schema", {}).get("openAPIV3Schema", {PRESERVE: True})
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
        for one in version.get("additionalPrinterColumns", [_AGE])
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
        columns=(Column("Name", "string", "name"), *printed),
        short_names=tuple(names.get("shortNames", ())),
        categories=tuple(names.get("categories", ())),
        selectable=tuple(one["jsonPath"].lstrip(".") for one in version.get("selectableFields", ())),
    )


def empty(kind: Kind) -> Object:
    """What is there before a create: nothing, or for built-in kinds the parts that are always there."""
    if not kind.builtin:
        return {"metadata": {}}
    return {"metadata": {}, **_zero(kind.schema)}


def _zero(schema: Schema) -> Object:
    found: Object = {
        name: None for name in schema.get("required", ()) if schema["properties"][name].get("type") == "array"
    }
    parts = {name: below for name, below in schema.get("properties", {}).items() if below.get("default") == {}}
    return {**found, **{name: _zero(below) for name, below in parts.items() if name != "metadata"}}
