"""Address messages: read back, compared with pyroute2's reading, fuzzed."""

import contextlib
import struct
from ipaddress import ip_address
from socket import AF_INET, AF_INET6
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg

from mooring_node.kernel.addresses import (
    IFA_F_NODAD,
    IFA_F_NOPREFIXROUTE,
    RTM_DELADDR,
    RTM_NEWADDR,
    KernelAddress,
    LeasedAddress,
    add_batch,
    delete_batch,
    parse_address,
    renew_batch,
)
from mooring_node.kernel.netlink import Message, NetlinkFormatError, parse

FIRST = LeasedAddress(7, AF_INET, ip_address("10.0.0.100").packed, 24, "eth0:0")
SECOND = LeasedAddress(7, AF_INET, ip_address("10.0.0.101").packed, 24)
SIXTH = LeasedAddress(7, AF_INET6, ip_address("2001:db8::10").packed, 64)

V4 = st.builds(
    LeasedAddress,
    st.integers(1, 1 << 31),
    st.just(int(AF_INET)),
    st.binary(min_size=4, max_size=4),
    st.integers(0, 32),
    st.none() | st.text("abcdefgh0123456789:", min_size=1, max_size=15),
    st.integers(0, 255),
)
V6 = st.builds(
    LeasedAddress,
    st.integers(1, 1 << 31),
    st.just(int(AF_INET6)),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 128),
    st.none(),
    st.integers(0, 255),
)


def _second_opinion(data: bytes) -> Any:
    decoded = ifaddrmsg(data)
    decoded.decode()
    return decoded


@given(st.lists(V4 | V6, max_size=5), st.none() | st.integers(1, 0xFFFFFFFE))
def test_what_is_added_is_read_back(addresses: list[LeasedAddress], lease_s: int | None) -> None:
    found = [parse_address(each) for each in parse(add_batch(addresses, lease_s).data)]
    assert [each and each.key for each in found] == [each.key for each in addresses]
    for wanted, read in zip(addresses, found, strict=True):
        assert read is not None
        assert (read.label, read.scope, read.valid_lifetime_s) == (wanted.label, wanted.scope, lease_s)
        assert read.flags & IFA_F_NOPREFIXROUTE
        assert bool(read.flags & IFA_F_NODAD) == (wanted.family == AF_INET6)
        assert not read.permanent


def test_pyroute2_reads_an_ipv4_addition_alike() -> None:
    decoded = _second_opinion(add_batch([FIRST], 3).data)
    assert decoded["header"]["type"] == RTM_NEWADDR
    assert decoded["header"]["flags"] == 0x001 | 0x004 | 0x400 | 0x200
    assert (decoded["family"], decoded["prefixlen"], decoded["index"]) == (AF_INET, 24, 7)
    assert decoded.get_attr("IFA_LOCAL") == decoded.get_attr("IFA_ADDRESS") == "10.0.0.100"
    assert decoded.get_attr("IFA_LABEL") == "eth0:0"
    assert decoded.get_attr("IFA_FLAGS") == 0x200
    assert decoded.get_attr("IFA_BROADCAST") is None
    lifetimes = decoded.get_attr("IFA_CACHEINFO")
    assert (lifetimes["ifa_preferred"], lifetimes["ifa_valid"]) == (3, 3)


def test_pyroute2_reads_an_ipv6_addition_alike() -> None:
    decoded = _second_opinion(add_batch([SIXTH], 3).data)
    assert decoded.get_attr("IFA_LOCAL") == decoded.get_attr("IFA_ADDRESS") == "2001:db8::10"
    assert decoded.get_attr("IFA_FLAGS") == 0x202
    assert decoded["flags"] == 0x02
    lifetimes = decoded.get_attr("IFA_CACHEINFO")
    assert (lifetimes["ifa_preferred"], lifetimes["ifa_valid"]) == (0, 3)


def test_a_renewal_replaces_and_never_is_exclusive() -> None:
    assert _second_opinion(renew_batch([FIRST], 3).data)["header"]["flags"] == 0x001 | 0x004 | 0x400 | 0x100


