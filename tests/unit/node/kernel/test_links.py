"""Link and route messages: compared with pyroute2's, fuzzed."""

import contextlib
import struct
from socket import AF_BRIDGE, AF_INET, AF_INET6
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from mooring_node.kernel.links import (
    RTM_DELLINK,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    RTM_SETLINK,
    SETTINGS,
    DefaultRoute,
    Link,
    parse_default_route,
    parse_link,
    settings_batch,
)
from mooring_node.kernel.netlink import Message, NetlinkFormatError, attribute, attributes, nested, parse


def _link(flags: int = 0x41, family: int = 0, **more: Any) -> Message:
    written = ifinfmsg()
    written["header"]["type"] = RTM_NEWLINK
    written["family"], written["index"], written["flags"] = family, 3, flags
    kind = {"attrs": [("IFLA_INFO_KIND", "veth")]}
    members = {"IFLA_IFNAME": "eth0", "IFLA_ADDRESS": "02:00:00:00:00:01", "IFLA_MTU": 1500, "IFLA_LINKINFO": kind}
    written["attrs"] = list({**members, **more}.items())
    written.encode()
    (received,) = parse(written.data)
    return received


def _route(family: int, bits: int = 0, table: int = 254, kind: int = 1, **members: Any) -> Message:
    written = rtmsg()
    written["header"]["type"] = RTM_NEWROUTE
    written["family"], written["dst_len"], written["table"], written["type"] = family, bits, table, kind
    written["attrs"] = list(members.items())
    written.encode()
    (received,) = parse(written.data)
    return received


def test_what_pyroute2_writes_is_read_alike() -> None:
    assert parse_link(_link()) == Link(3, "eth0", bytes.fromhex("020000000001"), True, 1500, "veth", {})


def test_the_bridge_that_an_interface_belongs_to() -> None:
    port = parse_link(_link(IFLA_MASTER=7))
    assert port is not None
    assert port.master == 7


@pytest.mark.parametrize(
    ("flags", "carrier", "up"), [(0x41, 1, True), (0x41, 0, False), (0x01, 1, False), (0x40, 1, False)]
)
def test_up_needs_the_flag_and_the_carrier(flags: int, carrier: int, up: bool) -> None:
    read = parse_link(_link(flags, IFLA_CARRIER=carrier))
    assert read is not None
    assert read.up is up


def test_a_bridge_talking_of_its_port_is_no_link() -> None:
    assert parse_link(_link(family=AF_BRIDGE)) is None


def test_settings_are_read_from_their_places() -> None:
    values = b"".join(struct.pack("=I", place) for place in range(1, 34))
    body = struct.pack("=BxHiII", 0, 0, 3, 0x41, 0) + attribute(3, b"eth0\0")
    body += nested(26, nested(AF_INET, attribute(1, values)))
    read = parse_link(Message(RTM_NEWLINK, 0, 0, body))
    assert read is not None
    assert read.settings == {name: place for name, place in SETTINGS.items()}


def test_settings_are_written_as_pyroute2_reads_them() -> None:
    batch = settings_batch(7, {"promote_secondaries": 1, "arp_ignore": 2})
    decoded = ifinfmsg(batch.data)
    decoded.decode()
    assert (decoded["header"]["type"], decoded["index"], batch.count) == (RTM_SETLINK, 7, 1)
    # pyroute2 knows the kernel's form (all values in one array) alone, and gives the bytes of the written one.
    family = attributes(decoded.get_attr("IFLA_AF_SPEC").get_attr("AF_INET"))
    assert attributes(attributes(family[AF_INET])[1]) == {20: struct.pack("=I", 1), 19: struct.pack("=I", 2)}


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(KeyError):
        settings_batch(7, {"ip_forward": 1})


@pytest.mark.parametrize("family", [AF_INET, AF_INET6])
def test_default_routes_are_found(family: int) -> None:
    assert parse_default_route(_route(family, RTA_OIF=4, RTA_PRIORITY=100)) == DefaultRoute(family, 4, 100)
    assert parse_default_route(_route(family, RTA_OIF=4)) == DefaultRoute(family, 4, 0)


def test_a_default_route_over_several_links_names_its_first() -> None:
    hops = [{"hops": 0, "oif": 9, "attrs": []}, {"hops": 0, "oif": 8, "attrs": []}]
    assert parse_default_route(_route(AF_INET, RTA_MULTIPATH=hops)) == DefaultRoute(AF_INET, 9, 0)


@pytest.mark.parametrize(
    "other",
    [
        _route(AF_INET, bits=24, RTA_OIF=4),
        _route(AF_INET, table=255, RTA_OIF=4),
        _route(AF_INET, table=0, RTA_TABLE=1000, RTA_OIF=4),
        _route(AF_INET, kind=7, RTA_OIF=4),
        _route(AF_INET),
        Message(RTM_NEWLINK, 0, 0, b""),
    ],
)
def test_other_routes_are_none(other: Message) -> None:
    assert parse_default_route(other) is None


@given(st.sampled_from([RTM_NEWLINK, RTM_DELLINK, RTM_NEWROUTE]), st.binary(max_size=120))
def test_hostile_bodies_raise_one_error_alone(kind: int, body: bytes) -> None:
    for read in (parse_link, parse_default_route):
        with contextlib.suppress(NetlinkFormatError):
            read(Message(kind, 0, 0, body))


@given(
    st.dictionaries(st.sampled_from([1, 3, 4, 10, 18, 26, 33]), st.binary(max_size=40), max_size=6),
    st.dictionaries(st.sampled_from([4, 6, 9, 15]), st.binary(max_size=12), max_size=4),
)
def test_hostile_attributes_raise_one_error_alone(link: dict[int, bytes], route: dict[int, bytes]) -> None:
    link_body = bytes(16) + b"".join(attribute(*each) for each in ({3: b"x"} | link).items())
    route_body = struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 1, 0)
    route_body += b"".join(attribute(*each) for each in route.items())
    with contextlib.suppress(NetlinkFormatError):
        parse_link(Message(RTM_NEWLINK, 0, 0, link_body))
    with contextlib.suppress(NetlinkFormatError):
        parse_default_route(Message(RTM_NEWROUTE, 0, 0, route_body))
