"""Which backends a port has, and why others are left out."""

import pytest
from tests.unit.operator.serving import ALL, EVERYTHING, endpoint, endpoint_slice, virtual_server

from mooring_api.problems import Severity

FOUR, SIX = "10.0.5.1/16", "2001:db8::5/64"


@pytest.fixture
def shop(cluster):
    """Plans VirtualServer shop/shop with these slices and fields, on two nodes."""

    def run(*slices, addresses=(FOUR,), nodes=None, **spec):
        web = cluster.virtual_ip("web", list(addresses), allowedNamespaces=ALL, tenantFeatures=EVERYTHING)
        return cluster.plan([web, *(nodes or cluster.nodes(2)), virtual_server("shop/shop", **spec), *slices])

    return run


def backends(plan, node="n-1", place=0):
    (*servers,) = plan.node_configs[node].spec.virtual_servers
    return [(b.address, b.port, b.weight) for b in servers[place].backends] if servers else None


def left_out(plan):
    return {each.address: each.why for port in plan.servers["shop/shop"].ports for each in port.left_out}


def told(plan):
    return [(f.reason, f.problem.path) for f in plan.servers["shop/shop"].findings]


def slices(*endpoints, **fields):
    return endpoint_slice("shop/shop", endpoints, **fields)


def test_ready_ones_get_connections_and_ending_ones_keep_theirs(shop):
    plan = shop(
        slices(
            endpoint("10.244.0.10", pod="shop-b"),
            endpoint("10.244.0.9", ready=False, serving=True, terminating=True),
            endpoint("10.244.0.8", ready=False),
            endpoint("10.244.0.2"),
        ),
        backends={"service": {"name": "shop", "weight": 5}},
    )
    assert backends(plan) == [("10.244.0.2", 8443, 5), ("10.244.0.10", 8443, 5), ("10.244.0.9", 8443, 0)]
    assert left_out(plan) == {"10.244.0.8": "is not ready"}
    assert told(plan) == []
    assert plan.node_configs["n-1"].spec.virtual_servers[0].backends[1].host == "shop-b"


def test_an_endpoint_in_two_slices_is_one_and_its_best_state_counts(shop):
    for first, second in (("a", "b"), ("b", "a")):
        ending = slices(endpoint("10.244.0.1", ready=False, serving=True, terminating=True), suffix=first)
        other = slices(endpoint("10.244.0.1", node="n-1"), suffix=second)
        assert backends(shop(ending, other)) == [("10.244.0.1", 8443, 1)]


@pytest.mark.parametrize(
    ("offered", "written", "port"),
    [
        ({"https": 8443}, None, 8443),
        ({"https": 8443, "http": 8080}, None, 8443),
        ({"web": 8443}, None, 8443),
        ({"": 8443}, None, 8443),
        ({"web": 8443, "https": 9443}, "web", 8443),
        ({"web": 8443, "https": None}, None, 443),
        ({"web": 8443, "api": 8080}, None, None),
        ({"web": 8443}, "api", None),
    ],
)
def test_the_services_port_by_its_name(shop, offered, written, port):
    service = {"name": "shop"} | ({"port": written} if written else {})
    plan = shop(slices(endpoint("10.244.0.1"), ports=offered), backends={"service": service})
    if port is None:
        assert backends(plan) == []
        path = "spec.backends.service.port" if written else "spec.ports[0].name"
        assert told(plan) == [("PortNotFound", path)]
        (finding,) = plan.servers["shop/shop"].findings
        assert "web/TCP" in finding.problem.message
    else:
        assert backends(plan) == [("10.244.0.1", port, 1)]
        assert told(plan) == []


def test_a_port_of_another_protocol_is_another_port(shop):
    dns = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 1053, "protocol": "TCP"}]
    ports = [{"name": "u", "port": 53, "protocol": "UDP"}, {"name": "t", "port": 53}]
    plan = shop(slices(endpoint("10.244.0.1"), ports=dns), ports=ports)
    assert {s.name: s.backends[0].port for s in plan.node_configs["n-1"].spec.virtual_servers} == {
        "shop/shop:t": 1053,
        "shop/shop:u": 53,
    }


def test_pods_that_name_their_port_may_each_have_another_number(shop):
    one = slices(endpoint("10.244.0.1"), ports={"https": 8443}, suffix="a")
    other = slices(endpoint("10.244.0.2"), ports={"https": 9443}, suffix="b")
    assert backends(shop(one, other)) == [("10.244.0.1", 8443, 1), ("10.244.0.2", 9443, 1)]


def test_a_service_without_endpoints_is_no_mistake(shop):
    plan = shop(slices(ports=()))
    assert backends(plan) == []
    assert told(plan) == []


