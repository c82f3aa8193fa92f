"""Who may use a VirtualIP's addresses, for what, and whose a port is."""

import pytest
from tests.unit.operator.serving import ALL, endpoint_slice, namespace, virtual_server

from mooring_operator.plan.allocations import Allocations, adopt
from mooring_operator.plan.planner import plan

STATIC = {"servers": [{"address": "10.9.0.1"}]}


@pytest.fixture
def servers(cluster):
    """Plans `documents` beside a VirtualIP `web` of two addresses on two nodes."""

    def run(*documents, web=None):
        spec = {"allowedNamespaces": ALL} if web is None else web
        virtual_ip = cluster.virtual_ip("web", ["10.0.5.1/16", "10.0.5.2/16"], **spec)
        slices = [endpoint_slice(f"shop/{name}", ["10.244.0.1"]) for name in ("shop", "other", "third")]
        return cluster.plan([virtual_ip, *cluster.nodes(2), *slices, *documents])

    return run


def told(plan, key):
    return [(f.reason, f.problem.path) for f in plan.servers[key].findings]


def entries(plan, node="n-1"):
    return {s.name: s.addresses for s in plan.node_configs[node].spec.virtual_servers}


BOTH = ("10.0.5.1", "10.0.5.2")


@pytest.mark.parametrize(
    ("allowed", "labels", "permitted"),
    [
        (None, {}, False),
        ({"from": "None"}, {}, False),
        ({"from": "All"}, None, True),
        ({"from": "Names", "names": ["shop"]}, None, True),
        ({"from": "Names", "names": ["shops"]}, None, False),
        ({"from": "Selector", "selector": {"matchLabels": {"exposes": "true"}}}, {"exposes": "true"}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"exposes": "true"}}}, {"exposes": "no"}, False),
        ({"from": "Selector", "selector": {"matchLabels": {"exposes": "true"}}}, None, False),
        # Kubernetes gives it to each namespace, so an object need not be there to know it.
        ({"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}, None, True),
    ],
)
def test_namespaces(servers, allowed, labels, permitted):
    documents = [virtual_server("shop/shop")] + ([] if labels is None else [namespace("shop", **labels)])
    plan = servers(*documents, web={"allowedNamespaces": allowed} if allowed else {})
    if permitted:
        assert entries(plan) == entries(plan, "n-2") == {"shop/shop:https": BOTH}
        assert told(plan, "shop/shop") == []
    else:
        assert entries(plan) == {}
        assert told(plan, "shop/shop") == [("NamespaceNotAllowed", "metadata.namespace")]


@pytest.mark.parametrize(
    ("feature", "spec", "path"),
    [
        ("StaticServers", {"backends": STATIC}, "spec.backends.servers"),
        ("StaticServers", {"sorryServer": {"address": "10.9.0.1"}}, "spec.sorryServer"),
        (
            "ConnectAddress",
            {"healthChecks": [{"name": "a", "tcp": {}}, {"name": "b", "connectAddress": "10.9.0.1", "tcp": {}}]},
            "spec.healthChecks[1].connectAddress",
        ),
        (
            "ConnectAddress",
            {"healthChecks": [{"name": "a", "connectPort": 10250, "tcp": {}}]},
            "spec.healthChecks[0].connectPort",
        ),
        (
            "ConnectAddress",
            {"healthChecks": [{"name": "a", "bindPort": 88, "tcp": {}}]},
            "spec.healthChecks[0].bindPort",
        ),
        (
            "ConnectAddress",
            {"healthChecks": [{"name": "a", "bindInterface": "eth9", "tcp": {}}]},
            "spec.healthChecks[0].bindInterface",
        ),
        (
            "ConnectAddress",
            {"healthChecks": [{"name": "a", "bindAddress": "10.9.0.1", "tcp": {}}]},
            "spec.healthChecks[0].bindAddress",
        ),
        ("Script", {"healthChecks": [{"name": "a", "script": {"file": "x"}}]}, "spec.healthChecks[0].script"),
        (
            "Script",
            {"notifications": [{"on": ["QuorumUp"], "script": {"file": "x"}}]},
            "spec.notifications[0].script",
        ),
        ("FirewallMark", {"firewallMark": 7}, "spec.firewallMark"),
        (
            "FirewallMark",
            {"healthChecks": [{"name": "a", "firewallMark": 7, "tcp": {}}]},
            "spec.healthChecks[0].firewallMark",
        ),
    ],
)
def test_what_reaches_beyond_a_tenants_own_services(servers, feature, spec, path):
    document = virtual_server("shop/shop", **spec)
    refused = servers(document)
    assert told(refused, "shop/shop") == [("FeatureNotAllowed", path)]
    assert entries(refused) == {}
    allowed = servers(document, web={"allowedNamespaces": ALL, "tenantFeatures": [feature]})
    assert told(allowed, "shop/shop") == []
    assert len(entries(allowed)) == 1


