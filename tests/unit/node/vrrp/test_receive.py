"""What an instance accepts: every rule of RFC 9568 section 7.1 kept and broken, and the order of the reasons."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node.vrrp.packet import AddressFamily, Advert, Refusal, Refused, encode, ipv4_packet
from mooring_node.vrrp.receive import Datagram, Expectation, Judged, Remark, judge, judge_any, parse_ipv4


def packed(*texts: str) -> tuple[bytes, ...]:
    return tuple(ip_address(text).packed for text in texts)


OURS, PEER, STRANGER = packed("10.0.0.28", "10.0.0.18", "10.0.0.99")
OURS6, PEER6 = packed("fe80::b", "fe80::a")
GROUP, GROUP6 = packed("224.0.0.18", "ff02::12")
SECOND = 1_000_000_000
PASSWORD = b"666\0\0\0\0\0"
ADDRESSES, ADDRESSES6 = packed("10.0.0.100", "10.0.0.101"), packed("fe80::100", "2001:db8::100")

V2 = Advert(2, 66, 100, SECOND, ADDRESSES, 1, PASSWORD)
V3 = Advert(3, 66, 100, SECOND, ADDRESSES)
V6 = Advert(3, 66, 100, SECOND, ADDRESSES6)
UNICAST3 = Expectation(3, 66, AddressFamily.IPV4, SECOND, ADDRESSES, OURS, peers=frozenset({PEER}))
UNICAST2 = replace(UNICAST3, version=2, authentication_type=1, password=PASSWORD)
MULTICAST3 = replace(UNICAST3, peers=None, group=GROUP)
MULTICAST6 = Expectation(3, 66, AddressFamily.IPV6, SECOND, ADDRESSES6, OURS6, group=GROUP6)


def datagram(
    advert: Advert, source: bytes = PEER, destination: bytes = OURS, ttl: int = 255, *, pseudo_header: bool = True
) -> Datagram:
    message = encode(advert, source=source, destination=destination, pseudo_header=pseudo_header)
    return Datagram(source, destination, ttl, message)


def reason_of(call: Callable[[], object]) -> Refusal:
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.reason


@pytest.mark.parametrize(
    ("received", "advert", "expected"),
    [
        (datagram(V2), V2, UNICAST2),
        (datagram(V3), V3, UNICAST3),
        (datagram(V3, pseudo_header=False), V3, replace(UNICAST3, pseudo_header=False)),
        (datagram(V3, ttl=254), V3, replace(UNICAST3, minimum_ttl=254)),
        (datagram(V3, destination=GROUP), V3, MULTICAST3),
        (datagram(V3, STRANGER, GROUP), V3, MULTICAST3),
        (datagram(V6, PEER6, GROUP6), V6, MULTICAST6),
        (datagram(replace(V3, priority=0)), replace(V3, priority=0), UNICAST3),
        (datagram(replace(V3, addresses=ADDRESSES[::-1])), replace(V3, addresses=ADDRESSES[::-1]), UNICAST3),
    ],
    ids=["v2", "v3", "no-pseudo", "routed", "multicast", "any-source", "ipv6", "release", "other-order"],
)
def test_accepted_without_remark(received: Datagram, advert: Advert, expected: Expectation) -> None:
    assert judge(received, expected) == Judged(advert, ())


GROUP2 = packed("224.0.0.19")[0]


@pytest.mark.parametrize(
    ("received", "expected", "reason"),
    [
        (Datagram(PEER, OURS, 255, b"\x31\x42"), UNICAST3, Refusal.TOO_SHORT),
        (datagram(V3, source=OURS, destination=GROUP), MULTICAST3, Refusal.OWN_PACKET),
        (datagram(replace(V3, virtual_router_id=67)), UNICAST3, Refusal.UNKNOWN_VIRTUAL_ROUTER),
        (datagram(V6, PEER6, OURS6), UNICAST3, Refusal.UNKNOWN_VIRTUAL_ROUTER),
        (datagram(V3, destination=GROUP), UNICAST3, Refusal.MULTICAST_ON_UNICAST),
        (datagram(V3), MULTICAST3, Refusal.UNICAST_ON_MULTICAST),
        (datagram(V6, PEER6, OURS6), MULTICAST6, Refusal.UNICAST_ON_MULTICAST),
        (datagram(V3, destination=GROUP2), MULTICAST3, Refusal.WRONG_GROUP),
        (datagram(V3, source=STRANGER), UNICAST3, Refusal.UNKNOWN_PEER),
        (datagram(V3), replace(UNICAST3, peers=frozenset()), Refusal.UNKNOWN_PEER),
        (datagram(V3, ttl=254), UNICAST3, Refusal.TTL_TOO_LOW),
        (datagram(V3, ttl=253), replace(UNICAST3, minimum_ttl=254), Refusal.TTL_TOO_LOW),
        (datagram(V2), UNICAST3, Refusal.WRONG_VERSION),
        (datagram(V3), UNICAST2, Refusal.WRONG_VERSION),
        (datagram(V3, pseudo_header=False), UNICAST3, Refusal.OTHER_CHECKSUM_FORM),
        (datagram(V3), replace(UNICAST3, pseudo_header=False), Refusal.OTHER_CHECKSUM_FORM),
        (
            datagram(replace(V2, authentication_type=0, authentication=b"")),
            UNICAST2,
            Refusal.AUTHENTICATION_MISMATCH,
        ),
        (datagram(V2), replace(UNICAST2, authentication_type=0, password=b""), Refusal.AUTHENTICATION_MISMATCH),
        (datagram(replace(V2, authentication=b"667\0\0\0\0\0")), UNICAST2, Refusal.WRONG_PASSWORD),
        (datagram(V2), replace(UNICAST2, password=b""), Refusal.WRONG_PASSWORD),
        (datagram(replace(V2, interval_ns=2 * SECOND)), UNICAST2, Refusal.INTERVAL_MISMATCH),
    ],
)
def test_refused_for_a_reason(received: Datagram, expected: Expectation, reason: Refusal) -> None:
    assert reason_of(lambda: judge(received, expected)) is reason


@pytest.mark.parametrize(
    ("received", "expected", "remarks"),
    [
        (datagram(replace(V3, addresses=ADDRESSES[:1])), UNICAST3, (Remark.ADDRESSES_DIFFER,)),
        (datagram(replace(V3, addresses=ADDRESSES[:1] * 2)), UNICAST3, (Remark.ADDRESSES_DIFFER,)),
        (datagram(replace(V3, addresses=ADDRESSES + ADDRESSES[:1])), UNICAST3, (Remark.ADDRESSES_DIFFER,)),
        (datagram(replace(V2, addresses=ADDRESSES[:1])), UNICAST2, (Remark.ADDRESSES_DIFFER,)),
        (datagram(replace(V3, addresses=(STRANGER, ADDRESSES[1]))), UNICAST3, (Remark.ADDRESSES_DIFFER,)),
        (datagram(replace(V3, addresses=(STRANGER,))), UNICAST3, (Remark.NO_ADDRESS_OF_OURS,)),
        (
            datagram(replace(V3, addresses=(STRANGER,))),
            replace(UNICAST3, unlisted=frozenset({STRANGER})),
            (Remark.ADDRESSES_DIFFER,),
        ),
        (datagram(replace(V3, interval_ns=2 * SECOND)), UNICAST3, (Remark.INTERVAL_DIFFERS,)),
        (
            datagram(replace(V6, addresses=ADDRESSES6[::-1]), PEER6, GROUP6),
            MULTICAST6,
            (Remark.FIRST_ADDRESS_NOT_LINK_LOCAL,),
        ),
        (
            datagram(replace(V6, addresses=ADDRESSES6[1:], interval_ns=10_000_000), PEER6, GROUP6),
            MULTICAST6,
            (Remark.ADDRESSES_DIFFER, Remark.INTERVAL_DIFFERS, Remark.FIRST_ADDRESS_NOT_LINK_LOCAL),
        ),
    ],
)
def test_accepted_with_remarks(received: Datagram, expected: Expectation, remarks: tuple[Remark, ...]) -> None:
    assert judge(received, expected).remarks == remarks


def test_the_reason_is_the_first_thing_to_change() -> None:
    """A packet that is wrong in every way shows its faults one by one, from the outside in."""
    wrong = replace(V3, virtual_router_id=67)
    steps = [
        (datagram(wrong, OURS, GROUP2, 1), Refusal.OWN_PACKET),
        (datagram(wrong, STRANGER, GROUP2, 1), Refusal.UNKNOWN_VIRTUAL_ROUTER),
        (datagram(V3, STRANGER, GROUP2, 1), Refusal.MULTICAST_ON_UNICAST),
        (datagram(V3, STRANGER, OURS, 1), Refusal.UNKNOWN_PEER),
        (datagram(V3, PEER, OURS, 1), Refusal.TTL_TOO_LOW),
        (datagram(V3, PEER, OURS), Refusal.WRONG_VERSION),
        (replace(datagram(V2), message=datagram(V2).message[:-1] + b"x"), Refusal.BAD_CHECKSUM),
        (
            datagram(replace(V2, interval_ns=2 * SECOND, authentication=b"x" * 8)),
            Refusal.WRONG_PASSWORD,
        ),
        (datagram(replace(V2, interval_ns=2 * SECOND)), Refusal.INTERVAL_MISMATCH),
    ]
    assert [reason_of(lambda d=received: judge(d, UNICAST2)) for received, _ in steps] == [r for _, r in steps]


def test_an_expectation_is_unicast_or_multicast() -> None:
    for peers, group in ((None, None), (frozenset({PEER}), GROUP)):
        with pytest.raises(ValueError, match="either peers"):
            replace(UNICAST3, peers=peers, group=group)


MESSAGE = encode(V3, source=PEER, destination=OURS)
PACKET = ipv4_packet(MESSAGE, source=PEER, destination=OURS, identification=7)


def test_an_ipv4_packet_is_taken_apart() -> None:
    assert parse_ipv4(PACKET) == Datagram(PEER, OURS, 255, MESSAGE)
    assert parse_ipv4(PACKET + b"\xaa" * 14) == Datagram(PEER, OURS, 255, MESSAGE)


def test_ipv4_options_are_skipped() -> None:
    longer = b"\x46" + PACKET[1:2] + (len(PACKET) + 4).to_bytes(2, "big") + PACKET[4:20] + b"\x94\x04\0\0" + MESSAGE
    assert parse_ipv4(longer).message == MESSAGE


def changed(at: int, value: bytes) -> bytes:
    return PACKET[:at] + value + PACKET[at + len(value) :]


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", Refusal.NOT_IPV4),
        (PACKET[:19], Refusal.NOT_IPV4),
        (PACKET[:-1], Refusal.NOT_IPV4),
        (changed(0, b"\x65"), Refusal.NOT_IPV4),
        (changed(0, b"\x44"), Refusal.NOT_IPV4),
        (changed(0, b"\x4f"), Refusal.NOT_IPV4),
        (changed(2, b"\0\x13"), Refusal.NOT_IPV4),
        (changed(2, b"\xff\xff"), Refusal.NOT_IPV4),
        (changed(9, b"\x11"), Refusal.NOT_IPV4),
        (changed(6, b"\x20\0"), Refusal.FRAGMENT),
        (changed(6, b"\0\x01"), Refusal.FRAGMENT),
        (changed(6, b"\x1f\xff"), Refusal.FRAGMENT),
    ],
)
def test_what_is_no_whole_ipv4_packet_is_refused(packet: bytes, reason: Refusal) -> None:
    assert reason_of(lambda: parse_ipv4(packet)) is reason


def test_dont_fragment_is_accepted() -> None:
    assert parse_ipv4(changed(6, b"\x40\0")).message == MESSAGE


VALID = [(datagram(V2), UNICAST2), (datagram(V3), UNICAST3), (datagram(V6, PEER6, GROUP6), MULTICAST6)]


@pytest.mark.parametrize(("received", "expected"), VALID, ids=["v2", "v3", "ipv6"])
def test_no_flip_of_a_bit_is_accepted(received: Datagram, expected: Expectation) -> None:
    for bit in range(len(received.message) * 8):
        flipped = bytearray(received.message)
        flipped[bit // 8] ^= 1 << bit % 8
        reason_of(lambda message=bytes(flipped): judge(replace(received, message=message), expected))


@given(st.binary(max_size=120))
def test_any_bytes_are_a_datagram_or_refused(packet: bytes) -> None:
    try:
        received = parse_ipv4(packet)
    except Refused:
        return
    assert received.message in packet


@given(
    st.sampled_from(VALID),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6),
    st.integers(0, 255),
    st.integers(0, 80),
)
def test_any_damage_is_refused_or_still_an_advert(
    valid: tuple[Datagram, Expectation], damage: list[tuple[int, int]], ttl: int, length: int
) -> None:
    received, expected = valid
    message = bytearray(received.message[:length])
    for at, value in damage:
        if at < len(message):
            message[at] = value
    try:
        judged = judge(replace(received, message=bytes(message), ttl=ttl), expected)
    except Refused:
        return
    assert ttl >= expected.minimum_ttl
    assert judged.advert.virtual_router_id == expected.virtual_router_id


@given(st.binary(max_size=90), st.sampled_from(VALID))
def test_any_message_is_judged_or_refused(message: bytes, valid: tuple[Datagram, Expectation]) -> None:
    received, expected = valid
    with suppress(Refused):
        judge(replace(received, message=received.message[:3] + message), expected)


# Several forms, while a change goes round.


def test_refusals_stand_in_the_order_of_the_looks() -> None:
    """By which `judge_any` finds the form that a packet came nearest to."""
    order = list(Refusal)
    found = [
        Refusal.TOO_SHORT,
        Refusal.OWN_PACKET,
        Refusal.UNKNOWN_VIRTUAL_ROUTER,
        Refusal.UNKNOWN_PEER,
        Refusal.TTL_TOO_LOW,
        Refusal.WRONG_VERSION,
        Refusal.WRONG_TYPE,
        Refusal.NO_ADDRESS,
        Refusal.TRUNCATED_ADDRESSES,
        Refusal.BAD_CHECKSUM,
        Refusal.ZERO_INTERVAL,
        Refusal.AUTHENTICATION_MISMATCH,
        Refusal.WRONG_PASSWORD,
        Refusal.INTERVAL_MISMATCH,
    ]
    assert found == sorted(found, key=order.index)


OTHER_PASSWORD, OTHER_SECOND = b"777\0\0\0\0\0", 3 * SECOND
MULTICAST67 = replace(MULTICAST3, virtual_router_id=67)


@pytest.mark.parametrize(
    ("advert", "forms"),
    [
        (replace(V3, virtual_router_id=67), (UNICAST3, replace(UNICAST3, virtual_router_id=67))),
        (V3, (UNICAST2, UNICAST3)),
        (V2, (UNICAST3, UNICAST2)),
        (replace(V2, authentication=OTHER_PASSWORD), (UNICAST2, replace(UNICAST2, password=OTHER_PASSWORD))),
        (replace(V2, authentication_type=0, authentication=b""), (UNICAST2, replace(UNICAST3, version=2))),
        (replace(V2, interval_ns=OTHER_SECOND), (UNICAST2, replace(UNICAST2, interval_ns=OTHER_SECOND))),
        (replace(V3, interval_ns=SECOND // 10), (UNICAST3, replace(UNICAST3, interval_ns=SECOND // 10))),
        (V3, (MULTICAST3, UNICAST3)),
    ],
    ids=["vrid", "to-3", "to-2", "password", "no-password", "interval-2", "interval-3", "transport"],
)
def test_each_form_is_accepted_without_remark(advert: Advert, forms: tuple[Expectation, ...]) -> None:
    assert judge_any(datagram(advert), forms) == Judged(advert, ())
    assert judge_any(datagram(advert), forms[::-1]) == Judged(advert, ())


def test_of_two_checksums_either_fits() -> None:
    forms = (UNICAST3, replace(UNICAST3, pseudo_header=False))
    assert judge_any(datagram(V3, pseudo_header=False), forms) == judge_any(datagram(V3), forms) == Judged(V3, ())


def test_an_interval_of_no_form_is_remarked_in_version_3() -> None:
    forms = (UNICAST3, replace(UNICAST3, interval_ns=SECOND // 10))
    assert judge_any(datagram(replace(V3, interval_ns=SECOND // 2)), forms).remarks == (Remark.INTERVAL_DIFFERS,)


@pytest.mark.parametrize(
    ("received", "forms", "reason"),
    [
        (datagram(replace(V3, virtual_router_id=68)), (UNICAST3, MULTICAST67), Refusal.UNKNOWN_VIRTUAL_ROUTER),
        (datagram(replace(V3, virtual_router_id=67)), (UNICAST3, MULTICAST67), Refusal.UNICAST_ON_MULTICAST),
        (datagram(V3, source=STRANGER), (UNICAST3, UNICAST2), Refusal.UNKNOWN_PEER),
        (
            datagram(replace(V2, authentication=b"x" * 8)),
            (UNICAST3, UNICAST2, replace(UNICAST2, password=OTHER_PASSWORD)),
            Refusal.WRONG_PASSWORD,
        ),
        (
            datagram(replace(V2, interval_ns=2 * SECOND)),
            (UNICAST3, UNICAST2, replace(UNICAST2, password=OTHER_PASSWORD)),
            Refusal.INTERVAL_MISMATCH,
        ),
        # Neither alone: the password of one form with the interval of another.
        (
            datagram(replace(V2, interval_ns=OTHER_SECOND)),
            (UNICAST2, replace(UNICAST2, password=OTHER_PASSWORD, interval_ns=OTHER_SECOND)),
            Refusal.INTERVAL_MISMATCH,
        ),
    ],
)
def test_the_reason_is_of_the_nearest_form(received: Datagram, forms: tuple[Expectation, ...], reason: Refusal) -> None:
    assert reason_of(lambda: judge_any(received, forms)) is reason
    assert reason_of(lambda: judge_any(received, forms[::-1])) is reason
