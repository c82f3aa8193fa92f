"""VirtualServers on a real API server: from a user's object and a Service's slices to the nodes, and the words back."""

import time
from collections.abc import Iterable
from functools import partial

import pytest
from tests.cluster.operator.scenery import SHOP, SOON_S, Cluster, Daemons, addresses_of

from mooring_kube.resources import ENDPOINT_SLICES, EVENTS, VIRTUAL_SERVERS
from mooring_lab.api.kubectl import Kubectl
from mooring_lab.wait import wait_until

pytestmark = pytest.mark.cluster

ALL = {"from": "All"}
GOOD = {"Accepted": "Accepted", "Programmed": "Programmed", "Ready": "Ready"}


def _events(cluster: Cluster, reason: str) -> list[str]:
    return [each["message"] for each in cluster.client.list(EVENTS, SHOP).items if each["reason"] == reason]


def _is_good(cluster: Cluster, name: str) -> bool:
    return cluster.server_reasons(name) == GOOD


def _all_have(cluster: Cluster, nodes: Iterable[str], address: str) -> bool:
    return all(cluster.backends(node) == [address] for node in nodes)


def _has_once(cluster: Cluster, node: str, address: str) -> bool:
    return cluster.backends(node).count(address) == 1


def test_one_virtual_server_the_whole_way(cluster: Cluster, kubectl: Kubectl) -> None:
    names = ["n1", "n2", "n3"]
    cluster.add_nodes(names)
    operator = cluster.leader()
    with Daemons(cluster.client, addresses_of(names)).running() as daemons:
        cluster.apply("web", "10.0.0.100/8", nodes={"preferred": [{"node": "n2"}]}, allowedNamespaces=ALL)
        cluster.balance("shop")
        cluster.endpoints("shop", "10.2.0.1", "10.2.0.2")
        wait_until(lambda: cluster.server_reasons("shop") == GOOD, SOON_S, "the VirtualServer to be ready")
        assert all(cluster.backends(name) == ["10.2.0.1", "10.2.0.2"] for name in names)
        row = kubectl("get", "mvs", "shop", "-n", SHOP, "--no-headers").stdout.split()
        assert row[:8] == ["shop", "web", "443/TCP", "2/2", "n2", "True", "True", "True"]

        daemons.fail(a10_2_0_2="connection refused")
        wait_until(lambda: cluster.server_reasons("shop")["Ready"] == "Degraded", SOON_S, "a backend to be down")
        (port,) = cluster.server_status("shop")["ports"]
        assert (port["node"], port["up"], port["down"]) == ("n2", 1, 1)
        assert port["backends"][0]["reason"] == "connection refused"
        wait_until(lambda: _events(cluster, "BackendDown"), SOON_S, "the event")
        described = kubectl("describe", "mvs", "shop", "-n", SHOP).stdout
        assert "10.2.0.2:8443 (connection refused)" in described.split("Events:")[1]

        daemons.fail(a10_2_0_1="no route", a10_2_0_2="connection refused")
        wait_until(lambda: cluster.server_reasons("shop")["Ready"] == "NoQuorum", SOON_S, "the quorum to be lost")
        daemons.fail()
        wait_until(lambda: cluster.server_reasons("shop") == GOOD, SOON_S, "all to be well again")
        wait_until(lambda: _events(cluster, "QuorumGained"), SOON_S, "the event")
        cluster.client.delete(VIRTUAL_SERVERS, "shop", SHOP)
        wait_until(lambda: not any(map(cluster.backends, names)), SOON_S, "the nodes to be without it")
    assert operator.metric("mooring_operator_writes_total", result="failed") == 0
    assert operator.metric("mooring_operator_writes_total", result="refused") == 0


