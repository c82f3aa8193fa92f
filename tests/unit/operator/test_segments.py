"""Which networks are one segment, and from where a node speaks."""

from ipaddress import ip_interface

import pytest

from mooring_api.nodeconfig import InterfaceReport
from mooring_operator.plan.segments import attach, segments_of
from mooring_operator.plan.snapshot import Node


def node(internal=(), **interfaces):
    reports = [
        InterfaceReport(name=name, mac="02:00:00:00:00:01", addresses=tuple(own), carrier=True, mtu=1500)
        for name, own in interfaces.items()
    ]
    return Node("n", internal_addresses=tuple(internal), interfaces=tuple(reports))


def test_networks_of_one_interface_and_overlapping_ones_are_one_segment():
    found = segments_of(
        [
            node(eth0=["10.0.0.1/24", "2001:db8::1/64"], eth1=["172.16.0.1/16"]),
            node(eth0=["10.0.0.9/16"], eth1=["172.17.0.1/16", "fe80::1/64"]),
            node(eth0=["2001:db8::2/64", "192.168.0.1/24"]),
        ]
    )
    one = found["10.0.0.0/24"]
    assert one == found["10.0.0.0/16"] == found["2001:db8::/64"] == found["192.168.0.0/24"]
    assert len({one, found["172.16.0.0/16"], found["172.17.0.0/16"]}) == 3
    assert "fe80::/64" not in found


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("10.0.5.1/16", ("eth0", "10.0.0.1")),
        ("192.168.7.9/24", ("eth1", "192.168.7.2")),
        ("192.0.2.1/32", ("eth1", "192.168.0.2")),
        ("2001:db8::9/128", ("eth0", "fe80::1")),
    ],
)
def test_interface_and_source(first, expected):
    own = node(
        ["192.168.0.2"],
        lo=["127.0.0.1/8"],
        eth0=["10.0.0.1/8", "fe80::1/64", "2001:db8::1/64"],
        eth1=["192.168.0.2/24", "192.168.7.2/24"],
    )
    found = attach(own, ip_interface(first))
    assert (found.interface, found.address) == expected


def test_the_narrowest_subnet_holds_the_address():
    own = node(eth0=["10.0.0.1/8"], eth1=["10.0.5.1/24"])
    assert attach(own, ip_interface("10.0.5.9/32")).interface == "eth1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"interface": "eth9"}, "has no interface eth9 (it reports eth0)"),
        ({"interface": "eth0", "source": "10.0.0.7"}, "10.0.0.7 is no address of eth0"),
        ({}, "no interface (it reports eth0)"),
    ],
)
def test_why_a_node_has_no_part(options, said):
    found = attach(node(eth0=["10.0.0.1/24"]), ip_interface("192.0.2.1/32"), **options)
    assert isinstance(found, str)
    assert said in found


def test_an_interface_without_the_family():
    found = attach(node(eth0=["10.0.0.1/24"]), ip_interface("2001:db8::1/64"), "eth0")
    assert found == "eth0 has no IPv6 address to speak from"


@pytest.mark.parametrize(
    ("one", "other", "neighbours"),
    [
        (["10.0.0.1/24"], ["10.0.0.2/24"], True),
        (["10.0.0.1/16"], ["10.0.0.2/24"], True),
        (["10.0.1.1/16"], ["10.0.0.2/24"], False),
        (["10.0.0.1/24"], ["10.0.1.2/24"], False),
    ],
)
def test_neighbours_lie_in_each_others_networks(one, other, neighbours):
    first = ip_interface("10.0.0.9/32")
    a, b = attach(node(eth0=one), first, "eth0"), attach(node(eth0=other), first, "eth0")
    assert a.reaches(b) == b.reaches(a) == neighbours


@pytest.mark.parametrize(("globally", "neighbours"), [("2001:db8::2/64", True), ("2001:db8:1::2/64", False)])
def test_link_local_neighbours_share_a_network(globally, neighbours):
    first = ip_interface("2001:db8::9/128")
    a = attach(node(eth0=["fe80::1/64", "2001:db8::1/64"]), first, "eth0")
    b = attach(node(eth0=["fe80::2/64", globally]), first, "eth0")
    assert a.reaches(b) == neighbours
