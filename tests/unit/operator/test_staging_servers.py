"""Virtual servers while instances go round: they go with the instances, and what nobody can judge stays."""

from dataclasses import dataclass, field

import pytest
from tests.unit.operator.serving import ALL, endpoint, endpoint_slice, virtual_server

from mooring_api.nodeconfig import InstanceState
from mooring_operator.plan.allocations import Allocations
from mooring_operator.plan.planner import Plan, Planner
from mooring_operator.plan.reading import snapshot_of
from mooring_operator.stage.staging import Staged, Stager
from mooring_operator.stage.standing import Standing, standing_of

POOL = {"nodes": {"selector": {"matchLabels": {"pool": "edge"}}}}


@dataclass
class Written:
    """An operator and what it has written; nodes take everything at once and confirm it when they are told to."""

    documents: list
    planner: Planner = field(default_factory=Planner)
    stager: Stager = field(default_factory=Stager)
    allocations: Allocations = field(default_factory=Allocations)
    standing: dict[str, Standing] = field(default_factory=dict)
    objects: dict = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    plan: Plan | None = None

    def turn(self, documents=None, endpoints=None) -> Staged:
        self.documents = self.documents if documents is None else documents
        snapshot = snapshot_of(self.documents, endpoints=endpoints)
        self.plan = self.planner.plan(snapshot, self.allocations)
        self.allocations = self.plan.allocations
        kept = self.paused | snapshot.unreadable
        nodes = frozenset(self.plan.node_configs)
        return self.stager.stage(self.plan.node_configs, self.standing, kept, nodes, None, self.plan.services)

    def write(self, staged, *, confirmed=()):
        for name in staged.changed:
            old = self.objects.get(name, {"metadata": {"generation": 0}, "status": {}})
            generation = old["metadata"]["generation"] + 1
            wire = staged.node_configs[name].to_wire()
            metadata = wire["metadata"] | {"uid": f"uid-{name}", "generation": generation}
            self.objects[name] = {"metadata": metadata, "spec": wire["spec"], "status": old["status"]}
        for name in self.objects:
            self.say(name) if name in confirmed else self._read(name)

    def say(self, node, active=()):
        spec = self.objects[node]["spec"]
        states = [
            {
                "name": i["name"],
                "state": str(InstanceState.ACTIVE if i["name"] in active else InstanceState.BACKUP),
                "sinceTime": "then",
                "priority": 1,
                "transitions": 1,
            }
            for i in spec["instances"]
        ]
        status = {"observedGeneration": self.objects[node]["metadata"]["generation"], "instances": states}
        self.objects[node] = {**self.objects[node], "status": status}
        self._read(node)

    def _read(self, node):
        self.standing[node] = standing_of(self.objects[node], self.standing.get(node))

    def settle(self, documents=None):
        for _ in range(20):
            staged = self.turn(documents)
            if not staged.changed:
                return self
            self.write(staged, confirmed=self.plan.node_configs)
        raise AssertionError("it never settles")

    def runs(self, node):
        return [s["name"] for s in self.objects[node]["spec"]["virtualServers"]]


def machines(cluster, *pool, count=2):
    """Nodes with MACs of their own; those of `pool` are in it."""
    found = cluster.nodes(count)
    for document in found:
        name = document["metadata"]["name"]
        if document["kind"] == "Node":
            document["metadata"]["labels"] = {"pool": "edge"} if name in pool else {}
        else:
            document["status"]["interfaces"][0]["mac"] = f"02:00:00:00:00:{int(name[2:]):02x}"
    return found


@pytest.fixture
def web(cluster):
    def build(**spec):
        return cluster.virtual_ip("web", ["10.0.5.1/16"], **{"allowedNamespaces": ALL, **POOL, **spec})

    return build


SHOP = [virtual_server("shop/shop"), endpoint_slice("shop/shop", ["10.244.0.1"])]


