"""What one node reports takes no backend of another; what a tenant writes does not reach nodes by that rule."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator.balanced import BACKENDS, Balanced, node
from tests.unit.operator.serving import ALL, EVERYTHING, endpoint, endpoint_slice, virtual_server
from tests.unit.operator.test_planner_properties import FEW

#: Of the fixture's nodes: 10.0.1.1 and so on, in 10.0.0.0/16.
POD, SECOND = "10.1.0.1", "10.0.7.7"


def reporting(cluster, name, *addresses, internal=None):
    """A Node with its daemon's report."""
    return [cluster.node(name, internal), cluster.report(name, {"eth0": list(addresses)})]


@pytest.fixture(scope="module")
def shop(cluster):
    """Plans shop/shop on two nodes beside whatever others."""

    def run(endpoints, *others, port=443, features=(), **spec):
        nodes = {"selector": {"matchLabels": {"edge": ""}}}
        web = cluster.virtual_ip("web", ["10.0.5.1/16"], allowedNamespaces=ALL, tenantFeatures=features, nodes=nodes)
        slices = endpoint_slice("shop/shop", endpoints, {"https": port})
        documents = [web, *cluster.nodes(2, labels={"edge": ""}), virtual_server("shop/shop", **spec), slices]
        return cluster.plan([*documents, *(each for other in others for each in other)])

    return run


def backends(plan):
    return [b.address for s in plan.node_configs["n-1"].spec.virtual_servers for b in s.backends]


def told(plan):
    return [(f.reason, f.problem.message) for f in plan.servers["shop/shop"].findings]


def hosts(plan):
    return {name for name, config in plan.node_configs.items() if config.spec.backend_addresses}


def test_a_node_that_reports_all_pods_takes_none_of_them():
    shop = Balanced(node("n9")).settle()
    shop.api.report("n9", {"eth0": ["10.9.0.9/24"], "eth1": [f"{pod}/32" for pod in BACKENDS]})
    shop.settle()
    assert [shop.backends(name) for name in ("n1", "n2")] == [list(BACKENDS)] * 2
    assert (shop.reason("Accepted"), shop.reason("Ready")) == ("Accepted", "Ready")


@pytest.mark.parametrize("named", [None, "n-1"])
@pytest.mark.parametrize("length", [0, 8, 16, 32])
def test_however_long_a_prefix_a_node_says_that_it_has(shop, cluster, named, length):
    lie = reporting(cluster, "n-9", f"10.9.0.9/{length}", f"{POD}/{length}", internal="10.9.0.9")
    plan = shop([endpoint(POD, node=named)], lie)
    assert (backends(plan), told(plan)) == ([POD], [])


def test_pods_in_the_nodes_own_subnet_stay_too(shop, cluster):
    """A tenant gains nothing by it: he may as well name the node that he is after, as its own pods do."""
    lie = reporting(cluster, "n-9", "10.0.1.9/16", f"{SECOND}/16", internal="10.0.1.9")
    for named in ("n-1", "n-9"):
        plan = shop([endpoint(SECOND, node=named)], lie)
        assert (backends(plan), told(plan)) == ([SECOND], [])


@pytest.mark.parametrize("others", [["n-3"], ["n-3", "n-4"]])
def test_pods_that_a_cni_puts_on_nodes_interfaces_stay(shop, cluster, others):
    plan = shop(
        [endpoint(POD, node="n-1"), endpoint("10.1.0.2", node="n-3")],
        *(reporting(cluster, o, f"10.0.1.{o[2:]}/16", f"{POD}/32", internal=f"10.0.1.{o[2:]}") for o in others),
    )
    assert (backends(plan), told(plan)) == ([POD, "10.1.0.2"], [])


@pytest.mark.parametrize("named", [None, "n-1", "n-9"])
def test_a_tenant_does_not_reach_an_internal_ip_under_another_name(shop, cluster, named):
    """Nor with the help of the node that he names."""
    helper = reporting(cluster, "n-9", "10.0.1.9/16", "10.0.1.2/16", internal="10.0.1.9")
    plan = shop([endpoint("10.0.1.2", node=named, pod="shop-1")], helper)
    assert backends(plan) == []
    ((reason, message),) = told(plan)
    assert reason == "FeatureNotAllowed"
    assert "10.0.1.2: is node n-2's own (its InternalIP), which the endpoint's nodeName does not say" in message


def test_a_tenant_does_not_reach_another_address_of_a_nodes_subnet_without_a_name(shop, cluster):
    third = reporting(cluster, "n-3", "10.0.1.3/16", f"{SECOND}/32", internal="10.0.1.3")
    plan = shop([endpoint(SECOND, pod="shop-1"), endpoint(POD)], third)
    assert backends(plan) == [POD]
    ((reason, message),) = told(plan)
    assert reason == "FeatureNotAllowed"
    whose = f"{SECOND}: is a node's own by the daemons' reports (n-3), which the endpoint's nodeName does not say"
    assert whose in message
    assert "adds StaticServers" in message
    assert message.endswith("if it is not, see status.interfaces of NodeConfig n-3")
    assert backends(shop([endpoint(SECOND)], third, features=["StaticServers"])) == [SECOND]


def test_nor_a_bridge_that_two_nodes_have(shop, cluster):
    bridges = [
        reporting(cluster, f"n-{n}", f"10.0.1.{n}/16", "172.17.0.1/16", internal=f"10.0.1.{n}") for n in (3, 4, 6, 7)
    ]
    assert backends(shop([endpoint("172.17.0.1")], bridges[0])) == ["172.17.0.1"]
    for count, named in ((2, "n-3, n-4"), (4, "n-3, n-4, n-6 and 1 more")):
        plan = shop([endpoint("172.17.0.1")], *bridges[:count])
        assert backends(plan) == []
        assert f"is a node's own by the daemons' reports ({named})" in told(plan)[0][1]


