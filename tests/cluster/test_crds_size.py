"""How large an object may be: what the limits of the contract promise, a real API server stores.

Rules cost the API server time, which it bounds; and etcd takes no object over 1.5 MiB, with its defaults written out.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from mooring_api.health_check import MAX_CHECKS
from mooring_api.nodeconfig import MAX_ADDRESSES, MAX_INSTANCES, NodeConfigSpec
from mooring_api.virtualserver import MAX_PORTS, MAX_STATIC_SERVERS
from mooring_kube.client import Client
from mooring_kube.errors import Invalid, ServerError
from mooring_kube.resources import NODE_CONFIGS, VIRTUAL_IPS, VIRTUAL_SERVERS

HEAD = {"apiVersion": "mooring.dev/v1alpha1", "metadata": {"name": "big"}}
STRICT = {"fieldValidation": "Strict"}
MIB = 1024 * 1024


def _virtual_ip(addresses: int) -> dict[str, Any]:
    """With everything that its rules look at, all of it as long as it can be."""
    longest = [f"2001:db8:1111:2222:3333:4444:{n + 4096:x}:5555/128" for n in range(addresses)]
    expression = {"key": "k" * 253, "operator": "In", "values": ["v" * 63] * 64}
    spec = {
        "addresses": [{"address": address, "interface": "bond0.4000"} for address in longest],
        "distribution": "Balanced",
        "nodes": {
            "selector": {"matchExpressions": [expression] * 16},
            "preferred": [{"node": f"node-{n}"} for n in range(24)],
            "overrides": [{"node": f"node-{n}", "source": "fe80::ff:fe00:1%eth0"} for n in range(256)],
        },
        "vrrp": {
            "virtualRouterIDs": list(range(1, 65)),
            "transport": {"type": "Multicast", "group": "ff02::12"},
        },
    }
    return HEAD | {"kind": "VirtualIP", "spec": spec}


def _node_config(instances: int, members: int, forms: int = 0) -> dict[str, Any]:
    """As the operator writes it for so many VirtualIPs of one address; `forms`: while changes go round."""
    way = {"type": "Unicast", "peers": [f"10.0.0.{20 + n}" for n in range(members - 1)]}
    one = [
        {
            "name": f"virtual-ip-{n}-0",
            "virtualIP": f"virtual-ip-{n}",
            "syncGroup": f"virtual-ip-{n}-0",
            "interface": f"bond0.{n // 255}",
            "virtualRouterID": n % 255 + 1,
            "transport": way | {"source": "10.0.0.19"},
            "alsoAccept": [{"virtualRouterID": n % 255 + 1, "transport": way}] * forms,
            "addresses": [{"address": f"10.1.{n // 256}.{n % 256}/16", "interface": f"bond0.{n // 255}"}],
        }
        for n in range(instances)
    ]
    return HEAD | {"kind": "NodeConfig", "spec": {"instances": one}}


def _health_check(number: int) -> dict[str, Any]:
    """With everything that its rules look at."""
    request = {"path": "/" + "p" * 1023, "digest": {"md5": "0" * 32}, "bodyPattern": "b" * 512}
    https = {"requests": [request] * 8, "certificate": "Verify", "serverName": "s" * 253, "authorities": "a" * 8192}
    return {"name": f"check-{number}", "connectAddress": "10.0.0.28", "interval": "500ms", "https": https}


def _virtual_server() -> dict[str, Any]:
    spec = {
        "virtualIPRef": {"name": "web"},
        "addresses": [f"10.0.0.{n}" for n in range(1, 65)],
        "ports": [{"name": f"port-{n}", "port": n + 1} for n in range(MAX_PORTS)],
        "forwarding": "DirectRoute",
        "backends": {
            "servers": [
                {"address": f"10.0.{n // 200}.{n % 200 + 1}", "connectionLimits": {"upper": 9, "lower": 1}}
                for n in range(MAX_STATIC_SERVERS)
            ]
        },
        "healthChecks": [_health_check(n) for n in range(MAX_CHECKS)],
    }
    return HEAD | {"kind": "VirtualServer", "spec": spec}


def _balancing(servers: int, backends: int) -> dict[str, Any]:
    """As the operator writes it for so many VirtualServers of one port."""
    one = [
        {
            "name": f"shop-{n}/shop:https",
            "virtualServer": f"shop-{n}/shop",
            "addresses": [f"10.1.{n // 256}.{n % 256}"],
            "port": 443,
            "backends": [
                {"address": f"10.244.{n % 256}.{b}", "port": 8443, "host": f"shop-{n}-7c5ddbdf54-{b:05}"}
                for b in range(backends)
            ],
            "healthChecks": [{"name": "page", "http": {}}],
        }
        for n in range(servers)
    ]
    return HEAD | {"kind": "NodeConfig", "spec": NodeConfigSpec.model_validate({"virtualServers": one}).to_wire()}


def test_a_virtual_ip_of_the_most_addresses(client: Client) -> None:
    stored = client.request("POST", VIRTUAL_IPS.path(), query=STRICT, body=_virtual_ip(MAX_ADDRESSES))
    client.delete(VIRTUAL_IPS, "big")
    assert len(stored["spec"]["addresses"]) == MAX_ADDRESSES


@pytest.mark.parametrize(
    ("members", "forms"), [(8, 0), (8, 1), (24, 0)], ids=["by default", "all of it in a change", "the most members"]
)
def test_a_node_config_of_the_most_instances(
    client: Client, members: int, forms: int, record_property: Callable[[str, object], None]
) -> None:
    document = _node_config(MAX_INSTANCES, members, forms)
    stored = client.apply(NODE_CONFIGS, document, manager="mooring-operator")
    client.delete(NODE_CONFIGS, "big")
    size = len(json.dumps(stored, separators=(",", ":")))
    record_property("bytes", size)
    assert len(stored["spec"]["instances"]) == MAX_INSTANCES
    assert size < 1.2 * MIB


def test_a_virtual_server_of_the_most_of_everything(client: Client) -> None:
    stored = client.create(VIRTUAL_SERVERS, _virtual_server(), "default")
    client.delete(VIRTUAL_SERVERS, "big", "default")
    assert len(stored["spec"]["backends"]["servers"]) == MAX_STATIC_SERVERS


@pytest.mark.parametrize(("servers", "backends"), [(700, 10), (90, 100), (1700, 1)])
def test_a_node_config_of_many_virtual_servers(
    client: Client, servers: int, backends: int, record_property: Callable[[str, object], None]
) -> None:
    stored = client.apply(NODE_CONFIGS, _balancing(servers, backends), manager="mooring-operator")
    client.delete(NODE_CONFIGS, "big")
    size = len(json.dumps(stored, separators=(",", ":")))
    record_property("bytes", size)
    assert len(stored["spec"]["virtualServers"]) == servers
    assert size < 1.2 * MIB


def test_what_etcd_does_not_take_is_said_so(client: Client) -> None:
    """The API server passes on what etcd says; the object that was there stays."""
    client.apply(NODE_CONFIGS, _node_config(1, 8), manager="mooring-operator")
    with pytest.raises(ServerError, match="etcdserver: request is too large"):
        client.apply(NODE_CONFIGS, _node_config(MAX_INSTANCES, 24, 2), manager="mooring-operator")
    kept = client.get(NODE_CONFIGS, "big")
    client.delete(NODE_CONFIGS, "big")
    assert len(kept["spec"]["instances"]) == 1


def test_one_more_is_too_many(client: Client) -> None:
    with pytest.raises(Invalid, match=r"spec\.addresses: Too many: 1025: must have at most 1024 items"):
        client.create(VIRTUAL_IPS, _virtual_ip(MAX_ADDRESSES + 1))
    with pytest.raises(Invalid, match=r"spec\.instances: Too many: 1025: must have at most 1024 items"):
        client.create(NODE_CONFIGS, _node_config(MAX_INSTANCES + 1, 2))
