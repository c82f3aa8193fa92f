"""By one object the operator learns whether the definitions have every field that it may write."""

from collections.abc import Iterator
from typing import Any

import yaml
from tests.upgrades.compatibility import Schema, schema_of
from tests.upgrades.record import CRDS

from mooring_api.nodeconfig import NodeConfig
from mooring_api.reading import read_node_config
from mooring_api.wire import parse_object
from mooring_operator.cluster.sample import SAMPLE


def missing(values: list[Any], schema: Schema, place: str) -> Iterator[str]:
    """Fields of a schema that none of these values has."""
    if "items" in schema:
        yield from missing([each for one in values for each in one], schema["items"], f"{place}[]")
    for name, below in schema.get("properties", {}).items():
        found = [one[name] for one in values if name in one]
        if found:
            yield from missing(found, below, f"{place}.{name}")
        else:
            yield f"{place}.{name}"


def test_the_sample_is_valid_and_has_every_field_of_the_spec() -> None:
    schema = schema_of(yaml.safe_load((CRDS / "mooring.dev_nodeconfigs.yaml").read_text()))["properties"]["spec"]
    whole = parse_object(NodeConfig, SAMPLE, "sample").to_wire()
    assert list(missing([whole["spec"]], schema, "spec")) == []
    assert read_node_config(SAMPLE, source="api")[1] == ()
