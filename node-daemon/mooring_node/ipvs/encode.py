"""Requests to IPVS as the bodies of generic netlink messages (pure).

ValueError says that something can't be told to the kernel: a number out of range, text that is no address.
"""

import struct
from functools import lru_cache

from mooring_node.ipvs.diff import Action, Operation
from mooring_node.ipvs.sync import Role, SyncDaemon
from mooring_node.ipvs.table import (
    ADDRESS_BITS,
    Destination,
    DestinationKey,
    Service,
    ServiceKey,
    effective_destination,
    effective_service,
)
from mooring_node.ipvs.wire import (
    AF_OF,
    ATTR_DAEMON,
    ATTR_DEST,
    ATTR_SERVICE,
    CONTROLLER_FAMILY_NAME,
    CONTROLLER_GET_FAMILY,
    DAEMON_MCAST_GROUP,
    DAEMON_MCAST_GROUP6,
    DAEMON_MCAST_IFN,
    DAEMON_MCAST_PORT,
    DAEMON_MCAST_TTL,
    DAEMON_STATE,
    DAEMON_SYNC_ID,
    DAEMON_SYNC_MAXLEN,
    DEST_ADDR,
    DEST_ADDR_FAMILY,
    DEST_FWD_METHOD,
    DEST_L_THRESH,
    DEST_PORT,
    DEST_TUN_FLAGS,
    DEST_TUN_PORT,
    DEST_TUN_TYPE,
    DEST_U_THRESH,
    DEST_WEIGHT,
    FAMILY_NAME,
    GENERIC,
    LENGTHS,
    NAME_BYTES,
    SVC_ADDR,
    SVC_AF,
    SVC_FLAGS,
    SVC_FWMARK,
    SVC_NETMASK,
    SVC_PE_NAME,
    SVC_PORT,
    SVC_PROTOCOL,
    SVC_SCHED_NAME,
    SVC_TIMEOUT,
    VERSION,
    Command,
    packed,
)
from mooring_node.kernel.netlink import attribute, nested, text

_U8, _U16, _U32 = struct.Struct("=B"), struct.Struct("=H"), struct.Struct("=I")
_NETWORK_U16 = struct.Struct("!H")
_FLAGS = struct.Struct("=II")
_EVERY_FLAG = 0xFFFFFFFF

# Numbers of a destination with the headers of their attributes (length and kind) between them. One call packs
# them all: these are the messages that come by the ten thousand.
_NUMBERS = struct.Struct("=" + 4 * "HHI" + "HHHxx" + "HHBxxx" + "HH2sxx")
_PORT = struct.Struct("=HH2sxx")
_NEST = struct.Struct("=HH")

_COMMANDS = {
    Action.NEW_SERVICE: Command.NEW_SERVICE,
    Action.SET_SERVICE: Command.SET_SERVICE,
    Action.DELETE_SERVICE: Command.DEL_SERVICE,
    Action.NEW_DESTINATION: Command.NEW_DEST,
    Action.SET_DESTINATION: Command.SET_DEST,
    Action.DELETE_DESTINATION: Command.DEL_DEST,
}


def family_request() -> bytes:
    """Asks the controller of generic netlink for the number of IPVS' family; the kernel loads its module for that."""
    return GENERIC.pack(CONTROLLER_GET_FAMILY, VERSION) + attribute(CONTROLLER_FAMILY_NAME, text(FAMILY_NAME))


def change(operation: Operation) -> bytes:
    """The message that does an operation."""
    try:
        return _change(operation)
    except (struct.error, KeyError, TypeError) as error:
        raise ValueError(f"{operation} can't be told to the kernel: {error}") from error


def services_request() -> bytes:
    """Dumps all services."""
    return _head(Command.GET_SERVICE)


def service_request(key: ServiceKey) -> bytes:
    """One service."""
    return _head(Command.GET_SERVICE) + nested(ATTR_SERVICE, identity(key))


def destinations_request(key: ServiceKey) -> bytes:
    """Dumps the destinations of one service; none where there is no such service."""
    return _head(Command.GET_DEST) + nested(ATTR_SERVICE, identity(key))


def info_request() -> bytes:
    """IPVS' version and the size of its table of connections: a question that always has an answer."""
    return _head(Command.GET_INFO)


def daemons_request() -> bytes:
    """Dumps the sync daemons."""
    return _head(Command.GET_DAEMON)


