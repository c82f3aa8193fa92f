"""The bytes of the measurement: ICMP echo requests, ARP questions, and what comes back. Pure."""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_IPV6 = 0x0800, 0x0806, 0x86DD
_MAGIC = b"mooring!"
_ECHO_REQUEST, _ECHO_REPLY = 8, 0
_ECHO_REQUEST_V6, _ECHO_REPLY_V6 = 128, 129
#: Behind the Ethernet header: an IPv4 header without options, an IPv6 header.
_ECHO_AT = {ETHERTYPE_IPV4: 14 + 20, ETHERTYPE_IPV6: 14 + 40}
_ECHO = struct.Struct("!BBHHH8sII")
#: Whose frames ARP questions pretend to be, so that the client's own neighbour table learns nothing from them.
#: The last byte is the round, so that an answer says to which question it belongs.
OBSERVER_MAC = bytes.fromhex("0200000003")
ROUNDS = 256


@dataclass(frozen=True, slots=True)
class Reply:
    """Somebody answered request `sequence` to the address with this index."""

    index: int
    sequence: int
    mac: bytes


@dataclass(frozen=True, slots=True)
class ArpReply:
    """Somebody claims an address, asked in this round."""

    address: bytes
    mac: bytes
    round: int


class Requests:
    """Echo requests to one address; all share a checksum, because the sequence number is followed by its complement."""

    def __init__(self, address: str, index: int, identifier: int) -> None:
        parsed = ip_address(address)
        self.destination = (address, 0) if isinstance(parsed, IPv4Address) else (address, 0, 0, 0)
        self.is_ipv6 = isinstance(parsed, IPv6Address)
        kind = _ECHO_REQUEST_V6 if self.is_ipv6 else _ECHO_REQUEST
        head = struct.pack("!BBHHH8s", kind, 0, 0, identifier, index, _MAGIC)
        # The kernel fills in ICMPv6's checksum itself.
        checksum = 0 if self.is_ipv6 else 0xFFFF - int.from_bytes(head + tail(0)) % 0xFFFF
        self.head = head[:2] + struct.pack("!H", checksum) + head[4:]

    def request(self, sequence: int) -> bytes:
        return self.head + tail(sequence)


def tail(sequence: int) -> bytes:
    """The end of every request of one tick."""
    return struct.pack("!II", sequence, sequence ^ 0xFFFFFFFF)


def arp_question(address: str, number: int) -> bytes:
    """A frame that asks everybody who has an IPv4 address, from nobody's address (an RFC 5227 probe).

    `number` is the round, 0 to 255.
    """
    observer = OBSERVER_MAC + bytes([number])
    body = struct.pack("!HHBBH", 1, ETHERTYPE_IPV4, 6, 4, 1)
    body += observer + bytes(4) + bytes(6) + IPv4Address(address).packed
    return b"\xff" * 6 + observer + struct.pack("!H", ETHERTYPE_ARP) + body


def read(frame: bytes | memoryview, length: int, identifier: int) -> Reply | ArpReply | None:
    """What a received Ethernet frame says; None when it is not for this measurement."""
    if length < 42:
        return None
    ethertype = frame[12] << 8 | frame[13]
    if ethertype == ETHERTYPE_ARP:
        is_reply = frame[20] == 0 and frame[21] == 2 and bytes(frame[32:37]) == OBSERVER_MAC
        return ArpReply(bytes(frame[28:32]), bytes(frame[22:28]), frame[37]) if is_reply else None
    at = _ECHO_AT.get(ethertype)
    if at is None or length < at + _ECHO.size:
        return None
    kind, _code, _checksum, ident, index, magic, sequence, complement = _ECHO.unpack_from(frame, at)
    if (
        kind not in (_ECHO_REPLY, _ECHO_REPLY_V6)
        or ident != identifier
        or magic != _MAGIC
        or sequence ^ complement != 0xFFFFFFFF
    ):
        return None
    return Reply(index, sequence, bytes(frame[6:12]))
