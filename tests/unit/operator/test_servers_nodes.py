"""What each node runs beside its instances: entries, guarded ports, trackers, and what it has no room for."""

import pytest
from tests.unit.operator.serving import ALL, EVERYTHING, endpoint, endpoint_slice, virtual_server

from mooring_api.node_server import NodeVirtualServer
from mooring_api.wire import Rule
from mooring_operator.plan.allocations import Allocations
from mooring_operator.plan.planner import Planner
from mooring_operator.plan.reading import snapshot_of
from mooring_operator.plan.servers.plans import NOTHING, services_in

TRACKED = [{"name": "shop", "virtualServer": {"name": "shop/shop"}}]


@pytest.fixture
def web(cluster):
    def build(name="web", addresses=("10.0.5.1/16",), **spec):
        return cluster.virtual_ip(name, list(addresses), **{"allowedNamespaces": ALL, **spec})

    return build


def slices(*names):
    return [endpoint_slice(f"shop/{name}", ["10.244.0.1"]) for name in names or ("shop",)]


def names(plan):
    return {node: [s.name for s in c.spec.virtual_servers] for node, c in plan.node_configs.items()}


def trackers(plan):
    return {node: [len(i.tracking) for i in c.spec.instances] for node, c in plan.node_configs.items()}


def test_only_nodes_that_may_hold_an_address_balance_it(cluster, web):
    documents = cluster.nodes(3)
    documents[0]["metadata"]["labels"] = {"pool": "edge"}
    edge = web(nodes={"selector": {"matchLabels": {"pool": "edge"}}})
    plan = cluster.plan([edge, *documents, virtual_server("shop/shop"), *slices()])
    assert names(plan) == {"n-1": ["shop/shop:https"], "n-2": [], "n-3": []}


def test_of_balanced_groups_a_node_balances_the_addresses_that_it_may_hold(cluster, web):
    spread = web(
        addresses=("10.0.5.1/16", "10.0.5.2/16", "10.0.5.3/16"), distribution="Balanced", nodes={"maxCandidates": 1}
    )
    plan = cluster.plan([spread, *cluster.nodes(3), virtual_server("shop/shop"), *slices()])
    found = [s.addresses for c in plan.node_configs.values() for s in c.spec.virtual_servers]
    assert sorted(found) == [("10.0.5.1",), ("10.0.5.2",), ("10.0.5.3",)]


def test_a_node_with_a_part_of_the_addresses_gets_backends_of_their_family_alone(cluster, web):
    """The daemon refuses a backend whose family no address is of."""
    three = ("10.0.5.1/16", "10.0.5.2/16", "2001:db8::5/64")
    spread = {"distribution": "Balanced", "nodes": {"maxCandidates": 1}, "tenantFeatures": EVERYTHING}
    six = endpoint_slice("shop/shop", ["2001:db8:1::1"], suffix="6")
    server = virtual_server("shop/shop", sorryServer={"address": "2001:db8:9::1"})
    plan = cluster.plan([web(addresses=three, **spread), *cluster.nodes(3), server, *slices(), six])
    assert plan.problems == ()
    found = [s for c in plan.node_configs.values() for s in c.spec.virtual_servers]
    assert sorted(a for s in found for a in s.addresses) == ["10.0.5.1", "10.0.5.2", "2001:db8::5"]
    for entry in found:
        families = {":" in a for a in entry.addresses}
        assert {":" in b.address for b in entry.backends} == families
        assert (entry.sorry_server is not None) == (True in families)
    assert len(found) == 2


def test_the_oldest_comes_first(cluster, web):
    servers = [
        virtual_server("shop/shop", created=5, ports=[{"name": "b", "port": 1}, {"name": "a", "port": 2}]),
        virtual_server("shop/other", created=6),
        virtual_server("shop/third", created=4, ports=[{"name": "x", "port": 3}]),
    ]
    plan = cluster.plan([web(), *cluster.nodes(1), *servers, *slices("shop", "other", "third")])
    assert names(plan)["n-1"] == ["shop/third:x", "shop/shop:a", "shop/shop:b", "shop/other:https"]


def test_port_guards_open_what_is_balanced(cluster, web):
    guarded = web(addresses=("10.0.5.1/16", "10.0.5.2/16", "10.0.5.3/16"), portGuard="Enforce")
    open_ = web("open", ("10.0.6.1/16",))
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}]
    servers = [
        virtual_server("shop/shop", addresses=["10.0.5.1", "10.0.5.3"]),
        virtual_server("shop/other", ports=ports, addresses=["10.0.5.1", "10.0.5.3"]),
        virtual_server("shop/third", "open"),
    ]
    plan = cluster.plan([guarded, open_, *cluster.nodes(1), *servers, *slices("shop", "other", "third")])
    found = plan.node_configs["n-1"].spec.port_guards
    assert [(g.addresses, g.mode, [(str(p.protocol), p.port) for p in g.ports]) for g in found] == [
        (("10.0.5.1", "10.0.5.3"), "Enforce", [("TCP", 443), ("UDP", 53)]),
        (("10.0.5.2",), "Enforce", []),
    ]


