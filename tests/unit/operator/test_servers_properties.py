"""What holds for every plan with VirtualServers, whatever the objects: searched for by Hypothesis."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.serving import EVERYTHING, endpoint, endpoint_slice, namespace, virtual_server
from tests.unit.operator.test_planner_properties import FEW, clusters, planned

from mooring_api.access import NamespacesFrom
from mooring_api.nodeconfig import NodeConfig
from mooring_operator.plan.allocations import Allocations
from mooring_operator.plan.labels import selects
from mooring_operator.plan.planner import Planner, plan
from mooring_operator.plan.reading import snapshot_of
from mooring_operator.stage.staging import Stager, stage
from mooring_operator.stage.standing import standing_of

NAMESPACES = ("red", "blue")
NAMES = ("a", "b", "c")
KEYS = tuple(f"{space}/{name}" for space in NAMESPACES for name in NAMES)
ZONES = st.sampled_from([None, "x", "y"])


def _access(draw):
    allowed = draw(
        st.sampled_from(
            [
                {},
                {"from": "All"},
                {"from": "All"},
                {"from": "Names", "names": ["red"]},
                {"from": "Selector", "selector": {"matchLabels": {"color": "red"}}},
            ]
        )
    )
    tracked = draw(st.lists(st.sampled_from(KEYS), max_size=2, unique=True))
    return {
        "allowedNamespaces": allowed,
        "tenantFeatures": draw(st.sampled_from([EVERYTHING, EVERYTHING, ["StaticServers"], []])),
        "portGuard": draw(st.sampled_from(["Off", "Enforce", "Monitor"])),
        "tracking": [{"name": f"t-{i}", "virtualServer": {"name": key}} for i, key in enumerate(tracked)],
    }


def _server(draw, key):
    forwarding = draw(st.sampled_from(["NAT", "NAT", "DirectRoute", "Tunnel"]))
    ports = draw(st.lists(st.sampled_from([80, 443, 8080]), min_size=1, max_size=2, unique=True))
    backends = {}
    if draw(st.booleans()):
        backends["service"] = {
            "name": draw(st.sampled_from(NAMES)),
            "zones": draw(st.sampled_from(["Any", "PreferSame"])),
        }
    statics = draw(st.lists(_addresses(), max_size=3))
    if statics or not backends:
        backends["servers"] = [{"address": a} for a in statics or ["10.9.0.1"]]
        if draw(st.booleans()):
            backends["servers"][0]["port"] = draw(st.sampled_from([80, 8080]))
    spec = {"forwarding": forwarding, "backends": backends}
    if draw(st.integers(0, 4)) == 0:
        spec["firewallMark"] = draw(st.integers(1, 2))
    else:
        spec["ports"] = [{"name": f"p-{port}", "port": port} for port in ports]
    if draw(st.integers(0, 3)) == 0:
        spec["sorryServer"] = {"address": draw(_addresses())}
    if draw(st.integers(0, 3)) == 0 and forwarding != "NAT":
        spec["connectionSync"] = "Enabled"
    if draw(st.integers(0, 3)) == 0:
        spec["addresses"] = draw(st.lists(_virtual_addresses(), max_size=2, unique=True))
    if draw(st.integers(0, 9)) == 0:
        spec["scheduler"] = "best"
    created = draw(st.sampled_from([None, 0, 1, 2]))
    return virtual_server(key, f"v-{draw(st.integers(0, 4))}", created, **spec)


def _virtual_addresses():
    return st.builds(lambda n, six: f"2001:db8::5:{n:x}" if six else f"10.0.5.{n}", st.integers(1, 30), st.booleans())


def _addresses():
    """Of nodes (their own), of pods, virtual ones."""
    return st.one_of(
        st.builds("10.{}.1.{}".format, st.integers(0, 1), st.integers(1, 7)),
        st.builds("10.244.0.{}".format, st.integers(1, 5)),
        st.builds("2001:db8:1::{:x}".format, st.integers(1, 5)),
        _virtual_addresses(),
    )


def _endpoint(draw, address):
    node = draw(st.sampled_from([None, *(f"n-{i}" for i in range(5))]))
    conditions = {"ready": draw(st.sampled_from([True, True, None, False])), "serving": draw(st.booleans())}
    return endpoint(address, node, draw(ZONES), **conditions, terminating=draw(st.booleans()))


def _slices(draw):
    for key in KEYS:
        for number in range(draw(st.integers(0, 2))):
            addresses = draw(st.lists(_addresses(), max_size=4, unique=True))
            six = draw(st.booleans())
            own = [_endpoint(draw, a) for a in addresses if (":" in a) == six]
            ports = draw(st.sampled_from([{"p-80": 80, "p-443": 8443}, {"": 80}, {"x": 80, "y": 81}, {}]))
            yield endpoint_slice(key, own, ports, f"{number}", addressType="IPv6" if six else "IPv4")


@st.composite
def served(draw):
    """A cluster with VirtualServers on it."""
    documents = draw(clusters())
    for document in documents:
        if document["kind"] == "VirtualIP":
            document["spec"] |= _access(draw)
        if document["kind"] == "Node" and (zone := draw(ZONES)):
            document["metadata"]["labels"]["topology.kubernetes.io/zone"] = zone
    documents += [_server(draw, key) for key in draw(st.lists(st.sampled_from(KEYS), max_size=5, unique=True))]
    documents += _slices(draw)
    documents += [namespace(name, color=name) for name in NAMESPACES if draw(st.booleans())]
    return documents


def _valid(config):
    """As the daemon reads it: rules and conflicts are held of everything in it."""
    assert NodeConfig.model_validate(config.to_wire(), by_alias=True, by_name=False).spec == config.spec


@FEW
@given(served())
def test_every_node_config_is_one_that_a_daemon_accepts(documents):
    for config in planned(documents).node_configs.values():
        _valid(config)


@FEW
@given(served())
def test_a_port_of_an_address_has_one_virtual_server_in_all_the_cluster(documents):
    owners = {}
    for config in planned(documents).node_configs.values():
        seen = set()
        for server in config.spec.virtual_servers:
            keys = {(a, server.protocol, server.port) for a in server.addresses}
            keys |= {(server.firewall_mark, server.family)} if server.firewall_mark else set()
            assert seen.isdisjoint(keys)
            seen |= keys
            for key in keys:
                assert owners.setdefault(key, server.virtual_server) == server.virtual_server


@FEW
@given(served())
def test_what_is_not_allowed_appears_nowhere(documents):
    snapshot, result = snapshot_of(documents), planned(documents)
    virtual_ips = {v.metadata.name: v for v in snapshot.virtual_ips}
    running = {s.virtual_server for c in result.node_configs.values() for s in c.spec.virtual_servers}
    for server in snapshot.virtual_servers:
        virtual_ip = virtual_ips.get(server.spec.virtual_ip_ref.name)
        allowed = virtual_ip.spec.allowed_namespaces if virtual_ip else None
        space = server.metadata.namespace
        match allowed.from_ if allowed else None:
            case NamespacesFrom.ALL:
                permitted = True
            case NamespacesFrom.NAMES:
                permitted = space in allowed.names
            case NamespacesFrom.SELECTOR:
                permitted = selects(allowed.selector, snapshot.namespaces.get(space, {}))
            case _:
                permitted = False
        static = bool(server.spec.backends.servers or server.spec.sorry_server)
        if not permitted or (static and "StaticServers" not in virtual_ip.spec.tenant_features):
            assert server.key not in running
            assert result.servers[server.key].findings
        assert (server.key in running) <= bool(result.servers[server.key].ports)


@FEW
@given(served())
def test_a_node_balances_what_it_may_hold_and_tracks_what_it_balances(documents):
    result = planned(documents)
    for config in result.node_configs.values():
        held = {a.address.split("/")[0] for i in config.spec.instances for a in i.addresses}
        there = {s.virtual_server for s in config.spec.virtual_servers} | result.services.kept.servers
        for server in config.spec.virtual_servers:
            assert held.issuperset(server.addresses)
        for instance in config.spec.instances:
            assert there.issuperset(t.virtual_server.name for t in instance.tracking)


@FEW
@given(served())
def test_without_nat_every_backend_that_is_a_pod_is_on_its_nodes_own_network(documents):
    snapshot, result = snapshot_of(documents), planned(documents)
    own = {n.name: {a.split("/")[0] for r in n.interfaces or () for a in r.addresses} for n in snapshot.nodes}
    own = {n.name: own[n.name] | set(n.internal_addresses) for n in snapshot.nodes}
    servers = {s.key: s for s in snapshot.virtual_servers}
    for config in result.node_configs.values():
        for entry in config.spec.virtual_servers:
            server = servers[entry.virtual_server]
            static = {s.address for s in server.spec.backends.servers}
            service = server.spec.backends.service
            slices = snapshot.endpoints.get(f"{server.metadata.namespace}/{service.name}", ()) if service else ()
            nodes = {}
            for each in slices:
                for one in each.endpoints:
                    nodes.setdefault(one.address, set()).add(one.node)
            for backend in entry.backends:
                assert str(entry.forwarding) == "NAT" or backend.port is None
                if str(entry.forwarding) != "NAT" and backend.address not in static:
                    assert any(n is None or backend.address in own.get(n, ()) for n in nodes[backend.address])


@FEW
@given(st.data(), served())
def test_the_order_of_the_input_does_not_matter(data, documents):
    assert planned(data.draw(st.permutations(documents))) == planned(documents)


@st.composite
def histories(draw):
    """A few states of one cluster: from each to the next some objects are replaced, added or gone."""
    states = [draw(served())]
    for _ in range(draw(st.integers(1, 3))):
        dice = draw(st.randoms(use_true_random=False))
        merged = {_id(d): d for d in states[-1]}
        for document in draw(served()):
            choice = dice.choice(["keep", "keep", "take", "drop"])
            if choice == "take":
                merged[_id(document)] = document
            elif choice == "drop":
                merged.pop(_id(document), None)
        states.append(list(merged.values()))
    return states


def _id(document):
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace"), metadata["name"]


@FEW
@given(histories(), st.lists(st.booleans(), min_size=4, max_size=4))
def test_a_planner_with_a_memory_gives_what_plan_gives(states, heard):
    planner, allocations = Planner(), Allocations()
    for documents, known in zip(states, heard, strict=False):
        snapshot = snapshot_of(documents, endpoints=None if known else {})
        result, fresh = planner.plan(snapshot, allocations), plan(snapshot, allocations)
        assert result == fresh
        allocations = result.allocations


@FEW
@given(served())
def test_planning_again_makes_nothing_anew(documents):
    planner = Planner()
    first = planner.plan(snapshot_of(documents), Allocations())
    again = planner.plan(snapshot_of(documents), first.allocations)
    assert again.services == first.services
    for name, config in again.node_configs.items():
        assert config is first.node_configs[name]


class Nodes:
    """NodeConfigs as they stand, written as staged, and confirmed by some nodes at once and by others late."""

    def __init__(self):
        self.documents = {}

    def standings(self):
        return {name: standing_of(document) for name, document in self.documents.items()}

    def write(self, staged, names, said):
        for name in names:
            old = self.documents.get(name, {"metadata": {"generation": 0}, "status": {}})
            config = staged.node_configs[name].to_wire()
            generation = old["metadata"]["generation"] + 1
            metadata = config["metadata"] | {"uid": f"uid-{name}", "generation": generation}
            status = {"observedGeneration": generation} if said(name) else old["status"]
            self.documents[name] = {"metadata": metadata, "spec": config["spec"], "status": status}

    def confirm(self):
        for document in self.documents.values():
            document["status"] = {"observedGeneration": document["metadata"]["generation"]}


@FEW
@given(histories(), st.randoms(use_true_random=False))
def test_what_is_staged_is_valid_at_each_step_and_comes_to_what_is_planned(states, dice):
    planner, stager, nodes, allocations = Planner(), Stager(), Nodes(), Allocations()
    for documents in states:
        snapshot = snapshot_of(documents)
        result = planner.plan(snapshot, allocations)
        allocations = result.allocations
        names = frozenset(result.node_configs)
        for gone in nodes.documents.keys() - names:
            del nodes.documents[gone]
        for _ in range(3):
            arguments = (result.node_configs, nodes.standings(), snapshot.unreadable, names, None, result.services)
            staged = stager.stage(*arguments)
            assert staged == stage(*arguments)
            for config in staged.node_configs.values():
                _valid(config)
                held = {a.address.split("/")[0] for i in config.spec.instances for a in i.addresses}
                assert all(held.issuperset(s.addresses) for s in config.spec.virtual_servers)
                there = {s.virtual_server for s in config.spec.virtual_servers}
                assert all(t.virtual_server.name in there for i in config.spec.instances for t in i.tracking)
            nodes.write(staged, sorted(staged.changed), lambda _: dice.random() < 0.5)
    for _ in range(40):
        nodes.confirm()
        staged = stager.stage(result.node_configs, nodes.standings(), snapshot.unreadable, names, None, result.services)
        if not staged.changed:
            break
        nodes.write(staged, sorted(staged.changed), lambda _: True)
    assert not staged.moving
    if not (result.services.kept or snapshot.unreadable):
        specs = {name: config.spec for name, config in staged.node_configs.items()}
        assert specs == {name: config.spec for name, config in result.node_configs.items()}
