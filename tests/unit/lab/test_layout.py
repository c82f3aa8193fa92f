"""Names and addresses of a lab."""

from ipaddress import ip_address, ip_network

import pytest

from mooring_lab.layout import Layout, Member, Role, member_commands, plug_commands, switch_commands


def layout(nodes: int = 2, clients: int = 1, name: str = "demo") -> Layout:
    return Layout.named(name, [f"lb-{i + 1}" for i in range(nodes)], [f"client-{i + 1}" for i in range(clients)])


def test_the_default_lab_has_the_addresses_of_the_documentation() -> None:
    lb_1, lb_2 = layout().nodes
    assert (lb_1.ipv4, lb_2.ipv4, layout().clients[0].ipv4) == ("10.0.0.18", "10.0.0.28", "10.0.0.200")
    assert (lb_1.ipv6, lb_1.management) == ("fd00:10::18", "192.168.77.1")


def test_no_two_members_of_the_largest_lab_share_anything() -> None:
    members = layout(48, 48).members
    nodes = [m for m in members if m.role is Role.NODE]
    for values in (
        [m.ipv4 for m in members],
        [m.ipv6 for m in members],
        [m.mac for m in members] + [m.management_mac for m in nodes],
        [m.management for m in nodes],
        [port for m in members for port in m.ports],
    ):
        assert len(set(values)) == len(values)


def test_the_largest_lab_leaves_the_example_addresses_free() -> None:
    members = layout(48, 48).members
    virtual = {f"10.0.0.{n}" for n in range(100, 111)}
    assert virtual.isdisjoint(m.ipv4 for m in members)
    assert all(ip_address(m.ipv4) in ip_network("10.0.0.0/16") for m in members)
    assert all(ip_address(m.ipv6) in ip_network("fd00:10::/64") for m in members)


def test_port_names_fit_the_kernel() -> None:
    longest = Layout.named("l", ["abcdefghij"], []).nodes[0]
    assert all(len(port) <= 15 for port in longest.ports)


@pytest.mark.parametrize("name", ["", "a-b", "A", "1a", "a" * 17, "a/b", ".."])
def test_a_lab_name_that_could_touch_another_lab_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name for a lab"):
        layout(name=name)


@pytest.mark.parametrize("name", ["", "switch", "Lb", "abcdefghijk", "a_b", "a-", "-a"])
def test_a_node_name_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name for a node"):
        Layout.named("l", [name], [])


def test_doubles_and_empty_labs_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        Layout.named("l", ["a", "a"], [])
    with pytest.raises(ValueError, match="1 to 48"):
        Layout.named("l", [], [])


def test_a_client_has_no_management_link() -> None:
    client = Member("client-1", 0, Role.CLIENT)
    assert not any("mgmt" in command for command in (*plug_commands(client, "ns"), *member_commands(client)))


def test_bridges_forward_at_once() -> None:
    bridges = [command for command in switch_commands() if "type bridge" in command]
    assert len(bridges) == 2
    assert all("stp_state 0 forward_delay 0 mcast_snooping 0" in command for command in bridges)
