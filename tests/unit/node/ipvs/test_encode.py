"""Requests as bytes: read back by our decoder and by pyroute2's, and what can't be told is a ValueError."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.generic.ipvs import ipvsmsg
from tests.unit.node.ipvs.tables import MARK, ONE, WEB, WEB6, tables

from mooring_node.ipvs import decode, encode
from mooring_node.ipvs.diff import Action, Operation, diff
from mooring_node.ipvs.sync import Role, SyncDaemon
from mooring_node.ipvs.table import (
    Balanced,
    Destination,
    DestinationKey,
    Method,
    Service,
    ServiceFlag,
    ServiceKey,
    TunnelFlag,
    TunnelKind,
    effective_destination,
    effective_service,
)
from mooring_node.kernel.netlink import attributes, message


@given(tables())
def test_what_is_told_is_read_back(table: dict[ServiceKey, Balanced]) -> None:
    for operation in diff(table, {}, frozenset()):
        body = encode.change(operation)
        entry_key = decode.service(body) if isinstance(operation.values, Service) else None
        if entry_key is not None:
            assert isinstance(operation.values, Service)
            assert (entry_key.key, entry_key.service) == (
                operation.service,
                effective_service(operation.service, operation.values),
            )
        else:
            assert isinstance(operation.values, Destination)
            found = decode.destination(body, operation.service.family)
            assert (found.key, found.destination) == (
                operation.destination,
                effective_destination(operation.values),
            )


def _pyroute2(body: bytes) -> dict[str, object]:
    """The same bytes as pyroute2 reads them: names of attributes with values, one level in another."""
    read = ipvsmsg(message(30, 0, 1, body))
    read.decode()
    return {"cmd": read["cmd"], **_plain(read["attrs"])}


def _plain(members: object) -> dict[str, object]:
    found: dict[str, object] = {}
    for member in members:  # type: ignore[attr-defined]
        name, value = member[0], member[1]
        inner = value.get("attrs") if isinstance(value, dict) and "attrs" in value else None
        found[name] = _plain(inner) if inner is not None else value
    return found


def test_a_service_as_another_program_reads_it() -> None:
    service = Service("mh", ServiceFlag.PERSISTENT | ServiceFlag.SCHEDULER_1, 300, 24, "sip")
    read = _pyroute2(encode.change(Operation(Action.NEW_SERVICE, WEB, None, service)))
    attrs = read["IPVS_CMD_ATTR_SERVICE"]
    assert isinstance(attrs, dict)
    assert read["cmd"] == 1
    assert attrs["IPVS_SVC_ATTR_AF"] == 2
    assert attrs["IPVS_SVC_ATTR_PROTOCOL"] == 6
    assert attrs["IPVS_SVC_ATTR_ADDR"] == "192.0.2.1"
    assert attrs["IPVS_SVC_ATTR_PORT"] == 80
    assert attrs["IPVS_SVC_ATTR_SCHED_NAME"] == "mh"
    assert attrs["IPVS_SVC_ATTR_TIMEOUT"] == 300
    assert attrs["IPVS_SVC_ATTR_NETMASK"] == "255.255.255.0"
    assert attrs["IPVS_SVC_ATTR_PE_NAME"] == "sip"


def test_a_destination_as_another_program_reads_it() -> None:
    name = DestinationKey("10.0.0.1", 8080)
    values = Destination(7, Method.TUNNEL, 100, 50, TunnelKind.GUE, 6080, TunnelFlag.CHECKSUM)
    read = _pyroute2(encode.change(Operation(Action.SET_DESTINATION, MARK, name, values)))
    attrs, service = read["IPVS_CMD_ATTR_DEST"], read["IPVS_CMD_ATTR_SERVICE"]
    assert isinstance(attrs, dict)
    assert isinstance(service, dict)
    assert (read["cmd"], service["IPVS_SVC_ATTR_FWMARK"]) == (6, 7)
    assert attrs["IPVS_DEST_ATTR_ADDR"] == "10.0.0.1"
    assert attrs["IPVS_DEST_ATTR_PORT"] == 8080
    assert attrs["IPVS_DEST_ATTR_FWD_METHOD"] == 2
    assert attrs["IPVS_DEST_ATTR_WEIGHT"] == 7
    assert (attrs["IPVS_DEST_ATTR_U_THRESH"], attrs["IPVS_DEST_ATTR_L_THRESH"]) == (100, 50)
    assert attrs["IPVS_DEST_ATTR_TUN_TYPE"] == 1
    assert attrs["IPVS_DEST_ATTR_TUN_FLAGS"] == 1
    # pyroute2 takes the port in the host's byte order; the kernel does not.
    assert attrs["IPVS_DEST_ATTR_TUN_PORT"] == struct.unpack("=H", struct.pack("!H", 6080))[0]


def test_the_bytes_of_a_message_are_those_of_the_header_file() -> None:
    body = encode.change(Operation(Action.DELETE_DESTINATION, WEB, ONE))
    assert body.hex() == (
        "07010000"  # IPVS_CMD_DEL_DEST, version 1
        "24000180"  # IPVS_CMD_ATTR_SERVICE, nested, 36 bytes
        "0600010002000000"  # AF_INET
        "0600020006000000"  # TCP
        "08000300c0000201"  # 192.0.2.1
        "0600040000500000"  # 80
        "1c000280"  # IPVS_CMD_ATTR_DEST, nested, 28 bytes
        "080001000a000001"  # 10.0.0.1
        "060002001f900000"  # 8080
        "06000b0002000000"  # AF_INET
    )


def test_the_prefix_of_ipv6_is_a_number_and_that_of_ipv4_a_mask() -> None:
    service = Service("rr", ServiceFlag.PERSISTENT, 60, 24)
    for key, expected in ((WEB, bytes((255, 255, 255, 0))), (WEB6, struct.pack("=I", 24))):
        members = attributes(attributes(encode.change(Operation(Action.NEW_SERVICE, key, None, service)), 4)[1])
        assert members[9] == expected


@pytest.mark.parametrize(
    "operation",
    [
        Operation(Action.NEW_SERVICE, WEB, None, Service("a-name-that-is-too-long")),
        Operation(Action.NEW_SERVICE, WEB, None, Service("")),
        Operation(Action.NEW_SERVICE, WEB, None, Service("r\0r")),
        Operation(Action.NEW_SERVICE, WEB, None, Service("rr", ServiceFlag.PERSISTENT, 60, 0)),
        Operation(Action.NEW_SERVICE, WEB, None, Service("rr", ServiceFlag.PERSISTENT, 60, 33)),
        Operation(Action.NEW_SERVICE, WEB6, None, Service("rr", ServiceFlag.PERSISTENT, 60, 129)),
        Operation(Action.NEW_SERVICE, WEB, None, Service("rr", ServiceFlag.PERSISTENT, -1)),
        Operation(Action.NEW_SERVICE, ServiceKey(4, 6, "2001:db8::1", 80), None, Service("rr")),
        Operation(Action.NEW_SERVICE, ServiceKey(4, 6, "localhost", 80), None, Service("rr")),
        Operation(Action.NEW_SERVICE, ServiceKey(4, 6, "192.0.2.1", 65536), None, Service("rr")),
        Operation(Action.NEW_SERVICE, ServiceKey(5, 6, "192.0.2.1", 80), None, Service("rr")),
        Operation(Action.NEW_SERVICE, ServiceKey(4, mark=1 << 32), None, Service("rr")),
        Operation(Action.NEW_DESTINATION, WEB, DestinationKey("10.0.0.1", 65536), Destination(1)),
        Operation(Action.NEW_DESTINATION, WEB, DestinationKey("here", 1), Destination(1)),
        Operation(Action.NEW_DESTINATION, WEB6, DestinationKey("FD00::1", 1), Destination(1)),
        Operation(Action.NEW_DESTINATION, WEB6, DestinationKey("fe80::1%eth0", 1), Destination(1)),
        Operation(Action.NEW_DESTINATION, WEB, ONE, Destination(-1)),
        Operation(Action.NEW_DESTINATION, WEB, ONE, Destination(1, upper=1 << 32)),
    ],
)
def test_what_can_not_be_told_is_a_value_error(operation: Operation) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        encode.change(operation)


@given(
    st.sampled_from(Role),
    st.sampled_from(("224.0.0.81", "ff02::81")),
    st.integers(0, 255),
    st.integers(1, 65535),
    st.integers(1, 255),
)
def test_a_sync_daemon_is_read_back(role: Role, group: str, sync_id: int, port: int, ttl: int) -> None:
    daemon = SyncDaemon(role, "eth0", sync_id, group, port, ttl, 1400)
    assert decode.daemon(encode.start_daemon(daemon)) == daemon


@pytest.mark.parametrize("key", [ServiceKey(5), ServiceKey(4, 6, "", 80), ServiceKey(4, -1, "192.0.2.1", 80)])
def test_a_key_that_can_not_be_told_is_a_value_error(key: ServiceKey) -> None:
    for question in (encode.service_request, encode.destinations_request):
        with pytest.raises(ValueError, match=r"\w"):
            question(key)


def test_questions_name_their_command() -> None:
    assert encode.info_request()[0] == 15
    assert encode.services_request()[0] == encode.service_request(WEB)[0] == 4
    assert encode.destinations_request(WEB)[0] == 8
    assert encode.daemons_request()[0] == 11
