"""Documents to a snapshot: what is read, what is told, what is passed over."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_operator.plan.reading import Reading, snapshot_of


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


def test_a_bad_entry_of_a_report_is_told_and_costs_itself(cluster):
    report = cluster.report("a", {"eth0": ["10.0.1.1/16"], "eth1": ["10.1.1.1/16"], "eth2": []}, [("eth0", 7)])
    interfaces = report["status"]["interfaces"]
    interfaces[0] |= {"addresses": ["10.0.1.1/16", "nonsense"], "carrier": "Dormant"}
    interfaces[1]["name"] = 7
    interfaces[2]["addresses"] = "none"
    report["status"]["foreignRouters"].append({"interface": "eth0", "virtualRouterID": 300})
    snapshot = snapshot_of([cluster.node("a", None), report])
    (node,) = snapshot.nodes
    assert [(each.name, each.addresses) for each in node.interfaces] == [("eth0", ("10.0.1.1/16",)), ("eth2", ())]
    assert node.unread
    assert [each.virtual_router_id for each in node.foreign_routers] == [7]
    assert {p.object for p in snapshot.problems} == {"NodeConfig/a"}
    places = ["foreignRouters[1]", "interfaces[0]", "interfaces[1]", "interfaces[2]"]
    assert [p.path[: len("status.") + len(place)] for p, place in zip(snapshot.problems, places, strict=True)] == [
        f"status.{place}" for place in places
    ]


@pytest.mark.parametrize("status", ["nonsense", 7, [1], {"interfaces": "none"}, {"interfaces": {"eth0": []}}])
def test_a_report_that_is_none_is_told_and_the_node_counts_as_silent(cluster, status):
    report = cluster.report("a", {}) | {"status": status}
    snapshot = snapshot_of([cluster.node("a", None), report])
    assert snapshot.nodes[0].interfaces is None
    assert snapshot.nodes[0].unread
    assert [p.object for p in snapshot.problems] == ["NodeConfig/a"]


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


PARTS: dict[str, list[dict[str, Any]]] = {
    "VirtualIP": [
        {"spec": {"addresses": [{"address": "10.0.0.100/24"}]}},
        {"spec": {"addresses": [{"address": "10.0.0.100/24"}]}, "status": {"addressCount": 1}},
        {"spec": {"addresses": []}},
        {"spec": 7},
    ],
    "Node": [
        {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.18"}]}},
        {"spec": {"unschedulable": True}},
        {"status": {"addresses": [{"type": "InternalIP", "address": "none"}]}},
        {"status": []},
    ],
    "NodeConfig": [
        {},
        {"status": {"observedGeneration": 3}},
        {"status": 7},
        {"status": {"interfaces": "none"}},
        {
            "status": {
                "interfaces": [
                    {
                        "name": "eth0",
                        "mac": "02:00:00:00:00:01",
                        "addresses": ["10.0.0.18/16"],
                        "carrier": True,
                        "mtu": 1500,
                    }
                ]
            }
        },
        {
            "spec": {
                "instances": [
                    {"name": "web-0", "virtualRouterID": 66, "addresses": [{"address": "10.0.0.100/24"}]},
                    {"name": "no address", "virtualRouterID": 66},
                ]
            }
        },
    ],
}
VERSIONS = {kind: "v1" if kind == "Node" else "mooring.dev/v1alpha1" for kind in PARTS}
DOCUMENTS = st.lists(
    st.tuples(st.sampled_from(sorted(PARTS)), st.sampled_from("abc"), st.integers(0, 5)),
    max_size=9,
    unique_by=lambda each: each[:2],
)


@given(st.lists(DOCUMENTS, max_size=5))
def test_reading_with_a_memory_gives_what_reading_anew_gives(rounds: list[list[tuple[str, str, int]]]) -> None:
    reading = Reading()
    for round_ in rounds:
        documents = [
            {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": {"name": name}}
            | PARTS[kind][number % len(PARTS[kind])]
            for kind, name, number in round_
        ]
        assert reading.snapshot(documents) == snapshot_of(documents)


def test_what_did_not_change_stays_the_identical_object() -> None:
    reading = Reading()
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}
    report = PARTS["NodeConfig"][4]["status"]
    config = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": "a"}}
    first = reading.snapshot([node, config | {"status": report | {"observedGeneration": 1}}])
    second = reading.snapshot([dict(node), config | {"status": deepcopy(report) | {"observedGeneration": 2}}])
    assert second.nodes[0] is first.nodes[0]
    third = reading.snapshot([dict(node), config | {"status": {"interfaces": []}}])
    assert third.nodes[0] != first.nodes[0]
