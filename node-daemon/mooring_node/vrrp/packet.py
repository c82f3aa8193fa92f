"""VRRP adverts to bytes and back: version 3 (RFC 9568 section 5) and version 2 (RFC 3768 section 5).

Addresses are packed bytes, 4 or 16 of them; intervals are nanoseconds everywhere but on the wire.
"""

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

from mooring_node.units import SECOND_NS
from mooring_node.vrrp.refusals import Refusal as Refusal
from mooring_node.vrrp.refusals import Refused as Refused

PROTOCOL = 112
TTL = 255

AUTHENTICATION_NONE = 0
AUTHENTICATION_PASSWORD = 1
AUTHENTICATION_SIZE = 8

_ADVERTISEMENT = 1
_MAX_ADDRESSES = 255
_CENTISECOND_NS = 10_000_000
#: Version and type, VRID, priority, count of addresses, 16 bits that the versions use differently, checksum.
_HEADER = Struct("!BBBBHH")
_HEADER_SIZE = _HEADER.size
_CHECKSUM_AT = 6
_IPV4_HEADER = Struct("!BBHHHBBH4s4s")
#: Network control (CS6), as routing protocols mark their packets (RFC 4594 section 3.2).
_TOS = 0xC0


class AddressFamily(IntEnum):
    """Linux's numbers, so that they equal those of the socket module, which no pure module imports."""

    IPV4 = 2
    IPV6 = 10

    @property
    def size(self) -> int:
        """Bytes in an address."""
        return 4 if self is AddressFamily.IPV4 else 16


