"""Pods that nodes must run: who takes part, who is told, and that nobody else's configuration changes."""

import pytest
from tests.unit.operator.scenery import Scenery

from mooring_api.virtualip import Pods
from mooring_operator.plan.allocations import Allocations
from mooring_operator.plan.explain import why_here
from mooring_operator.plan.planner import Planner, plan
from mooring_operator.plan.pods import ready_pod, selection_of
from mooring_operator.plan.reading import snapshot_of

WANTED = {"namespace": "ingress", "selector": {"matchLabels": {"app": "web"}}}


def pod(node, name="web-1", ready="True", **changes):
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "ingress", "name": f"{name}-{node}", "labels": {"app": "web"}},
        "spec": {"nodeName": node},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }
    for part, change in changes.items():
        document[part] = document[part] | change
    return document


@pytest.fixture
def documents(cluster):
    return [cluster.virtual_ip("v", ["10.0.5.1/16", "2001:db8::10/64"], nodes={"pods": WANTED}), *cluster.nodes(3)]


def eligible(result):
    return {node: {i.eligible for i in config.spec.instances} for node, config in result.node_configs.items()}


def programmed(result):
    return next(c for c in result.statuses["v"].conditions if c.type == "Programmed").message


def test_a_node_without_a_ready_pod_is_not_eligible_and_nobody_else_changes(cluster, documents):
    all_ready = cluster.plan([*documents, *(pod(f"n-{i}") for i in (1, 2, 3))])
    result = cluster.plan([*documents, pod("n-1"), pod("n-3"), pod("n-2", ready="False")])
    assert eligible(all_ready) == {"n-1": {True}, "n-2": {True}, "n-3": {True}}
    assert eligible(result) == {"n-1": {True}, "n-2": {False}, "n-3": {True}}
    assert result.problems == all_ready.problems == ()
    for node in ("n-1", "n-3"):
        assert result.node_configs[node] == all_ready.node_configs[node]
    lowered = [i.model_copy(update={"eligible": True}) for i in result.node_configs["n-2"].spec.instances]
    assert tuple(lowered) == all_ready.node_configs["n-2"].spec.instances
    assert result.statuses["v"].groups == all_ready.statuses["v"].groups


def test_condition_and_explanation_name_the_node_without_a_pod(cluster, documents):
    result = cluster.plan([*documents, pod("n-1"), pod("n-3")])
    assert "not eligible without a Ready pod of ingress: n-2" in programmed(result)
    assert result.remarks == {"v": "not eligible without a Ready pod of ingress: n-2"}
    snapshot = snapshot_of(documents)
    reasons = {n.name: why_here(result, snapshot.virtual_ips[0], n)["v-0"] for n in snapshot.nodes}
    assert "no Ready pod" in reasons["n-2"]
    assert "pod" not in reasons["n-1"] + reasons["n-3"]


def test_the_condition_that_is_written_says_so_too(cluster):
    documents = [cluster.virtual_ip("web", ["10.0.5.1/16"], nodes={"pods": WANTED}), *cluster.nodes(2), pod("n-1")]
    scenery = Scenery.of(documents)
    scenery.settle()
    words = "runs on n-1, n-2; not eligible without a Ready pod of ingress: n-2"
    assert scenery.condition("Programmed").message == words


def test_where_no_node_has_a_ready_pod_all_take_part(cluster, documents):
    result = cluster.plan([*documents, pod("n-1", ready="False")])
    assert eligible(result) == {"n-1": {True}, "n-2": {True}, "n-3": {True}}
    assert "no candidate of v-0 has a Ready pod of ingress, so all take part" in programmed(result)


def test_where_no_pod_is_known_all_take_part_and_it_is_said(cluster, documents):
    result = cluster.plan(documents)
    assert eligible(result) == {"n-1": {True}, "n-2": {True}, "n-3": {True}}
    assert "is not known" in programmed(result)


def test_a_virtual_ip_that_asks_for_no_pods_is_not_touched_by_them(cluster):
    documents = [cluster.virtual_ip("v", ["10.0.5.1/16"]), *cluster.nodes(2)]
    assert cluster.plan([*documents, pod("n-1")]) == cluster.plan(documents)


@pytest.mark.parametrize(
    "given",
    [
        pod("n-1", metadata={"deletionTimestamp": "2026-01-01T12:00:00Z"}),
        pod("n-1", metadata={"namespace": "elsewhere"}),
        pod("n-1", metadata={"labels": {"app": "other"}}),
        pod("n-1", metadata={"labels": None}),
        pod("n-1", spec={"nodeName": None}),
        pod("", spec={"nodeName": ""}),
        pod("n-1", status={"conditions": None}),
        pod("n-1", status={"conditions": ["nonsense"]}),
        {"kind": "Pod", "metadata": "nonsense", "spec": 3, "status": []},
        {"kind": "Pod"},
    ],
    ids=range(10),
)
def test_a_pod_that_does_not_count(cluster, documents, given):
    result = cluster.plan([*documents, given, pod("n-3")])
    assert eligible(result) == {"n-1": {False}, "n-2": {False}, "n-3": {True}}


def test_the_pods_of_a_watch_count_instead_of_documents(documents):
    selection = selection_of(Pods.model_validate(WANTED))
    assert selection == ("ingress", "app=web")
    snapshot = snapshot_of([*documents, pod("n-3")], {selection: frozenset({"n-2"})})
    result = plan(snapshot, Allocations())
    assert eligible(result) == {"n-1": {False}, "n-2": {True}, "n-3": {False}}


def test_a_pod_without_a_namespace_is_in_default():
    document = pod("n-1")
    del document["metadata"]["namespace"]
    assert ready_pod(document).namespace == "default"


def test_selections_are_written_as_the_api_server_takes_them():
    terms = [
        {"key": "tier", "operator": "In", "values": ["b", "a"]},
        {"key": "tier", "operator": "NotIn", "values": ["c"]},
        {"key": "live", "operator": "Exists"},
        {"key": "test", "operator": "DoesNotExist"},
    ]
    pods = Pods.model_validate(
        {"namespace": "x", "selector": {"matchLabels": {"app": "web"}, "matchExpressions": terms}}
    )
    assert selection_of(pods) == ("x", "!test,app=web,live,tier in (a,b),tier notin (c)")


def test_a_planner_with_a_memory_sees_pods_come_and_go(documents):
    planner, allocations = Planner(), Allocations()
    for nodes in (("n-1",), ("n-1", "n-2"), (), ("n-2",), ("n-1", "n-2", "n-3"), ("n-1",)):
        snapshot = snapshot_of([*documents, pod("elsewhere"), *(pod(node) for node in nodes)])
        result = planner.plan(snapshot, allocations)
        assert result == plan(snapshot, allocations)
        assert eligible(result) == {f"n-{i}": {f"n-{i}" in nodes or not nodes} for i in (1, 2, 3)}
        allocations = result.allocations


def test_each_group_goes_by_its_own_members(cluster):
    nodes = {"pods": WANTED, "preferred": [{"node": "n-1"}, {"node": "n-2"}], "maxCandidates": 1}
    balanced = cluster.virtual_ip("v", ["10.0.5.1/16", "10.0.5.2/16"], nodes=nodes, distribution="Balanced")
    result = cluster.plan([balanced, *cluster.nodes(2), pod("n-2")])
    # The only member of one group has no pod: somebody must hold its address.
    assert eligible(result) == {"n-1": {True}, "n-2": {True}}
    assert result.remarks["v"].startswith("no candidate of v-0 has")
