"""The codec: each structural rule kept and broken, what cannot be encoded, and anything at all as input."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from mooring_node.vrrp.packet import (
    AddressFamily,
    Advert,
    Refusal,
    Refused,
    checksum,
    decode,
    encode,
    ipv4_packet,
    peek,
)


def packed(*texts: str) -> tuple[bytes, ...]:
    return tuple(ip_address(text).packed for text in texts)


A, B = packed("10.0.0.18", "10.0.0.28")
A6, B6 = packed("fe80::a", "fe80::b")
PASSWORD = b"666\0\0\0\0\0"
V2 = Advert(2, 66, 100, 1_000_000_000, packed("10.0.0.100", "10.0.0.101"), 1, PASSWORD)
V2_OPEN = replace(V2, authentication_type=0, authentication=b"")
V3 = Advert(3, 66, 100, 100_000_000, packed("10.0.0.100", "10.0.0.101"))
V3_IPV6 = Advert(3, 66, 100, 100_000_000, packed("fe80::100", "2001:db8::100"))
ENDS = {4: (A, B), 16: (A6, B6)}
SHAPES = pytest.mark.parametrize("advert", [V2, V2_OPEN, V3, V3_IPV6], ids=["v2", "v2-open", "v3", "v3-ipv6"])


def sent(advert: Advert, *, pseudo_header: bool = True) -> bytes:
    source, destination = ENDS[len(advert.addresses[0])]
    return encode(advert, source=source, destination=destination, pseudo_header=pseudo_header)


def read(message: bytes, family: int = 4, *, pseudo_header: bool = True) -> Advert:
    source, destination = ENDS[family]
    return decode(message, source=source, destination=destination, pseudo_header=pseudo_header)


def family_of(advert: Advert) -> int:
    return len(advert.addresses[0])


def reason_of(message: bytes, family: int = 4, *, pseudo_header: bool = True) -> Refusal:
    with pytest.raises(Refused) as refused:
        read(message, family, pseudo_header=pseudo_header)
    return refused.value.reason


def resummed(message: bytes) -> bytes:
    """The message with the right checksum over itself alone (version 2, or version 3 without pseudo-header)."""
    return message[:6] + checksum(message[:6] + b"\0\0" + message[8:]).to_bytes(2, "big") + message[8:]


@SHAPES
@pytest.mark.parametrize("pseudo_header", [True, False])
def test_what_was_encoded_is_read_back(advert: Advert, pseudo_header: bool) -> None:
    message = sent(advert, pseudo_header=pseudo_header)
    assert read(message, family_of(advert), pseudo_header=pseudo_header) == advert


@SHAPES
def test_padding_behind_the_message_is_tolerated(advert: Advert) -> None:
    assert read(sent(advert) + b"\xff" * 7, family_of(advert)) == advert


@SHAPES
def test_every_shorter_message_is_refused(advert: Advert) -> None:
    message = sent(advert)
    for size in range(len(message)):
        expected = Refusal.TOO_SHORT if size < 8 else Refusal.TRUNCATED_ADDRESSES
        assert reason_of(message[:size], family_of(advert)) is expected


@SHAPES
def test_every_flip_of_a_bit_is_refused(advert: Advert) -> None:
    message = sent(advert)
    for bit in range(len(message) * 8):
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        reason_of(bytes(flipped), family_of(advert))


def test_reserved_bits_of_version_3_are_sent_as_zero_and_ignored() -> None:
    message = sent(V3, pseudo_header=False)
    assert message[4] >> 4 == 0
    marked = resummed(message[:4] + bytes([message[4] | 0xF0]) + message[5:])
    assert read(marked, pseudo_header=False) == V3


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (0, 0x11, Refusal.WRONG_VERSION),
        (0, 0x41, Refusal.WRONG_VERSION),
        (0, 0x20, Refusal.WRONG_TYPE),
        (0, 0x22, Refusal.WRONG_TYPE),
        (3, 0, Refusal.NO_ADDRESS),
        (3, 3, Refusal.TRUNCATED_ADDRESSES),
        (3, 255, Refusal.TRUNCATED_ADDRESSES),
        (5, 0, Refusal.ZERO_INTERVAL),
    ],
)
def test_a_wrong_field_has_its_own_reason(at: int, value: int, reason: Refusal) -> None:
    message = sent(V2)
    assert reason_of(resummed(message[:at] + bytes([value]) + message[at + 1 :])) is reason


def test_version_3_interval_of_zero_is_refused() -> None:
    message = sent(V3, pseudo_header=False)
    assert reason_of(resummed(message[:4] + b"\xf0\0" + message[6:]), pseudo_header=False) is Refusal.ZERO_INTERVAL


def test_version_2_is_for_ipv4_only() -> None:
    assert reason_of(sent(V2), 16) is Refusal.WRONG_VERSION


@pytest.mark.parametrize("pseudo_header", [True, False])
def test_the_other_checksum_form_of_version_3_over_ipv4_has_its_own_reason(pseudo_header: bool) -> None:
    message = sent(V3, pseudo_header=not pseudo_header)
    assert reason_of(message, pseudo_header=pseudo_header) is Refusal.OTHER_CHECKSUM_FORM


def test_version_2_and_ipv6_have_one_checksum_form() -> None:
    assert sent(V2, pseudo_header=True) == sent(V2, pseudo_header=False)
    assert sent(V3_IPV6, pseudo_header=True) == sent(V3_IPV6, pseudo_header=False)
    without = resummed(sent(V3_IPV6))
    assert reason_of(without, 16, pseudo_header=False) is Refusal.BAD_CHECKSUM


def test_the_pseudo_header_holds_both_addresses() -> None:
    message = sent(V3)
    with pytest.raises(Refused):
        decode(message, source=A, destination=packed("10.0.0.29")[0])
    with pytest.raises(Refused):
        decode(message, source=packed("10.0.0.17")[0], destination=B)


def test_version_2_covers_the_password_by_its_checksum() -> None:
    message = sent(V2)
    assert reason_of(message[:-8] + b"667\0\0\0\0\0") is Refusal.BAD_CHECKSUM


def test_a_sum_that_folds_to_zero_is_sent_as_zero() -> None:
    message = sent(V2_OPEN)
    rest = 65535 - int.from_bytes(message[:6] + message[8:], "big") % 65535
    chosen = (int.from_bytes(V2.addresses[1], "big") & 0xFFFF) + rest
    last = (int.from_bytes(V2.addresses[1], "big") >> 16 << 16 | chosen % 65535).to_bytes(4, "big")
    folded = sent(replace(V2_OPEN, addresses=(V2.addresses[0], last)))
    assert folded[6:8] == b"\0\0"
    assert read(folded).addresses[1] == last


@pytest.mark.parametrize(
    "unsayable",
    [
        replace(V3, version=4),
        replace(V3, virtual_router_id=0),
        replace(V3, virtual_router_id=256),
        replace(V3, priority=-1),
        replace(V3, priority=256),
        replace(V3, interval_ns=0),
        replace(V3, interval_ns=15_000_000),
        replace(V3, interval_ns=40_960_000_000),
        replace(V2, interval_ns=100_000_000),
        replace(V2, interval_ns=256_000_000_000),
        replace(V3, addresses=V3.addresses[:1] * 256),
        replace(V3, addresses=(V3.addresses[0], V3_IPV6.addresses[0])),
        replace(V3, authentication_type=1, authentication=PASSWORD),
        replace(V2, authentication=b"666"),
        replace(V2, authentication_type=2),
        replace(V2_OPEN, authentication=PASSWORD),
    ],
)
def test_what_the_wire_cannot_say_is_a_value_error(unsayable: Advert) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        sent(unsayable)


def test_families_that_do_not_fit_are_a_value_error() -> None:
    for advert, source, destination in ((V3, A6, B6), (V3, A, B6), (V2, A6, B6), (replace(V3, addresses=()), A, B)):
        with pytest.raises(ValueError, match=r"\w"):
            encode(advert, source=source, destination=destination)


@pytest.mark.parametrize(("interval_ns", "wire"), [(10_000_000, b"\0\x01"), (40_950_000_000, b"\x0f\xff")])
def test_version_3_counts_centiseconds(interval_ns: int, wire: bytes) -> None:
    assert sent(replace(V3, interval_ns=interval_ns))[4:6] == wire


def test_a_full_advert_of_255_addresses() -> None:
    full = replace(V3_IPV6, addresses=tuple(n.to_bytes(16, "big") for n in range(1, 256)))
    assert read(sent(full), 16) == full


def test_peek_reads_what_finds_the_instance() -> None:
    assert peek(sent(V2)) == (2, 66, 100)
    assert peek(sent(V3)) == (3, 66, 100)
    assert peek(sent(V3)[:7]) is None


@pytest.mark.parametrize("wrong", [{"ttl": 0}, {"ttl": 256}, {"identification": 65536}, {"identification": -1}])
def test_an_ip_header_that_cannot_be_is_a_value_error(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="IPv4 header"):
        ipv4_packet(sent(V3), source=A, destination=B, **wrong)


def test_address_families_have_linux_numbers() -> None:
    assert (AddressFamily.IPV4, AddressFamily.IPV6) == (2, 10)
    assert (AddressFamily.IPV4.size, AddressFamily.IPV6.size) == (4, 16)


def adverts(version: int, size: int) -> st.SearchStrategy[Advert]:
    address = st.binary(min_size=size, max_size=size)
    seconds = st.integers(1, 255).map(lambda n: n * 1_000_000_000)
    centiseconds = st.integers(1, 4095).map(lambda n: n * 10_000_000)
    password = st.binary(min_size=8, max_size=8).map(lambda b: (1, b))
    authentication = st.just((0, b"")) if version == 3 else st.just((0, b"")) | password
    return st.builds(
        lambda vrid, priority, interval, addresses, how: Advert(version, vrid, priority, interval, addresses, *how),
        st.integers(1, 255), st.integers(0, 255), seconds if version == 2 else centiseconds,
        st.lists(address, min_size=1, max_size=255).map(tuple), authentication,
    )  # fmt: skip


any_advert = st.sampled_from([(2, 4), (3, 4), (3, 16)]).flatmap(lambda shape: adverts(*shape))


@given(any_advert, st.booleans(), st.binary(max_size=40))
def test_any_advert_survives_the_wire(advert: Advert, pseudo_header: bool, padding: bytes) -> None:
    message = sent(advert, pseudo_header=pseudo_header)
    assert read(message + padding, family_of(advert), pseudo_header=pseudo_header) == advert


@given(any_advert, st.data())
def test_a_flip_that_leaves_the_extent_alone_is_refused(advert: Advert, data: st.DataObject) -> None:
    """Version and count say which bytes are summed; behind them one's complement arithmetic finds every flip."""
    message = sent(advert)
    bit = data.draw(st.integers(0, len(message) * 8 - 1).filter(lambda bit: bit // 8 not in (0, 3)))
    flipped = (int.from_bytes(message, "little") ^ 1 << bit).to_bytes(len(message), "little")
    reason_of(flipped, family_of(advert))


@given(st.binary(max_size=80), st.sampled_from([4, 16]), st.booleans())
def test_any_bytes_are_an_advert_or_refused(message: bytes, family: int, pseudo_header: bool) -> None:
    try:
        advert = read(message, family, pseudo_header=pseudo_header)
    except Refused:
        return
    assert advert.interval_ns
    assert advert.addresses


@given(st.sampled_from([0x21, 0x31]), st.binary(min_size=7, max_size=80))
def test_any_bytes_with_a_right_checksum_are_an_advert_or_refused(first: int, rest: bytes) -> None:
    """Random checksums are almost never right; this reaches what comes behind that check."""
    message = resummed(bytes([first]) + rest[: len(rest) - (len(rest) + 1) % 2])
    try:
        advert = read(message, pseudo_header=False)
    except Refused as refused:
        event(refused.reason)
        return
    assert len(advert.addresses) == message[3]
