"""Direct routing and tunnels: what they can reach, and what nodes that host backends must do for them."""

from copy import deepcopy
from dataclasses import replace

import pytest
from tests.unit.operator.serving import ALL, EVERYTHING, endpoint, endpoint_slice, virtual_server

from mooring_node.forwarding.marks import marks
from mooring_node.judge.balance import compile_balance
from mooring_node.judge.facts import NodeFacts
from mooring_operator.plan.allocations import Allocations
from mooring_operator.plan.planner import Planner
from mooring_operator.plan.reading import snapshot_of

DIRECT = {"forwarding": "DirectRoute"}


@pytest.fixture
def shop(cluster):
    """Plans VirtualServer shop/shop, of port 443, on three nodes of which two are candidates of the VirtualIP."""

    def run(endpoints, port=443, addresses=("10.0.5.1/16",), nodes=None, web=None, **spec):
        options = {"allowedNamespaces": ALL, "tenantFeatures": EVERYTHING, "nodes": {"maxCandidates": 2}}
        preferred = {"preferred": [{"node": "n-1"}, {"node": "n-2"}]}
        virtual_ip = cluster.virtual_ip("web", list(addresses), **{**options, **(web or {})})
        virtual_ip["spec"]["nodes"] |= preferred
        slices = endpoint_slice("shop/shop", endpoints, {"https": port})
        server = virtual_server("shop/shop", **{**DIRECT, **spec})
        return cluster.plan([virtual_ip, *(nodes or machines(cluster)), slices, server])

    return run


def machines(cluster):
    """Three nodes with MACs of their own."""
    found = cluster.nodes(3)
    for document in found:
        for report in document["status"].get("interfaces", ()):
            report["mac"] = f"02:00:00:00:00:{int(document['metadata']['name'][2:]):02X}"
    return found


def told(plan):
    return [(f.reason, f.problem.message) for f in plan.servers["shop/shop"].findings]


def hosted(plan):
    return {
        node: [(b.address, b.interfaces, b.tunnel) for b in config.spec.backend_addresses]
        for node, config in plan.node_configs.items()
        if config.spec.backend_addresses
    }


def directors(plan):
    return {node: [s.other_directors for s in c.spec.virtual_servers] for node, c in plan.node_configs.items()}


@pytest.mark.parametrize("forwarding", ["DirectRoute", "Tunnel"])
def test_pods_on_the_pod_network_are_refused(shop, forwarding):
    plan = shop([endpoint("10.244.0.1", node="n-1"), endpoint("10.0.1.3", node="n-3")], forwarding=forwarding)
    assert [b.address for b in plan.node_configs["n-1"].spec.virtual_servers[0].backends] == ["10.0.1.3"]
    ((reason, message),) = told(plan)
    assert reason == "ForwardingConflict"
    assert f"10.244.0.1: is on the pod network of n-1, where {forwarding} can't reach it" in message


def test_the_pod_network_is_told_before_the_port_and_endpoints_by_reason(shop):
    pods = [endpoint(f"10.244.0.{n}", node="n-1") for n in range(11, 17)]
    (found,) = told(shop(pods, port=8443))
    assert found == (
        "ForwardingConflict",
        "left out: 6 endpoints are on the pod network (10.244.0.11, 10.244.0.12, and 4 more): use pods with"
        " hostNetwork: true, or forwarding: NAT",
    )
    ((_, message),) = told(shop([endpoint("10.0.1.3", node="n-3"), endpoint("10.0.1.2", node="n-2")], port=8443))
    words = "left out: 10.0.1.2, 10.0.1.3: listens on 8443, and DirectRoute leaves 443 as it is: let it listen on 443"
    assert message.startswith(words)


def test_an_address_of_another_node_is_not_its_own(shop):
    plan = shop([endpoint("10.0.1.3", node="n-2")])
    assert plan.node_configs["n-1"].spec.virtual_servers[0].backends == ()
    assert told(plan)[0][0] == "ForwardingConflict"


def test_endpoints_that_listen_on_another_port_are_refused(shop):
    plan = shop([endpoint("10.0.1.3", node="n-3")], port=8443)
    assert plan.node_configs["n-1"].spec.virtual_servers[0].backends == ()
    ((reason, message),) = told(plan)
    assert (reason, "listens on 8443, and DirectRoute leaves 443 as it is" in message) == ("ForwardingConflict", True)