def test_a_slice_that_changes_is_on_the_nodes_soon(cluster: Cluster) -> None:
    names = ["n1", "n2"]
    cluster.add_nodes(names)
    cluster.leader()
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8", allowedNamespaces=ALL)
        cluster.balance("shop")
        cluster.endpoints("shop", "10.2.0.1")
        wait_until(lambda: cluster.server_reasons("shop") == GOOD, SOON_S, "the VirtualServer to be ready")
        conditions = cluster.server_status("shop")["conditions"]
        took = []
        for number in range(2, 5):
            began = time.monotonic()
            cluster.endpoints("shop", f"10.2.0.{number}")
            wait_until(
                partial(_all_have, cluster, names, f"10.2.0.{number}"),
                SOON_S,
                "the new endpoint to be on the nodes",
                every=0.02,
            )
            took.append(time.monotonic() - began)
        print(f"a changed slice was on all nodes after {', '.join(f'{each:.2f}' for each in took)} s")
        assert cluster.server_status("shop")["conditions"] == conditions


def test_a_service_that_flaps_does_not_cost_a_write_each_time(cluster: Cluster) -> None:
    names = [f"n{number}" for number in range(1, 9)]
    cluster.add_nodes(names)
    operator = cluster.leader()
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8", allowedNamespaces=ALL)
        cluster.balance("shop")
        cluster.endpoints("shop", "10.2.0.1")
        wait_until(lambda: cluster.server_reasons("shop") == GOOD, SOON_S, "the VirtualServer to be ready")
        wait_until(operator.settled, SOON_S, "the operator to settle")
        before, began = operator.written(kind="NodeConfig"), time.monotonic()
        changes = 0
        while time.monotonic() - began < 5.0:
            cluster.endpoints("shop", f"10.2.0.{changes % 200 + 1}")
            changes += 1
        cluster.endpoints("shop", "10.1.1.1")
        wait_until(lambda: all(cluster.backends(name) == ["10.1.1.1"] for name in names), SOON_S, "the last change")
        seconds, written = time.monotonic() - began, operator.written(kind="NodeConfig") - before
        print(f"{changes} changes in {seconds:.1f} s: {written:.0f} writes to {len(names)} NodeConfigs")
        # Four quick ones, and one a second.
        assert written <= len(names) * (seconds + 5)


def test_killed_and_started_again_it_keeps_what_is_balanced(cluster: Cluster) -> None:
    """While nobody has listed the endpoints yet, none would seem to be there."""
    names = ["n1", "n2"]
    cluster.add_nodes(names)
    first = cluster.leader()
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8", allowedNamespaces=ALL)
        for name in ("shop", "mail"):
            cluster.balance(name, ports=[{"name": "https", "port": 443 if name == "shop" else 444}])
            cluster.endpoints(name, "10.2.0.1", "10.2.0.2")
        for name in ("shop", "mail"):
            wait_until(partial(_is_good, cluster, name), SOON_S, f"{name} to be ready")
        wait_until(first.settled, SOON_S, "the operator to settle")
        first.end()
        before = cluster.versions()
        second = cluster.leader()
        wait_until(second.settled, SOON_S, "the second to have settled")
        cluster.endpoints("shop", "10.2.0.1")
        for name in names:
            wait_until(partial(_has_once, cluster, name, "10.2.0.2"), SOON_S, f"the change to be on {name}")
        wait_until(second.settled, SOON_S, "the second to have settled again")
        # One for each node, and none before that.
        assert second.written(kind="NodeConfig") == len(before)


def test_of_other_services_the_operator_hears_nothing(cluster: Cluster) -> None:
    cluster.add_nodes(["n1"])
    operator = cluster.leader()
    with Daemons(cluster.client, addresses_of(["n1"])).running():
        cluster.apply("web", "10.0.0.100/8", allowedNamespaces=ALL)
        cluster.balance("shop")
        cluster.endpoints("shop", "10.2.0.1")
        wait_until(lambda: cluster.server_reasons("shop") == GOOD, SOON_S, "the VirtualServer to be ready")
        wait_until(operator.settled, SOON_S, "the operator to settle")
        turns = operator.metric("mooring_operator_reconcile_seconds_count")
        for number in range(20):
            cluster.endpoints("other", f"10.2.0.{number + 1}")
        cluster.endpoints("shop", "10.2.0.2")
        wait_until(lambda: cluster.backends("n1") == ["10.2.0.2"], SOON_S, "the change of the Service that is named")
        wait_until(operator.settled, SOON_S, "the operator to settle")
        assert operator.metric("mooring_operator_reconcile_seconds_count") - turns < 15
        assert len(cluster.client.list(ENDPOINT_SLICES, SHOP).items) == 2
