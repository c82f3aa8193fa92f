"""What fits beside each other: a VRID on an interface is one instance's alone."""

from ipaddress import ip_network
from typing import Any

import pytest
from tests.judged import judged

from mooring_api.problems import Problem
from mooring_node.agent.fitting import without_taken
from mooring_node.judge.facts import NodeFacts
from mooring_node.vrrp.config import GroupConfig

FACTS = NodeFacts((("eth1", ip_network("10.0.0.0/24")),))
PLAIN = {"name": "a", "virtualRouterID": 1, "addresses": [{"address": "10.0.0.100/24"}]}


def fitting(*instances: dict[str, Any]) -> tuple[tuple[GroupConfig, ...], tuple[Problem, ...]]:
    head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": "lb-1"}}
    judgement = judged(head | {"spec": {"instances": list(instances)}}, FACTS)
    assert judgement.problems == ()
    return without_taken(judgement.groups, "lb-1")


@pytest.mark.parametrize(
    ("first", "second", "path"),
    [
        ({"virtualRouterID": 1}, {"virtualRouterID": 1}, "spec.instances[].virtualRouterID"),
        ({"virtualRouterID": 1}, {"virtualRouterID": 2, "alsoAccept": [{"virtualRouterID": 1}]}, "alsoAccept"),
        (
            {"virtualRouterID": 1, "alsoAccept": [{"virtualRouterID": 3}]},
            {"virtualRouterID": 2, "alsoAccept": [{"virtualRouterID": 3}]},
            "alsoAccept",
        ),
    ],
)
def test_a_vrid_that_two_have_on_the_interface_that_was_found_is_the_second_one_s_problem(
    first: dict[str, Any], second: dict[str, Any], path: str
) -> None:
    named = PLAIN | first | {"name": "a", "interface": "eth1"}
    found = PLAIN | second | {"name": "b", "addresses": [{"address": "10.0.0.101/24"}]}
    groups, (problem,) = fitting(named, found)
    assert [group.name for group in groups] == ["a"]
    assert problem.instance == "b"
    assert path in problem.path
    assert "on eth1; take another one" in str(problem)


def test_who_sends_a_vrid_has_it_before_who_accepts_it() -> None:
    accepts = PLAIN | {"interface": "eth1", "alsoAccept": [{"virtualRouterID": 2}]}
    sends = PLAIN | {"name": "b", "virtualRouterID": 2, "addresses": [{"address": "10.0.0.101/24"}]}
    groups, (problem,) = fitting(accepts, sends)
    assert [group.name for group in groups] == ["b"]
    assert (problem.instance, problem.path) == ("a", "spec.instances[].alsoAccept")
