"""What an instance accepts: a received packet against its configuration (RFC 9568 section 7.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from mooring_node.vrrp.packet import (
    AUTHENTICATION_NONE,
    AUTHENTICATION_PASSWORD,
    PROTOCOL,
    TTL,
    AddressFamily,
    Advert,
    decode,
    peek,
)
from mooring_node.vrrp.refusals import Refusal, Refused

_IPV4_HEADER_SIZE = 20
_MORE_FRAGMENTS_OR_OFFSET = 0x3FFF
#: The later the look that refuses a packet, the nearer it came to being accepted.
_DEPTH = {reason: depth for depth, reason in enumerate(Refusal)}


@dataclass(frozen=True, slots=True)
class Datagram:
    """A VRRP message with what the IP header said; `ttl` is the hop limit in IPv6."""

    source: bytes
    destination: bytes
    ttl: int
    message: bytes


class Remark(StrEnum):
    """What is accepted, but not as it should be: for the log, rate-limited by the caller."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    ADDRESSES_DIFFER = "AddressesDiffer", "it lists other addresses than this instance does"
    NO_ADDRESS_OF_OURS = (
        "NoAddressOfOurs",
        "it lists no address of this instance; if that stays, its sender is a stranger with our virtual router ID",
    )
    INTERVAL_DIFFERS = "IntervalDiffers", "its interval is not ours; a Backup counts by the Active router's"
    FIRST_ADDRESS_NOT_LINK_LOCAL = (
        "FirstAddressNotLinkLocal",
        "RFC 9568 section 5.2.9 wants an IPv6 link-local address first; it works without, as keepalived does",
    )


@dataclass(frozen=True, slots=True)
class Expectation:
    """One form of adverts that an instance accepts; built once from its configuration.

    `peers` is None for multicast, `group` None for unicast. `password` is padded to 8 bytes with zeros.
    `source` is the address that this node sends from. `unlisted` are held like `addresses`, and not in our own adverts.
    """

    version: int
    virtual_router_id: int
    family: AddressFamily
    interval_ns: int
    addresses: tuple[bytes, ...]
    source: bytes
    peers: frozenset[bytes] | None = None
    group: bytes | None = None
    minimum_ttl: int = TTL
    pseudo_header: bool = True
    authentication_type: int = AUTHENTICATION_NONE
    password: bytes = b""
    unlisted: frozenset[bytes] = frozenset()

    def __post_init__(self) -> None:
        if (self.peers is None) == (self.group is None):
            raise ValueError("either peers (unicast) or a group (multicast)")


@dataclass(frozen=True, slots=True)
class Judged:
    """An accepted advert and what is to be said of it."""

    advert: Advert
    remarks: tuple[Remark, ...] = ()

    @property
    def foreign(self) -> bool:
        """Whoever says this holds none of our addresses, though the election must heed it: the ID is the same."""
        return Remark.NO_ADDRESS_OF_OURS in self.remarks


def parse_ipv4(packet: bytes) -> Datagram:
    """Read what a raw IPv4 socket gives; padding behind the total length is cut off. Raises Refused."""
    if len(packet) < _IPV4_HEADER_SIZE or packet[0] >> 4 != 4:
        raise Refused(Refusal.NOT_IPV4)
    header_size = (packet[0] & 0xF) * 4
    total = int.from_bytes(packet[2:4], "big")
    if not _IPV4_HEADER_SIZE <= header_size <= total <= len(packet) or packet[9] != PROTOCOL:
        raise Refused(Refusal.NOT_IPV4)
    if int.from_bytes(packet[6:8], "big") & _MORE_FRAGMENTS_OR_OFFSET:
        raise Refused(Refusal.FRAGMENT)
    return Datagram(packet[12:16], packet[16:20], packet[8], packet[header_size:total])