def test_static_servers_that_listen_on_another_port_are_refused_unless_nat_leads_to_them(shop):
    servers = [{"address": "10.0.9.1", "port": 80}, {"address": "10.0.9.2", "port": 80, "forwarding": "NAT"}]
    plan = shop([], backends={"servers": servers})
    (server,) = plan.node_configs["n-1"].spec.virtual_servers
    assert [(b.address, b.port) for b in server.backends] == [("10.0.9.2", 80)]
    assert "10.0.9.1: listens on 80" in told(plan)[0][1]


def test_with_persistence_the_port_stays_for_backends_by_nat_too(shop):
    """The kernel rewrites no port where a persistent service is of a mark; see tests/ipvs/forwarding/test_nat.py."""
    servers = [
        {"address": "10.0.9.1", "port": 80, "forwarding": "NAT"},
        {"address": "10.0.9.2", "port": 443, "forwarding": "NAT"},
    ]
    sorry = {"address": "10.0.9.9", "port": 8080, "forwarding": "NAT"}
    kept = {"backends": {"servers": servers}, "sorryServer": sorry, "persistence": {"timeout": "5m"}}
    plan = shop([], **kept)
    (server,) = plan.node_configs["n-1"].spec.virtual_servers
    assert ([b.address for b in server.backends], server.sorry_server) == (["10.0.9.2"], None)
    ((reason, message),) = told(plan)
    assert reason == "ForwardingConflict"
    assert "10.0.9.1: listens on 80, and beside DirectRoute persistence leaves 443 as it is" in message
    assert "10.0.9.9: the sorry server listens on 8080" in message
    for other in ({"forwarding": "NAT"}, {"persistence": None}):
        (server,) = shop([], **{**kept, **other}).node_configs["n-1"].spec.virtual_servers
        assert (len(server.backends), server.sorry_server is None) == (2, False)


NAT_BUT_FOR_ONE = [
    {"backends": {"service": {"name": "shop"}, "servers": [{"address": "10.0.1.2", "forwarding": "DirectRoute"}]}},
    {"sorryServer": {"address": "10.0.1.2", "forwarding": "DirectRoute"}},
]


@pytest.mark.parametrize("beside", NAT_BUT_FOR_ONE)
def test_with_persistence_one_server_that_is_not_reached_by_nat_keeps_the_port_of_all(shop, beside):
    """Whichever it is: the services are of a mark then, though the spec says NAT."""
    pods = [endpoint("10.244.0.1", node="n-1")]
    plan = shop(pods, port=8443, forwarding="NAT", persistence={"timeout": "5m"}, **beside)
    ((reason, message),) = told(plan)
    assert reason == "ForwardingConflict"
    assert "10.244.0.1: listens on 8443, and beside DirectRoute persistence leaves 443 as it is" in message
    plan = shop(pods, port=8443, forwarding="NAT", **beside)
    assert ("10.244.0.1", 8443) in [(b.address, b.port) for b in only(plan, "n-1").backends]
    assert told(plan) == []


@pytest.mark.parametrize("beside", NAT_BUT_FOR_ONE)
def test_a_connection_finds_its_service_on_each_node_though_one_is_the_server_that_nat_does_not_lead_to(shop, beside):
    plan = shop([endpoint("10.244.0.1", node="n-1")], forwarding="NAT", **beside)
    assert directors(plan) == {"n-1": [()], "n-2": [("02:00:00:00:00:01",)], "n-3": []}
    one, two = (marks(compile_balance(plan.node_configs[node].spec, NodeFacts(), node)[0]) for node in ("n-1", "n-2"))
    assert one == two
    assert one


def only(plan, node):
    (server,) = plan.node_configs[node].spec.virtual_servers
    return server


def test_nodes_of_backends_have_the_address_on_lo(shop):
    plan = shop([endpoint("10.0.1.3", node="n-3")])
    assert hosted(plan) == {"n-3": [("10.0.5.1", ("eth0",), None)]}
    # It is no candidate, so it runs nothing else.
    assert plan.node_configs["n-3"].spec.virtual_servers == ()
    assert plan.servers["shop/shop"].nodes == ("n-1", "n-2")


