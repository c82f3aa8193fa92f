"""Each rule of the contract: what it lets pass, and the exact field that it blames."""

from typing import Any

import pytest

from mooring_api.nodeconfig import Instance, NodeConfig, NodeConfigSpec
from mooring_api.problems import InvalidObject
from mooring_api.virtualip import VirtualIP
from mooring_api.wire import Wire, parse_object

PASSWORD = {"type": "Password", "password": "666"}
V6: dict[str, Any] = {"family": "IPv6", "addresses": [{"address": "2001:db8::10"}]}


def _blamed(model: type[Wire], document: dict[str, Any]) -> list[str]:
    try:
        parse_object(model, document, "it")
    except InvalidObject as error:
        return [problem.path for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("fields", "blamed"),
    [
        ({}, []),
        ({"version": 2, "advertisementInterval": "255s"}, []),
        ({"version": 2, "advertisementInterval": "1500ms"}, ["advertisementInterval"]),
        ({"advertisementInterval": "40950ms"}, []),
        ({"advertisementInterval": "40960ms"}, ["advertisementInterval"]),
        ({"advertisementInterval": "15ms"}, ["advertisementInterval"]),
        (V6 | {"transport": {"peers": ["fe80::2%eth0"], "source": "fe80::1"}}, []),
        (V6 | {"transport": {}, "version": 2}, ["version"]),
        (V6 | {"transport": {"peers": ["fe80::2", "10.0.0.2"]}}, ["transport.peers"]),
        (V6 | {"transport": {"source": "10.0.0.2"}}, ["transport.source"]),
        (V6 | {"transport": {"type": "Multicast", "group": "ff02::12"}}, []),
        (V6 | {"transport": {"type": "Multicast", "group": "224.0.0.18"}}, ["transport.group"]),
        ({"transport": {"peers": ["10.0.0.2"], "source": "fe80::1%eth0"}}, ["transport.source"]),
        ({"transport": {"type": "Multicast"}}, []),
        ({"transport": {"type": "Multicast", "group": "10.0.0.1"}}, ["transport.group"]),
        ({"transport": {"type": "Multicast", "peers": ["10.0.0.2"]}}, ["transport.peers"]),
        ({"transport": {"group": "224.0.0.18"}}, ["transport.group"]),
        ({"transport": {"peers": []}}, []),
        ({"transport": {"alone": True}}, []),
        ({"transport": {"alone": True, "peers": ["10.0.0.2"]}}, ["transport.alone"]),
        ({"transport": {"alone": True, "type": "Multicast"}}, ["transport.alone"]),
        ({"transport": {"peers": ["10.0.0.2", "10.0.0.3", "10.0.0.2"]}}, ["transport.peers[2]"]),
        ({"transport": {"peers": ["10.0.0.2"], "source": "10.0.0.2"}}, ["transport.peers[0]"]),
        ({"transport": {"peers": ["224.0.0.1"]}}, ["transport.peers[0]"]),
        ({"authentication": PASSWORD, "version": 2}, []),
        ({"authentication": PASSWORD}, ["authentication"]),
        ({"authentication": {"type": "Password"}, "version": 2}, ["authentication"]),
        ({"authentication": PASSWORD | {"secretRef": {"name": "a"}}, "version": 2}, ["authentication"]),
        ({"addresses": [{"address": "2001:db8::10"}]}, ["addresses[0].address"]),
        ({"addresses": [{"address": "10.0.0.1"}, {"address": "10.0.0.1/24"}]}, ["addresses[1].address"]),
        ({"addresses": [{"address": "10.0.0.1", "label": "eth0:1234567890"}]}, []),
        ({"addresses": [{"address": "10.0.0.1", "label": "eth0:12345678901"}]}, ["addresses[0].label"]),
        ({"addresses": [{"address": "10.0.0.1", "label": "eth0:é"}]}, ["addresses[0].label"]),
        (V6 | {"transport": {}, "addresses": [{"address": "fe80::1", "label": "a"}]}, ["addresses[0].label"]),
    ],
)
def test_instance(instance: Any, fields: dict[str, Any], blamed: list[str]) -> None:
    assert _blamed(Instance, instance(**fields)) == blamed


FORM = {"virtualRouterID": 67}