def test_who_may_use_a_mark_may_name_the_port_that_its_checks_need(servers):
    web = {"allowedNamespaces": ALL, "tenantFeatures": ["FirewallMark"]}
    check = {"name": "a", "connectPort": 80, "tcp": {}}
    assert told(servers(virtual_server("shop/shop", firewallMark=7, healthChecks=[check]), web=web), "shop/shop") == []


@pytest.mark.parametrize(("guard", "refused"), [("Off", False), ("Monitor", False), ("Enforce", True)])
def test_a_mark_on_guarded_addresses(servers, guard, refused):
    web = {"allowedNamespaces": ALL, "tenantFeatures": ["FirewallMark"], "portGuard": guard}
    plan = servers(virtual_server("shop/shop", firewallMark=7), web=web)
    assert told(plan, "shop/shop") == ([("FeatureNotAllowed", "spec.firewallMark")] if refused else [])
    assert bool(entries(plan)) is not refused


def test_what_is_refused_takes_no_port_from_others(servers):
    refused = virtual_server("shop/shop", created=0, backends=STATIC)
    plan = servers(refused, virtual_server("shop/other", created=1))
    assert entries(plan) == {"shop/other:https": BOTH}
    assert told(plan, "shop/other") == []


def test_there_is_no_such_virtual_ip(servers):
    plan = servers(virtual_server("shop/shop", "nowhere"), virtual_server("shop/other"))
    assert told(plan, "shop/shop") == [("VirtualIPNotFound", "spec.virtualIPRef.name")]
    assert entries(plan) == {"shop/other:https": BOTH}


def test_an_address_that_is_not_the_virtual_ips(servers):
    plan = servers(virtual_server("shop/shop", addresses=["10.0.5.2", "10.0.9.9"]))
    assert told(plan, "shop/shop") == [("AddressNotFound", "spec.addresses[1]")]
    assert entries(plan) == {"shop/shop:https": ("10.0.5.2",)}


def test_an_address_that_an_older_virtual_ip_has(cluster, servers):
    older = cluster.virtual_ip("older", ["10.0.5.1/16"], created=0)
    plan = servers(older, virtual_server("shop/shop"), web={"allowedNamespaces": ALL})
    younger = servers(virtual_server("shop/shop"))
    assert entries(younger)["shop/shop:https"] == BOTH
    # `web` is of the same minute, and comes after `older` by its UID.
    assert entries(plan) == {"shop/shop:https": ("10.0.5.2",)}


def test_the_older_one_has_the_port_and_the_younger_its_others(servers):
    ports = [{"name": "https", "port": 443}, {"name": "http", "port": 80}]
    older = virtual_server("shop/shop", created=1, addresses=["10.0.5.1"])
    younger = virtual_server("shop/other", created=2, ports=ports)
    plan = servers(younger, older)
    assert entries(plan) == {
        "shop/shop:https": ("10.0.5.1",),
        "shop/other:http": BOTH,
        "shop/other:https": ("10.0.5.2",),
    }
    (finding,) = [f for f in plan.servers["shop/other"].findings if f.reason == "PortConflict"]
    assert finding.problem.path == "spec.ports[0].port"
    assert "443/TCP of 10.0.5.1 is in use by VirtualServer shop/shop, which has it already" in finding.problem.message
    assert told(plan, "shop/shop") == []


def test_of_two_of_one_age_the_name_decides(servers):
    plan = servers(virtual_server("shop/shop"), virtual_server("shop/other"))
    assert entries(plan) == {"shop/other:https": BOTH}
    without = servers(virtual_server("shop/shop"), virtual_server("shop/other", created=None))
    assert entries(without) == {"shop/shop:https": BOTH}


def test_ports_of_different_protocols_do_not_clash(servers):
    udp = virtual_server("shop/other", ports=[{"name": "https", "port": 443, "protocol": "UDP"}])
    plan = servers(virtual_server("shop/shop"), udp)
    assert entries(plan).keys() == {"shop/shop:https", "shop/other:https"}


def test_a_firewall_mark_is_one_virtual_servers(servers):
    web = {"allowedNamespaces": ALL, "tenantFeatures": ["FirewallMark"]}
    older = virtual_server("shop/other", created=0, firewallMark=7)
    younger = virtual_server("shop/shop", created=1, firewallMark=7)
    plan = servers(older, younger, virtual_server("shop/third", firewallMark=8), web=web)
    assert entries(plan).keys() == {"shop/other:7", "shop/third:8"}
    assert told(plan, "shop/shop") == [("PortConflict", "spec.firewallMark")]