def test_a_node_that_leaves_balances_until_it_has_let_go(cluster, web):
    written = Written([web(), *machines(cluster, "n-1", "n-2"), *SHOP]).settle()
    written.say("n-1", active=["web-0"])
    staged = written.turn([web(), *machines(cluster, "n-2"), *SHOP])
    assert written.plan.node_configs["n-1"].spec.virtual_servers == ()
    leaving = staged.node_configs["n-1"].spec
    assert [s.name for s in leaving.virtual_servers] == ["shop/shop:https"]
    assert [i.eligible for i in leaving.instances] == [False]
    # Its backends change like everybody's, though its share of the plan does not.
    more = [SHOP[0], endpoint_slice("shop/shop", ["10.244.0.1", "10.244.0.2"])]
    staged = written.turn([web(), *machines(cluster, "n-2"), *more])
    assert [b.address for b in staged.node_configs["n-1"].spec.virtual_servers[0].backends] == [
        "10.244.0.1",
        "10.244.0.2",
    ]
    written.settle()
    assert written.runs("n-1") == []
    assert written.objects["n-1"]["spec"]["instances"] == []


def test_a_node_that_joins_balances_with_its_instance(cluster, web):
    written = Written([web(), *machines(cluster, "n-1"), *SHOP]).settle()
    staged = written.turn([web(), *machines(cluster, "n-1", "n-2"), *SHOP])
    joining = staged.node_configs["n-2"].spec
    assert [i.eligible for i in joining.instances] == [False]
    assert [s.name for s in joining.virtual_servers] == ["shop/shop:https"]


def test_services_alone_are_written_and_wait_for_nobody(cluster, web):
    written = Written([web(), *machines(cluster, "n-1", "n-2"), *SHOP]).settle()
    more = [SHOP[0], endpoint_slice("shop/shop", ["10.244.0.2"])]
    staged = written.turn([web(), *machines(cluster, "n-1", "n-2"), *more])
    assert (staged.changed, staged.waiting, staged.moving) == ({"n-1", "n-2"}, (), frozenset())
    written.write(staged)
    assert written.turn().changed == frozenset()


def test_while_a_virtual_ip_is_paused_its_backends_go_on_changing(cluster, web):
    written = Written([web(), *machines(cluster, "n-1", "n-2"), *SHOP]).settle()
    written.paused = frozenset({"web"})
    more = [SHOP[0], endpoint_slice("shop/shop", ["10.244.0.2"])]
    staged = written.turn([web(), *machines(cluster, "n-1"), *more])
    for node in ("n-1", "n-2"):
        spec = staged.node_configs[node].spec
        assert [b.address for s in spec.virtual_servers for b in s.backends] == ["10.244.0.2"]
        assert [i.eligible for i in spec.instances] == [True]


def test_a_virtual_server_that_is_deleted_goes_at_once(cluster, web):
    written = Written([web(), *machines(cluster, "n-1", "n-2"), *SHOP]).settle()
    staged = written.turn([web(), *machines(cluster, "n-1", "n-2")])
    assert [c.spec.virtual_servers for c in staged.node_configs.values()] == [(), ()]


def test_a_namespace_that_is_no_longer_allowed_loses_everything(cluster, web):
    written = Written([web(portGuard="Enforce"), *machines(cluster, "n-1"), *SHOP]).settle()
    staged = written.turn([web(portGuard="Enforce", allowedNamespaces={}), *machines(cluster, "n-1"), *SHOP])
    spec = staged.node_configs["n-1"].spec
    assert (spec.virtual_servers, spec.port_guards[0].ports) == ((), ())


