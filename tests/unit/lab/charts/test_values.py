"""values.yaml and the reference are what the schema says."""

from pathlib import Path

import pytest
import yaml

from mooring_api.version import VERSION
from mooring_lab.charts import CHARTS, CRDS, MOORING, ROOT, values
from mooring_lab.charts.__main__ import generated

BOTH = pytest.mark.parametrize("chart", [MOORING, CRDS], ids=lambda chart: chart.name)
SCHEMA: values.Schema = {
    "title": "Values of an example",
    "properties": {
        "node": {
            "description": "A section.",
            "properties": {
                "port": {"description": "A number | of two.", "default": 9650},
                "names": {"description": "A list.", "default": ["a", "b"]},
                "none": {"description": "Nothing.", "default": {}},
            },
        },
        "global": {"description": "Set by Helm itself."},
    },
}


@pytest.mark.parametrize("path", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in generated()])
def test_what_is_generated_is_what_stands_there(path: Path) -> None:
    assert path.read_text() == generated()[path], "run: make crds"


def test_no_definition_stands_in_the_chart_that_is_not_in_crds() -> None:
    names = {path.name for path in (CRDS / "templates").glob("mooring.dev_*.yaml")}
    assert names == {path.name for path in (ROOT / "crds").glob("*.yaml")}


@BOTH
def test_defaults_agree(chart: Path) -> None:
    assert yaml.safe_load((chart / "values.yaml").read_text()) == values.defaults(values.read(chart))


@BOTH
def test_each_section_names_what_it_does_not_know(chart: Path) -> None:
    def sections(schema: values.Schema, path: str) -> list[str]:
        found = [path] if "properties" in schema and schema.get("additionalProperties") is not False else []
        return found + [
            f for name, each in schema.get("properties", {}).items() for f in sections(each, f"{path}/{name}")
        ]

    schema = values.read(chart)
    # One that refers to a definition is judged by that alone, as draft 7 has it.
    judged = {**schema, "properties": {n: _resolved(schema, each) for n, each in schema["properties"].items()}}
    assert sections(judged, "") == []


def _resolved(schema: values.Schema, each: values.Schema) -> values.Schema:
    if "$ref" in each:
        return dict(schema["definitions"][each["$ref"].removeprefix("#/definitions/")])
    below = {name: _resolved(schema, below) for name, below in each.get("properties", {}).items()}
    return {**each, "properties": below} if below else each


@BOTH
def test_what_is_described_beside_a_reference_is_in_the_definition(chart: Path) -> None:
    schema = values.read(chart)

    def walk(each: values.Schema, path: str) -> None:
        if "$ref" in each and "properties" in each:
            known = schema["definitions"][each["$ref"].removeprefix("#/definitions/")]["properties"]
            assert list(each["properties"]) == list(known), path
        for name, below in each.get("properties", {}).items():
            walk(below, f"{path}/{name}")

    walk(schema, "")


@BOTH
def test_a_section_that_is_set_to_nothing_is_named(chart: Path) -> None:
    def walk(schema: values.Schema, path: str) -> None:
        below = [name for name, each in schema["properties"].items() if "properties" in each]
        assert set(below) <= set(schema.get("required", ())), path
        for name in below:
            if "$ref" not in schema["properties"][name]:
                walk(schema["properties"][name], f"{path}/{name}")

    walk(values.read(chart), "")


@BOTH
def test_each_value_is_described_with_a_sentence(chart: Path) -> None:
    for value in values.values(values.read(chart)):
        assert value.description.endswith("."), value.name


@BOTH
def test_the_versions_are_the_projects(chart: Path) -> None:
    head = yaml.safe_load((chart / "Chart.yaml").read_text())
    assert (head["version"], head["appVersion"]) == (VERSION, VERSION)
    assert head["kubeVersion"] == ">=1.32.0-0", "the oldest Kubernetes that the project supports"


def test_the_charts_are_all_there_are() -> None:
    assert sorted(path.name for path in CHARTS.iterdir()) == ["mooring", "mooring-crds"]


def test_a_values_file_has_each_description_above_its_default() -> None:
    assert values.values_file(SCHEMA).splitlines()[3:] == [
        "",
        "# A section.",
        "node:",
        "  # A number | of two.",
        "  port: 9650",
        "  # A list.",
        "  names:",
        "  - a",
        "  - b",
        "  # Nothing.",
        "  none: {}",
    ]
    assert yaml.safe_load(values.values_file(SCHEMA)) == values.defaults(SCHEMA)


def test_the_table_names_what_helm_itself_sets_too() -> None:
    rows = values.table(SCHEMA).splitlines()[2:]
    assert rows[0] == "| **`node`** |  | A section. |"
    assert rows[1] == "| `node.port` | `9650` | A number \\| of two. |"
    assert rows[-1] == "| `global` |  | Set by Helm itself. |"
