"""Accepting a configuration: what is good runs, what is bad keeps its last good form."""

import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.judged import judged, judged_file

from mooring_api.levels import LEVEL
from mooring_node import ledger as ledger_module
from mooring_node.agent import configuration
from mooring_node.agent.configuration import Origin, Outcome, accept, last_good, noted_origin, origin_of
from mooring_node.files import StateFolder
from mooring_node.judge.facts import NodeFacts
from mooring_node.ledger import Entries, Ledger, addresses_of

FACTS = NodeFacts((("eth0", ip_network("10.0.0.0/16")),))


def instance(name: str, router: int, address: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "interface": "eth0", "virtualRouterID": router, "addresses": [{"address": address}]} | more


A = instance("a", 1, "10.0.0.1/24")
B = instance("b", 2, "10.0.0.2/24")
BAD_A = instance("a", 1, "10.0.0.1/24", priority="banana")


class Node:
    """A state folder and a configuration file."""

    def __init__(self, folder: Path) -> None:
        self.state = StateFolder(folder / "state")
        self.state.create()
        self.file = folder / "node.yaml"
        self.facts = FACTS

    def accept(self, *instances: dict[str, Any]) -> Outcome:
        head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": "lb-1"}}
        return self.accept_text(yaml.safe_dump(head | {"spec": {"instances": list(instances)}}))

    def accept_text(self, text: str) -> Outcome:
        self.file.write_text(text)
        return self.accept_file()

    def accept_file(self) -> Outcome:
        return accept(judged_file(self.file, self.facts), self.state)

    def accept_object(self, document: Any) -> Outcome:
        return accept(judged(document, self.facts), self.state, origin_of(document))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def names(outcome: Outcome) -> list[str]:
    assert outcome.runtime is not None
    return [group.name for group in outcome.runtime.groups]


def test_a_good_file_runs_and_is_remembered(node: Node) -> None:
    outcome = node.accept(A, B)
    assert (names(outcome), outcome.changed, outcome.problems) == (["a", "b"], True, ())
    assert last_good(node.state) == outcome.runtime
    assert outcome.runtime is not None
    assert outcome.runtime.generation == 1
    assert Ledger(node.state.ledger).read().addresses == addresses_of(outcome.runtime.groups)


def test_the_generation_counts_changes_alone(node: Node) -> None:
    node.accept(A, B)
    again = node.accept(A, B)
    assert (again.changed, again.runtime and again.runtime.generation) == (False, 1)
    turned = node.accept(B, A)
    assert (turned.changed, turned.runtime and turned.runtime.generation) == (False, 1)
    other = node.accept(A)
    assert (other.changed, other.runtime and other.runtime.generation) == (True, 2)


@pytest.mark.parametrize(
    "text",
    ["", "banana", "{", "a: [", "kind: NodeConfig", "---\n---\n", "\x00", "spec: {instances: []}", "[1]", "--- 7"],
)
def test_junk_changes_nothing(node: Node, text: str) -> None:
    before = node.accept(A)
    ledger, accepted = node.state.ledger.read_bytes(), node.state.accepted.read_bytes()
    outcome = node.accept_text(text)
    assert (outcome.runtime, outcome.changed) == (before.runtime, False)
    assert outcome.errors
    assert all(str(node.file) in str(each) or "NodeConfig" in str(each) for each in outcome.errors)
    assert (node.state.ledger.read_bytes(), node.state.accepted.read_bytes()) == (ledger, accepted)


def test_a_file_that_is_gone_changes_nothing(node: Node) -> None:
    before = node.accept(A)
    node.file.unlink()
    outcome = node.accept_file()
    assert outcome.runtime == before.runtime
    assert "cannot be read" in str(outcome.errors[0])


def test_where_nothing_was_ever_good_nothing_runs(node: Node) -> None:
    assert node.accept_text("banana").runtime is None
    assert node.accept(BAD_A).runtime is None
    assert not node.state.accepted.exists()


def test_an_empty_list_withdraws_everything(node: Node) -> None:
    node.accept(A, B)
    assert names(node.accept()) == []


def test_one_bad_instance_keeps_its_last_good_form_and_the_rest_goes_on(node: Node) -> None:
    node.accept(A)
    outcome = node.accept(BAD_A, B)
    assert sorted(names(outcome)) == ["a", "b"]
    assert outcome.runtime is not None
    assert next(group for group in outcome.runtime.groups if group.name == "a").priority == 100
    (problem,) = outcome.errors
    assert problem.instance == "a"
    assert "priority" in problem.path


def test_a_bad_instance_that_was_never_good_is_left_out(node: Node) -> None:
    assert names(node.accept(BAD_A, B)) == ["b"]


