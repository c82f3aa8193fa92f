"""The IPVS table as values: services, and the destinations of each. The kernel's words (linux/ip_vs.h)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from typing import TypeAlias

TCP, UDP, SCTP = 6, 17, 132
ADDRESS_BITS = {4: 32, 6: 128}
#: The bit of a firewall mark that is ours alone: a user's marks end below it (see forwarding/marks.py).
OUR_MARKS = 0x8000_0000


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

    `netmask_bits`: clients of one prefix count as one. It says something of a persistent service alone, as
    `timeout_s` does (see effective_service).
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


def effective_service(key: ServiceKey, service: Service) -> Service:
    """What of a service means anything: the same for two that the kernel treats alike."""
    flags = service.flags & ~ServiceFlag.HASHED
    if flags & ServiceFlag.PERSISTENT:
        return service if flags == service.flags else replace(service, flags=flags)
    whole = ADDRESS_BITS[key.family]
    if (service.flags, service.timeout_s, service.netmask_bits) == (flags, 0, whole):
        return service
    return replace(service, flags=flags, timeout_s=0, netmask_bits=whole)


def effective_destination(destination: Destination) -> Destination:
    """The same for a destination: without a tunnel there is nothing to say of one; a port is GUE's alone."""
    kind, port, flags = destination.tunnel, destination.tunnel_port, destination.tunnel_flags
    if destination.method != Method.TUNNEL:
        kind, port, flags = TunnelKind.IPIP, 0, TunnelFlag.NONE
    elif kind == TunnelKind.IPIP:
        port, flags = 0, TunnelFlag.NONE
    elif kind == TunnelKind.GRE:
        port, flags = 0, flags & ~TunnelFlag.REMOTE_CHECKSUM
    if (kind, port, flags) == (destination.tunnel, destination.tunnel_port, destination.tunnel_flags):
        return destination
    return replace(destination, tunnel=kind, tunnel_port=port, tunnel_flags=flags)


def is_surely_ours(key: ServiceKey) -> bool:
    """Whether no other program can have set it: a mark with our bit. Any other key may be anybody's."""
    return bool(key.mark & OUR_MARKS)


def spelled(key: ServiceKey) -> str:
    """A service's key for people: `192.0.2.1:80/TCP`, `[2001:db8::1]:53/UDP`, `mark 7 (IPv4)`."""
    if key.mark:
        return f"mark {key.mark} (IPv{key.family})"
    address = f"[{key.address}]" if key.family == 6 else key.address
    return f"{address}:{key.port}/{_PROTOCOLS.get(key.protocol, key.protocol)}"


_PROTOCOLS = {TCP: "TCP", UDP: "UDP", SCTP: "SCTP"}