def start_daemon(daemon: SyncDaemon) -> bytes:
    """Starts a sync daemon; `max_length` and `ttl` 0 leave them to the kernel."""
    group = packed(daemon.group)
    members = [
        attribute(DAEMON_STATE, _U32.pack(daemon.role)),
        attribute(DAEMON_MCAST_IFN, _name(daemon.interface)),
        attribute(DAEMON_SYNC_ID, _U32.pack(daemon.sync_id)),
        attribute(DAEMON_MCAST_GROUP if len(group) == LENGTHS[4] else DAEMON_MCAST_GROUP6, group),
        attribute(DAEMON_MCAST_PORT, _U16.pack(daemon.port)),
        attribute(DAEMON_MCAST_TTL, _U8.pack(daemon.ttl)),
        attribute(DAEMON_SYNC_MAXLEN, _U16.pack(daemon.max_length)),
    ]
    return _head(Command.NEW_DAEMON) + nested(ATTR_DAEMON, *members)


def stop_daemon(role: Role) -> bytes:
    return _head(Command.DEL_DAEMON) + nested(ATTR_DAEMON, attribute(DAEMON_STATE, _U32.pack(role)))


@lru_cache(1024)
def identity(key: ServiceKey) -> bytes:
    """The attributes that name a service; they stand in each message of each of its destinations."""
    try:
        return _identity(key)
    except (struct.error, KeyError, TypeError) as error:
        raise ValueError(f"{key} can't be told to the kernel: {error}") from error


def _identity(key: ServiceKey) -> bytes:
    af = attribute(SVC_AF, _U16.pack(AF_OF[key.family]))
    if key.mark:
        return af + attribute(SVC_FWMARK, _U32.pack(key.mark))
    return b"".join(
        (
            af,
            attribute(SVC_PROTOCOL, _U16.pack(key.protocol)),
            attribute(SVC_ADDR, _address(key.address, key.family)),
            attribute(SVC_PORT, _NETWORK_U16.pack(key.port)),
        )
    )


def _change(operation: Operation) -> bytes:
    action, key, destination, values = operation
    head = _head(_COMMANDS[action])
    named = identity(key)
    if isinstance(values, Service):
        return head + nested(ATTR_SERVICE, named, _service(key, values))
    if destination is None:
        return head + nested(ATTR_SERVICE, named)
    described = b"" if values is None else _destination(values)
    return head + nested(ATTR_SERVICE, named) + _named_destination(destination, described)


def _service(key: ServiceKey, service: Service) -> bytes:
    service = effective_service(key, service)
    parts = (
        attribute(SVC_SCHED_NAME, _name(service.scheduler)),
        attribute(SVC_FLAGS, _FLAGS.pack(service.flags, _EVERY_FLAG)),
        attribute(SVC_TIMEOUT, _U32.pack(service.timeout_s)),
        attribute(SVC_NETMASK, _netmask(key.family, service.netmask_bits)),
        attribute(SVC_PE_NAME, _name(service.persistence_engine)) if service.persistence_engine else b"",
    )
    return b"".join(parts)


def _netmask(family: int, bits: int) -> bytes:
    whole = ADDRESS_BITS[family]
    if not 1 <= bits <= whole:
        raise ValueError(f"a prefix of {bits} bits is not one of 1 to {whole}")
    # For IPv6 the kernel wants the number of bits, in the host's order.
    return _U32.pack(bits) if family == 6 else ((0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF).to_bytes(4)


def _named_destination(key: DestinationKey, described: bytes) -> bytes:
    address = packed(key.address)
    family = 4 if len(address) == LENGTHS[4] else 6
    named = b"".join(
        (
            _NEST.pack(4 + len(address), DEST_ADDR),
            address,
            _PORT.pack(6, DEST_PORT, _NETWORK_U16.pack(key.port)),
            _NEST.pack(6, DEST_ADDR_FAMILY),
            _U16.pack(AF_OF[family]),
            b"\0\0",
        )
    )
    return nested(ATTR_DEST, named, described)


def _destination(destination: Destination) -> bytes:
    each = effective_destination(destination)
    return _NUMBERS.pack(
        *(8, DEST_FWD_METHOD, each.method),
        *(8, DEST_WEIGHT, each.weight),
        *(8, DEST_U_THRESH, each.upper),
        *(8, DEST_L_THRESH, each.lower),
        *(6, DEST_TUN_FLAGS, each.tunnel_flags),
        *(5, DEST_TUN_TYPE, each.tunnel),
        *(6, DEST_TUN_PORT, _NETWORK_U16.pack(each.tunnel_port)),
    )


def _address(address: str, family: int) -> bytes:
    found = packed(address)
    if len(found) != LENGTHS[family]:
        raise ValueError(f"{address} is no address of IPv{family}")
    return found


def _name(name: str) -> bytes:
    if not 0 < len(name.encode()) <= NAME_BYTES or "\0" in name:
        raise ValueError(f"{name!r} is not a name of 1 to {NAME_BYTES} bytes")
    return text(name)


def _head(command: Command) -> bytes:
    return GENERIC.pack(command, VERSION)
