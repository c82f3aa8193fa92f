"""From a NodeConfig to what the VRRP process runs: each field arrives."""

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_api.reading import read_node_config
from mooring_node.judge.facts import NodeFacts, facts_of
from mooring_node.judge.groups import compile_groups, default_lease_s
from mooring_node.vrrp.config import AddressConfig, AnnouncementConfig, FormConfig, GroupConfig, MemberConfig

FACTS = NodeFacts(
    ((("eth1"), ip_network("10.0.0.0/24")), ("eth0", ip_network("10.0.0.0/8"))), ((4, "wan0"), (6, "wan6"))
)
FULL = {
    "name": "web-0",
    "virtualIP": "web",
    "syncGroup": "web",
    "interface": "eth0",
    "family": "IPv4",
    "virtualRouterID": 66,
    "version": 2,
    "priority": 150,
    "advertisementInterval": "5s",
    "activeDownFactor": 4,
    "preemption": {"mode": "Never", "delay": "7s"},
    "transport": {"type": "Unicast", "source": "10.0.0.18", "peers": ["10.0.0.28"], "minimumTTL": 200},
    "eligible": False,
    "authentication": {"type": "Password", "password": "666"},
    "checksum": "WithoutPseudoHeader",
    "announcements": {
        "count": 2,
        "spread": "1ms",
        "delay": "3s",
        "interval": "4ms",
        "refresh": "50s",
        "refreshCount": 6,
    },
    "flapDamping": {"transitions": 9, "window": "11s", "holdDown": "12s"},
    "lease": "13s",
    "onStop": "Keep",
    "addresses": [
        {"address": "10.0.0.100/24", "label": "eth0:0", "scope": "Link", "advertise": False},
        {"address": "10.0.0.101", "interface": "eth1"},
    ],
}
PLAIN = {"name": "a", "virtualRouterID": 1, "addresses": [{"address": "10.0.0.100/24"}]}


def compiled(*instances: dict[str, Any], facts: NodeFacts = FACTS) -> tuple[tuple[GroupConfig, ...], tuple[Any, ...]]:
    document = {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "NodeConfig",
        "metadata": {"name": "lb-1"},
        "spec": {"instances": list(instances)},
    }
    config, problems = read_node_config(document, source="file")
    assert problems == ()
    return compile_groups(config.spec.instances, facts, "lb-1")


def test_each_field_arrives() -> None:
    (group,), problems = compiled(FULL)
    assert problems == ()
    assert group == GroupConfig(
        name="web",
        members=(
            MemberConfig(
                name="web-0",
                interface="eth0",
                family=4,
                virtual_router_id=66,
                version=2,
                addresses=(
                    AddressConfig("10.0.0.100", 24, "eth0", "eth0:0", 253, advertise=False),
                    AddressConfig("10.0.0.101", 32, "eth1"),
                ),
                source="10.0.0.18",
                peers=("10.0.0.28",),
                minimum_ttl=200,
                pseudo_header=False,
                password="666",
                announcements=AnnouncementConfig(2, 1_000_000, 3 * 10**9, 4_000_000, 50 * 10**9, 6),
            ),
        ),
        virtual_ip="web",
        priority=150,
        interval_ns=5 * 10**9,
        active_down_factor=4,
        preempt=False,
        preempt_delay_ns=7 * 10**9,
        eligible=False,
        lease_s=13,
        keep_on_stop=True,
        damping_transitions=9,
        damping_window_ns=11 * 10**9,
        damping_hold_down_ns=12 * 10**9,
    )


def test_multicast_and_alone_are_told_from_an_empty_list() -> None:
    groups, _ = compiled(
        PLAIN | {"transport": {"type": "Multicast", "group": "239.1.1.1"}},
        PLAIN
        | {"name": "b", "virtualRouterID": 2, "transport": {"alone": True}, "addresses": [{"address": "10.0.0.7/24"}]},
        PLAIN | {"name": "c", "virtualRouterID": 3, "addresses": [{"address": "10.0.0.8/24"}]},
    )
    found = [(m.peers, m.group, m.alone) for group in groups for m in group.members]
    assert found == [(None, "239.1.1.1", False), ((), None, True), ((), None, False)]