def test_one_bad_object_costs_only_itself(servers):
    bad = virtual_server("shop/shop", scheduler="best")
    plan = servers(bad, virtual_server("shop/other"))
    assert told(plan, "shop/shop") == [("Invalid", "spec.scheduler")]
    assert plan.servers["shop/shop"].kept
    assert entries(plan) == {"shop/other:https": BOTH}


def test_everything_that_is_told_is_a_problem_of_its_object(servers):
    plan = servers(virtual_server("shop/shop", "nowhere"))
    assert [(p.object, p.path) for p in plan.problems] == [("VirtualServer/shop/shop", "spec.virtualIPRef.name")]


def test_a_mark_that_is_refused_is_free_for_others(servers):
    web = {"allowedNamespaces": {"from": "Names", "names": ["shop"]}, "tenantFeatures": ["FirewallMark"]}
    refused = virtual_server("evil/shop", created=0, firewallMark=7)
    plan = servers(refused, virtual_server("shop/shop", created=1, firewallMark=7), web=web)
    assert entries(plan).keys() == {"shop/shop:7"}
    assert told(plan, "shop/shop") == []


def conflicts(result, key):
    return [f.problem.path for f in result.servers[key].findings if f.reason == "PortConflict"]


@pytest.mark.parametrize("restart", [False, True])
def test_who_has_a_port_keeps_it_from_an_older_one_that_comes_to_want_it(cluster, restart):
    features = ["FirewallMark"]
    rest = [
        cluster.virtual_ip("web", ["10.0.5.1/16", "10.0.5.2/16"], allowedNamespaces=ALL, tenantFeatures=features),
        *cluster.nodes(2),
        *(endpoint_slice(f"shop/{name}", ["10.244.0.1"]) for name in ("shop", "other", "third")),
    ]
    http = {"ports": [{"name": "http", "port": 80}]}

    def planned(*documents, after=None):
        snapshot = cluster.snapshot([*rest, *documents])
        if after is None:
            return plan(snapshot, Allocations())
        standing = [config.to_wire() for config in after.node_configs.values()]
        adopted = adopt(snapshot.virtual_ips, snapshot.configured, standing)
        return plan(snapshot, adopted if restart else after.allocations)

    marked = virtual_server("shop/third", created=3, firewallMark=7)
    first = planned(virtual_server("shop/shop", created=1, **http), virtual_server("shop/other", created=2), marked)
    younger = virtual_server("shop/other", created=2)
    second = planned(virtual_server("shop/shop", created=1), younger, marked, after=first)
    assert entries(second) == {"shop/other:https": BOTH, "shop/third:7": ()}
    assert conflicts(second, "shop/shop") == ["spec.ports[0].port"]
    assert planned(virtual_server("shop/shop", created=1), younger, marked, after=second) == second
    older = virtual_server("shop/shop", created=1, firewallMark=7)
    assert entries(planned(older, younger, marked, after=second)) == entries(second)
    # What can't be read at present keeps its port, and what is let go of is free.
    bad = virtual_server("shop/other", created=2, scheduler="best")
    unread = planned(virtual_server("shop/shop", created=1), bad, marked, after=second)
    assert entries(unread) == {"shop/third:7": ()}
    other = virtual_server("shop/other", created=2, addresses=["10.0.5.2"])
    last = planned(virtual_server("shop/shop", created=1), other, marked, after=second)
    assert entries(last) == {"shop/shop:https": ("10.0.5.1",), "shop/other:https": ("10.0.5.2",), "shop/third:7": ()}


@pytest.mark.parametrize("spec", [None, [], {"virtualServers": 1}, {"virtualServers": [1, {}, {"addresses": 1}]}])
def test_a_node_config_that_is_not_as_expected_says_nothing_of_ports(spec):
    assert adopt([], {}, [{"kind": "NodeConfig", "spec": spec}]).ports == {}


def test_a_port_that_two_have_on_the_nodes_is_nobodys():
    def config(owner):
        server = {"virtualServer": owner, "addresses": ["10.0.5.1"], "port": 443}
        return {"kind": "NodeConfig", "spec": {"virtualServers": [server]}}

    assert adopt([], {}, [config("shop/a"), config("shop/b")]).ports == {}
    assert adopt([], {}, [config("shop/a"), config("shop/a")]).ports == {("10.0.5.1", "TCP", 443): "shop/a"}
