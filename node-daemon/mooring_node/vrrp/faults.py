"""Why a group cannot hold its addresses: a closed list, each with what an operator can do."""

from enum import StrEnum
from typing import Self


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
        "an address is on the interface already, set by somebody else; remove it there or here",
    )
    ADDRESS_LOST = (
        "AddressLost",
        "something on this host keeps deleting the addresses; tell it (NetworkManager, networkd) to leave them alone",
    )
    KERNEL_REFUSED = "KernelRefused", "the kernel refused an address; the log has its words"