@pytest.mark.parametrize(
    ("fields", "form", "blamed"),
    [
        ({}, FORM, []),
        ({}, {"virtualRouterID": 66}, []),
        ({}, {"virtualRouterID": 66, "version": 2, "authentication": PASSWORD}, []),
        ({}, {}, ["alsoAccept[0].virtualRouterID"]),
        ({}, FORM | {"authentication": PASSWORD}, ["alsoAccept[0].authentication"]),
        ({}, FORM | {"version": 2, "advertisementInterval": "100ms"}, ["alsoAccept[0].advertisementInterval"]),
        ({}, FORM | {"transport": {"type": "Multicast"}}, []),
        ({}, FORM | {"transport": {"type": "Multicast", "group": "ff02::12"}}, ["alsoAccept[0].transport"]),
        ({}, FORM | {"transport": {"peers": ["10.0.0.2", "fe80::2"]}}, ["alsoAccept[0].transport"]),
        ({}, FORM | {"transport": {}}, ["alsoAccept[0].transport.peers"]),
        ({}, FORM | {"transport": {"peers": ["10.0.0.2"], "group": "224.0.0.18"}}, ["alsoAccept[0].transport.group"]),
        ({}, FORM | {"transport": {"peers": ["10.0.0.2", "10.0.0.2"]}}, ["alsoAccept[0].transport.peers[1]"]),
        ({}, FORM | {"transport": {"peers": ["10.0.0.2"], "alone": False}}, ["alsoAccept[0].transport.alone"]),
        (V6 | {"transport": {}}, FORM, []),
        (V6 | {"transport": {}}, FORM | {"version": 2}, ["alsoAccept[0].version"]),
    ],
)
def test_a_form_that_is_also_accepted(instance: Any, fields: Any, form: dict[str, Any], blamed: list[str]) -> None:
    assert _blamed(Instance, instance(**fields, alsoAccept=[form])) == blamed


_OTHER = {"name": "web-1", "virtualRouterID": 88, "addresses": [{"address": "10.0.0.106/24"}]}


@pytest.mark.parametrize(
    ("second", "blamed"),
    [
        (_OTHER, []),
        (_OTHER | {"name": "web-0"}, ["instances[1].name"]),
        (_OTHER | {"virtualRouterID": 66}, ["instances[1].virtualRouterID"]),
        (_OTHER | {"virtualRouterID": 66, "interface": "eth1"}, []),
        (_OTHER | {"virtualRouterID": 66, "transport": {}} | V6, []),
        (
            _OTHER | {"addresses": [{"address": "10.0.0.7"}, {"address": "10.0.0.100"}]},
            ["instances[1].addresses[1].address"],
        ),
        (_OTHER | {"syncGroup": "web-0"}, []),
        (_OTHER | {"syncGroup": "web-0", "version": 2}, []),
        (_OTHER | {"syncGroup": "web-0", "priority": 99}, ["instances[1].priority"]),
        (_OTHER | {"syncGroup": "web-0", "advertisementInterval": "2s"}, ["instances[1].advertisementInterval"]),
        (_OTHER | {"syncGroup": "web-0", "activeDownFactor": 4}, ["instances[1].activeDownFactor"]),
        (_OTHER | {"syncGroup": "web-0", "preemption": {"mode": "Never"}}, ["instances[1].preemption"]),
        (_OTHER | {"syncGroup": "web-0", "eligible": False}, ["instances[1].eligible"]),
        (_OTHER | {"syncGroup": "web-0", "flapDamping": {"holdDown": "0s"}}, ["instances[1].flapDamping"]),
        (_OTHER | {"syncGroup": "web-0", "onStop": "Keep"}, ["instances[1].onStop"]),
        (_OTHER | {"syncGroup": "web-0", "lease": "9s"}, ["instances[1].lease"]),
        (_OTHER | {"priority": 99, "lease": "9s"}, []),
    ],
)
def test_instances_of_one_node(instance: Any, second: dict[str, Any], blamed: list[str]) -> None:
    assert _blamed(NodeConfigSpec, {"instances": [instance(), instance(**second)]}) == blamed


@pytest.mark.parametrize(
    ("first", "second", "blamed"),
    [
        ([67], _OTHER | {"alsoAccept": [{"virtualRouterID": 88}, {"virtualRouterID": 89}]}, []),
        ([67], _OTHER | {"alsoAccept": [FORM]}, ["instances[1].alsoAccept[0].virtualRouterID"]),
        ([67], _OTHER | {"alsoAccept": [FORM], "interface": "eth1"}, []),
        ([67], _OTHER | {"alsoAccept": [FORM], "transport": {}} | V6, []),
        # Who sends it has it, wherever that one stands.
        ([67, 88], _OTHER, ["instances[0].alsoAccept[1].virtualRouterID"]),
        ([], _OTHER | {"alsoAccept": [{"virtualRouterID": 66}]}, ["instances[1].alsoAccept[0].virtualRouterID"]),
    ],
)
def test_a_vrid_belongs_to_one_instance_also_while_it_changes(
    instance: Any, first: list[int], second: dict[str, Any], blamed: list[str]
) -> None:
    changing = instance(alsoAccept=[{"virtualRouterID": each} for each in first])
    assert _blamed(NodeConfigSpec, {"instances": [changing, instance(**second)]}) == blamed