@pytest.mark.parametrize(
    "other",
    [
        instance("c", 9, "10.0.0.1/24"),
        instance("c", 1, "10.0.0.9/24"),
        instance("c", 9, "10.0.0.9/24", syncGroup="a"),
    ],
    ids=["its address", "its router", "its name"],
)
def test_what_is_good_now_comes_before_what_was_good_once(node: Node, other: dict[str, Any]) -> None:
    node.accept(A)
    outcome = node.accept(BAD_A | {"syncGroup": "elsewhere"}, other)
    assert outcome.runtime is not None
    assert [[member.name for member in group.members] for group in outcome.runtime.groups] == [["c"]]
    assert outcome.errors


def test_an_interface_that_cannot_be_resolved_now_keeps_the_last_good_one(node: Node) -> None:
    unnamed = {key: value for key, value in A.items() if key != "interface"}
    node.accept(unnamed, B)
    node.facts = NodeFacts()
    outcome = node.accept(unnamed, B)
    assert sorted(names(outcome)) == ["a", "b"]
    assert outcome.errors[0].instance == "a"
    assert not outcome.changed


def test_the_ledger_is_written_before_what_is_accepted(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.accept(A)
    before = node.state.accepted.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    # The disk is full for the ledger: nothing is accepted.
    with monkeypatch.context() as patched:
        patched.setattr(ledger_module, "write_atomically", full)
        with pytest.raises(OSError, match="No space"):
            node.accept(B)
    assert node.state.accepted.read_bytes() == before
    # It is full for the accepted configuration: the ledger lists both already.
    with monkeypatch.context() as patched:
        patched.setattr(configuration, "write_atomically", full)
        with pytest.raises(OSError, match="No space"):
            node.accept(B)
    assert node.state.accepted.read_bytes() == before
    assert {each.address for each in Ledger(node.state.ledger).read().addresses} == {"10.0.0.1", "10.0.0.2"}
    assert names(node.accept(B)) == ["b"]


def test_the_ledger_still_lists_what_is_being_handed_over(node: Node) -> None:
    node.accept(A)
    node.accept(B)
    assert {each.address for each in Ledger(node.state.ledger).read().addresses} == {"10.0.0.1", "10.0.0.2"}


def test_a_ledger_that_a_stop_has_emptied_is_filled_again(node: Node) -> None:
    node.accept(A)
    Ledger(node.state.ledger).write(Entries())
    assert not node.accept(A).changed
    assert {each.address for each in Ledger(node.state.ledger).read().addresses} == {"10.0.0.1"}


def test_a_last_good_file_of_another_version_is_none(node: Node) -> None:
    node.accept(A)
    raw = json.loads(node.state.accepted.read_text())
    node.state.accepted.write_text(json.dumps(raw | {"format": 99}))
    assert last_good(node.state) is None
    outcome = node.accept(A)
    assert outcome.runtime is not None
    assert outcome.runtime.generation == 1


# An object of the API.


def stored(*instances: Any, generation: int = 1, uid: str = "u1") -> dict[str, Any]:
    metadata = {"name": "lb-1", "uid": uid, "generation": generation, "resourceVersion": "7", "managedFields": [{}]}
    head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": metadata}
    return head | {"spec": {"instances": list(instances)}, "status": {"daemonVersion": "0"}}


def test_an_object_runs_like_a_file_and_its_generation_is_noted(node: Node) -> None:
    outcome = node.accept_object(stored(A, B, generation=7))
    assert (names(outcome), outcome.changed, outcome.problems) == (["a", "b"], True, ())
    assert outcome.origin == Origin("u1", 7)
    assert outcome.runtime is not None
    assert noted_origin(node.state, outcome.runtime) == Origin("u1", 7)


def test_another_generation_that_changes_nothing_here_is_noted_too(node: Node) -> None:
    node.accept_object(stored(A, generation=7))
    again = node.accept_object(stored(A, generation=8))
    assert (again.changed, again.origin) == (False, Origin("u1", 8))
    assert again.runtime is not None
    assert noted_origin(node.state, again.runtime) == Origin("u1", 8)


def test_a_refused_object_leaves_the_origin_of_what_runs(node: Node) -> None:
    node.accept_object(stored(A, generation=7))
    outcome = node.accept_object({"metadata": {"name": "lb-1", "uid": "u1", "generation": 8}})
    assert (names(outcome), outcome.origin) == (["a"], Origin("u1", 7))
    # A file says nothing of generations: what it brings is of none, and what is as before keeps its own.
    assert node.accept(A, B).origin is None
    assert node.accept_object({"spec": 7}).origin is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"runtime": 1}', '{"runtime": 1, "uid": "u", "generation": []}'])
