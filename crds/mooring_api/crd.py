"""Writes the CustomResourceDefinitions from the models: `python -m mooring_api.crd [FOLDER]`.

A schema here is structural (Kubernetes' "Specify a structural schema"): no references, no mixture of fixed
and free fields, a type at each place.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mooring_api.authentication import FILE_ONLY
from mooring_api.nodeconfig import NodeConfig
from mooring_api.schema import Schema, inlined_schema, model_of
from mooring_api.virtualip import VirtualIP
from mooring_api.virtualserver import VirtualServer
from mooring_api.wire import GROUP, VALIDATIONS, VERSION, Wire

#: The API server bounds what rules may cost, and multiplies by how often one can occur in an object. A rule
#: that could occur more often than this is left to the daemon, which reads with the same models.
MAX_OCCURRENCES = 100_000

_KEPT = (
    "description",
    "type",
    "default",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "maxProperties",
    "x-kubernetes-map-type",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    VALIDATIONS,
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; one of priority 1 is shown with `-o wide` only."""

    name: str
    type: str
    path: str
    description: str = ""
    priority: int = 0

    def to_wire(self) -> Schema:
        """As the CRD writes it."""
        column: Schema = {"name": self.name, "type": self.type, "jsonPath": self.path}
        if self.description:
            column["description"] = self.description
        if self.priority:
            column["priority"] = self.priority
        return column


@dataclass(frozen=True, slots=True)
class Resource:
    """What a CRD says of a kind beside its schema."""

    model: type[Wire]
    kind: str
    plural: str
    short_name: str
    columns: tuple[Column, ...]
    namespaced: bool = False

    @property
    def file_name(self) -> str:
        return f"{GROUP}_{self.plural}.yaml"


_HELD = '.status.conditions[?(@.type=="Held")]'
_ACCEPTED = '.status.conditions[?(@.type=="Accepted")]'
_PROGRAMMED = '.status.conditions[?(@.type=="Programmed")]'
_READY = '.status.conditions[?(@.type=="Ready")]'
_AGE = Column("Age", "date", ".metadata.creationTimestamp")

RESOURCES = (
    Resource(
        VirtualIP,
        "VirtualIP",
        "virtualips",
        "vip",
        (
            Column("Addresses", "integer", ".status.addressCount", "How many addresses it has."),
            Column("Holders", "string", ".status.holderSummary", "Which node holds how many."),
            Column("Held", "string", f"{_HELD}.status", "Whether each address is held by one node."),
            Column("Since", "date", f"{_HELD}.lastTransitionTime", "How long Held has been so."),
            Column("Accepted", "string", f"{_ACCEPTED}.status", "Whether the object is as it must be."),
            Column(
                "Plan",
                "string",
                f"{_PROGRAMMED}.reason",
                "How far its plan is: Programmed, Paused, or what it waits for.",
            ),
            _AGE,
        ),
    ),
    Resource(
        VirtualServer,
        "VirtualServer",
        "virtualservers",
        "mvs",
        (
            Column("VirtualIP", "string", ".spec.virtualIPRef.name", "Whose addresses it uses."),
            Column("Ports", "string", ".status.portSummary", "What it balances."),
            Column("Backends", "string", ".status.backendSummary", "How many are up, of how many."),
            Column("Holders", "string", ".status.holderSummary", "Which nodes balance now."),
            Column("Ready", "string", f"{_READY}.status", "Whether healthy backends answer."),
            Column("Accepted", "string", f"{_ACCEPTED}.status", "Whether the object is as it must be."),
            Column("Programmed", "string", f"{_PROGRAMMED}.status", "Whether all its nodes run it."),
            _AGE,
        ),
        namespaced=True,
    ),
    Resource(
        NodeConfig,
        "NodeConfig",
        "nodeconfigs",
        "nc",
        (
            Column("Generation", "integer", ".metadata.generation", "What the operator wrote last."),
            Column("Observed", "integer", ".status.observedGeneration", "What the daemon runs."),
            Column("Daemon", "string", ".status.daemonVersion", "The daemon's version."),
            _AGE,
            Column(
                "Problem", "string", ".status.problems[0].message", "The first thing that it can't run.", priority=1
            ),
        ),
    ),
)


def definition(resource: Resource) -> Schema:
    """One CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [resource.short_name],
                "categories": ["mooring"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [column.to_wire() for column in resource.columns],
                    "schema": {"openAPIV3Schema": structural_schema(resource.model)},
                }
            ],
        },
    }


def structural_schema(model: type[Wire]) -> Schema:
    """The schema of a kind as the API server takes it; its metadata is the API server's own affair."""
    schema, models = inlined_schema(model)
    root = _structural(schema, models, 1)
    fields = root["properties"]
    fields["apiVersion"] = {"type": "string"}
    fields["kind"] = {"type": "string"}
    fields["metadata"] = {"type": "object"}
    if required := [name for name in root.pop("required", ()) if name != "metadata"]:
        root["required"] = required
    return root


def _structural(schema: Schema, models: Mapping[str, type[Wire]], occurrences: float) -> Schema:
    """`schema` and what is below it, at a place that an object can hold `occurrences` times."""
    result = {key: schema[key] for key in _KEPT if key in schema and schema[key] != []}
    if model := model_of(schema):
        _add_rules(result, models[model])
    if occurrences > MAX_OCCURRENCES:
        result.pop(VALIDATIONS, None)
    if "properties" in schema:
        fields = {n: below for n, below in schema["properties"].items() if not below.get(FILE_ONLY)}
        result["properties"] = {n: _structural(below, models, occurrences) for n, below in fields.items()}
        if required := [name for name in schema.get("required", ()) if name in fields]:
            result["required"] = required
        if "default" in result:
            result["default"] = _whole_default(result)
    if "items" in schema:
        result.setdefault("x-kubernetes-list-type", "atomic")
        many = occurrences * schema.get("maxItems", float("inf"))
        result["items"] = _structural(schema["items"], models, many)
    if isinstance(values := schema.get("additionalProperties"), dict):
        many = occurrences * schema.get("maxProperties", float("inf"))
        result["additionalProperties"] = _structural(values, models, many)
    return result


def _whole_default(schema: Schema) -> Schema:
    """An object's default with those of its fields: the API server holds rules against it as it is written."""
    below = {name: field["default"] for name, field in schema["properties"].items() if "default" in field}
    return {**below, **schema["default"]}


def _add_rules(schema: Schema, model: type[Wire]) -> None:
    for rule in model.rules:
        validation = {"rule": rule.cel, "message": rule.message}
        # The API server takes no field path below metadata, of which the schema says nothing.
        if rule.path and not rule.path.startswith("metadata."):
            validation["fieldPath"] = f".{rule.path}"
        schema[VALIDATIONS] = [*schema.get(VALIDATIONS, ()), validation]


class _Dumper(yaml.SafeDumper):
    """Writes each value where it stands, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def text_of(resource: Resource) -> str:
    """The CRD's file."""
    body = yaml.dump(definition(resource), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return f"# Generated from crds/mooring_api by `python -m mooring_api.crd`; do not edit.\n{body}"


def main(arguments: Sequence[str]) -> int:
    """Write all CRDs into the folder that is named, by default the one beside the models."""
    folder = Path(arguments[0]) if arguments else Path(__file__).parents[1]
    for resource in RESOURCES:
        (folder / resource.file_name).write_text(text_of(resource), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
