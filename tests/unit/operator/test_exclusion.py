"""The label that keeps a node out of load balancing, and when it does not."""

from dataclasses import replace

import pytest

from mooring_api.virtualip import EXCLUSION_LABEL
from mooring_operator.plan.allocations import Allocations
from mooring_operator.plan.explain import why_here
from mooring_operator.plan.planner import Planner, plan

BALANCED = {"distribution": "Balanced"}


def order(result, name="v"):
    """The members of each group, first choice first."""
    return [[each.node for each in group.order] for group in result.statuses[name].groups]


def labelled(documents, *names, value=""):
    """The same documents, in which only these nodes have the label."""
    for document in documents:
        if document["kind"] == "Node":
            labels = document["metadata"]["labels"]
            labels.pop(EXCLUSION_LABEL, None)
            if document["metadata"]["name"] in names:
                labels[EXCLUSION_LABEL] = value
    return documents


def message(result, condition, name="v"):
    return next(each.message for each in result.statuses[name].conditions if each.type == condition)


@pytest.mark.parametrize("value", ["", "true", "false"])
def test_a_labelled_node_is_no_candidate_and_is_told_why(cluster, value):
    documents = [cluster.virtual_ip("v", ["10.0.5.1/16"]), *labelled(cluster.nodes(3), "n-2", value=value)]
    result = cluster.plan(documents)
    (members,) = order(result)
    assert set(members) == {"n-1", "n-3"}
    assert result.node_configs["n-2"].spec.instances == ()
    snapshot = cluster.snapshot(documents)
    (why,) = why_here(result, snapshot.virtual_ips[0], snapshot.nodes[1]).values()
    assert why == f"left out: it has the label {EXCLUSION_LABEL}"
    assert result.remarks["v"] == f"left out by the label {EXCLUSION_LABEL}: n-2"
    assert message(result, "Programmed").endswith(result.remarks["v"])
    assert message(result, "Accepted") == "nothing is wrong with it"
    assert result.problems == ()


def test_a_label_to_be_ignored_is_ignored(cluster):
    vip = cluster.virtual_ip("v", ["10.0.5.1/16"], nodes={"exclusionLabel": "Ignore"})
    plain = cluster.plan([vip, *cluster.nodes(3)])
    result = cluster.plan([vip, *labelled(cluster.nodes(3), "n-1", "n-2")])
    assert result.node_configs == plain.node_configs
    assert dict(result.remarks) == {}


def test_preferred_nodes_are_left_out_as_well_and_no_others_priority_changes(cluster):
    nodes = {"preferred": [{"node": "n-2"}, {"node": "n-1"}]}
    vip = cluster.virtual_ip("v", ["10.0.5.1/16"], nodes=nodes)
    before = cluster.plan([vip, *cluster.nodes(3)])
    after = cluster.plan([vip, *labelled(cluster.nodes(3), "n-2")], before.allocations)
    assert before.statuses["v"].groups[0].order[1:] == after.statuses["v"].groups[0].order


@pytest.mark.parametrize("spec", [{}, BALANCED], ids=["Failover", "Balanced"])
def test_where_all_have_it_the_label_is_set_aside(cluster, spec):
    """The control plane's own address, and a cluster of control-plane nodes alone."""
    vip = cluster.virtual_ip("v", ["10.0.5.1/16", "10.0.5.2/16"], **spec)
    plain = cluster.plan([vip, *cluster.nodes(3)])
    result = cluster.plan([vip, *labelled(cluster.nodes(3), "n-1", "n-2", "n-3")])
    assert result.node_configs == plain.node_configs
    assert result.remarks["v"].startswith(f"only nodes with the label {EXCLUSION_LABEL} can join v-0")


def test_the_label_never_takes_the_last_candidate(cluster):
    """The others have it not, and can't join: one has not reported, one is in another network."""
    documents = labelled([d for d in cluster.nodes(2) if d["metadata"]["name"] != "n-2" or d["kind"] == "Node"], "n-1")
    far = [cluster.node("far", "192.0.2.1"), cluster.report("far", {"eth9": ["192.0.2.1/24"]})]
    vip = cluster.virtual_ip("v", ["10.0.5.1/16"], interface="eth0")
    result = cluster.plan([vip, *documents, *far])
    assert order(result) == [["n-1"]]
    assert result.remarks["v"] == f"only nodes with the label {EXCLUSION_LABEL} can join v-0, so it keeps none out"
    assert result.reasons["v-0"]["n-2"].startswith("not reported")
    # And when another can, it goes.
    result = cluster.plan([vip, *labelled(cluster.nodes(2), "n-1"), *far])
    assert order(result) == [["n-2"]]


def test_groups_are_laid_on_those_that_may_hold_them(cluster):
    addresses = [f"10.0.5.{number}/16" for number in range(1, 7)]
    vip = cluster.virtual_ip("v", addresses, **BALANCED)
    result = cluster.plan([vip, *labelled(cluster.nodes(5), "n-1", "n-4")])
    assert sorted(members[0] for members in order(result)) == ["n-2", "n-3", "n-5"]
    assert all(set(members) == {"n-2", "n-3", "n-5"} for members in order(result))


def test_a_home_that_is_labelled_gets_its_share_back(cluster):
    vip = cluster.virtual_ip("v", [f"10.0.5.{number}/16" for number in range(1, 4)], **BALANCED)
    before = cluster.plan([vip, *cluster.nodes(3)])
    away = cluster.plan([vip, *labelled(cluster.nodes(3), "n-3")], before.allocations)
    assert all("n-3" not in members for members in order(away))
    back = cluster.plan([vip, *cluster.nodes(3)], away.allocations)
    assert back.node_configs == before.node_configs


def test_a_planner_with_a_memory_sees_labels_come_and_go(cluster):
    vip = cluster.virtual_ip("v", ["10.0.5.1/16"], nodes={"maxCandidates": 2})
    planner, allocations = Planner(), Allocations()
    every = [f"n-{number}" for number in range(1, 7)]
    for names in ((), every[:1], every[1:3], every[:3], every, every[2:], every[:5], ()):
        snapshot = cluster.snapshot([vip, *labelled(cluster.nodes(6), *names)])
        result = planner.plan(snapshot, allocations)
        assert result == plan(snapshot, allocations)
        allocations = result.allocations


def test_readiness_has_no_part_in_it(cluster):
    """Kubelets that can't reach the API server change no plan."""
    vip = cluster.virtual_ip("v", ["10.0.5.1/16"])
    snapshot = cluster.snapshot([vip, *labelled(cluster.nodes(3), "n-2")])
    down = replace(snapshot, nodes=tuple(replace(node, ready=False) for node in snapshot.nodes))
    assert plan(down, Allocations()).node_configs == plan(snapshot, Allocations()).node_configs
