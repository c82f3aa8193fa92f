"""What IPVS answers, read from the bodies of generic netlink messages (pure).

NetlinkFormatError is the one error. A number that has no name of ours (a newer kernel's way of forwarding) is kept as a
number: it is then merely different from what is wanted.
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple, TypeVar, cast

from mooring_node.ipvs.sync import Role, SyncDaemon
from mooring_node.ipvs.table import (
    ADDRESS_BITS,
    Destination,
    DestinationKey,
    Method,
    Service,
    ServiceFlag,
    ServiceKey,
    TunnelFlag,
    TunnelKind,
)
from mooring_node.ipvs.wire import (
    ATTR_DAEMON,
    ATTR_DEST,
    ATTR_SERVICE,
    CONTROLLER_FAMILY_ID,
    DAEMON_MCAST_GROUP,
    DAEMON_MCAST_GROUP6,
    DAEMON_MCAST_IFN,
    DAEMON_MCAST_PORT,
    DAEMON_MCAST_TTL,
    DAEMON_STATE,
    DAEMON_SYNC_ID,
    DAEMON_SYNC_MAXLEN,
    DEST_ACTIVE_CONNS,
    DEST_ADDR,
    DEST_ADDR_FAMILY,
    DEST_FWD_METHOD,
    DEST_INACT_CONNS,
    DEST_L_THRESH,
    DEST_PERSIST_CONNS,
    DEST_PORT,
    DEST_STATS,
    DEST_STATS64,
    DEST_TUN_FLAGS,
    DEST_TUN_PORT,
    DEST_TUN_TYPE,
    DEST_U_THRESH,
    DEST_WEIGHT,
    FAMILY_OF,
    GENERIC,
    LENGTHS,
    METHOD_MASK,
    STATS,
    SVC_ADDR,
    SVC_AF,
    SVC_FLAGS,
    SVC_FWMARK,
    SVC_NETMASK,
    SVC_PE_NAME,
    SVC_PORT,
    SVC_PROTOCOL,
    SVC_SCHED_NAME,
    SVC_STATS,
    SVC_STATS64,
    SVC_TIMEOUT,
    unpacked,
)
from mooring_node.kernel.netlink import Buffer, NetlinkFormatError, attributes, number, string, unpack

NamedT = TypeVar("NamedT", bound=int)

_FLAGS = struct.Struct("=II")
_NETWORK_U32 = struct.Struct("!I")
# All ten 64-bit statistics one behind the other, as kernels write them that need no padding between.
_STATS64 = struct.Struct("=" + 10 * "HHQ")
_STATS64_LENGTHS, _STATS64_KINDS = 10 * (12,), tuple(STATS)


class Counters(NamedTuple):
    """Since the service or destination was made, or zeroed; rates are for a second, as the kernel estimates them."""

    connections: int = 0
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    connection_rate: int = 0
    packet_rate_in: int = 0
    packet_rate_out: int = 0
    byte_rate_in: int = 0
    byte_rate_out: int = 0


class Load(NamedTuple):
    """What a destination has to do: connections now, by state, and its counters."""

    active: int = 0
    inactive: int = 0
    persistent: int = 0
    counters: Counters = Counters()


class ServiceEntry(NamedTuple):
    key: ServiceKey
    service: Service
    counters: Counters


class DestinationEntry(NamedTuple):
    key: DestinationKey
    destination: Destination
    load: Load


def family_number(body: Buffer) -> int:
    """The number of the family that was asked for."""
    return _needed(attributes(body, GENERIC.size), CONTROLLER_FAMILY_ID)


def service(body: Buffer) -> ServiceEntry:
    """A service of a dump, or the one that was asked for."""
    members = _nested(body, ATTR_SERVICE)
    family = FAMILY_OF.get(_needed(members, SVC_AF))
    if family is None:
        raise NetlinkFormatError(f"a service of no family that we know: {members[SVC_AF].hex()}")
    mark = number(members, SVC_FWMARK) or 0
    if mark:
        key = ServiceKey(family, mark=mark)
    else:
        port = _network_number(members, SVC_PORT)
        key = ServiceKey(family, _needed(members, SVC_PROTOCOL), _address(members, SVC_ADDR, family), port)
    flags, _mask = unpack(_FLAGS, members.get(SVC_FLAGS, b""))
    return ServiceEntry(
        key,
        Service(
            scheduler=string(members, SVC_SCHED_NAME) or "none",
            flags=ServiceFlag(flags & ~ServiceFlag.HASHED),
            timeout_s=_needed(members, SVC_TIMEOUT),
            netmask_bits=_prefix(members, family),
            persistence_engine=string(members, SVC_PE_NAME) or "",
        ),
        _counters(members, SVC_STATS64, SVC_STATS),
    )


def destination(body: Buffer, family: int) -> DestinationEntry:
    """A destination of a dump; `family` is its service's, for kernels that do not name the destination's own."""
    members = _nested(body, ATTR_DEST)
    family = FAMILY_OF.get(number(members, DEST_ADDR_FAMILY) or 0, family)
    key = DestinationKey(_address(members, DEST_ADDR, family), _network_number(members, DEST_PORT))
    values = Destination(
        weight=_needed(members, DEST_WEIGHT),
        method=_named(_METHODS, _needed(members, DEST_FWD_METHOD) & METHOD_MASK),
        upper=_needed(members, DEST_U_THRESH),
        lower=_needed(members, DEST_L_THRESH),
        tunnel=_named(_TUNNELS, number(members, DEST_TUN_TYPE) or 0),
        tunnel_port=_network_number(members, DEST_TUN_PORT) if DEST_TUN_PORT in members else 0,
        tunnel_flags=_named(_TUNNEL_FLAGS, number(members, DEST_TUN_FLAGS) or 0),
    )
    load = Load(
        number(members, DEST_ACTIVE_CONNS) or 0,
        number(members, DEST_INACT_CONNS) or 0,
        number(members, DEST_PERSIST_CONNS) or 0,
        _counters(members, DEST_STATS64, DEST_STATS),
    )
    return DestinationEntry(key, values, load)


def daemon(body: Buffer) -> SyncDaemon:
    """A sync daemon of a dump."""
    members = _nested(body, ATTR_DAEMON)
    role = _needed(members, DAEMON_STATE)
    if role not in tuple(Role):
        raise NetlinkFormatError(f"a sync daemon in state {role}")
    family, kind = (6, DAEMON_MCAST_GROUP6) if DAEMON_MCAST_GROUP6 in members else (4, DAEMON_MCAST_GROUP)
    return SyncDaemon(
        Role(role),
        interface=string(members, DAEMON_MCAST_IFN) or "",
        sync_id=_needed(members, DAEMON_SYNC_ID),
        group=_address(members, kind, family),
        port=_needed(members, DAEMON_MCAST_PORT),
        ttl=_needed(members, DAEMON_MCAST_TTL),
        max_length=number(members, DAEMON_SYNC_MAXLEN) or 0,
    )


def _nested(body: Buffer, kind: int) -> dict[int, bytes]:
    raw = attributes(body, GENERIC.size).get(kind)
    if raw is None:
        raise NetlinkFormatError(f"an answer without attribute {kind}")
    return attributes(raw)


def _needed(members: Mapping[int, bytes], kind: int) -> int:
    found = number(members, kind)
    if found is None:
        raise NetlinkFormatError(f"attribute {kind} is missing")
    return found


def _network_number(members: Mapping[int, bytes], kind: int) -> int:
    raw = members.get(kind)
    if raw is None or len(raw) != 2:
        raise NetlinkFormatError(f"attribute {kind} is no port")
    return int.from_bytes(raw)


def _address(members: Mapping[int, bytes], kind: int, family: int) -> str:
    raw = members.get(kind, b"")
    # The kernel gives all 16 bytes of its union, for IPv4 too.
    if len(raw) < LENGTHS[family]:
        raise NetlinkFormatError(f"{len(raw)} bytes are no address of IPv{family}")
    return unpacked(raw[: LENGTHS[family]])


def _prefix(members: Mapping[int, bytes], family: int) -> int:
    """The length of a prefix; -1 for a mask that is none."""
    value = _needed(members, SVC_NETMASK)
    if family == 6:
        return value
    (mask,) = unpack(_NETWORK_U32, members[SVC_NETMASK])
    bits = mask.bit_count()
    return bits if mask == (0xFFFFFFFF << (ADDRESS_BITS[4] - bits)) & 0xFFFFFFFF else -1


def _counters(members: Mapping[int, bytes], wide: int, narrow: int) -> Counters:
    raw = members.get(wide)
    if raw is None:
        raw = members.get(narrow, b"")
    elif len(raw) == _STATS64.size:
        values = _STATS64.unpack(raw)
        if values[0::3] == _STATS64_LENGTHS and values[1::3] == _STATS64_KINDS:
            return Counters(*values[2::3])
    found = attributes(raw)
    return Counters(*(number(found, kind) or 0 for kind in STATS))


_METHODS = {int(each): each for each in Method}
_TUNNELS = {int(each): each for each in TunnelKind}
_TUNNEL_FLAGS = {value: TunnelFlag(value) for value in range(4)}


def _named(names: Mapping[int, NamedT], value: int) -> NamedT:
    return names.get(value, cast(NamedT, value))
