"""What a daemon tells of its node's interfaces: its own, without pods' ends and without what it holds."""

import json
from ipaddress import ip_interface
from socket import AF_INET, AF_INET6
from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from mooring_api.nodeconfig_status import InterfaceReport as Model
from mooring_node.agent import interfaces
from mooring_node.agent.interfaces import MOST_ADDRESSES, MOST_INTERFACES, Choice, InterfaceReport, Seen, report
from mooring_node.kernel import rtnetlink
from mooring_node.kernel.addresses import (
    IFA_F_DADFAILED,
    IFA_F_PERMANENT,
    IFA_F_SECONDARY,
    IFA_F_TENTATIVE,
    PROTOCOL,
    KernelAddress,
)
from mooring_node.kernel.links import Link
from mooring_node.ledger import LedgerAddress

MAC = bytes.fromhex("020000000001")


def link(index: int, name: str, kind: str | None = None, *, master: int | None = None, mac: bytes = MAC) -> Link:
    return Link(index, name, mac, True, 1500, kind, {}, master)


def address(
    index: int, text: str, *, lifetime: int | None = None, flags: int = IFA_F_PERMANENT, protocol: int = 0
) -> KernelAddress:
    value = ip_interface(text)
    family = AF_INET if value.version == 4 else AF_INET6
    length = value.network.prefixlen
    return KernelAddress(index, family, value.ip.packed, length, None, 0, lifetime, flags, lifetime is None, protocol)


def read(told: InterfaceReport) -> Model:
    """As the operator reads it: with the very same fields, in the same order."""
    model = Model.model_validate(told.to_wire(), by_alias=True, by_name=False)
    assert json.dumps(model.to_wire()) == json.dumps(told.to_wire())
    return model


def told(
    *given: Link | KernelAddress, default: tuple[int, ...] = (), **choice: tuple[str, ...]
) -> dict[str, list[str]]:
    links = [each for each in given if isinstance(each, Link)]
    addresses = [each for each in given if isinstance(each, KernelAddress)]
    reports, _ = report(Seen(links, addresses, default), frozenset(), Choice(**choice))
    return {each.name: list(each.addresses) for each in map(read, reports)}


def test_an_interface_as_it_is() -> None:
    reports, left_out = report(Seen([link(2, "eth0")], [address(2, "10.0.0.18/16")], ()), frozenset(), Choice())
    (eth0,) = reports
    assert read(eth0).to_wire() == {
        "name": "eth0",
        "mac": "02:00:00:00:00:01",
        "addresses": ["10.0.0.18/16"],
        "carrier": True,
        "mtu": 1500,
    }
    assert left_out == ()


def test_the_order_is_by_name_and_within_by_the_kernel() -> None:
    first, second = address(2, "10.0.0.19/16"), address(2, "10.0.0.18/16")
    assert list(told(link(3, "eth1"), link(2, "eth0"), first, second).items()) == [
        ("eth0", ["10.0.0.19/16", "10.0.0.18/16"]),
        ("eth1", []),
    ]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param([link(2, "lo", mac=bytes(6)), address(2, "10.9.9.9/32")], [], id="lo"),
        pytest.param([link(2, "tunl0", "ipip", mac=bytes(4)), address(2, "10.9.9.9/24")], [], id="no MAC"),
        pytest.param([link(2, "wg0", "wireguard", mac=b""), address(2, "10.9.9.9/24")], [], id="layer 3"),
        pytest.param([link(2, "cali1", "veth"), address(2, "fe80::ecee:eeff:feee:eeee/64")], [], id="pod of Calico"),
        pytest.param([link(2, "veth1", "veth"), address(2, "10.244.0.1/32")], [], id="pod of kindnet"),
        pytest.param([link(2, "eth0", "veth"), address(2, "10.0.0.18/16")], ["eth0"], id="a node that is a container"),
        pytest.param([link(2, "flannel.1", "vxlan"), address(2, "10.244.1.0/32")], [], id="overlay"),
        pytest.param([link(2, "vx", "vxlan"), address(2, "10.0.0.18/16")], ["vx"], id="segment over vxlan"),
        pytest.param([link(2, "kube-ipvs0", "dummy"), address(2, "10.96.0.1/32")], [], id="kube-proxy"),
        pytest.param([link(2, "docker0", "bridge"), address(2, "172.17.0.1/16")], [], id="bridge of nobody"),
        pytest.param(
            [link(2, "cni0", "bridge"), link(3, "veth1", "veth", master=2), address(2, "10.244.1.1/24")],
            [],
            id="bridge of pods",
        ),
        pytest.param(
            [link(2, "virbr0", "bridge"), link(3, "vnet0", "tun", master=2), address(2, "192.168.122.1/24")],
            [],
            id="bridge of virtual machines",
        ),
        pytest.param(
            [link(2, "br0", "bridge"), link(3, "eth0", master=2), address(2, "10.0.0.18/16")],
            ["br0", "eth0"],
            id="bridge with a wire",
        ),
        pytest.param([link(2, "antrea-gw0", "openvswitch"), address(2, "10.10.0.1/24")], [], id="gateway of pods"),
        pytest.param([link(2, "br-ex", "openvswitch"), address(2, "10.0.0.18/16")], ["br-ex"], id="OVS with a wire"),
        pytest.param([link(2, "bond0.7", "vlan"), address(2, "10.0.0.18/32")], ["bond0.7"], id="host address, real"),
    ],
)
def test_what_is_of_pods_is_left_out(given: list[Link | KernelAddress], kept: list[str]) -> None:
    assert list(told(*given)) == kept