@pytest.mark.parametrize("forwarding", ["DirectRoute", "Tunnel"])
@pytest.mark.parametrize("conditions", [{"ready": False}, {"ready": False, "serving": False, "terminating": True}])
def test_a_node_answers_on_for_an_endpoint_that_is_not_ready(shop, forwarding, conditions):
    """For what it is serving: its readiness is lost for a moment, and its connections are not."""
    nodes = {"n-1": "10.0.1.1", "n-3": "10.0.1.3"}
    before, after = (
        shop([endpoint(address, node=node, **now) for node, address in nodes.items()], forwarding=forwarding)
        for now in ({"ready": True}, conditions)
    )
    assert hosted(after) == hosted(before)
    assert directors(after) == directors(before)
    assert hosted(after).keys() == {"n-1", "n-3"}
    assert [s.backends for s in after.node_configs["n-1"].spec.virtual_servers] == [()]
    assert told(after) == told(before) == []


def test_what_could_not_be_a_backend_is_answered_for_by_nobody_while_it_is_not_ready(shop):
    plan = shop([endpoint("10.244.0.1", node="n-1", ready=False), endpoint("10.0.1.3", node="n-2", ready=False)])
    assert (hosted(plan), told(plan)) == ({}, [])
    assert hosted(shop([endpoint("10.0.1.3", node="n-3", ready=False)], port=8443)) == {}
    assert hosted(shop([endpoint("10.0.1.3", node="n-3", ready=False)], forwarding="NAT")) == {}


def test_static_servers_and_sorry_servers_that_are_nodes(shop):
    plan = shop([], backends={"servers": [{"address": "10.0.1.3"}]}, sorryServer={"address": "10.0.1.2"})
    assert hosted(plan) == {
        "n-2": [("10.0.5.1", ("eth0",), None)],
        "n-3": [("10.0.5.1", ("eth0",), None)],
    }


def test_only_addresses_of_the_backends_family(shop):
    both = ("10.0.5.1/16", "2001:db8::5/64")
    plan = shop([endpoint("10.0.1.3", node="n-3")], addresses=both, sorryServer={"address": "2001:db8:9::1"})
    assert plan.node_configs["n-1"].spec.virtual_servers[0].addresses == ("10.0.5.1", "2001:db8::5")
    assert hosted(plan) == {"n-3": [("10.0.5.1", ("eth0",), None)]}


def test_tunnels_are_unwrapped_where_the_backend_is(shop):
    plan = shop([endpoint("10.0.1.3", node="n-3")], forwarding="Tunnel", tunnel={"type": "GUE", "port": 6080})
    (address,) = plan.node_configs["n-3"].spec.backend_addresses
    assert (str(address.tunnel), address.tunnel_port) == ("GUE", 6080)


def test_nat_needs_nothing_of_the_nodes(shop):
    plan = shop([endpoint("10.0.1.3", node="n-3")], forwarding="NAT")
    assert hosted(plan) == {}
    assert directors(plan)["n-1"] == [()]


def test_a_node_that_is_director_and_backend_knows_the_other_directors(shop):
    plan = shop([endpoint("10.0.1.1", node="n-1"), endpoint("10.0.1.3", node="n-3")])
    assert directors(plan) == {"n-1": [("02:00:00:00:00:02",)], "n-2": [()], "n-3": []}
    assert hosted(plan).keys() == {"n-1", "n-3"}


def test_a_node_that_is_the_sorry_server_knows_the_other_directors(shop):
    plan = shop([], backends={"servers": [{"address": "10.9.0.1"}]}, sorryServer={"address": "10.0.1.2"})
    assert directors(plan) == {"n-1": [()], "n-2": [("02:00:00:00:00:01",)], "n-3": []}
    assert hosted(plan).keys() == {"n-2"}


def test_directors_are_known_by_all_of_their_interfaces(shop, cluster):
    """What leads to the backend need not be what the virtual address is on; some interfaces have no MAC."""
    nodes = machines(cluster)
    for document in nodes:
        for report in document["status"].get("interfaces", ())[:1]:
            number = document["metadata"]["name"][2:]
            other = {"name": "eth1", "mac": f"02:00:00:00:01:{number:0>2}", "carrier": True, "mtu": 1500}
            bare = {"name": "tun0", "mac": "00:00:00:00:00:00", "carrier": True, "mtu": 1500, "addresses": []}
            document["status"]["interfaces"] = [report, {**other, "addresses": [f"192.0.2.{number}/24"]}, bare]
    plan = shop([endpoint("10.0.1.1", node="n-1")], nodes=nodes)
    assert directors(plan)["n-1"] == [("02:00:00:00:00:02", "02:00:00:00:01:02")]


