"""Ethernet frames that say where an address is: gratuitous ARP, unsolicited neighbour advertisement."""

from dataclasses import dataclass
from struct import Struct

from mooring_node.vrrp.packet import checksum

_BROADCAST = b"\xff" * 6
_ETHERTYPE_ARP = b"\x08\x06"
_ETHERTYPE_IPV6 = b"\x86\xdd"
_SHORTEST_FRAME = 60

#: Hardware Ethernet, protocol IPv4, lengths 6 and 4 (RFC 826).
_ARP_HEAD = bytes.fromhex("0001080006 04")
_ARP_AT = 14
_ARP_SIZE = 28
_REQUEST, _REPLY = b"\x00\x01", b"\x00\x02"

_IPV6_AT = 14
_ICMP_AT = 54
_OPTIONS_AT = _ICMP_AT + 24
_IPV6_HEADER = Struct("!IHBB16s16s")
_ICMPV6 = 58
_HOP_LIMIT = 255
_ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_SOLICITATION, _ADVERTISEMENT = 135, 136
_SOURCE_LINK_ADDRESS, _TARGET_LINK_ADDRESS = 1, 2
_ROUTER, _OVERRIDE = 0x80, 0x20
_UNSPECIFIED = bytes(16)


@dataclass(frozen=True, slots=True)
class Claim:
    """A neighbour says that `address` is at `mac`."""

    mac: bytes
    address: bytes


def gratuitous_arp(mac: bytes, address: bytes) -> tuple[bytes, bytes]:
    """(request, reply): both announce an IPv4 address to all, since some neighbours heed only one of them.

    Target hardware address: zero in the request (RFC 5227 section 3), the announced one in the reply
    (RFC 5944 section 4.6).
    """
    ethernet = _BROADCAST + _sized(mac, 6) + _ETHERTYPE_ARP + _ARP_HEAD
    sender = mac + _sized(address, 4)
    request = ethernet + _REQUEST + sender + bytes(6) + address
    reply = ethernet + _REPLY + sender + mac + address
    return request.ljust(_SHORTEST_FRAME, b"\0"), reply.ljust(_SHORTEST_FRAME, b"\0")


def unsolicited_na(mac: bytes, address: bytes, *, router: bool) -> bytes:
    """An unsolicited neighbour advertisement (RFC 4861 section 7.2.6) of an IPv6 address to all nodes.

    It comes from the address itself, so send it only once the address is there. `router`: this node routes.
    """
    flags = (_ROUTER if router else 0) | _OVERRIDE
    target = _sized(address, 16)
    option = bytes((_TARGET_LINK_ADDRESS, 1)) + _sized(mac, 6)
    blank = bytes((_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0)) + target + option
    total = checksum(_icmp_pseudo_header(address, _ALL_NODES, len(blank)) + blank)
    header = _IPV6_HEADER.pack(6 << 28, len(blank), _ICMPV6, _HOP_LIMIT, address, _ALL_NODES)
    message = blank[:2] + total.to_bytes(2, "big") + blank[4:]
    return _ALL_NODES_MAC + mac + _ETHERTYPE_IPV6 + header + message


def arp_claim(frame: bytes) -> Claim | None:
    """What an Ethernet frame with ARP claims; None for a probe (RFC 5227: from 0.0.0.0) and all else."""
    body = frame[_ARP_AT : _ARP_AT + _ARP_SIZE]
    if frame[12:14] != _ETHERTYPE_ARP or len(body) < _ARP_SIZE or body[:6] != _ARP_HEAD:
        return None
    if body[6:8] not in (_REQUEST, _REPLY) or body[14:18] == bytes(4):
        return None
    return Claim(bytes(body[8:14]), bytes(body[14:18]))


def neighbour_claim(frame: bytes) -> Claim | None:
    """What an Ethernet frame with a neighbour advertisement or solicitation claims, None for anything else.

    Only what a neighbour would believe (RFC 4861 section 7.1): hop limit 255, code 0, right checksum.
    A solicitation claims its source for the link address in its option; one that detects duplicates
    claims nothing.
    """
    if frame[12:14] != _ETHERTYPE_IPV6 or len(frame) < _OPTIONS_AT:
        return None
    head, length, next_header, hop_limit, source, destination = _IPV6_HEADER.unpack_from(frame, _IPV6_AT)
    message = frame[_ICMP_AT : _ICMP_AT + length]
    if head >> 28 != 6 or next_header != _ICMPV6 or hop_limit != _HOP_LIMIT or len(message) < max(length, 24):
        return None
    # An odd last byte needs no zero behind it: a factor of 256 makes no multiple of 65535, and unmakes none.
    if message[1] or checksum(_icmp_pseudo_header(source, destination, length) + message):
        return None
    if message[0] == _ADVERTISEMENT:
        return Claim(_link_address(message, _TARGET_LINK_ADDRESS) or frame[6:12], message[8:24])
    mac = _link_address(message, _SOURCE_LINK_ADDRESS)
    if message[0] == _SOLICITATION and mac and source != _UNSPECIFIED:
        return Claim(mac, source)
    return None


def _link_address(message: bytes, kind: int) -> bytes | None:
    """The Ethernet address in the first option of this kind; None without one or before a malformed one."""
    at = 24
    while at + 8 <= len(message):
        size = message[at + 1] * 8
        if not size:
            return None
        if message[at] == kind:
            return message[at + 2 : at + 8]
        at += size
    return None


def _icmp_pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    return source + destination + length.to_bytes(4, "big") + _ICMPV6.to_bytes(4, "big")


def _sized(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise ValueError(f"{size} bytes are needed, not {len(value)}")
    return value