def test_the_interface_of_a_default_route_is_never_of_pods() -> None:
    assert list(told(link(2, "eth0", "veth"), address(2, "10.0.0.18/32"), default=(2,))) == ["eth0"]


def test_names_decide_what_kinds_do_not_tell() -> None:
    lan, nested = link(2, "lan0"), link(3, "br0", "bridge")
    assert list(told(lan, nested)) == ["lan0"]
    assert list(told(lan, nested, hidden=("lan*",), shown=("br?",))) == ["br0"]
    assert list(told(lan, hidden=("lan*",), shown=("lan0",))) == ["lan0"]


@pytest.mark.parametrize("flags", [IFA_F_TENTATIVE, IFA_F_DADFAILED, IFA_F_SECONDARY])
def test_an_ipv6_address_that_passes_is_left_out(flags: int) -> None:
    assert told(link(2, "eth0"), address(2, "2001:db8::1/64", flags=flags)) == {"eth0": []}


def test_a_second_ipv4_address_is_no_passing_one() -> None:
    assert told(link(2, "eth0"), address(2, "10.0.0.19/16", flags=IFA_F_SECONDARY)) == {"eth0": ["10.0.0.19/16"]}


def test_an_ipv4_address_in_ipv6_s_form_is_nobody_s() -> None:
    assert told(link(2, "eth0"), address(2, "::ffff:10.0.0.1/96")) == {"eth0": []}


def test_what_mooring_holds_is_left_out_and_a_lease_of_dhcp_is_not() -> None:
    ours, dhcp = address(2, "10.0.0.100/24", lifetime=3, protocol=PROTOCOL), address(2, "10.0.0.18/16", lifetime=3600)
    assert told(link(2, "eth0"), ours, dhcp) == {"eth0": ["10.0.0.18/16"]}


def test_where_the_kernel_does_not_tell_who_set_an_address_the_ledger_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtnetlink, "_TELLS", False)
    ours, dhcp = address(2, "10.0.0.100/24", lifetime=3), address(2, "10.0.0.18/16", lifetime=3600)
    ledger = frozenset({LedgerAddress("eth0", "10.0.0.100", 24)})
    reports, _ = report(Seen([link(2, "eth0")], [ours, dhcp], ()), ledger, Choice())
    assert reports[0].addresses == ("10.0.0.18/16",)
    # A person's own, for good, is nothing that we hold, whatever the ledger lists.
    reports, _ = report(Seen([link(2, "eth0")], [address(2, "10.0.0.100/24")], ()), ledger, Choice())
    assert reports[0].addresses == ("10.0.0.100/24",)


def test_too_many_are_cut_and_it_is_said() -> None:
    links = [link(index, f"eth{index:03}") for index in range(1, MOST_INTERFACES + 11)]
    last = links[-1].index
    many = [address(last, f"10.0.{number}.1/16") for number in range(MOST_ADDRESSES + 8)]
    reports, left_out = report(Seen(links, many, ()), frozenset(), Choice())
    assert len(reports) == MOST_INTERFACES
    # Without addresses nothing can be planned: the one that has some stays.
    assert reports[-1].name == links[-1].name
    assert len(reports[-1].addresses) == MOST_ADDRESSES
    assert left_out == (
        f"{MOST_INTERFACES} of {MOST_INTERFACES + 10} interfaces are reported, those with addresses first",
        f"{MOST_ADDRESSES} of {MOST_ADDRESSES + 8} addresses of {links[-1].name} are reported",
    )


def test_a_name_that_no_resource_can_have_is_said_and_costs_only_itself() -> None:
    reports, left_out = report(Seen([link(2, "bücke"), link(3, "eth0")], [], ()), frozenset(), Choice())
    assert [each.name for each in reports] == ["eth0"]
    assert left_out == ("1 interfaces are not reported: their names have other characters than ASCII's",)


def test_an_address_of_an_interface_that_has_gone_meanwhile_is_nobody_s() -> None:
    assert told(link(2, "eth0"), address(9, "10.0.0.18/16")) == {"eth0": []}


LINKS = st.builds(
    Link,
    st.integers(1, 3),
    st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=15) | st.just("eth0"),
    st.binary(min_size=6, max_size=6),
    st.booleans(),
    st.integers(0, 2**32 - 1),
    st.sampled_from([None, "vlan", "bridge"]),
)


@given_any(st.lists(LINKS, max_size=4), st.lists(st.tuples(st.integers(1, 3), st.ip_addresses()), max_size=6))
def test_whatever_the_kernel_has_the_resource_has_a_place_for_it(links: list[Link], addresses: list[Any]) -> None:
    held = [address(index, f"{each}/{each.max_prefixlen - 8}") for index, each in addresses]
    reports, _ = report(Seen(links, held, ()), frozenset(), Choice())
    for each in reports:
        read(each)


def test_the_bounds_fit_the_resource() -> None:
    assert interfaces.MOST_INTERFACES == 64
    assert interfaces.MOST_ADDRESSES == 32
