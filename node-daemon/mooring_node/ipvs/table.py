"""The IPVS table as values: services, and the destinations of each. The kernel's words (linux/ip_vs.h)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import TypeAlias

TCP, UDP, SCTP = 6, 17, 132


class Method(IntEnum):
    """IP_VS_CONN_F_*: how packets reach a destination."""

    MASQUERADE = 0
    LOCAL_NODE = 1
    TUNNEL = 2
    DIRECT_ROUTE = 3


class ServiceFlag(IntFlag):
    """IP_VS_SVC_F_*."""

    NONE = 0
    PERSISTENT = 0x0001
    HASHED = 0x0002
    ONE_PACKET = 0x0004
    SCHEDULER_1 = 0x0008
    """sh-fallback, mh-fallback."""
    SCHEDULER_2 = 0x0010
    """sh-port, mh-port."""
    SCHEDULER_3 = 0x0020


class TunnelKind(IntEnum):
    """IP_VS_CONN_F_TUNNEL_TYPE_*."""

    IPIP = 0
    GUE = 1
    GRE = 2


class TunnelFlag(IntFlag):
    """IP_VS_TUNNEL_ENCAP_FLAG_*."""

    NONE = 0
    CHECKSUM = 0x0001
    REMOTE_CHECKSUM = 0x0002


@dataclass(frozen=True, slots=True, order=True)
class ServiceKey:
    """What makes a service one and the same; `mark` other than 0 means no protocol, address and port.

    `family` is 4 or 6, `address` canonical text.
    """

    family: int
    protocol: int = 0
    address: str = ""
    port: int = 0
    mark: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """How a service balances.

    `netmask_bits`: clients of one prefix count as one; 32 or 128 where it is not persistent.
    """

    scheduler: str
    flags: ServiceFlag = ServiceFlag.NONE
    timeout_s: int = 0
    """Of persistence."""
    netmask_bits: int = 32
    persistence_engine: str = ""


@dataclass(frozen=True, slots=True, order=True)
class DestinationKey:
    """A destination in its service."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Destination:
    """What a destination gets, and how."""

    weight: int
    method: Method = Method.MASQUERADE
    upper: int = 0
    lower: int = 0
    tunnel: TunnelKind = TunnelKind.IPIP
    tunnel_port: int = 0
    tunnel_flags: TunnelFlag = TunnelFlag.NONE


@dataclass(frozen=True, slots=True)
class Balanced:
    """A service with its destinations."""

    service: Service
    destinations: Mapping[DestinationKey, Destination] = field(default_factory=dict)


Table: TypeAlias = Mapping[ServiceKey, Balanced]