def test_a_note_that_is_none_tells_nothing(content: str, node: Node) -> None:
    runtime = node.accept_object(stored(A)).runtime
    assert runtime is not None
    node.state.origin.write_text(content)
    assert noted_origin(node.state, runtime) is None


def test_a_lost_last_good_one_does_not_let_a_number_mean_two_things(node: Node) -> None:
    node.accept_object(stored(A))
    node.accept_object(stored(A, B, generation=2))
    node.state.accepted.unlink()
    outcome = node.accept_object(stored(B, generation=3))
    assert outcome.runtime is not None
    assert outcome.runtime.generation == 3


def test_an_empty_spec_withdraws_nothing_and_nothing_is_wrong_with_it(node: Node) -> None:
    """So the operator creates what was lost, until it knows what this node runs."""
    node.accept_object(stored(A, B))
    outcome = node.accept_object(stored() | {"spec": {}})
    assert (names(outcome), outcome.changed, outcome.errors) == (["a", "b"], False, ())
    (remark,) = outcome.problems
    assert "are not planned yet" in str(remark)


@pytest.mark.parametrize(
    "half",
    [
        {},
        {"spec": {"virtualServers": []}},
        {"spec": None},
        {"spec": {"instances": None}},
        {"spec": {"instances": {}}},
        {"spec": {"instances": 7}},
        {"spec": {"instances": ["web"]}},
        {"spec": {"instances": [{"virtualRouterID": 1}]}},
        {"spec": {"instances": [{"name": ["a"]}]}},
        {"kind": "Pod"},
        {"apiVersion": "mooring.dev/v9"},
        {"metadata": None},
    ],
    ids=str,
)
def test_half_an_object_withdraws_nothing(half: dict[str, Any], node: Node) -> None:
    node.accept_object(stored(A, B))
    whole = stored()
    if "kind" not in half and "apiVersion" not in half and "metadata" not in half:
        del whole["spec"]
    outcome = node.accept_object(whole | half)
    assert (names(outcome), outcome.changed) == (["a", "b"], False)
    assert outcome.errors
    assert all(str(each).startswith("NodeConfig") for each in outcome.errors)


def test_an_object_with_an_empty_list_withdraws_everything(node: Node) -> None:
    node.accept_object(stored(A, B))
    assert names(node.accept_object(stored(generation=2))) == []


def test_too_many_instances_change_nothing(node: Node) -> None:
    node.accept_object(stored(A))
    outcome = node.accept_object(stored(*[A] * 1025))
    assert (names(outcome), outcome.changed) == (["a"], False)


def test_a_field_that_a_newer_operator_knows_is_a_remark_and_the_instance_runs(node: Node) -> None:
    outcome = node.accept_object(stored(A | {"telepathy": True}, B))
    assert names(outcome) == ["a", "b"]
    assert [(each.instance, each.path) for each in outcome.problems] == [("a", "spec.instances[0].telepathy")]
    assert outcome.errors == ()


def test_an_instance_of_a_higher_level_keeps_its_last_good_form(node: Node) -> None:
    before = node.accept_object(stored(A, B))
    outcome = node.accept_object(stored(A | {"requiredLevel": LEVEL + 1, "virtualRouterID": 9}, B, generation=2))
    assert outcome.runtime == before.runtime
    assert [(each.instance, each.path) for each in outcome.errors] == [("a", "spec.instances[0].requiredLevel")]
    assert f"level {LEVEL + 1}" in outcome.errors[0].message


def test_a_value_of_a_newer_operator_costs_its_instance_alone(node: Node) -> None:
    before = node.accept_object(stored(A, B))
    outcome = node.accept_object(stored(A | {"onStop": "Park"}, B | {"priority": 99}, generation=2))
    assert before.runtime is not None
    assert outcome.runtime is not None
    found = {group.name: group for group in outcome.runtime.groups}
    assert found["a"] == next(group for group in before.runtime.groups if group.name == "a")
    assert found["b"].priority == 99
    assert {each.instance for each in outcome.errors} == {"a"}


def test_a_problem_has_the_number_of_its_instance_as_it_was_written(node: Node) -> None:
    node.facts = NodeFacts()
    unnamed = {key: value for key, value in instance("c", 3, "10.9.0.1/24").items() if key != "interface"}
    outcome = node.accept_object(stored(BAD_A, B, unnamed))
    assert [str(each).split(":")[1] for each in outcome.errors] == [
        " spec.instances[0].priority (instance a)",
        " spec.instances[2].interface (instance c)",
    ]
    assert outcome.waits