@pytest.mark.parametrize("who", ["server", "virtual ip"])
def test_what_cannot_be_read_stays_as_it_was(cluster, web, who):
    guarded = web(portGuard="Enforce", tracking=[{"name": "x", "virtualServer": {"name": "shop/shop"}}])
    direct = virtual_server("shop/shop", forwarding="DirectRoute", connectionSync="Enabled")
    slices = endpoint_slice("shop/shop", [endpoint("10.0.1.2", node="n-2")], {"https": 443})
    written = Written([guarded, *machines(cluster, "n-1"), direct, slices]).settle()
    before = {name: written.objects[name]["spec"] for name in written.objects}
    assert before["n-2"]["backendAddresses"]
    if who == "server":
        documents = [guarded, direct | {"spec": direct["spec"] | {"scheduler": "best"}}]
    else:
        documents = [guarded | {"spec": guarded["spec"] | {"distribution": "Sideways"}}, direct]
    staged = written.turn([*documents, *machines(cluster, "n-1"), slices])
    assert staged.changed == frozenset()
    assert {name: config.spec.to_wire() for name, config in staged.node_configs.items()} == before


def test_endpoints_that_are_being_listed_change_nothing(cluster, web):
    documents = [web(), *machines(cluster, "n-1"), *SHOP]
    written = Written(documents).settle()
    written.planner, written.stager = Planner(), Stager()
    assert written.turn(endpoints={}).changed == frozenset()
    assert written.turn(endpoints={"shop/shop": ()}).changed == {"n-1"}


def test_what_stays_keeps_its_port_from_others(cluster, web):
    written = Written([web(), *machines(cluster, "n-1"), *SHOP]).settle()
    bad = virtual_server("shop/shop", scheduler="best")
    other = [virtual_server("shop/other", created=5), endpoint_slice("shop/other", ["10.244.0.9"])]
    staged = written.turn([web(), *machines(cluster, "n-1"), bad, SHOP[1], *other])
    assert [s.name for s in staged.node_configs["n-1"].spec.virtual_servers] == ["shop/shop:https"]


def test_nodes_that_leave_are_directors_until_they_have_let_go(cluster, web):
    direct = virtual_server("shop/shop", forwarding="DirectRoute")
    slices = endpoint_slice("shop/shop", [endpoint("10.0.1.1", node="n-1")], {"https": 443})
    both = [web(), *machines(cluster, "n-1", "n-2"), direct, slices]
    written = Written(both).settle()
    written.say("n-2", active=["web-0"])
    alone = [web(), *machines(cluster, "n-1"), direct, slices]
    staged = written.turn(alone)
    assert written.plan.node_configs["n-1"].spec.virtual_servers[0].other_directors == ()
    assert staged.node_configs["n-1"].spec.virtual_servers[0].other_directors == ("02:00:00:00:00:02",)
    written.settle()
    assert written.objects["n-1"]["spec"]["virtualServers"][0]["otherDirectors"] == []


def test_trackers_go_with_what_they_track(cluster, web):
    tracking = web(tracking=[{"name": "x", "virtualServer": {"name": "shop/shop"}}])
    written = Written([tracking, *machines(cluster, "n-1", "n-2"), *SHOP]).settle()
    assert written.standing["n-1"].instances[0].tracking
    written.paused = frozenset({"web"})
    staged = written.turn([tracking, *machines(cluster, "n-1", "n-2")])
    # It is paused, and still must not track what the node has nothing of: it would be at fault for ever.
    assert [i.tracking for c in staged.node_configs.values() for i in c.spec.instances] == [(), ()]


def test_what_others_wrote_into_the_services_is_written_over(cluster, web):
    written = Written([web(), *machines(cluster, "n-1"), *SHOP]).settle()
    spec = written.objects["n-1"]["spec"]
    for wrong in ({"virtualServers": []}, {"portGuards": [{"addresses": "x"}]}, {"connectionSync": {}}):
        written.objects["n-1"] |= {"metadata": {"name": "n-1", "uid": "u", "generation": 99}, "spec": spec | wrong}
        del written.standing["n-1"]
        written._read("n-1")
        assert written.turn().changed == {"n-1"}