def test_a_guard_is_taken_away_with_its_wish(cluster, web):
    planner = Planner()
    documents = [*cluster.nodes(1), virtual_server("shop/shop"), *slices()]
    first = planner.plan(snapshot_of([web(portGuard="Monitor"), *documents]), Allocations())
    assert first.node_configs["n-1"].spec.port_guards[0].mode == "Monitor"
    second = planner.plan(snapshot_of([web(), *documents]), first.allocations)
    assert second.node_configs["n-1"].spec.port_guards == ()


def test_instances_track_what_is_there(cluster, web):
    documents = [web(tracking=TRACKED), *cluster.nodes(2), virtual_server("shop/shop"), *slices()]
    plan = cluster.plan(documents)
    assert trackers(plan) == {"n-1": [1], "n-2": [1]}
    assert plan.problems == ()


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (None, "there is no VirtualServer shop/shop"),
        (virtual_server("shop/shop", "nowhere"), "nothing of VirtualServer shop/shop is programmed"),
    ],
)
def test_what_is_not_there_is_not_tracked_but_told(cluster, web, server, words):
    plan = cluster.plan([web(tracking=TRACKED), *cluster.nodes(2), *([server] if server else []), *slices()])
    assert trackers(plan) == {"n-1": [0], "n-2": [0]}
    (problem,) = [p for p in plan.problems if p.object == "VirtualIP/web"]
    assert problem.path == "spec.tracking[0].virtualServer.name"
    assert words in problem.message
    condition = next(c for c in plan.statuses["web"].conditions if c.type == "Accepted")
    assert (str(condition.status), condition.reason) == ("False", "NotTracked")


def test_a_server_of_another_virtual_ip_is_tracked_where_it_runs(cluster, web):
    other = web("other", ("10.0.6.1/16",), nodes={"preferred": [{"node": "n-1"}], "maxCandidates": 1})
    documents = [web(tracking=TRACKED), other, *cluster.nodes(2), virtual_server("shop/shop", "other"), *slices()]
    plan = cluster.plan(documents)
    assert trackers(plan) == {
        "n-1": [1, 0] if plan.node_configs["n-1"].spec.instances[0].tracking else [0, 1],
        "n-2": [0],
    }
    assert any("is not planned on n-2" in p.message for p in plan.problems)


def test_the_families_of_a_group_track_alike(cluster, web):
    both = web(addresses=("10.0.5.1/16", "2001:db8::5/64"), tracking=TRACKED)
    plan = cluster.plan([both, *cluster.nodes(2), virtual_server("shop/shop"), *slices()])
    assert trackers(plan) == {"n-1": [1, 1], "n-2": [1, 1]}


def test_a_node_config_that_is_full_takes_the_oldest(cluster, web, monkeypatch):
    documents = [web(), *cluster.nodes(2), virtual_server("shop/shop", created=1), *slices("shop", "other")]
    first = cluster.plan(documents)
    size = len(first.node_configs["n-1"].spec.virtual_servers[0].model_dump_json(by_alias=True, exclude_none=True))
    monkeypatch.setattr("mooring_operator.plan.servers.services.ROOM_BYTES", 2200 + 130 + size + 99)
    younger = virtual_server("shop/other", created=2, ports=[{"name": "http", "port": 80}])
    plan = cluster.plan([*documents, younger])
    assert names(plan) == {"n-1": ["shop/shop:https"], "n-2": ["shop/shop:https"]}
    assert plan.servers["shop/shop"].findings == ()
    ((reason, problem),) = plan.servers["shop/other"].findings
    assert (reason, problem.message.startswith("n-1, n-2: ")) == ("NodeFull", True)
    assert "http of this one is left out" in problem.message


def test_one_sync_daemon_is_on_one_interface(cluster, web):
    nodes = cluster.nodes(1)
    eth1 = {"name": "eth1", "mac": "02:00:00:00:01:01", "addresses": ["192.0.2.1/24"], "carrier": True, "mtu": 1500}
    nodes[1]["status"]["interfaces"].append(eth1)
    synced = {"connectionSync": "Enabled", "masquerade": "Never"}
    servers = [
        virtual_server("shop/shop", created=1, **synced),
        virtual_server("shop/other", "two", created=2, **synced),
    ]
    plan = cluster.plan([web(), web("two", ("192.0.2.10/24",)), *nodes, *servers, *slices("shop", "other")])
    assert plan.node_configs["n-1"].spec.connection_sync.interface == "eth0"
    assert plan.servers["shop/shop"].findings == ()
    ((reason, problem),) = plan.servers["shop/other"].findings
    assert (reason, problem.path) == ("SyncElsewhere", "spec.connectionSync")


