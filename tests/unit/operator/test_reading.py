"""Documents to a snapshot: what is read, what is told, what is passed over."""

import pytest

from mooring_operator.reading import snapshot_of


def test_a_node_as_kubernetes_shows_it(cluster):
    document = cluster.node("a", "10.0.1.1", {"pool": "edge"})
    document["spec"] = {"unschedulable": True, "podCIDR": "10.244.0.0/24"}
    document["status"]["addresses"].append({"type": "Hostname", "address": "a"})
    document["status"]["conditions"] = [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]
    (node,) = snapshot_of([document]).nodes
    assert (node.name, node.uid, node.labels) == ("a", "uid-a", {"pool": "edge"})
    assert (node.cordoned, node.ready, node.internal_addresses) == (True, False, ("10.0.1.1",))
    assert node.interfaces is None


def test_a_report_of_a_newer_daemon_is_read(cluster):
    report = cluster.report("a", {"eth0": ["10.0.1.1/16"]})
    report["status"]["nonce"] = "x"
    report["status"]["interfaces"][0]["speed"] = 10_000
    snapshot = snapshot_of([cluster.node("a", None), report])
    assert snapshot.problems == ()
    assert [r.name for r in snapshot.nodes[0].interfaces] == ["eth0"]


def test_a_node_config_without_a_report_is_no_report(cluster):
    report = cluster.report("a", {})
    del report["status"]["interfaces"]
    assert snapshot_of([cluster.node("a", None), report]).nodes[0].interfaces is None


def test_a_bad_report_is_told_and_the_node_counts_as_silent(cluster):
    report = cluster.report("a", {"eth0": ["10.0.1.1/16"]})
    report["status"]["interfaces"][0]["addresses"] = ["nonsense"]
    snapshot = snapshot_of([cluster.node("a", None), report])
    assert snapshot.nodes[0].interfaces is None
    assert [(p.object, p.path) for p in snapshot.problems] == [("NodeConfig/a", "status.interfaces[0].addresses[0]")]


@pytest.mark.parametrize("status", [None, {}, "nonsense", {"groups": [{"name": 7}]}])
def test_a_status_that_cannot_be_read_costs_nothing(cluster, status):
    snapshot = snapshot_of([cluster.virtual_ip("v", ["10.0.5.1/16"]) | {"status": status}])
    assert snapshot.problems == ()
    assert len(snapshot.virtual_ips) == 1


def test_an_object_that_is_there_twice(cluster):
    one = cluster.virtual_ip("v", ["10.0.5.1/16"])
    other = cluster.virtual_ip("v", ["10.0.5.2/16"])
    assert snapshot_of([one, one]).problems == ()
    forward, backward = snapshot_of([one, other]), snapshot_of([other, one])
    assert forward == backward
    assert "is there twice" in forward.problems[0].message


@pytest.mark.parametrize("metadata", [None, {}, {"name": ""}, "v", {"name": 3}])
def test_an_object_without_a_name_is_told(cluster, metadata):
    (problem,) = snapshot_of([cluster.virtual_ip("v", ["10.0.5.1/16"]) | {"metadata": metadata}]).problems
    assert (problem.object, problem.path) == ("VirtualIP", "metadata.name")


def test_another_version_is_told(cluster):
    snapshot = snapshot_of([cluster.virtual_ip("v", ["10.0.5.1/16"]) | {"apiVersion": "mooring.dev/v9"}])
    assert snapshot.problems[0].path == "apiVersion"
    assert snapshot.unreadable == {"v"}