@pytest.mark.parametrize("liar", ["n-0", "n-9"])
@pytest.mark.parametrize("address", ["10.0.1.3", SECOND, "192.0.2.3"])
@pytest.mark.parametrize("kind", ["static", "sorry", "endpoint"])
def test_who_answers_for_a_virtual_address_answers_beside_a_liar(shop, cluster, address, liar, kind):
    """By direct routing: of two that have the address one is the machine. An InternalIP leaves no doubt."""
    owner = reporting(cluster, "n-3", "10.0.1.3/16", f"{SECOND}/16", "192.0.2.3/24", internal="10.0.1.3")
    lie = reporting(cluster, liar, "10.9.0.9/24", f"{address}/16", internal="10.9.0.9")
    spec = {"forwarding": "DirectRoute"}
    if kind == "static":
        spec["backends"] = {"servers": [{"address": address}]}
    if kind == "sorry":
        spec |= {"backends": {"servers": [{"address": "10.0.8.8"}]}, "sorryServer": {"address": address}}
    options = {"features": EVERYTHING} | spec
    endpoints = [endpoint(address)] if kind == "endpoint" else []
    assert hosts(shop(endpoints, owner, **options)) == {"n-3"}
    assert hosts(shop(endpoints, owner, lie, **options)) == {"n-3"} | (set() if address == "10.0.1.3" else {liar})


def test_a_pod_on_its_nodes_network_is_answered_for_there_alone(shop, cluster):
    owner = reporting(cluster, "n-3", "10.0.1.3/16", f"{SECOND}/16", internal="10.0.1.3")
    lie = reporting(cluster, "n-9", "10.0.1.9/16", f"{SECOND}/16", internal="10.0.1.9")
    plan = shop([endpoint(SECOND, node="n-3")], owner, lie, forwarding="DirectRoute")
    assert (backends(plan), hosts(plan)) == ([SECOND], {"n-3"})


def test_nor_does_a_node_that_reports_it_have_anothers_internal_ip(shop, cluster):
    """Not even where the VirtualIP allows any address: direct routing would put the virtual one on the wrong lo."""
    helper = reporting(cluster, "n-9", "10.0.1.9/16", "10.0.1.2/16", internal="10.0.1.9")
    options = {"features": ["StaticServers"], "forwarding": "DirectRoute"}
    named = {name: shop([endpoint("10.0.1.2", node=name)], helper, **options) for name in ("n-2", "n-9")}
    assert {name: hosts(plan) for name, plan in named.items()} == {"n-2": {"n-2"}, "n-9": set()}


#: Pods, on a network of their own and in the nodes' subnet; n-3's own addresses, its InternalIP first; other machines.
PODS = ("10.1.0.1", "10.1.0.2", "10.0.7.1", "10.0.7.2")
OWN = ("10.0.1.3", "10.0.7.3", "192.0.2.3")
OTHERS = ("10.0.8.8", "10.2.0.8")


@st.composite
def lies(draw):
    """What a node may say of itself whose InternalIP is one of these, on one of two segments."""
    internal = draw(st.sampled_from(["10.0.1.9", "10.2.1.9"]))
    addresses = draw(st.lists(st.sampled_from([*PODS, *OWN, *OTHERS, "10.0.1.1"]), min_size=1, unique=True))
    return internal, [f"{each}/{draw(st.sampled_from([0, 8, 16, 24, 32]))}" for each in (internal, *addresses)]


@st.composite
def balanced(draw):
    """VirtualServer shop/shop: endpoints with and without a node's name, static servers, and the way to them."""
    named = draw(st.dictionaries(st.sampled_from(PODS), st.sampled_from(["n-1", "n-2", "n-3", None])))
    named |= draw(st.dictionaries(st.sampled_from(OWN), st.sampled_from(["n-3", None])))
    named |= dict.fromkeys(draw(st.lists(st.sampled_from(OTHERS), unique=True)))
    statics = draw(st.lists(st.sampled_from([*OWN, *OTHERS]), unique=True))
    spec = {
        "forwarding": draw(st.sampled_from(["NAT", "DirectRoute"])),
        "features": draw(st.sampled_from([EVERYTHING, []])),
    }
    if statics and spec["features"]:
        spec["backends"] = {"service": {"name": "shop"}, "servers": [{"address": each} for each in statics]}
    return [endpoint(address, node=node) for address, node in named.items()], spec


@settings(FEW, max_examples=150)
@given(balanced=balanced(), lie=lies())
def test_whatever_a_node_reports_that_hosts_nothing_the_others_backends_stay(shop, cluster, balanced, lie):
    """All but those that name no node, in the segment that an honest node shares with it."""
    endpoints, spec = balanced
    internal, addresses = lie
    owner = reporting(cluster, "n-3", "10.0.1.3/16", "10.0.7.3/16", "192.0.2.3/24", internal="10.0.1.3")
    honest = shop(endpoints, owner, [cluster.node("n-9", internal)], **spec)
    lied = shop(endpoints, owner, reporting(cluster, "n-9", *addresses, internal=internal), **spec)
    nameless = {each["addresses"][0] for each in endpoints if "nodeName" not in each}
    in_reach = {each for each in nameless if each.startswith("10.0.")} if internal == "10.0.1.9" else set()
    # What the node says that has it indeed is no lie.
    in_reach |= nameless & {"192.0.2.3"}
    assert set(backends(honest)) - set(backends(lied)) <= in_reach
    if spec["features"] or not in_reach:
        assert backends(lied) == backends(honest)
        assert hosts(lied) - {"n-9"} == hosts(honest)
