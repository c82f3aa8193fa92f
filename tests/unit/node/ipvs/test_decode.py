"""What IPVS answers, read: all of it, older kernels' too, and of hostile bytes nothing but one error."""

import contextlib
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.node.ipvs.tables import ONE, WEB, WEB6

from mooring_node.ipvs import decode, encode
from mooring_node.ipvs.decode import Counters
from mooring_node.ipvs.diff import Action, Operation
from mooring_node.ipvs.sync import Role, SyncDaemon
from mooring_node.ipvs.table import Destination, Method, Service, ServiceFlag, TunnelKind
from mooring_node.kernel.netlink import NetlinkFormatError, attribute, attributes, nested

GENERIC = b"\x01\x01\0\0"
READERS: tuple[Callable[[bytes], object], ...] = (
    decode.service,
    lambda body: decode.destination(body, 4),
    lambda body: decode.destination(body, 6),
    decode.daemon,
    decode.family_number,
)
WHOLE = [
    encode.change(Operation(Action.NEW_SERVICE, WEB, None, Service("rr"))),
    encode.change(Operation(Action.NEW_SERVICE, WEB6, None, Service("mh", ServiceFlag.PERSISTENT, 60, 64, "sip"))),
    encode.change(Operation(Action.NEW_DESTINATION, WEB, ONE, Destination(1))),
    encode.start_daemon(SyncDaemon(Role.MASTER, "eth0")),
    GENERIC + nested(1, nested(12, *(attribute(kind, bytes(8)) for kind in range(1, 11)))),
]


@given(st.binary(max_size=400))
def test_hostile_bytes_raise_one_error_alone(data: bytes) -> None:
    for read in READERS:
        _must_not_crash(read, GENERIC + data)


@given(st.sampled_from(WHOLE), st.data())
def test_damaged_answers_raise_one_error_alone(whole: bytes, data: st.DataObject) -> None:
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    for read in READERS:
        _must_not_crash(read, bytes(damaged))


@given(st.dictionaries(st.integers(1, 16), st.binary(max_size=20), max_size=16), st.sampled_from((1, 2, 3)))
def test_attributes_of_any_length_raise_one_error_alone(members: dict[int, bytes], kind: int) -> None:
    body = GENERIC + nested(kind, *(attribute(name, raw) for name, raw in members.items()))
    for read in READERS:
        _must_not_crash(read, body)


_LENGTHS = st.sampled_from((0, 1, 2, 3, 4, 8, 16, 20))
_BYTES = _LENGTHS.flatmap(lambda size: st.one_of(st.just(b"\xff" * size), st.binary(min_size=size, max_size=size)))


@settings(max_examples=1000)
@given(st.sampled_from(WHOLE), st.data())
def test_one_attribute_of_another_length_raises_one_error_alone(whole: bytes, data: st.DataObject) -> None:
    outer = attributes(whole, len(GENERIC))
    kind = data.draw(st.sampled_from(sorted(outer)))
    members = attributes(outer[kind])
    members[data.draw(st.sampled_from(sorted(members)))] = data.draw(_BYTES)
    body = GENERIC + nested(kind, *(attribute(name, raw) for name, raw in members.items()))
    for read in READERS:
        _must_not_crash(read, body)


def _must_not_crash(read: Callable[[bytes], object], body: bytes) -> None:
    with contextlib.suppress(NetlinkFormatError):
        hash(read(body))


def _service(*members: bytes) -> bytes:
    known = (
        attribute(1, struct.pack("=H", 2)),
        attribute(2, struct.pack("=H", 6)),
        attribute(3, bytes((192, 0, 2, 1)) + bytes(12)),
        attribute(4, struct.pack("!H", 80)),
        attribute(6, b"wlc\0"),
        attribute(7, struct.pack("=II", 0x0003, 0xFFFFFFFF)),
        attribute(8, struct.pack("=I", 300)),
    )
    return GENERIC + nested(1, *known, *members)


def test_a_service_is_read() -> None:
    entry = decode.service(_service(attribute(9, bytes((255, 255, 255, 0)))))
    assert entry.key == WEB
    assert entry.service == Service("wlc", ServiceFlag.PERSISTENT, 300, 24)
    assert entry.counters == Counters()


def test_a_mask_that_is_no_prefix_is_none_that_anybody_wants() -> None:
    assert decode.service(_service(attribute(9, bytes((255, 0, 255, 0))))).service.netmask_bits == -1


WIDE = struct.Struct("=Q")


@pytest.mark.parametrize("padded", [False, True])
def test_counters_of_64_bits_are_read_whatever_their_layout(padded: bool) -> None:
    values = tuple((1 << 40) + place for place in range(10))
    padding = attribute(11, b"") if padded else b""
    stats = nested(12, *(padding + attribute(kind, WIDE.pack(each)) for kind, each in enumerate(values, 1)))
    short = nested(10, *(attribute(kind, struct.pack("=I", 5)) for kind in range(1, 11)))
    body = _service(attribute(9, bytes((255, 255, 255, 255))), short, stats)
    assert decode.service(body).counters == Counters(*values)


def test_an_older_kernel_has_32_bits() -> None:
    short = [attribute(kind, struct.pack("=Q" if kind in (4, 5) else "=I", kind)) for kind in range(1, 11)]
    body = _service(attribute(9, bytes((255, 255, 255, 255))), nested(10, *short))
    assert decode.service(body).counters == Counters(*range(1, 11))


def test_a_destination_of_an_older_kernel_has_neither_family_nor_tunnel() -> None:
    members = [
        attribute(1, bytes.fromhex("fd000000000000000000000000000001")),
        attribute(2, struct.pack("!H", 80)),
        *(attribute(kind, struct.pack("=I", value)) for kind, value in ((3, 3), (4, 7), (5, 9), (6, 8))),
        *(attribute(kind, struct.pack("=I", kind)) for kind in (7, 8, 9)),
    ]
    entry = decode.destination(GENERIC + nested(2, *members), 6)
    assert entry.key.address == "fd00::1"
    assert entry.destination == Destination(7, Method.DIRECT_ROUTE, 9, 8)
    assert entry.load[:3] == (7, 8, 9)


def test_a_number_without_a_name_is_kept_as_a_number() -> None:
    body = encode.change(Operation(Action.NEW_DESTINATION, WEB, ONE, Destination(1)))
    unknown = body.replace(struct.pack("=HHI", 8, 3, 0), struct.pack("=HHI", 8, 3, 5))
    unknown = unknown.replace(struct.pack("=HHB", 5, 13, 0), struct.pack("=HHB", 5, 13, 200))
    found = decode.destination(unknown, 4).destination
    assert (int(found.method), int(found.tunnel)) == (5, 200)
    assert found != Destination(1)
    assert decode.destination(body, 4).destination.tunnel is TunnelKind.IPIP
