"""Why a group cannot hold its addresses: a closed list, each with what an operator can do."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Self

from mooring_node.units import SECOND_NS


class FaultReason(StrEnum):
    """A reason for the state Fault; `remedy` is for the person on call."""

    remedy: str

    def __new__(cls, value: str, remedy: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.remedy = remedy
        return member

    INTERFACE_MISSING = "InterfaceMissing", "the interface does not exist; create it or name another one"
    INTERFACE_DOWN = (
        "InterfaceDown",
        "the interface has no carrier or is set down; check the cable, or `ip link set up`",
    )
    NO_SOURCE_ADDRESS = (
        "NoSourceAddress",
        "the interface lacks the address that adverts come from; add it, or correct transport.source",
    )
    NO_PEERS = (
        "NoPeers",
        "unicast without peers; list the other members, or set transport.alone: true if there are none",
    )
    ADDRESS_IN_USE = (
        "AddressInUse",
        "the address is set on this node already, and not by Mooring: it is the node's own, or another program set it;"
        " remove it there, or from `addresses` here",
    )
    ADDRESS_LOST = (
        "AddressLost",
        "something on this host keeps deleting the addresses; tell it (NetworkManager, networkd) to leave them alone",
    )
    GROUP_REFUSED = (
        "GroupRefused",
        "the kernel refused the multicast group; raise net.ipv4.igmp_max_memberships, or share one group",
    )
    SOCKET_REFUSED = (
        "SocketRefused",
        "the kernel refused a socket on the interface; grant CAP_NET_RAW, and allow more open files (RLIMIT_NOFILE):"
        " each interface takes up to three",
    )
    TRACKED = (
        "Tracked",
        "a virtual server that it depends on is below its quorum, or nothing is heard of it; bring its backends back,"
        " or correct its health checks",
    )
    KERNEL_REFUSED = "KernelRefused", "the kernel refused an address; the log has its words"


#: What no event ends is tried again after so long.
COOLING_NS = {
    FaultReason.ADDRESS_LOST: 30 * SECOND_NS,
    FaultReason.ADDRESS_IN_USE: 10 * SECOND_NS,
    FaultReason.KERNEL_REFUSED: 10 * SECOND_NS,
}


class Faults:
    """What keeps a group from holding: what its members see now, and what has to cool down first."""

    def __init__(self) -> None:
        self.present: frozenset[FaultReason] = frozenset()
        self.details: dict[FaultReason, str] = {}
        """What exactly a reason is about, where it is about one thing of several."""
        self.instead: dict[FaultReason, str] = {}
        """What to say of a reason, where its remedy would mislead."""
        self._cooling: dict[FaultReason, int] = {}

    def saw(
        self,
        seen: frozenset[FaultReason],
        in_use: str = "",
        lost: tuple[Sequence[str], Sequence[str]] = ((), ()),
    ) -> bool:
        """Note what a look found; whether anything is in the way.

        `seen`: at the interfaces; `in_use`: addresses that somebody else has set; `lost`: see tracking.lost.
        """
        if in_use:
            seen |= {FaultReason.ADDRESS_IN_USE}
            self.details[FaultReason.ADDRESS_IN_USE] = in_use
        below, others = lost
        if below or others:
            seen |= {FaultReason.TRACKED}
            self.details[FaultReason.TRACKED] = ", ".join(below)
            # Backends and checks have nothing to do with what the kernel refuses.
            self.instead[FaultReason.TRACKED] = "" if below else ", ".join(others)
        self.present = seen | frozenset(self._cooling)
        return bool(self.present)

    def add(self, reason: FaultReason, detail: str, now_ns: int) -> None:
        """A reason that no look finds; `detail`: what it is about."""
        self.details[reason] = detail
        if reason in COOLING_NS:
            self._cooling[reason] = now_ns + COOLING_NS[reason]
        self.present |= {reason}

    def cool(self, now_ns: int) -> None:
        """Forget what has cooled down; the next look tells whether it is there again."""
        self._cooling = {reason: until for reason, until in self._cooling.items() if now_ns < until}

    def remedy(self, reason: FaultReason) -> str:
        """What to do about it, and about what."""
        if self.instead.get(reason):
            return self.instead[reason]
        detail = self.details.get(reason)
        return f"{detail}: {reason.remedy}" if detail else reason.remedy

    @property
    def detail(self) -> str:
        """What the reasons are about, where that is known."""
        return "; ".join(detail for reason in sorted(self.present) if (detail := self.details.get(reason)))

    def text(self) -> str:
        return "; ".join(f"{reason}: {self.remedy(reason)}" for reason in sorted(self.present)) or "no fault any more"