def test_endpoints_that_are_being_listed_are_waited_for(cluster, web):
    """An operator that has just begun would else take a Service's backends away for a moment."""
    documents = [web(tracking=TRACKED), *cluster.nodes(1), virtual_server("shop/shop")]
    planner = Planner()
    unheard = planner.plan(snapshot_of(documents, endpoints={}), Allocations())
    assert unheard.servers["shop/shop"].kept
    assert unheard.servers["shop/shop"].findings == ()
    assert unheard.services.kept.servers == {"shop/shop"}
    assert trackers(unheard) == {"n-1": [1]}
    heard = planner.plan(snapshot_of(documents, endpoints={"shop/shop": ()}), unheard.allocations)
    assert not heard.servers["shop/shop"].kept
    assert names(heard) == {"n-1": ["shop/shop:https"]}
    assert not heard.services.kept


def test_what_is_refused_is_not_waited_for(cluster):
    documents = [cluster.virtual_ip("web", ["10.0.5.1/16"]), *cluster.nodes(1), virtual_server("shop/shop")]
    plan = Planner().plan(snapshot_of(documents, endpoints={}), Allocations())
    assert not plan.servers["shop/shop"].kept


def test_a_change_of_one_endpoint_touches_candidates_alone(cluster, web):
    """And makes nothing anew of any other VirtualServer."""
    planner = Planner()
    one = web("one", nodes={"preferred": [{"node": "n-1"}], "maxCandidates": 1})
    two = web("two", ("10.0.6.1/16",), nodes={"preferred": [{"node": "n-2"}], "maxCandidates": 1})
    ports = [{"name": "http", "port": 80}]
    servers = [
        virtual_server("shop/shop", "one"),
        virtual_server("shop/other", "one", ports=ports),
        virtual_server("shop/third", "two"),
    ]
    documents = [one, two, *cluster.nodes(3), *servers, *slices("other", "third")]
    before = planner.plan(snapshot_of([*documents, *slices("shop")]), Allocations())
    more = endpoint_slice("shop/shop", ["10.244.0.1", "10.244.0.2"])
    after = planner.plan(snapshot_of([*documents, more]), before.allocations)
    same = {n for n, config in after.node_configs.items() if config is before.node_configs[n]}
    assert same == {"n-2", "n-3"}
    (old_shop, old_other), (shop, other) = (
        sorted(p.node_configs["n-1"].spec.virtual_servers, key=lambda s: s.name, reverse=True) for p in (before, after)
    )
    assert other is old_other
    assert shop.backends[0] is old_shop.backends[0]


def test_a_plan_without_virtual_servers_changes_nothing_beside(cluster, web):
    plan = cluster.plan([web(), *cluster.nodes(1), *slices()])
    assert services_in(plan.node_configs["n-1"].spec) == NOTHING
    assert plan.servers == {}


def test_everything_of_the_virtual_server_is_passed_on(cluster, web):
    spec = {
        "scheduler": "mh",
        "schedulerFlags": ["Port"],
        "persistence": {"timeout": "50s", "prefixLengthIPv4": 24},
        "quorum": {"up": 2, "hysteresis": 1},
        "checksOn": "Holder",
        "initialState": "Down",
        "onEnd": "Notify",
        "drainTimeout": "7s",
        "masquerade": "Never",
        "notifications": [{"on": ["QuorumUp"], "script": {"file": "tell"}}],
        "healthChecks": [{"name": "page", "http": {"virtualHost": "shop.example.com"}}],
        "sorryServer": {"address": "10.9.0.9", "port": 8080, "onQuorum": "Inhibit"},
    }
    allowed = web(tenantFeatures=EVERYTHING)
    slow = endpoint_slice("shop/shop", [endpoint("10.244.0.1")])
    plan = cluster.plan([allowed, *cluster.nodes(1), virtual_server("shop/shop", **spec), slow])
    wire = plan.node_configs["n-1"].spec.virtual_servers[0].to_wire()
    for field in spec.keys() - {"healthChecks", "notifications", "persistence"}:
        assert wire[field] == spec[field], field
    assert wire["healthChecks"][0]["http"]["virtualHost"] == "shop.example.com"
    assert wire["notifications"][0]["script"]["file"] == "tell"
    assert wire["persistence"]["prefixLengthIPv4"] == 24


def test_what_the_models_refuse_costs_only_itself(cluster, web, monkeypatch):
    """Rules of a NodeConfig that nobody thought of here must not stop the operator."""
    rules = NodeVirtualServer.rules
    odd = Rule(cel="true", message="no odd ports", holds=lambda s: s.port != 81, path="port")
    monkeypatch.setattr(NodeVirtualServer, "rules", (*rules, odd))
    ports = [{"name": "odd", "port": 81}, {"name": "even", "port": 80}]
    documents = [web(), *cluster.nodes(1), virtual_server("shop/shop", ports=ports), virtual_server("shop/other")]
    plan = cluster.plan([*documents, *slices("shop", "other")])
    assert names(plan)["n-1"] == ["shop/other:https", "shop/shop:even"]
    ((reason, problem),) = plan.servers["shop/shop"].findings
    assert (reason, problem.message) == ("Invalid", "odd can't be planned on n-1: port: no odd ports")