def test_without_a_lease_an_address_is_forever() -> None:
    lifetimes = _second_opinion(renew_batch([FIRST], None).data).get_attr("IFA_CACHEINFO")
    assert lifetimes["ifa_valid"] == lifetimes["ifa_preferred"] == 0xFFFFFFFF


def test_deletions_go_backwards_and_keep_their_numbers() -> None:
    batch = delete_batch([FIRST, SECOND, SIXTH])
    sent = list(parse(batch.data))
    assert [each.kind for each in sent] == [RTM_DELADDR] * 3
    assert [each.sequence for each in sent] == [3, 2, 1]
    assert [parse_address(each).key for each in sent] == [SIXTH.key, SECOND.key, FIRST.key]  # type: ignore[union-attr]
    assert batch.parts[-1].last == 1
    assert _second_opinion(delete_batch([FIRST]).data).get_attr("IFA_LABEL") is None


@given(st.ip_addresses(), st.booleans(), st.integers(0, 0xFFFFFFFF))
def test_what_pyroute2_writes_is_read_alike(address: Any, deleted: bool, valid: int) -> None:
    written = ifaddrmsg()
    written["header"]["type"] = RTM_DELADDR if deleted else RTM_NEWADDR
    written["family"] = int(AF_INET if address.version == 4 else AF_INET6)
    written["prefixlen"], written["index"], written["scope"] = 24, 5, 253
    lifetimes = {"ifa_preferred": 1, "ifa_valid": valid, "cstamp": 0, "tstamp": 0}
    written["attrs"] = [("IFA_ADDRESS", str(address)), ("IFA_FLAGS", 0x281), ("IFA_CACHEINFO", lifetimes)]
    written.encode()
    (received,) = parse(written.data)
    assert parse_address(received) == KernelAddress(
        interface_index=5,
        family=written["family"],
        address=address.packed,
        prefix_length=24,
        label=None,
        scope=253,
        valid_lifetime_s=None if valid == 0xFFFFFFFF else valid,
        flags=0x281,
        permanent=True,
    )


@given(st.sampled_from([RTM_NEWADDR, RTM_DELADDR]), st.binary(max_size=120))
def test_hostile_bodies_raise_one_error_alone(kind: int, body: bytes) -> None:
    with contextlib.suppress(NetlinkFormatError):
        parse_address(Message(kind, 0, 0, body))


@given(V4 | V6, st.data())
def test_a_body_with_one_byte_changed_raises_one_error_alone(address: LeasedAddress, data: st.DataObject) -> None:
    (received,) = parse(add_batch([address], 3).data)
    body = bytearray(received.body)
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    with contextlib.suppress(NetlinkFormatError):
        parse_address(Message(RTM_NEWADDR, 0, 0, bytes(body[:cut])))


def test_other_messages_and_families_are_no_address() -> None:
    assert parse_address(Message(16, 0, 0, b"")) is None
    assert parse_address(Message(RTM_NEWADDR, 0, 0, struct.pack("=BBBBI", 7, 0, 0, 0, 1))) is None


@pytest.mark.parametrize(
    ("family", "address", "prefix_length", "label"),
    [
        (AF_INET, bytes(16), 24, None),
        (AF_INET, bytes(4), 33, None),
        (AF_INET6, bytes(16), 129, None),
        (AF_INET, bytes(4), 24, "a-label-too-long"),
        (AF_INET, bytes(4), 24, ""),
        (99, bytes(4), 24, None),
    ],
)
def test_an_impossible_address_is_refused(family: int, address: bytes, prefix_length: int, label: str | None) -> None:
    with pytest.raises(ValueError, match=r"address of family|label"):
        LeasedAddress(1, family, address, prefix_length, label)


@pytest.mark.parametrize("lease_s", [0, -1, 1 << 32])
def test_an_impossible_lease_is_refused(lease_s: int) -> None:
    with pytest.raises(ValueError, match="lease"):
        add_batch([FIRST], lease_s)
