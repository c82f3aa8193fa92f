"""Objects that cannot be read: stored under an older, looser definition, or by hand."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.cluster.operator.scenery import SOON_S, Cluster, Daemons, addresses_of

from mooring_kube.client import Client
from mooring_kube.errors import BadRequest, Invalid
from mooring_kube.resources import CUSTOM_RESOURCE_DEFINITIONS, EVENTS, NODE_CONFIGS, VIRTUAL_IPS, Resource
from mooring_lab.wait import wait_until

pytestmark = pytest.mark.cluster

ANYTHING = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}


@contextmanager
def loose(client: Client, resource: Resource) -> Iterator[None]:
    """Meanwhile the API server takes anything for an object of this kind."""
    name = f"{resource.plural}.{resource.group}"
    path = CUSTOM_RESOURCE_DEFINITIONS.path(None, name)
    strict = client.get(CUSTOM_RESOURCE_DEFINITIONS, name)
    (version,) = strict["spec"]["versions"]
    _put(client, path, [version | {"schema": ANYTHING}])
    try:
        yield
    finally:
        _put(client, path, [version])


def _put(client: Client, path: str, versions: list[dict[str, Any]]) -> None:
    document = client.request("GET", path)
    client.request("PUT", path, body=document | {"spec": document["spec"] | {"versions": versions}})


def patch(
    client: Client, resource: Resource, name: str, change: dict[str, Any], subresource: str | None = None
) -> None:
    """Change it, as soon as the API server has taken the loose definition in."""

    def taken() -> bool:
        try:
            client.merge_patch(resource, name, change, subresource=subresource)
        except (BadRequest, Invalid):
            return False
        return True

    wait_until(taken, SOON_S, f"{name} to be changed", every=0.2)


def test_a_virtual_ip_that_cannot_be_read_says_so_keeps_its_addresses_and_costs_no_other(cluster: Cluster) -> None:
    names = ["n1", "n2"]
    cluster.add_nodes(names)
    operator = cluster.leader()
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8")
        cluster.wait_for("web")
        held = cluster.instances("n1")["web-0"]
        with loose(cluster.client, VIRTUAL_IPS):
            patch(cluster.client, VIRTUAL_IPS, "web", {"spec": {"vrrp": {"version": 9}}})
            wait_until(lambda: cluster.condition("web", "Accepted").get("reason") == "Invalid", SOON_S, "the complaint")
        assert "spec.vrrp.version" in cluster.condition("web", "Accepted")["message"]
        cluster.apply("api", "10.0.0.101/8")
        cluster.wait_for("api")
        assert cluster.instances("n1")["web-0"] == held
        # Another operator finds it so.
        operator.end()
        cluster.leader()
        assert cluster.instances("n1")["web-0"] == held
        cluster.client.delete(VIRTUAL_IPS, "web")
        wait_until(lambda: list(cluster.instances("n1")) == ["api-0"], SOON_S, "what it held to be withdrawn")


def test_a_config_that_cannot_be_read_is_told_and_mended(cluster: Cluster) -> None:
    names = ["n1", "n2"]
    cluster.add_nodes(names)
    cluster.leader()
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8")
        cluster.wait_for("web")
        wanted = cluster.instances("n2")["web-0"]
        with loose(cluster.client, NODE_CONFIGS):
            patch(cluster.client, NODE_CONFIGS, "n1", {"status": {"interfaces": "eth0"}}, "status")
            told = wait_until(
                lambda: [e for e in cluster.client.list(EVENTS, "default").items if e["reason"] == "Unreadable"],
                SOON_S,
                "the event",
            )
            assert told[0]["involvedObject"]["name"] == "n1"
            assert "status.interfaces" in told[0]["message"]
            odd = {"spec": {"instances": [{"name": "web-0", "priority": "high"}]}}
            patch(cluster.client, NODE_CONFIGS, "n2", odd)
            wait_until(lambda: cluster.instances("n2").get("web-0") == wanted, SOON_S, "it to be mended")
            # Nobody knows n1's interfaces now; what it runs stays.
            assert list(cluster.instances("n1")) == ["web-0"]
            # Before the strict definition is back, under which it could not be written any more.
            patch(cluster.client, NODE_CONFIGS, "n1", {"status": None}, "status")


def test_definitions_of_an_older_version_are_told_before_anything_is_written(cluster: Cluster) -> None:
    cluster.add_nodes(["n1"])
    name = f"{NODE_CONFIGS.plural}.{NODE_CONFIGS.group}"
    path = CUSTOM_RESOURCE_DEFINITIONS.path(None, name)
    (version,) = cluster.client.get(CUSTOM_RESOURCE_DEFINITIONS, name)["spec"]["versions"]
    older = copy.deepcopy(version)
    schema = older["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["instances"]["items"]
    del schema["properties"]["alsoAccept"]
    _put(cluster.client, path, [older])
    try:
        operator = cluster.operator()
        wait_until(lambda: "older than this operator" in operator.ask("/readyz")[1], SOON_S, "the complaint")
        assert "alsoAccept" in operator.ask("/readyz")[1]
        assert not cluster.config("n1")
        assert operator.ask("/healthz")[0] == 200
    finally:
        _put(cluster.client, path, [version])
    wait_until(operator.settled, SOON_S, "the operator to lead once they are up to date")