@pytest.mark.parametrize(
    ("interval_ns", "factor", "lease_s"),
    [(10**7, 3, 2), (10**8, 3, 2), (10**9, 3, 3), (10**9, 1, 2), (700_000_000, 3, 3), (40_950_000_000, 3, 123)],
)
def test_a_lease_is_as_long_as_the_others_wait(interval_ns: int, factor: int, lease_s: int) -> None:
    assert default_lease_s(interval_ns, factor) == lease_s


@given(st.integers(1, 4095), st.integers(1, 100))
def test_a_lease_is_never_shorter_than_the_wait(centiseconds: int, factor: int) -> None:
    interval_ns = centiseconds * 10_000_000
    lease_s = default_lease_s(interval_ns, factor)
    assert lease_s * 10**9 >= max(factor * interval_ns, 2 * 10**9)
    assert (lease_s - 1) * 10**9 < max(factor * interval_ns, 2 * 10**9)


@pytest.mark.parametrize(
    ("address", "interface"),
    [("10.0.0.100/24", "eth1"), ("10.9.0.1/8", "eth0"), ("192.0.2.1", "wan0"), ("2001:db8::1", "wan6")],
)
def test_an_interface_left_out_is_that_of_the_subnet_else_of_the_default_route(address: str, interface: str) -> None:
    family = "IPv6" if ":" in address else "IPv4"
    ((group,), problems) = compiled(PLAIN | {"family": family, "addresses": [{"address": address}]})
    assert problems == ()
    assert {group.members[0].interface, *(each.interface for each in group.addresses())} == {interface}


def test_without_any_interface_it_is_a_problem_of_that_instance_alone() -> None:
    named = PLAIN | {"name": "b", "interface": "eth0", "virtualRouterID": 2, "addresses": [{"address": "10.1.0.1/24"}]}
    groups, (problem,) = compiled(PLAIN, named, facts=NodeFacts())
    assert [group.name for group in groups] == ["b"]
    assert problem.instance == "a"
    assert "no default route; name one" in str(problem)


def test_members_of_a_sync_group_stand_and_fall_together() -> None:
    six = {"name": "b", "syncGroup": "a", "family": "IPv6", "virtualRouterID": 1}
    six["addresses"] = [{"address": "2001:db8::1/64"}]
    (group,), _ = compiled(PLAIN, six)
    assert [(m.name, m.family) for m in group.members] == [("a", 4), ("b", 6)]
    groups, (problem,) = compiled(PLAIN, six, facts=NodeFacts(default_interfaces=((4, "eth0"),)))
    assert groups == ()
    assert problem.instance == "b"


def test_the_most_specific_subnet_comes_first_and_loopback_never() -> None:
    facts = facts_of([("eth0", "10.0.0.1", 8), ("lo", "10.0.0.9", 32), ("eth1", "10.0.0.18", 24)], [(4, "eth0")])
    assert [interface for interface, _ in facts.subnets] == ["eth1", "eth0"]


# Forms that are also accepted.


def test_a_form_says_what_it_shares_with_its_instance() -> None:
    changing = FULL | {
        "alsoAccept": [
            {"virtualRouterID": 67, "advertisementInterval": "100ms"},
            {
                "virtualRouterID": 66,
                "version": 2,
                "authentication": {"type": "Password", "password": "777"},
                "checksum": "WithoutPseudoHeader",
                "transport": {"type": "Multicast", "group": "239.1.1.1"},
            },
        ]
    }
    ((group,), problems) = compiled(changing)
    assert problems == ()
    assert group.members[0].accepted == (
        FormConfig(67, 3, 100_000_000, peers=("10.0.0.28",)),
        FormConfig(66, 2, 10**9, peers=None, group="239.1.1.1", pseudo_header=False, password="777"),
    )
