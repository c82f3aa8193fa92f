"""Addresses: canonical where they are right, a remedy where they are not."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_api.addresses import (
    address_key,
    read_group_address,
    read_held_address,
    read_host_address,
    read_interface_address,
    read_plain_address,
    read_unicast_address,
)


@pytest.mark.parametrize(
    ("read", "text", "canonical"),
    [
        (read_interface_address, "10.0.0.100", "10.0.0.100/32"),
        (read_interface_address, "2001:DB8:0::10", "2001:db8::10/128"),
        (read_held_address, "10.0.0.100/24", "10.0.0.100/24"),
        (read_held_address, "10.0.0.0/31", "10.0.0.0/31"),
        (read_held_address, "10.0.0.0/32", "10.0.0.0/32"),
        (read_held_address, "10.0.0.255/16", "10.0.0.255/16"),
        (read_held_address, "2001:db8::/128", "2001:db8::/128"),
        (read_held_address, "2001:db8::/127", "2001:db8::/127"),
        (read_held_address, "2001:db8::ffff:ffff:ffff:ffff/64", "2001:db8::ffff:ffff:ffff:ffff/64"),
        (read_held_address, "fe80::1/64", "fe80::1/64"),
        (read_host_address, "FE80::1%eth0", "fe80::1%eth0"),
        (read_unicast_address, "10.0.0.28", "10.0.0.28"),
        (read_plain_address, "FE80::1", "fe80::1"),
        (read_group_address, "224.0.0.18", "224.0.0.18"),
        (read_group_address, "FF02::12", "ff02::12"),
    ],
)
def test_is_canonical(read: Callable[[str], str], text: str, canonical: str) -> None:
    assert read(text) == canonical
    assert read(canonical) == canonical


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (read_interface_address, "10.0.0.256", "write 10.0.0.100/24"),
        (read_interface_address, "10.0.0.010/24", "write 10.0.0.100/24"),
        (read_interface_address, "10.0.0.1/33", "write 10.0.0.100/24"),
        (read_interface_address, "10.0.0.1/255.255.255.0", "a prefix length; write"),
        (read_interface_address, "fe80::1%eth0/64", "a prefix length; write"),
        (read_interface_address, "::ffff:10.0.0.1/120", "write 10.0.0.1"),
        (read_held_address, "10.0.0.0/24", "write a host's, such as 10.0.0.1/24, or 10.0.0.0/32"),
        (read_held_address, "10.0.0.255/24", "is the broadcast address of 10.0.0.0/24; write a host's"),
        (read_held_address, "2001:db8::/64", "the address of the subnet itself; write a host's"),
        (read_held_address, "224.0.0.18", "a multicast address"),
        (read_held_address, "ff02::1", "a multicast address"),
        (read_held_address, "0.0.0.0", "the unspecified address"),
        (read_held_address, "::", "the unspecified address"),
        (read_held_address, "127.0.0.1/8", "a loopback address"),
        (read_held_address, "::1", "a loopback address"),
        (read_held_address, "255.255.255.255", "the broadcast address"),
        (read_host_address, "10.0.0.28/24", "write 10.0.0.28 or"),
        (read_host_address, "lb-2", "write 10.0.0.28 or"),
        (read_unicast_address, "224.0.0.18", "no other node's address"),
        (read_unicast_address, "0.0.0.0", "no other node's address"),
        (read_plain_address, "224.0.0.18", "no other node's address"),
        (read_plain_address, "fe80::1%eth0", "write one that needs none, such as 2001:db8::28"),
        (read_group_address, "10.0.0.1", "not a multicast address; write 224.0.0.18"),
        (read_group_address, "fe80::12", "not a multicast address; write 224.0.0.18"),
    ],
)
def test_says_what_to_write(read: Callable[[str], str], text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace(".", r"\.")):
        read(text)


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_held_address_is_right_or_has_a_remedy(address: IPv4Address | IPv6Address, prefix: int) -> None:
    text = f"{address}/{prefix}"
    try:
        canonical = read_held_address(text)
    except ValueError as error:
        said = str(error)
    else:
        said = f"; write {read_held_address(canonical)}"
        assert read_held_address(canonical) == canonical
    assert "; write " in said


def test_only_link_local_addresses_may_stand_on_several_interfaces() -> None:
    assert address_key("10.0.0.1/24", "eth0") == address_key("10.0.0.1/32", "eth1")
    assert address_key("fe80::1/64", "eth0") != address_key("fe80::1/64", "eth1")
