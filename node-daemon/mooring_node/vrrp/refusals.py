"""Why a packet was refused: the closed list, what each means and what to do, and how often it happened."""

from enum import StrEnum
from typing import Self

LOG_EVERY_NS = 60_000_000_000
#: The key for peers beyond the limit; no address has this length.
OTHER_PEERS = b""


class Refusal(StrEnum):
    """A reason to discard a packet, in the order in which packets are looked at.

    `meaning` and `remedy` are for the operator, in log and documentation.
    """

    meaning: str
    remedy: str

    def __new__(cls, value: str, meaning: str, remedy: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning, member.remedy = meaning, remedy
        return member

    NOT_IPV4 = (
        "NotIPv4",
        "the packet is no well-formed IPv4 packet that carries VRRP (protocol 112)",
        "look at the sender with tcpdump; nothing that speaks VRRP sends this",
    )
    FRAGMENT = (
        "Fragment",
        "a fragment of an IP packet; VRRP fits into one",
        "advertise fewer addresses on the sender, or give both links the same MTU",
    )
    TOO_SHORT = (
        "TooShort",
        "the message ends within the 8 bytes of VRRP's header",
        "look at the sender with tcpdump; nothing that speaks VRRP sends this",
    )
    OWN_PACKET = (
        "OwnPacket",
        "it comes from the address that this node itself sends from",
        "usually a packet of our own that came back: look for a loop or a hairpin in the switch;"
        " else another host has this node's address",
    )
    UNKNOWN_VIRTUAL_ROUTER = (
        "UnknownVirtualRouter",
        "no instance here has this virtual router ID on this interface and family",
        "if the sender should be a member, give both the same virtual router ID; else it is a foreign router"
        " and this is harmless",
    )
    MULTICAST_ON_UNICAST = (
        "MulticastOnUnicast",
        "the sender uses multicast, this instance unicast",
        "set the same transport on all members, or give a foreign router another virtual router ID",
    )
    UNICAST_ON_MULTICAST = (
        "UnicastOnMulticast",
        "the sender uses unicast, this instance multicast",
        "set the same transport on all members, or give a foreign router another virtual router ID",
    )
    WRONG_GROUP = (
        "WrongGroup",
        "the sender uses another multicast group than this instance",
        "set the same transport.group on all members",
    )
    UNKNOWN_PEER = (
        "UnknownPeer",
        "the sender is not among this instance's unicast peers",
        "add its address to transport.peers, or correct the address that it sends from (transport.source)",
    )
    TTL_TOO_LOW = (
        "TTLTooLow",
        "the TTL or hop limit is below the least that is accepted: the packet crossed a router,"
        " or the sender does not set it to 255",
        "let the sender send with 255; for peers behind a router lower transport.minimumTTL",
    )
    WRONG_VERSION = (
        "WrongVersion",
        "the VRRP version differs from this instance's, is unknown, or is 2 over IPv6",
        "set the same version on all members (keepalived: vrrp_version)",
    )
    WRONG_TYPE = (
        "WrongType",
        "the VRRP type is not 1 (Advertisement), the only one that there is",
        "look at the sender with tcpdump; nothing that speaks VRRP sends this",
    )
    NO_ADDRESS = (
        "NoAddress",
        "the advert lists no address",
        "list at least one address on the sender (keepalived: virtual_ipaddress, not only _excluded)",
    )
    TRUNCATED_ADDRESSES = (
        "TruncatedAddresses",
        "the message is shorter than the addresses (and in version 2 the authentication) that it announces",
        "compare the path's MTU with the size of the advert; look at the sender with tcpdump",
    )
    BAD_CHECKSUM = (
        "BadChecksum",
        "the checksum is wrong in every form: damaged on the way, or its addresses were translated",
        "look for NAT between the members and for a faulty link",
    )
    OTHER_CHECKSUM_FORM = (
        "OtherChecksumForm",
        "the version 3 checksum over IPv4 is right in the other form (with or without the pseudo-header)",
        "change `checksum` here to the sender's form; keepalived and FRR send WithPseudoHeader",
    )
    ZERO_INTERVAL = (
        "ZeroInterval",
        "the advertisement interval is 0",
        "set an advertisement interval on the sender",
    )
    AUTHENTICATION_MISMATCH = (
        "AuthenticationMismatch",
        "the authentication type differs from this instance's",
        "set the same authentication on all members (keepalived: auth_type PASS is Password)",
    )
    WRONG_PASSWORD = (
        "WrongPassword",
        "the password differs from this instance's",
        "set the same password on all members; only its first 8 characters are sent",
    )
    INTERVAL_MISMATCH = (
        "IntervalMismatch",
        "the version 2 advertisement interval differs from this instance's",
        "set the same advertisement interval on all members (version 2 cannot learn it)",
    )


class Refused(Exception):  # noqa: N818 - it names what happened to the packet
    """A packet that is discarded; `reason` says why."""

    def __init__(self, reason: Refusal) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {reason.meaning}")


class Refusals:
    """Counts refusals by reason and peer, and says which to log: each pair at most once a minute.

    After `limit` pairs, further peers are counted together as OTHER_PEERS, so a flood of invented sources
    costs no memory. Counts only grow.
    """

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._counts: dict[tuple[Refusal, bytes], int] = {}
        self._logged_ns: dict[tuple[Refusal, bytes], int] = {}
        self._last_ns: dict[tuple[Refusal, bytes], int] = {}

    def record(self, reason: Refusal, source: bytes, now_ns: int) -> bool:
        """Count one; True when it should be logged. `source` is the sender's packed address."""
        key = (reason, source)
        if key not in self._counts and len(self._counts) >= self._limit:
            key = (reason, OTHER_PEERS)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._last_ns[key] = now_ns
        last = self._logged_ns.get(key)
        if last is not None and now_ns - last < LOG_EVERY_NS:
            return False
        self._logged_ns[key] = now_ns
        return True

    def counts(self) -> dict[tuple[Refusal, bytes], int]:
        """A copy of all counts by (reason, source)."""
        return dict(self._counts)

    def last_ns(self, reason: Refusal, source: bytes) -> int:
        """When one of these was refused last; KeyError: never."""
        return self._last_ns[reason, source]

    def by_reason(self) -> dict[Refusal, int]:
        """Counts summed over peers; only reasons that occurred."""
        sums: dict[Refusal, int] = {}
        for (reason, _), count in self._counts.items():
            sums[reason] = sums.get(reason, 0) + count
        return sums
