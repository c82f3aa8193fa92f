"""A NodeConfig is used as far as it can be; the rest is reported by name."""

from typing import Any

import pytest

from mooring_api.problems import InvalidObject, Problem, Severity
from mooring_api.reading import Source, read_node_config


def _others(instance: Any) -> list[dict[str, Any]]:
    return [
        instance(name=name, virtualRouterID=number, addresses=[{"address": f"10.0.0.{number}/24"}])
        for name, number in (("a", 1), ("b", 2), ("c", 3))
    ]


def _read(document: Any, source: Source) -> tuple[list[str], list[tuple[str, str, str]]]:
    config, problems = read_node_config(document, source=source)
    names = [instance.name for instance in config.spec.instances]
    return names, [(problem.severity.value, problem.instance, problem.path) for problem in problems]


@pytest.mark.parametrize("source", ["file", "api"])
def test_a_good_one_is_read_whole(node_config: Any, instance: Any, source: Source) -> None:
    assert _read(node_config(*_others(instance)), source) == (["a", "b", "c"], [])


@pytest.mark.parametrize("source", ["file", "api"])
def test_one_bad_instance_costs_only_itself(node_config: Any, instance: Any, source: Source) -> None:
    a, b, c = _others(instance)
    document = node_config(a, b | {"onStop": "Hover", "priority": 0}, c)
    assert _read(document, source) == (
        ["a", "c"],
        [("Error", "b", "spec.instances[1].priority"), ("Error", "b", "spec.instances[1].onStop")],
    )


def test_a_sync_group_goes_with_its_bad_member(node_config: Any, instance: Any) -> None:
    a, b, c = (member | {"syncGroup": group} for member, group in zip(_others(instance), "xxy", strict=True))
    _, problems = read_node_config(node_config(a, b | {"version": 9}, c), source="file")
    assert _read(node_config(a, b | {"version": 9}, c), "file")[0] == ["c"]
    assert [(problem.instance, problem.path) for problem in problems] == [
        ("b", "spec.instances[1].version"),
        ("a", "spec.instances[0]"),
    ]
    assert problems[1].message == "left out with b of its sync group; correct that one"


def test_an_instance_named_as_the_sync_group_goes_with_it(node_config: Any, instance: Any) -> None:
    a, b, c = _others(instance)
    assert _read(node_config(a | {"version": 9}, b | {"syncGroup": "a"}, c), "file")[0] == ["c"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"virtualRouterID": 1}, "virtualRouterID"),
        ({"addresses": [{"address": "10.0.0.1"}]}, "addresses[0].address"),
    ],
)
def test_of_two_in_conflict_the_first_stands(
    node_config: Any, instance: Any, change: dict[str, Any], path: str
) -> None:
    a, b, c = _others(instance)
    assert _read(node_config(a, c, b | change), "file") == (
        ["a", "c"],
        [("Error", "b", f"spec.instances[2].{path}")],
    )


def test_two_of_one_name_are_one_sync_group_and_go_together(node_config: Any, instance: Any) -> None:
    a, b, c = _others(instance)
    names, found = _read(node_config(a, c, b | {"name": "a"}), "file")
    assert names == ["c"]
    assert found == [("Error", "a", "spec.instances[2].name"), ("Error", "a", "spec.instances[0]")]


def test_where_no_sync_group_is_written_none_is_spoken_of(node_config: Any, instance: Any) -> None:
    a, b, _ = _others(instance)
    _, problems = read_node_config(node_config(a, b | {"name": "a", "priority": "high"}), source="file")
    assert [problem.message for problem in problems] == [
        "must be a whole number; 'high' was given",
        "left out with the other one of this name; correct that one",
    ]


def test_members_that_disagree_are_all_left_out(node_config: Any, instance: Any) -> None:
    a, b, c = _others(instance)
    names, found = _read(node_config(a | {"syncGroup": "x"}, b | {"syncGroup": "x", "priority": 7}, c), "file")
    assert names == ["c"]
    assert found == [("Error", "b", "spec.instances[1].priority"), ("Error", "a", "spec.instances[0]")]


def test_unknown_fields_are_errors_in_a_file(node_config: Any, instance: Any) -> None:
    a, b, _ = _others(instance)
    document = node_config(a | {"fastMode": 1}, b, extra=1)
    document["spec"]["addressPools"] = []
    assert _read(document, "file") == (
        ["b"],
        [
            ("Error", "", "extra"),
            ("Error", "", "spec.addressPools"),
            ("Error", "a", "spec.instances[0].fastMode"),
        ],
    )


def test_unknown_fields_are_dropped_with_a_remark_from_the_api(node_config: Any, instance: Any) -> None:
    a, b, _ = _others(instance)
    a["transport"]["mtu"] = 1400
    a["addresses"].append({"address": "10.0.0.9", "colour": "red"})
    document = node_config(a, b | {"later": {"x": 1}})
    document["spec"]["addressPools"] = []
    before = repr(document)
    assert _read(document, "api") == (
        ["a", "b"],
        [
            ("Remark", "", "spec.addressPools"),
            ("Remark", "a", "spec.instances[0].transport.mtu"),
            ("Remark", "a", "spec.instances[0].addresses[1].colour"),
            ("Remark", "b", "spec.instances[1].later"),
        ],
    )
    assert repr(document) == before