def test_a_link_local_address_may_stand_on_each_interface(instance: Any) -> None:
    held = {"family": "IPv6", "addresses": [{"address": "fe80::1/64"}], "transport": {}}
    first, second = instance(**held), instance(**held, name="b", interface="eth1")
    assert _blamed(NodeConfigSpec, {"instances": [first, second]}) == []
    assert _blamed(NodeConfigSpec, {"instances": [first, second | {"interface": "eth0"}]}) == [
        "instances[1].virtualRouterID",
        "instances[1].addresses[0].address",
    ]


@pytest.mark.parametrize(
    ("fields", "blamed"),
    [
        ({}, []),
        ({"addresses": [{"address": "10.0.0.1"}, {"address": "10.0.0.1/24"}]}, ["spec.addresses[1].address"]),
        ({"addresses": [{"address": "10.0.0.1/8"}, {"address": "2001:db8::1"}]}, []),
        ({"vrrp": {"virtualRouterIDs": [1]}}, []),
        ({"vrrp": {"virtualRouterIDs": [1, 2]}}, ["spec.vrrp.virtualRouterIDs"]),
        ({"vrrp": {"virtualRouterIDs": [1, 2]}, "distribution": "Balanced"}, []),
        ({"vrrp": {"virtualRouterIDs": [1, 1]}, "distribution": "Balanced"}, ["spec.vrrp.virtualRouterIDs"]),
        ({"vrrp": {"virtualRouterIDs": [0]}}, ["spec.vrrp.virtualRouterIDs[0]"]),
        ({"vrrp": {"version": 2}, "addresses": [{"address": "2001:db8::1"}]}, ["spec.vrrp.version"]),
        ({"vrrp": {"version": 2, "advertisementInterval": "100ms"}}, ["spec.vrrp.advertisementInterval"]),
        ({"vrrp": {"authentication": {"type": "Password", "secretRef": {"name": "a"}}}}, ["spec.vrrp.authentication"]),
        ({"vrrp": {"version": 2, "authentication": {"type": "Password", "secretRef": {"name": "a"}}}}, []),
        ({"vrrp": {"transport": {"group": "224.0.0.18"}}}, ["spec.vrrp.transport.group"]),
        ({"vrrp": {"transport": {"type": "Multicast", "group": "224.0.0.18"}}}, []),
        ({"vrrp": {"transport": {"type": "Multicast", "group": "ff02::12"}}}, ["spec.vrrp.transport.group"]),
        ({"vrrp": {"lease": "2500ms"}}, ["spec.vrrp.lease"]),
        ({"nodes": {"preferred": [{"node": "a"}, {"node": "a"}]}}, ["spec.nodes.preferred[1].node"]),
        ({"nodes": {"overrides": [{"node": "a"}, {"node": "a"}]}}, ["spec.nodes.overrides[1].node"]),
        ({"nodes": {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}}, []),
        (
            {"nodes": {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}},
            ["spec.nodes.selector.matchExpressions[0].values"],
        ),
        (
            {"nodes": {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}},
            ["spec.nodes.selector.matchExpressions[0].values"],
        ),
    ],
)
def test_virtual_ip(virtual_ip: Any, fields: dict[str, Any], blamed: list[str]) -> None:
    assert _blamed(VirtualIP, virtual_ip(**fields)) == blamed


@pytest.mark.parametrize(("length", "blamed"), [(63, []), (64, ["metadata.name"])])
def test_a_virtual_ip_leaves_room_in_its_instances_names(virtual_ip: Any, length: int, blamed: list[str]) -> None:
    assert _blamed(VirtualIP, virtual_ip() | {"metadata": {"name": "a" * length}}) == blamed


def test_a_whole_node_config_carries_the_full_path(node_config: Any, instance: Any) -> None:
    assert _blamed(NodeConfig, node_config(instance(), instance())) == [
        "spec.instances[1].name",
        "spec.instances[1].virtualRouterID",
        "spec.instances[1].addresses[0].address",
    ]
