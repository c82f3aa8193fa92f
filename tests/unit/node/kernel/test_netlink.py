"""Framing: what is built is read back, and hostile bytes raise NetlinkFormatError alone."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node.kernel.netlink import (
    NLM_F_ACK,
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLMSG_DONE,
    NLMSG_ERROR,
    PART_BYTES,
    Answer,
    Message,
    NetlinkFormatError,
    Request,
    attribute,
    attributes,
    build_batch,
    message,
    nested,
    number,
    parse,
    parse_answer,
    parse_done,
    string,
    text,
)

U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)


@given(st.lists(st.tuples(U16, U16, U32, st.binary(max_size=60)), max_size=8))
def test_messages_are_read_back(sent: list[tuple[int, int, int, bytes]]) -> None:
    datagram = b"".join(message(*each) for each in sent)
    assert list(parse(datagram)) == [Message(*each) for each in sent]


@given(st.dictionaries(st.integers(0, 0x3FFF), st.binary(max_size=60), max_size=8))
def test_attributes_are_read_back(members: dict[int, bytes]) -> None:
    assert attributes(b"".join(attribute(kind, payload) for kind, payload in members.items())) == members


def test_nested_attributes_are_read_back() -> None:
    outer = attributes(nested(26, nested(2, attribute(1, b"abc"))))
    assert attributes(attributes(outer[26])[2]) == {1: b"abc"}


@given(st.binary(max_size=300))
def test_hostile_datagrams_raise_one_error_alone(data: bytes) -> None:
    try:
        for received in parse(data):
            parse_answer(received)
    except NetlinkFormatError:
        pass


@given(st.binary(max_size=100), st.integers(0, 0xFFFF))
def test_hostile_answers_raise_one_error_alone(body: bytes, flags: int) -> None:
    parse_done(Message(NLMSG_DONE, 0, 1, body))
    with contextlib.suppress(NetlinkFormatError):
        parse_answer(Message(NLMSG_ERROR, flags, 1, body))


@given(st.binary(max_size=200))
def test_hostile_attributes_raise_one_error_alone(data: bytes) -> None:
    try:
        members = attributes(data)
        for kind in members:
            string(members, kind)
            number(members, kind)
    except NetlinkFormatError:
        pass


@pytest.mark.parametrize("length", [0, 15, 17, 0xFFFFFFFF])
def test_a_message_length_that_does_not_fit_is_refused(length: int) -> None:
    with pytest.raises(NetlinkFormatError):
        list(parse(struct.pack("=IHHII", length, 1, 0, 0, 0)))


@pytest.mark.parametrize("length", [0, 3, 9, 0xFFFF])
def test_an_attribute_length_that_does_not_fit_is_refused(length: int) -> None:
    with pytest.raises(NetlinkFormatError):
        attributes(struct.pack("=HHI", length, 1, 0))


def test_an_attribute_longer_than_its_length_field_is_refused() -> None:
    attribute(1, bytes(0xFFFF - 4))
    with pytest.raises(ValueError, match="65,531"):
        attribute(1, bytes(0xFFFF - 3))


def test_a_number_of_three_bytes_is_refused() -> None:
    with pytest.raises(NetlinkFormatError):
        number({1: b"abc"}, 1)
    assert number({1: b"\x01\x00\x00\x00"}, 1) == struct.unpack("=I", b"\x01\x00\x00\x00")[0]
    assert number({}, 1) is None


def test_a_string_ends_at_its_zero_byte() -> None:
    assert string({3: text("eth0")}, 3) == "eth0"
    assert string({}, 3) is None


def _error(code: int, flags: int, tail: bytes) -> Message:
    head = struct.pack("=iIHHII", -code, 16 + 8, 20, 5, 9, 0)
    return Message(NLMSG_ERROR, flags, 9, head + tail)


def test_answers_are_read_in_all_their_forms() -> None:
    reason = attribute(1, text("no such device"))
    assert parse_answer(_error(0, 0, b"")) == Answer(9, 0)
    assert parse_answer(_error(17, 0, bytes(8))) == Answer(9, 17)
    assert parse_answer(_error(19, NLM_F_CAPPED | NLM_F_ACK_TLVS, reason)) == Answer(9, 19, "no such device")
    assert parse_answer(_error(19, NLM_F_ACK_TLVS, bytes(8) + reason)) == Answer(9, 19, "no such device")
    assert parse_answer(Message(20, 0, 9, b"")) is None


def test_the_end_of_a_dump_tells_its_error() -> None:
    assert parse_done(Message(NLMSG_DONE, 0, 1, b"")) == 0
    assert parse_done(Message(NLMSG_DONE, 0, 1, struct.pack("=i", -16))) == 16


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=30), st.integers(16, 300))
def test_a_batch_keeps_order_and_asks_once_a_part(bodies: list[bytes], part_bytes: int) -> None:
    batch = build_batch((Request(index, 20, 0, body) for index, body in enumerate(bodies)), part_bytes)
    assert batch.count == len(bodies)
    assert [each.body for each in parse(batch.data)] == bodies
    assert [each.sequence for each in parse(batch.data)] == list(range(1, len(bodies) + 1))
    for part in batch.parts:
        sent = list(parse(part.data))
        assert len(part.data) <= part_bytes or len(sent) == 1
        assert [each.sequence for each in sent if each.flags & NLM_F_ACK] == [part.last] == [sent[-1].sequence]


def test_a_batch_is_split_where_a_send_buffer_would_not_hold_it() -> None:
    batch = build_batch(Request(index, 20, 0, bytes(84)) for index in range(2000))
    assert [part.count for part in batch.parts] == [655, 655, 655, 35]
    assert max(len(part.data) for part in batch.parts) <= PART_BYTES


def test_no_requests_make_an_empty_batch() -> None:
    assert build_batch([]).parts == ()
