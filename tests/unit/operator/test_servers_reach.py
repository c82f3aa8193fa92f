"""What a tenant may name as a backend, be it in an EndpointSlice that he wrote himself."""

import pytest
from tests.unit.operator.serving import ALL, endpoint, endpoint_slice, virtual_server

from mooring_operator.plan.allocations import Allocations
from mooring_operator.plan.planner import Planner
from mooring_operator.plan.reading import snapshot_of


@pytest.fixture
def shop(cluster):
    """Plans shop/shop on VirtualIP `web`, beside VirtualIP `other`, on two nodes."""

    def run(*endpoints, features=(), **spec):
        web = cluster.virtual_ip(
            "web", ["10.0.5.1/16", "2001:db8::5/64"], allowedNamespaces=ALL, tenantFeatures=list(features)
        )
        other = cluster.virtual_ip("other", ["10.0.6.1/16", "2001:db8::6/64"], created=1)
        families = {True: [], False: []}
        for each in endpoints:
            families[":" in each["addresses"][0]].append(each)
        slices = [endpoint_slice("shop/shop", own, suffix=f"{six}") for six, own in families.items() if own]
        return cluster.plan([web, other, *cluster.nodes(2), virtual_server("shop/shop", **spec), *slices])

    return run


def backends(plan):
    return [b.address for s in plan.node_configs["n-1"].spec.virtual_servers for b in s.backends]


def told(plan):
    return [(f.reason, f.problem.message) for f in plan.servers["shop/shop"].findings]


@pytest.mark.parametrize("features", [(), ("StaticServers",)])
@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "a loopback address"),
        ("127.1.2.3", "a loopback address"),
        ("::1", "a loopback address"),
        ("169.254.169.254", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("224.0.0.18", "a multicast address"),
        ("ff02::12", "a multicast address"),
        ("0.0.0.0", "an unspecified address"),
        ("0.1.2.3", "an unspecified address"),
        ("::", "an unspecified address"),
        ("255.255.255.255", "the broadcast address"),
        ("::ffff:127.0.0.1", "an IPv4 address in the form of IPv6"),
        ("::ffff:10.0.6.1", "an IPv4 address in the form of IPv6"),
        ("10.0.6.1", "an address of VirtualIP other"),
        ("2001:db8::6", "an address of VirtualIP other"),
        ("2001:0DB8:0::6", "an address of VirtualIP other"),
    ],
)
def test_what_nobody_may_name(shop, address, why, features):
    good = "2001:db8:1::1" if ":" in address else "10.244.0.1"
    plan = shop(endpoint(address, node="n-1"), endpoint(good), features=features)
    assert backends(plan) == [good]
    ((reason, message),) = told(plan)
    assert reason == "BackendsLeftOut"
    assert f": is {why}" in message


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.6.1"])
def test_static_servers_and_sorry_servers_too(shop, address):
    servers = {"servers": [{"address": address}, {"address": "10.9.0.1"}]}
    plan = shop(features=["StaticServers"], backends=servers, sorryServer={"address": address})
    assert backends(plan) == ["10.9.0.1"]
    assert plan.node_configs["n-1"].spec.virtual_servers[0].sorry_server is None
    assert "BackendsLeftOut" in [reason for reason, _ in told(plan)]


@pytest.mark.parametrize("forwarding", ["NAT", "DirectRoute"])
@pytest.mark.parametrize(
    ("node", "features", "there"),
    [
        ("n-2", (), True),
        (None, (), False),
        ("n-1", (), False),
        ("n-9", (), False),
        (None, ("StaticServers",), True),
    ],
)
def test_a_nodes_own_address_is_named_with_the_node(shop, forwarding, node, features, there):
    ports = [{"name": "https", "port": 8443}]
    plan = shop(endpoint("10.0.1.2", node=node), features=features, forwarding=forwarding, ports=ports)
    assert backends(plan) == (["10.0.1.2"] if there else [])
    assert bool(plan.node_configs["n-2"].spec.backend_addresses) is (there and forwarding == "DirectRoute")
    if not there:
        ((reason, message),) = [each for each in told(plan) if "no backend can be" not in each[1]]
        assert reason == "FeatureNotAllowed"
        assert "10.0.1.2: is node n-2's own" in message


def test_who_comes_to_have_an_address_takes_it_from_the_backends(cluster):
    """Also without any change of the VirtualServer or of its endpoints."""
    web = cluster.virtual_ip("web", ["10.0.5.1/16"], allowedNamespaces=ALL)
    rest = [web, virtual_server("shop/shop"), endpoint_slice("shop/shop", ["10.0.6.1", "10.0.1.3", "10.244.0.1"])]
    planner, allocations, seen = Planner(), Allocations(), []
    other = cluster.virtual_ip("other", ["10.0.6.1/16"], created=1)
    for documents in ([*cluster.nodes(2)], [*cluster.nodes(2), other], [*cluster.nodes(3), other], cluster.nodes(2)):
        plan = planner.plan(snapshot_of([*rest, *documents]), allocations)
        allocations = plan.allocations
        seen.append(backends(plan))
    everything = ["10.0.1.3", "10.0.6.1", "10.244.0.1"]
    assert seen == [everything, ["10.0.1.3", "10.244.0.1"], ["10.244.0.1"], everything]