def test_an_unknown_field_hides_no_rule_across_the_fields_beside_it(node_config: Any, instance: Any) -> None:
    a, b, _ = _others(instance)
    slow = {"version": 2, "advertisementInterval": "1500ms"}
    assert _read(node_config(a | slow, b), "file")[1] == [("Error", "a", "spec.instances[0].advertisementInterval")]
    assert _read(node_config(a | slow | {"later": 1}, b), "file") == (
        ["b"],
        [("Error", "a", "spec.instances[0].later"), ("Error", "a", "spec.instances[0].advertisementInterval")],
    )
    # What is wrong with a field itself is told once.
    assert _read(node_config(a | {"later": 1, "priority": 0}, b), "file")[1] == [
        ("Error", "a", "spec.instances[0].priority"),
        ("Error", "a", "spec.instances[0].later"),
    ]


def test_an_unknown_value_beside_an_unknown_field_is_still_an_error(node_config: Any, instance: Any) -> None:
    a, b, _ = _others(instance)
    assert _read(node_config(a | {"later": 1, "checksum": "New"}, b), "api") == (
        ["b"],
        [("Remark", "a", "spec.instances[0].later"), ("Error", "a", "spec.instances[0].checksum")],
    )


@pytest.mark.parametrize(
    ("source", "credentials", "path", "remedy"),
    [
        ("file", {"password": "666"}, "", ""),
        ("api", {"secretRef": {"name": "web"}}, "", ""),
        ("file", {"secretRef": {"name": "web"}}, "secretRef", "write password instead"),
        ("api", {"password": "666"}, "password", "write secretRef"),
    ],
)
def test_a_file_holds_the_password_the_api_names_the_secret(
    node_config: Any, instance: Any, source: Source, credentials: dict[str, Any], path: str, remedy: str
) -> None:
    a, b, _ = _others(instance)
    a |= {"version": 2, "authentication": {"type": "Password"} | credentials}
    config, problems = read_node_config(node_config(a, b), source=source)
    assert len(config.spec.instances) == (1 if path else 2)
    assert [problem.path for problem in problems] == ([f"spec.instances[0].authentication.{path}"] if path else [])
    assert all(remedy in problem.message and "666" not in problem.message for problem in problems)


def test_an_unquoted_password_says_to_quote_it(node_config: Any, instance: Any) -> None:
    credentials = {"type": "Password", "password": 666}
    _, problems = read_node_config(node_config(instance(version=2, authentication=credentials)), source="file")
    assert [str(problem) for problem in problems] == [
        "NodeConfig lb-1: spec.instances[0].authentication.password (instance web-0): must be text; put it in quotes"
    ]


@pytest.mark.parametrize("bad", [None, 7, "web", [], {}, {"name": 7}, {"name": "x", "syncGroup": []}])
def test_any_bad_item_leaves_the_others(node_config: Any, instance: Any, bad: Any) -> None:
    names, found = _read(node_config(*_others(instance), bad), "api")
    assert names == ["a", "b", "c"]
    assert found
    assert all(path.startswith("spec.instances[3]") for _, _, path in found)


def test_a_bad_status_is_no_reason_to_refuse_the_spec(node_config: Any, instance: Any) -> None:
    names, found = _read(node_config(*_others(instance), status={"instances": 7}), "api")
    assert (names, found) == (["a", "b", "c"], [("Warning", "", "status")])


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        (None, [""]),
        ([], [""]),
        ({}, ["apiVersion", "kind", "metadata"]),
        ({"apiVersion": "mooring.dev/v2", "kind": "NodeConfig", "metadata": {"name": "a"}}, ["apiVersion"]),
        ({"apiVersion": "mooring.dev/v1alpha1", "kind": "VirtualIP", "metadata": {"name": "a"}}, ["kind"]),
        ({"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {}}, ["metadata.name"]),
    ],
)
def test_nothing_can_be_used(document: Any, paths: list[str]) -> None:
    with pytest.raises(InvalidObject) as caught:
        read_node_config(document, source="file")
    assert [problem.path for problem in caught.value.problems] == paths


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ([], "spec"),
        (None, "spec"),
        ({"instances": {}}, "spec.instances"),
        ({"instances": [{}] * 1025}, "spec.instances"),
    ],
)
def test_a_spec_of_another_shape_cannot_be_used(node_config: Any, spec: Any, path: str) -> None:
    with pytest.raises(InvalidObject) as caught:
        read_node_config(node_config(spec=spec), source="api")
    assert [(problem.path, problem.severity) for problem in caught.value.problems] == [(path, Severity.ERROR)]


def test_problems_name_the_object(node_config: Any) -> None:
    _, problems = read_node_config(node_config(extra=1), source="api")
    assert problems == (Problem("NodeConfig lb-1", "extra", "unknown field; it is not used", Severity.REMARK),)