def test_a_service_that_is_not_there_yet(shop):
    plan = shop()
    assert backends(plan) == []
    assert told(plan) == [("ServiceNotFound", "spec.backends.service.name")]
    (finding,) = plan.servers["shop/shop"].findings
    message = "there are no EndpointSlices of Service shop/shop: it is misspelt, was deleted, or selects nothing"
    assert finding.problem.message == message
    assert finding.problem.severity is Severity.WARNING


OUT_OF_REACH = ("QuorumOutOfReach", "spec.quorum.up")


@pytest.mark.parametrize(
    ("quorum", "weight", "words"),
    [
        ({"up": 4}, 1, "quorum.up needs 4; all 3 backends together have 3: lower spec.quorum.up"),
        ({"up": 3, "hysteresis": 1}, 1, "quorum.up with hysteresis needs 4; all 3 backends together have 3: lower"),
        ({"up": 3}, 1, None),
        ({"up": 4}, 2, None),
    ],
)
def test_a_quorum_that_backends_can_never_have_is_a_remark(shop, quorum, weight, words):
    service = {"service": {"name": "shop", "weight": weight}}
    ending = endpoint("10.244.0.4", ready=False, serving=True, terminating=True)
    plan = shop(slices("10.244.0.1", "10.244.0.2", "10.244.0.3", ending), backends=service, quorum=quorum)
    assert told(plan) == ([OUT_OF_REACH] if words else [])
    for finding in plan.servers["shop/shop"].findings:
        assert finding.problem.message.startswith(f"https: IPv4: {words}")
        assert finding.problem.severity is Severity.WARNING


def test_each_family_has_a_quorum_of_its_own(shop):
    four, six = slices("10.244.0.1", "10.244.0.2"), slices("fd00::1", suffix="six")
    plan = shop(four, six, addresses=(FOUR, SIX), quorum={"up": 2})
    assert told(plan) == [OUT_OF_REACH]
    (finding,) = plan.servers["shop/shop"].findings
    words = "https: IPv6: quorum.up needs 2; the only backend has 1: lower spec.quorum.up"
    assert finding.problem.message == words


def test_of_weights_that_checks_set_nobody_knows_the_sum(shop):
    check = {"name": "load", "script": {"file": "load", "dynamicWeight": True}}
    assert told(shop(slices("10.244.0.1"), quorum={"up": 9}, healthChecks=[check])) == []


def test_static_servers_beside_a_service(shop):
    static = [
        {"address": "10.9.0.1", "weight": 3, "connectionLimits": {"upper": 9}, "onFailure": "Inhibit"},
        {"address": "10.244.0.1", "port": 8443, "weight": 7},
        {"address": "10.9.0.1", "port": 9443},
    ]
    both = {"service": {"name": "shop"}, "servers": static, "connectionLimits": {"upper": 5}}
    ports = [{"name": "https", "port": 443, "targetPort": 9443}]
    plan = shop(slices(endpoint("10.244.0.1"), endpoint("10.244.0.2")), backends=both, ports=ports)
    assert backends(plan) == [("10.9.0.1", 9443, 3), ("10.244.0.1", 8443, 7), ("10.244.0.2", 8443, 1)]
    found = plan.node_configs["n-1"].spec.virtual_servers[0].backends
    assert [(b.connection_limits.upper, str(b.on_failure)) for b in found] == [
        (9, "Inhibit"),
        (5, "Remove"),
        (5, "Remove"),
    ]
    assert told(plan) == [("BackendsLeftOut", "spec.ports[0]")]
    assert "stands twice" in plan.servers["shop/shop"].findings[0].problem.message


def test_each_family_has_its_own_backends(shop):
    four, six = slices(endpoint("10.244.0.1")), slices(endpoint("2001:db8:1::1"), suffix="6")
    plan = shop(four, six, addresses=(FOUR, SIX))
    (server,) = plan.node_configs["n-1"].spec.virtual_servers
    assert server.addresses == ("10.0.5.1", "2001:db8::5")
    assert [b.address for b in server.backends] == ["10.244.0.1", "2001:db8:1::1"]
    alone = shop(four, six)
    assert backends(alone) == [("10.244.0.1", 8443, 1)]
    assert left_out(alone) == {"2001:db8:1::1": "no virtual address is of its family"}
    assert told(alone) == []