def judge_any(datagram: Datagram, forms: Sequence[Expectation]) -> Judged:
    """Accept a packet that fits one of an instance's forms, its own first, or raise Refused for what it fits best."""
    judged: Judged | None = None
    nearest: Refused | None = None
    for expected in forms:
        try:
            found = judge(datagram, expected)
        except Refused as refused:
            if nearest is None or _DEPTH[refused.reason] > _DEPTH[nearest.reason]:
                nearest = refused
            continue
        if Remark.INTERVAL_DIFFERS not in found.remarks:
            return found
        judged = judged or found
    if judged is None:
        raise nearest or ValueError("an instance has a form at least")
    return judged


def judge(datagram: Datagram, expected: Expectation) -> Judged:
    """Accept a packet or raise Refused.

    Checks go from the outside in, so that the reason names the first thing that an operator has to change:
    whose packet it is, which way it came, its form, then what its fields say.
    """
    head = peek(datagram.message)
    if head is None:
        raise Refused(Refusal.TOO_SHORT)
    version, virtual_router_id, _ = head
    if datagram.source == expected.source:
        raise Refused(Refusal.OWN_PACKET)
    if virtual_router_id != expected.virtual_router_id or len(datagram.source) != expected.family.size:
        raise Refused(Refusal.UNKNOWN_VIRTUAL_ROUTER)
    _check_way(datagram, expected)
    if version != expected.version:
        raise Refused(Refusal.WRONG_VERSION)
    advert = decode(
        datagram.message,
        source=datagram.source, destination=datagram.destination, pseudo_header=expected.pseudo_header,
    )  # fmt: skip
    _check_authentication(advert, expected)
    _check_interval(advert, expected)
    return Judged(advert, _remarks(advert, expected))


def _check_way(datagram: Datagram, expected: Expectation) -> None:
    multicast = is_multicast(datagram.destination)
    if expected.peers is not None:
        if multicast:
            raise Refused(Refusal.MULTICAST_ON_UNICAST)
        if datagram.source not in expected.peers:
            raise Refused(Refusal.UNKNOWN_PEER)
    elif not multicast:
        raise Refused(Refusal.UNICAST_ON_MULTICAST)
    elif datagram.destination != expected.group:
        raise Refused(Refusal.WRONG_GROUP)
    if datagram.ttl < expected.minimum_ttl:
        raise Refused(Refusal.TTL_TOO_LOW)


def _check_authentication(advert: Advert, expected: Expectation) -> None:
    if advert.authentication_type != expected.authentication_type:
        raise Refused(Refusal.AUTHENTICATION_MISMATCH)
    if advert.authentication_type == AUTHENTICATION_PASSWORD and not _same(advert.authentication, expected.password):
        raise Refused(Refusal.WRONG_PASSWORD)


def _same(given: bytes, wanted: bytes) -> bool:
    """Compare without stopping at the first difference; `hmac` would load OpenSSL, 2 MiB, for this alone."""
    difference = len(given) ^ len(wanted)
    for one, other in zip(given, wanted, strict=False):
        difference |= one ^ other
    return difference == 0


def _check_interval(advert: Advert, expected: Expectation) -> None:
    if advert.version == 2 and advert.interval_ns != expected.interval_ns:
        raise Refused(Refusal.INTERVAL_MISMATCH)


def _remarks(advert: Advert, expected: Expectation) -> tuple[Remark, ...]:
    remarks: list[Remark] = []
    if advert.addresses != expected.addresses and sorted(advert.addresses) != sorted(expected.addresses):
        ours = expected.unlisted.union(expected.addresses)
        remarks.append(Remark.NO_ADDRESS_OF_OURS if ours.isdisjoint(advert.addresses) else Remark.ADDRESSES_DIFFER)
    if advert.interval_ns != expected.interval_ns:
        remarks.append(Remark.INTERVAL_DIFFERS)
    first = advert.addresses[0]
    if len(first) == 16 and not is_link_local(first):
        remarks.append(Remark.FIRST_ADDRESS_NOT_LINK_LOCAL)
    return tuple(remarks)


def is_multicast(address: bytes) -> bool:
    """224.0.0.0/4 or ff00::/8."""
    return address[0] >> 4 == 0xE if len(address) == 4 else address[0] == 0xFF


def is_link_local(address: bytes) -> bool:
    """fe80::/10 of IPv6."""
    return address[0] == 0xFE and address[1] >> 6 == 0b10
