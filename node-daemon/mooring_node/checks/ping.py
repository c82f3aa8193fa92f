"""ICMP echo (RFC 792, RFC 4443): by a socket that needs no right where the kernel lets us, else a raw one."""

import secrets
import socket
import struct
from itertools import count

from mooring_node.checks.attempt import Scope
from mooring_node.checks.config import PingProbe, Target
from mooring_node.checks.connecting import datagrams, destination, family_of
from mooring_node.checks.datagram import received
from mooring_node.checks.verdict import GOOD, Outcome, Withheld

_ECHO = struct.Struct("!BBHHH")
_REQUEST_V4, _REPLY_V4, _REQUEST_V6, _REPLY_V6 = 8, 0, 128, 129
_ICMPV6_FILTER = 1
_COOKIE_BYTES = 8


async def ping(scope: Scope, target: Target) -> Outcome:
    """An echo request that is answered by the one who was asked, with what was sent."""
    probe = target.check.probe
    assert isinstance(probe, PingProbe)
    family = family_of(destination(target)[0])
    sock = _opened(scope, target, family)
    raw = sock.type == socket.SOCK_RAW
    identifier, sequence = secrets.randbelow(65536), secrets.randbelow(65536)
    payload = (secrets.token_bytes(_COOKIE_BYTES) + bytes(probe.payload_bytes))[: probe.payload_bytes]
    sock.send(request(family, identifier, sequence, payload))
    scope.stage = "waiting for the echo"
    for refused in count():
        packet = await received(sock, refused)
        if raw and family == socket.AF_INET:
            packet = without_header(packet)
        if is_reply(family, packet, identifier if raw else None, sequence, payload):
            return GOOD
    raise AssertionError("there is no end of numbers")


def _opened(scope: Scope, target: Target, family: int) -> socket.socket:
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    try:
        return datagrams(scope, target, socket.SOCK_DGRAM, protocol)
    except PermissionError:
        pass
    try:
        # Connected: it receives what comes from this backend alone.
        sock = datagrams(scope, target, socket.SOCK_RAW, protocol)
    except PermissionError as error:
        raise Withheld("a ping needs CAP_NET_RAW, or net.ipv4.ping_group_range with this process's group") from error
    if family == socket.AF_INET6:
        wanted = bytearray(b"\xff" * 32)
        wanted[_REPLY_V6 // 8] &= ~(1 << _REPLY_V6 % 8)
        sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, bytes(wanted))
    return sock


def request(family: int, identifier: int, sequence: int, payload: bytes) -> bytes:
    """An echo request; IPv6's checksum is the kernel's to add."""
    if family == socket.AF_INET6:
        return _ECHO.pack(_REQUEST_V6, 0, 0, identifier, sequence) + payload
    checksum = _checksum(_ECHO.pack(_REQUEST_V4, 0, 0, identifier, sequence) + payload)
    return _ECHO.pack(_REQUEST_V4, 0, checksum, identifier, sequence) + payload


def is_reply(family: int, message: bytes, identifier: int | None, sequence: int, payload: bytes) -> bool:
    """Whether an ICMP message answers this request; None: the kernel has compared the identifier, which is its own."""
    if len(message) < _ECHO.size:
        return False
    kind, code, _, its_identifier, its_sequence = _ECHO.unpack_from(message)
    if kind != (_REPLY_V6 if family == socket.AF_INET6 else _REPLY_V4) or code:
        return False
    if identifier is not None and its_identifier != identifier:
        return False
    return its_sequence == sequence and message[_ECHO.size :] == payload


def without_header(packet: bytes) -> bytes:
    """What an IPv4 packet carries; empty where it is none."""
    if not packet or packet[0] >> 4 != 4:
        return b""
    return packet[(packet[0] & 0x0F) * 4 :]


def _checksum(message: bytes) -> int:
    padded = message + b"\0" * (len(message) % 2)
    return 0xFFFF - (int.from_bytes(padded, "big") % 0xFFFF or 0xFFFF)