def test_more_directors_than_a_node_config_holds_are_told(shop, cluster):
    nodes = machines(cluster)
    for document in nodes:
        if document["kind"] == "NodeConfig" and document["metadata"]["name"] == "n-2":
            (report,) = document["status"]["interfaces"]
            more = [{**report, "name": f"e{n}", "mac": f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}"} for n in range(1024)]
            document["status"]["interfaces"] += more
    plan = shop([endpoint("10.0.1.1", node="n-1")], nodes=nodes)
    assert directors(plan)["n-1"] == []
    ((reason, message),) = told(plan)
    assert reason == "Invalid"
    assert "https can't be planned on n-1: the VirtualIP's other candidates have 1025 MACs" in message


def test_beside_a_director_that_nobody_can_recognise_a_backend_balances_nothing(cluster):
    server = virtual_server("shop/shop", **DIRECT)
    slices = endpoint_slice("shop/shop", [endpoint("10.0.1.1", node="n-1")], {"https": 443})
    web = cluster.virtual_ip("web", ["10.0.5.1/16"], allowedNamespaces=ALL)
    plan = cluster.plan([web, slices, server, *machines(cluster)])
    strange = replace(plan.services.nodes["n-2"], interfaces=None)
    services = replace(plan.services, nodes={**plan.services.nodes, "n-2": strange})
    candidates = dict.fromkeys(("n-1", "n-2", "n-3"), frozenset({"eth0"}))
    at = {
        node: services.at(node, plan.node_configs[node].spec.instances, lambda _: candidates) for node in ("n-1", "n-3")
    }
    assert at["n-1"].services.virtual_servers == ()
    assert at["n-1"].services.backend_addresses
    ((_, why),) = at["n-1"].refused
    assert "n-2 has not reported its interfaces" in why
    assert len(at["n-3"].services.virtual_servers) == 1


def test_the_interfaces_are_those_of_the_segment(shop, cluster):
    nodes = machines(cluster)
    for document in nodes:
        for report in document["status"].get("interfaces", ()):
            number = document["metadata"]["name"][2:]
            nodes_own = {"name": "eth1", "mac": f"02:00:00:00:01:{number:0>2}", "carrier": True, "mtu": 1500}
            document["status"]["interfaces"] = [report, {**nodes_own, "addresses": [f"192.0.2.{number}/24"]}]
    plan = shop([endpoint("10.0.1.3", node="n-3")], addresses=("192.0.2.10/24",), nodes=nodes)
    # Packets for the address come in by eth1, and frames for the backend by eth0.
    assert hosted(plan) == {"n-3": [("192.0.2.10", ("eth0", "eth1"), None)]}


def test_an_address_that_several_nodes_report_is_nobodys(shop, cluster):
    nodes = machines(cluster)
    for document in nodes:
        for report in document["status"].get("interfaces", ()):
            report["addresses"].append("172.17.0.1/16")
    plan = shop([], backends={"servers": [{"address": "172.17.0.1"}]}, nodes=nodes)
    assert hosted(plan) == {}


def test_sync_runs_where_it_is_asked_for(shop):
    plan = shop([endpoint("10.0.1.3", node="n-3")], connectionSync="Enabled")
    found = {node: c.spec.connection_sync and c.spec.connection_sync.interface for node, c in plan.node_configs.items()}
    assert found == {"n-1": "eth0", "n-2": "eth0", "n-3": None}


def test_another_mac_of_a_candidate_reaches_the_others(cluster):
    planner, nodes = Planner(), machines(cluster)
    web = cluster.virtual_ip("web", ["10.0.5.1/16"], allowedNamespaces=ALL)
    slices = endpoint_slice("shop/shop", [endpoint("10.0.1.1", node="n-1")], {"https": 443})
    rest = [web, slices, virtual_server("shop/shop", **DIRECT)]
    first = planner.plan(snapshot_of([*nodes, *rest]), Allocations())
    other = deepcopy(nodes)
    other[3]["status"]["interfaces"][0]["mac"] = "02:00:00:00:00:99"
    second = planner.plan(snapshot_of([*other, *rest]), first.allocations)
    assert directors(first)["n-1"] == [("02:00:00:00:00:02", "02:00:00:00:00:03")]
    assert directors(second)["n-1"] == [("02:00:00:00:00:03", "02:00:00:00:00:99")]