def test_an_address_whose_family_no_backend_can_have_is_not_balanced(shop):
    """Else its quorum would never be up, and who tracks the VirtualServer would be at fault for ever."""
    plan = shop(slices(endpoint("10.244.0.1")), addresses=(FOUR, SIX))
    assert plan.node_configs["n-1"].spec.virtual_servers[0].addresses == ("10.0.5.1",)
    assert told(plan) == [("BackendsLeftOut", "spec.ports[0]")]
    empty = slices(addressType="IPv6", suffix="6")
    both = shop(slices(endpoint("10.244.0.1")), empty, addresses=(FOUR, SIX))
    assert both.node_configs["n-1"].spec.virtual_servers[0].addresses == ("10.0.5.1", "2001:db8::5")
    sorry = shop(slices(endpoint("10.244.0.1")), addresses=(FOUR, SIX), sorryServer={"address": "2001:db8::99"})
    assert sorry.node_configs["n-1"].spec.virtual_servers[0].addresses == ("10.0.5.1", "2001:db8::5")


def test_nodes_balance_over_their_own_zone_while_there_is_somebody(shop, cluster):
    nodes = cluster.nodes(2)
    for number, zone in ((0, "a"), (2, "b")):
        nodes[number]["metadata"]["labels"] = {"topology.kubernetes.io/zone": zone}
    near = {"backends": {"service": {"name": "shop", "zones": "PreferSame"}}, "nodes": nodes}
    ending = {"ready": False, "serving": True, "terminating": True}
    one, other = endpoint("10.244.0.1", zone="a"), endpoint("10.244.0.2", zone="b")
    plan = shop(slices(one, other), **near)
    assert (backends(plan, "n-1"), backends(plan, "n-2")) == ([("10.244.0.1", 8443, 1)], [("10.244.0.2", 8443, 1)])
    drained = shop(slices(one, endpoint("10.244.0.2", zone="b", **ending)), **near)
    assert backends(drained, "n-2") == [("10.244.0.1", 8443, 1), ("10.244.0.2", 8443, 0)]
    assert backends(drained, "n-1") == [("10.244.0.1", 8443, 1)]
    nowhere = shop(slices(one, endpoint("10.244.0.2")), backends=near["backends"])
    assert len(backends(nowhere, "n-1")) == 2


@pytest.mark.parametrize("address", ["127.0.0.1x", "224.0.0.1", "10.0.5.1"])
def test_addresses_that_cannot_be_backends(shop, address):
    plan = shop(slices(endpoint(address), endpoint("10.244.0.2")))
    assert backends(plan) == [("10.244.0.2", 8443, 1)]
    assert told(plan) == [("BackendsLeftOut", "spec.ports[0]")]


def test_more_backends_than_a_service_takes(shop):
    many = [endpoint(f"10.244.{n // 250}.{n % 250 + 1}") for n in range(1030)]
    plan = shop(slices(*many))
    assert len(backends(plan)) == 1024
    assert told(plan) == [("TooManyBackends", "spec.ports[0]")]
    assert "the last 6 are left out" in plan.servers["shop/shop"].findings[0].problem.message


def test_a_firewall_mark_leaves_ports_as_they_are(shop):
    plan = shop(
        slices(endpoint("10.244.0.1")),
        slices(endpoint("2001:db8:1::1"), suffix="6"),
        addresses=(FOUR, SIX),
        firewallMark=7,
    )
    four, six = plan.node_configs["n-1"].spec.virtual_servers
    assert (four.name, four.firewall_mark, str(four.family), four.addresses) == ("shop/shop:7", 7, "IPv4", ())
    assert (six.name, six.firewall_mark, str(six.family)) == ("shop/shop:7-ipv6", 7, "IPv6")
    assert backends(plan) == [("10.244.0.1", None, 1)]
    assert backends(plan, place=1) == [("2001:db8:1::1", None, 1)]


def test_sorry_servers_that_cannot_be_used(shop):
    plan = shop(slices(endpoint("10.244.0.1")), sorryServer={"address": "2001:db8::99"})
    assert plan.node_configs["n-1"].spec.virtual_servers[0].sorry_server is None
    assert told(plan) == [("BackendsLeftOut", "spec.ports[0]")]
    other = shop(
        slices(endpoint("10.0.1.1", node="n-1"), ports={"https": 443}),
        forwarding="DirectRoute",
        sorryServer={"address": "10.9.0.1", "port": 8080},
    )
    assert other.node_configs["n-1"].spec.virtual_servers[0].sorry_server is None
    assert told(other) == [("ForwardingConflict", "spec.ports[0]")]


def test_of_a_mark_each_family_has_its_own_servers(shop):
    servers = {"servers": [{"address": "10.9.0.1"}, {"address": "2001:db8:9::1"}]}
    plan = shop(addresses=(FOUR, SIX), firewallMark=7, backends=servers, sorryServer={"address": "10.9.0.9"})
    assert (backends(plan), backends(plan, place=1)) == ([("10.9.0.1", None, 1)], [("2001:db8:9::1", None, 1)])
    sorry = [s.sorry_server and s.sorry_server.address for s in plan.node_configs["n-1"].spec.virtual_servers]
    assert sorry == ["10.9.0.9", None]
    assert told(plan) == []