@dataclass(frozen=True, slots=True)
class Advert:
    """An ADVERTISEMENT. Version 2 has an authentication (8 bytes for type 1, else empty), version 3 none."""

    version: int
    virtual_router_id: int
    priority: int
    interval_ns: int
    addresses: tuple[bytes, ...]
    authentication_type: int = AUTHENTICATION_NONE
    authentication: bytes = b""


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes, not all zero; 0 over data with a right one.

    2**16 is 1 modulo 65535: the remainder of one big number is the sum of its 16-bit words, carries folded.
    """
    return -int.from_bytes(data, "big") % 65535


def encode(advert: Advert, *, source: bytes, destination: bytes, pseudo_header: bool = True) -> bytes:
    """The VRRP message, from its first byte to its last.

    `pseudo_header` chooses the form of the version 3 checksum over IPv4; IPv6 always has one, version 2
    never. ValueError for what the wire cannot say.
    """
    _require_encodable(advert, source, destination)
    interval = _wire_interval(advert)
    head = _HEADER.pack(
        advert.version << 4 | _ADVERTISEMENT,
        advert.virtual_router_id, advert.priority, len(advert.addresses),
        interval if advert.version == 3 else advert.authentication_type << 8 | interval,
        0,
    )  # fmt: skip
    body = b"".join(advert.addresses)
    if advert.version == 2:
        body += advert.authentication.ljust(AUTHENTICATION_SIZE, b"\0")
    covered = head + body
    if _has_pseudo_header(advert.version, len(source), pseudo_header):
        covered = _pseudo_header(source, destination, len(covered)) + covered
    return head[:_CHECKSUM_AT] + checksum(covered).to_bytes(2, "big") + body


def ipv4_packet(message: bytes, *, source: bytes, destination: bytes, ttl: int = TTL, identification: int = 0) -> bytes:
    """The whole IPv4 packet around a message, for a socket with IP_HDRINCL; may be fragmented (DF clear)."""
    length = _IPV4_HEADER.size + len(message)
    if not 0 < ttl <= 255 or not 0 <= identification <= 0xFFFF or length > 0xFFFF:
        raise ValueError("TTL, identification or length does not fit the IPv4 header")
    fields = (0x45, _TOS, length, identification, 0, ttl, PROTOCOL)
    total = checksum(_IPV4_HEADER.pack(*fields, 0, source, destination))
    return _IPV4_HEADER.pack(*fields, total, source, destination) + message


def peek(message: bytes) -> tuple[int, int, int] | None:
    """(version, VRID, priority), unchecked, to find the instance; None when there is no whole header."""
    if len(message) < _HEADER_SIZE:
        return None
    return message[0] >> 4, message[1], message[2]


def decode(message: bytes, *, source: bytes, destination: bytes, pseudo_header: bool = True) -> Advert:
    """Read a message and check its form (RFC 9568 section 7.1); `receive.judge` adds what the configuration asks.

    `source` and `destination` are 4 or 16 bytes each. Bytes behind the message are ignored, reserved bits
    too. Refused is all that it raises.
    """
    if len(message) < _HEADER_SIZE:
        raise Refused(Refusal.TOO_SHORT)
    version_type, virtual_router_id, priority, count, middle, _ = _HEADER.unpack_from(message)
    version = version_type >> 4
    size = len(source)
    if version not in (2, 3) or (version == 2 and size != 4):
        raise Refused(Refusal.WRONG_VERSION)
    if version_type & 0xF != _ADVERTISEMENT:
        raise Refused(Refusal.WRONG_TYPE)
    if not count:
        raise Refused(Refusal.NO_ADDRESS)
    body_end = _HEADER_SIZE + count * size
    end = body_end + (AUTHENTICATION_SIZE if version == 2 else 0)
    if len(message) < end:
        raise Refused(Refusal.TRUNCATED_ADDRESSES)
    _check_sum(message[:end], version, source, destination, pseudo_header)
    if version == 2:
        authentication_type, interval_ns = middle >> 8, (middle & 0xFF) * SECOND_NS
    else:
        authentication_type, interval_ns = AUTHENTICATION_NONE, (middle & 0xFFF) * _CENTISECOND_NS
    if not interval_ns:
        raise Refused(Refusal.ZERO_INTERVAL)
    return Advert(
        version, virtual_router_id, priority, interval_ns,
        tuple([message[at : at + size] for at in range(_HEADER_SIZE, body_end, size)]),
        authentication_type,
        message[body_end:end] if authentication_type == AUTHENTICATION_PASSWORD else b"",
    )  # fmt: skip


def _check_sum(message: bytes, version: int, source: bytes, destination: bytes, pseudo_header: bool) -> None:
    has_pseudo_header = _has_pseudo_header(version, len(source), pseudo_header)
    pseudo = _pseudo_header(source, destination, len(message))
    if checksum(pseudo + message if has_pseudo_header else message) == 0:
        return
    both_forms_exist = version == 3 and len(source) == 4
    if both_forms_exist and checksum(message if has_pseudo_header else pseudo + message) == 0:
        raise Refused(Refusal.OTHER_CHECKSUM_FORM)
    raise Refused(Refusal.BAD_CHECKSUM)


def _has_pseudo_header(version: int, address_size: int, wanted: bool) -> bool:
    return version == 3 and (wanted or address_size == 16)


def _pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """RFC 8200 section 8.1; for IPv4 (RFC 9293 section 3.1) the fields are narrower and the sum is the same."""
    return source + destination + length.to_bytes(4, "big") + PROTOCOL.to_bytes(4, "big")


def _wire_interval(advert: Advert) -> int:
    unit, most = (_CENTISECOND_NS, 4095) if advert.version == 3 else (SECOND_NS, 255)
    interval, rest = divmod(advert.interval_ns, unit)
    if rest or not 1 <= interval <= most:
        raise ValueError(f"version {advert.version} cannot say an interval of {advert.interval_ns} ns")
    return interval


def _require_encodable(advert: Advert, source: bytes, destination: bytes) -> None:
    if advert.version not in (2, 3):
        raise ValueError(f"there is no VRRP version {advert.version} here")
    if not 1 <= advert.virtual_router_id <= 255 or not 0 <= advert.priority <= 255:
        raise ValueError("the VRID is 1 to 255, the priority 0 to 255")
    if not 1 <= len(advert.addresses) <= _MAX_ADDRESSES:
        raise ValueError(f"an advert holds 1 to 255 addresses, not {len(advert.addresses)}")
    size = len(source)
    if size not in ((4,) if advert.version == 2 else (4, 16)):
        raise ValueError("version 2 is for IPv4, version 3 for IPv4 and IPv6")
    if {len(destination), *map(len, advert.addresses)} != {size}:
        raise ValueError("source, destination and addresses are of one family")
    wanted = {AUTHENTICATION_NONE: 0}
    if advert.version == 2:
        wanted[AUTHENTICATION_PASSWORD] = AUTHENTICATION_SIZE
    if wanted.get(advert.authentication_type) != len(advert.authentication):
        raise ValueError("version 2 takes no authentication or a password of 8 bytes, version 3 none")
