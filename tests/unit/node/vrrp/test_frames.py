"""Announcements, and what a neighbour's frame claims."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node.vrrp.frames import Claim, arp_claim, gratuitous_arp, neighbour_claim, unsolicited_na
from mooring_node.vrrp.packet import checksum

MAC = bytes.fromhex("02000000000a")
ADDRESS = ip_address("10.0.0.100").packed
ADDRESS6 = ip_address("2001:db8::100").packed
REQUEST, REPLY = gratuitous_arp(MAC, ADDRESS)
NA = unsolicited_na(MAC, ADDRESS6, router=True)


def put(frame: bytes, at: int, value: bytes) -> bytes:
    return frame[:at] + value + frame[at + len(value) :]


def resummed(frame: bytes) -> bytes:
    """An ICMPv6 frame with its checksum put right."""
    message = put(frame[54:], 2, b"\0\0")
    pseudo = frame[22:54] + len(message).to_bytes(4, "big") + b"\0\0\0\x3a"
    odd = b"\0" * (len(message) % 2)
    return frame[:54] + put(message, 2, checksum(pseudo + message + odd).to_bytes(2, "big"))


def icmp(kind: int, source: bytes, target: bytes, options: bytes = b"", hop_limit: int = 255) -> bytes:
    message = bytes((kind, 0, 0, 0, 0x20, 0, 0, 0)) + target + options
    header = b"\x60\0\0\0" + len(message).to_bytes(2, "big") + bytes((58, hop_limit)) + source + ADDRESS6
    return resummed(b"\x33\x33\0\0\0\1" + b"\x02\0\0\0\0\x99" + b"\x86\xdd" + header + message)


def test_gratuitous_arp_is_broadcast_in_full_frames() -> None:
    for frame in (REQUEST, REPLY):
        assert len(frame) == 60
        assert frame[:12] == b"\xff" * 6 + MAC
        assert arp_claim(frame) == Claim(MAC, ADDRESS)
        assert frame[38:42] == ADDRESS
    assert (REQUEST[20:22], REPLY[20:22]) == (b"\0\1", b"\0\2")
    assert (REQUEST[32:38], REPLY[32:38]) == (bytes(6), MAC)


@pytest.mark.parametrize(("router", "flags"), [(True, 0xA0), (False, 0x20)])
def test_unsolicited_advertisement_overrides_and_is_not_solicited(router: bool, flags: int) -> None:
    frame = unsolicited_na(MAC, ADDRESS6, router=router)
    assert frame[58] == flags
    assert frame[:6] == bytes.fromhex("333300000001")
    assert neighbour_claim(frame) == Claim(MAC, ADDRESS6)


@pytest.mark.parametrize(("mac", "address"), [(MAC[:5], ADDRESS), (MAC, ADDRESS[:3]), (MAC, ADDRESS6)])
def test_wrong_sizes_are_a_value_error(mac: bytes, address: bytes) -> None:
    with pytest.raises(ValueError, match="needed"):
        gratuitous_arp(mac, address)
    with pytest.raises(ValueError, match="needed"):
        unsolicited_na(mac, address[:4], router=True)


@pytest.mark.parametrize(
    "frame",
    [
        REQUEST[:41],
        put(REQUEST, 12, b"\x08\x00"),
        put(REQUEST, 14, b"\0\x06"),
        put(REQUEST, 16, b"\x86\xdd"),
        put(REQUEST, 18, b"\x08"),
        put(REQUEST, 19, b"\x10"),
        put(REQUEST, 20, b"\0\x03"),
        put(REQUEST, 20, b"\0\0"),
        put(REQUEST, 28, bytes(4)),
    ],
    ids=["short", "ethertype", "hardware", "protocol", "mac-size", "ip-size", "rarp", "operation-0", "probe"],
)
def test_what_is_no_arp_claim(frame: bytes) -> None:
    assert arp_claim(frame) is None


def test_an_ordinary_arp_request_claims_its_sender() -> None:
    asks = put(put(REQUEST, 38, ip_address("10.0.0.1").packed), 22, b"\x02\0\0\0\0\x99")
    assert arp_claim(asks[:42]) == Claim(b"\x02\0\0\0\0\x99", ADDRESS)


@pytest.mark.parametrize(
    "frame",
    [
        NA[:77],
        NA[:-1],
        put(NA, 12, b"\x08\x00"),
        put(NA, 14, b"\x40"),
        put(NA, 20, b"\x11"),
        put(NA, 21, b"\xfe"),
        put(NA, 18, b"\0\x10"),
        put(NA, 56, b"\0\0"),
        resummed(put(NA, 55, b"\x01")),
        resummed(put(NA, 54, b"\x86")),
    ],
    ids=["short", "cut", "ethertype", "version", "udp", "hop-limit", "length", "checksum", "code", "router-advert"],
)
def test_what_is_no_neighbour_claim(frame: bytes) -> None:
    assert neighbour_claim(frame) is None


def test_a_frame_that_was_cut_claims_nothing_even_if_its_sum_is_right() -> None:
    whole = unsolicited_na(b"\x02\0\0\0\0\0", ADDRESS6, router=False)
    assert neighbour_claim(whole) is not None
    assert neighbour_claim(whole[:-2]) is None


SENDER = ip_address("fe80::99").packed
OPTION = b"\x02\x01" + MAC
SOURCE_OPTION = b"\x01\x01" + MAC
ETHERNET_SOURCE = b"\x02\0\0\0\0\x99"


@pytest.mark.parametrize(
    ("frame", "claim"),
    [
        (icmp(136, SENDER, ADDRESS6, OPTION), Claim(MAC, ADDRESS6)),
        (icmp(136, SENDER, ADDRESS6), Claim(ETHERNET_SOURCE, ADDRESS6)),
        (icmp(136, SENDER, ADDRESS6, b"\x0e\x02" + bytes(14) + OPTION), Claim(MAC, ADDRESS6)),
        (icmp(136, SENDER, ADDRESS6, b"\x0e\x00" + bytes(6) + OPTION), Claim(ETHERNET_SOURCE, ADDRESS6)),
        (icmp(136, SENDER, ADDRESS6, OPTION[:7]), Claim(ETHERNET_SOURCE, ADDRESS6)),
        (icmp(136, SENDER, ADDRESS6, OPTION) + b"padding", Claim(MAC, ADDRESS6)),
        (icmp(135, SENDER, ADDRESS6, SOURCE_OPTION), Claim(MAC, SENDER)),
        (icmp(135, SENDER, ADDRESS6), None),
        (icmp(135, bytes(16), ADDRESS6), None),
        (icmp(135, bytes(16), ADDRESS6, SOURCE_OPTION), None),
        (icmp(136, SENDER, ADDRESS6, OPTION, hop_limit=64), None),
    ],
    ids=["option", "no-option", "second-option", "option-of-no-size", "cut-option", "padding", "solicitation",
         "solicitation-without-option", "duplicate-detection", "duplicate-detection-with-option", "routed"],
)  # fmt: skip
def test_neighbour_claims(frame: bytes, claim: Claim | None) -> None:
    assert neighbour_claim(frame) == claim


@given(st.binary(max_size=120))
def test_any_bytes_claim_something_or_nothing(frame: bytes) -> None:
    assert arp_claim(frame) is None or len(frame) >= 42
    assert neighbour_claim(frame) is None or len(frame) >= 78


@given(st.binary(max_size=100), st.sampled_from([135, 136]), st.integers(0, 130))
def test_any_options_with_a_right_checksum_are_survived(options: bytes, kind: int, cut: int) -> None:
    frame = icmp(kind, SENDER, ADDRESS6, options)
    claim = neighbour_claim(frame)
    assert claim is None or len(claim.mac) == 6
    neighbour_claim(frame[:cut])
    arp_claim(put(frame, 12, b"\x08\x06"))
