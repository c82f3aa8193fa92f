"""What a write changes, in a few words."""

from mooring_api.node_server import ConnectionSync, NodeBackend, NodeVirtualServer
from mooring_api.nodeconfig import Instance, NodeConfigSpec
from mooring_operator.plan.servers.plans import services_in
from mooring_operator.stage.beside import Beside
from mooring_operator.stage.standing import Standing
from mooring_operator.tell.log_words import differences


def instance(name: str, vrid: int = 1, priority: int = 100) -> Instance:
    address = {"address": f"10.0.0.{vrid}/24"}
    return Instance.model_validate(
        {"name": name, "virtualRouterID": vrid, "priority": priority, "addresses": [address]}
    )


def server(name: str, port: int = 80, *backends: str) -> NodeVirtualServer:
    own = tuple(NodeBackend(address=each) for each in backends)
    return NodeVirtualServer(name=name, addresses=("10.0.0.1",), port=port, backends=own)


def standing(spec: NodeConfigSpec) -> Standing:
    return Standing("n1", spec.instances, beside=Beside(services_in(spec)))


def test_what_comes_goes_and_changes_is_named() -> None:
    before = NodeConfigSpec(instances=(instance("old"), instance("api", 2)), virtual_servers=(server("a", 80),))
    after = NodeConfigSpec(
        instances=(instance("api", 2, 90), instance("web", 3)),
        virtual_servers=(server("a", 80, "10.1.0.1"), server("b", 81)),
        connection_sync=ConnectionSync(),
    )
    assert differences(standing(before), after) == "+web -old api (priority) +b a (backends) (connection sync)"
    assert differences(None, before) == "+old +api +a"


def test_of_many_virtual_servers_some_are_named() -> None:
    many = tuple(server(f"s{n}", n + 1) for n in range(20))
    words = differences(None, NodeConfigSpec(virtual_servers=many))
    assert words == "+s0 +s1 +s2 +s3 +s4 +s5 +s6 +s7 and 12 more virtual servers"


def test_without_a_difference_it_is_the_annotations_or_nothing_at_all() -> None:
    spec = NodeConfigSpec(instances=(instance("web"),))
    assert differences(standing(spec), spec) == "its annotations"
    assert differences(None, NodeConfigSpec()) == "no instances"
