"""The CRDs: generated, structural, and affordable for the API server."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mooring_api.crd import MAX_OCCURRENCES, RESOURCES, Resource, definition, main, structural_schema, text_of
from mooring_api.nodeconfig import NodeConfig
from mooring_api.virtualip import VirtualIP
from mooring_api.virtualserver import VirtualServer
from mooring_api.wire import Wire

CRDS = Path(__file__).parents[3] / "crds"
RULES = "x-kubernetes-validations"
Schema = dict[str, Any]

each_resource = pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)


def _walk(schema: Schema, path: str = "", occurrences: float = 1) -> Iterator[tuple[str, Schema, float]]:
    yield path, schema, occurrences
    for name, below in schema.get("properties", {}).items():
        yield from _walk(below, f"{path}.{name}", occurrences)
    if "items" in schema:
        yield from _walk(schema["items"], f"{path}[]", occurrences * schema.get("maxItems", float("inf")))
    if "additionalProperties" in schema:
        many = occurrences * schema.get("maxProperties", float("inf"))
        yield from _walk(schema["additionalProperties"], f"{path}{{}}", many)


def _at(schema: Schema, path: str) -> Schema:
    return next(below for place, below, _ in _walk(schema) if place == path)


@each_resource
def test_the_files_are_what_the_models_say(resource: Resource) -> None:
    text = (CRDS / resource.file_name).read_text(encoding="utf-8")
    assert text == text_of(resource), "run `python -m mooring_api.crd`"


def test_writes_into_the_folder_that_is_named(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    written = sorted(tmp_path.iterdir())
    assert [path.name for path in written] == [
        "mooring.dev_nodeconfigs.yaml",
        "mooring.dev_virtualips.yaml",
        "mooring.dev_virtualservers.yaml",
    ]
    assert all(yaml.safe_load(path.read_text())["kind"] == "CustomResourceDefinition" for path in written)


@each_resource
def test_is_structural(resource: Resource) -> None:
    for path, schema, _ in _walk(structural_schema(resource.model)):
        assert schema.get("type") in {"object", "array", "string", "integer", "boolean"}, path
        forbidden = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "const", "title", "nullable", "exclusiveMinimum"}
        assert not forbidden.intersection(schema), path
        assert not any(key.startswith("x-mooring") for key in schema), path
        assert not ("properties" in schema and "additionalProperties" in schema), path
        assert (schema["type"] == "array") == ("items" in schema), path
        assert set(schema.get("required", ())) <= set(schema.get("properties", ())), path


@each_resource
def test_leaves_kubernetes_own_fields_to_kubernetes(resource: Resource) -> None:
    fields = structural_schema(resource.model)["properties"]
    assert fields["apiVersion"] == fields["kind"] == {"type": "string"}
    assert fields["metadata"] == {"type": "object"}
    assert set(fields) == {"apiVersion", "kind", "metadata", "spec", "status"}


@each_resource
def test_each_rule_has_a_sentence_and_blames_a_field_that_is_there(resource: Resource) -> None:
    for path, schema, _ in _walk(structural_schema(resource.model)):
        for rule in schema.get(RULES, ()):
            assert rule["message"], path
            assert "\n" not in rule["message"] + rule["rule"], path
            if "fieldPath" in rule:
                assert _at(schema, rule["fieldPath"]), path


@each_resource
def test_rules_stand_only_where_the_api_server_can_bound_their_cost(resource: Resource) -> None:
    schema = structural_schema(resource.model)
    for path, below, occurrences in _walk(schema):
        if RULES not in below:
            continue
        assert occurrences <= MAX_OCCURRENCES, path
        if below["type"] == "string":
            assert "maxLength" in below, path
        if path.startswith(".spec"):
            for place, inside, _ in _walk(below, path):
                bound = {"array": "maxItems", "string": "maxLength"}.get(inside["type"])
                assert bound is None or bound in inside or "enum" in inside, place


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            VirtualIP,
            {
                ".spec.addresses": ["address"],
                ".spec.nodes.overrides": ["node"],
                ".spec.tracking": ["name"],
                ".status.conditions": ["type"],
                ".status.groups": ["name"],
            },
        ),
        (
            VirtualServer,
            {
                ".spec.ports": ["name"],
                ".spec.healthChecks": ["name"],
                ".status.conditions": ["type"],
                ".status.ports": ["name"],
            },
        ),
        (NodeConfig, {}),
    ],
)
def test_lists_are_keyed_or_atomic(model: type[Wire], expected: dict[str, list[str]]) -> None:
    lists = {path: schema for path, schema, _ in _walk(structural_schema(model)) if schema["type"] == "array"}
    keyed = {path: schema for path, schema in lists.items() if schema["x-kubernetes-list-type"] == "map"}
    assert {path: schema["x-kubernetes-list-map-keys"] for path, schema in keyed.items()} == expected
    for path, schema in keyed.items():
        assert set(schema["x-kubernetes-list-map-keys"]) <= set(schema["items"]["required"]), path
    assert {lists[path]["x-kubernetes-list-type"] for path in lists.keys() - keyed.keys()} == {"atomic"}


@each_resource
def test_no_default_holds_a_null(resource: Resource) -> None:
    """kubectl drops it from a CRD; a server-side apply of the same file is refused for it."""
    for path, schema, _ in _walk(structural_schema(resource.model)):
        assert "null" not in json.dumps(schema.get("default", "")), path


def test_nothing_secret_goes_through_the_api() -> None:
    credentials = _at(structural_schema(NodeConfig), ".spec.instances[].authentication")
    assert set(credentials["properties"]) == {"type", "secretRef", "keyVersion"}
    assert credentials["properties"]["type"]["enum"] == ["Password"]


def test_defaults_and_limits_are_the_models() -> None:
    vrrp = _at(structural_schema(VirtualIP), ".spec.vrrp")
    fields = vrrp["properties"]
    assert vrrp["default"] == {name: field["default"] for name, field in fields.items() if "default" in field}
    assert vrrp["default"]["preemption"] == {"mode": "Always", "delay": "0s"}
    assert fields["version"] == fields["version"] | {"type": "integer", "default": 3, "enum": [2, 3]}
    assert fields["advertisementInterval"]["default"] == "1s"
    assert fields["virtualRouterIDs"]["items"] == {"type": "integer", "minimum": 1, "maximum": 255}
    assert "default" not in fields["virtualRouterIDs"]
    assert "default" not in fields["lease"]
    assert fields["activeDownFactor"]["maximum"] == 100


def test_names_columns_and_subresource() -> None:
    virtual_ip, virtual_server, node_config = (definition(resource)["spec"] for resource in RESOURCES)
    expected = ((virtual_ip, "vip", "Cluster"), (virtual_server, "mvs", "Namespaced"), (node_config, "nc", "Cluster"))
    for spec, short, scope in expected:
        assert spec["scope"] == scope
        assert spec["names"]["shortNames"] == [short]
        assert spec["names"]["categories"] == ["mooring"]
        assert spec["versions"][0]["subresources"] == {"status": {}}
    columns = virtual_ip["versions"][0]["additionalPrinterColumns"]
    assert " ".join(column["name"].upper() for column in columns) == "ADDRESSES HOLDERS HELD SINCE ACCEPTED PLAN AGE"
    columns = [each for each in virtual_server["versions"][0]["additionalPrinterColumns"] if "priority" not in each]
    shown = " ".join(column["name"].upper() for column in columns)
    assert shown == "VIRTUALIP PORTS BACKENDS HOLDERS READY ACCEPTED PROGRAMMED AGE"


@each_resource
def test_columns_show_fields_that_are_there(resource: Resource) -> None:
    places = {path for path, _, _ in _walk(structural_schema(resource.model))}
    for column in resource.columns:
        plain = re.sub(r'\[(\?\(@\.type=="[A-Za-z]+"\)|0)\]', "[]", column.path)
        assert plain in places or plain.startswith(".metadata."), column.name


def test_a_column_of_lower_priority_says_so() -> None:
    column = RESOURCES[0].columns[0].__class__("A", "string", ".x", priority=1)
    assert column.to_wire() == {"name": "A", "type": "string", "jsonPath": ".x", "priority": 1}
