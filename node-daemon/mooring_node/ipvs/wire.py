"""Numbers of IPVS' generic netlink family, as in Linux' uapi/linux/ip_vs.h (pure)."""

import struct
from enum import IntEnum
from functools import lru_cache
from ipaddress import ip_address

FAMILY_NAME = "IPVS"
VERSION = 1
#: What messages of generic netlink begin with: command, version, and two bytes of nothing.
GENERIC = struct.Struct("=BBxx")

CONTROLLER, CONTROLLER_GET_FAMILY = 16, 3
CONTROLLER_FAMILY_ID, CONTROLLER_FAMILY_NAME = 1, 2


class Command(IntEnum):
    """IPVS_CMD_*."""

    NEW_SERVICE = 1
    SET_SERVICE = 2
    DEL_SERVICE = 3
    GET_SERVICE = 4
    NEW_DEST = 5
    SET_DEST = 6
    DEL_DEST = 7
    GET_DEST = 8
    NEW_DAEMON = 9
    DEL_DAEMON = 10
    GET_DAEMON = 11
    SET_INFO = 14
    GET_INFO = 15
    ZERO = 16


# IPVS_CMD_ATTR_*
ATTR_SERVICE, ATTR_DEST, ATTR_DAEMON = 1, 2, 3

# IPVS_SVC_ATTR_*
SVC_AF, SVC_PROTOCOL, SVC_ADDR, SVC_PORT, SVC_FWMARK = 1, 2, 3, 4, 5
SVC_SCHED_NAME, SVC_FLAGS, SVC_TIMEOUT, SVC_NETMASK = 6, 7, 8, 9
SVC_STATS, SVC_PE_NAME, SVC_STATS64 = 10, 11, 12

# IPVS_DEST_ATTR_*
DEST_ADDR, DEST_PORT, DEST_FWD_METHOD, DEST_WEIGHT, DEST_U_THRESH, DEST_L_THRESH = 1, 2, 3, 4, 5, 6
DEST_ACTIVE_CONNS, DEST_INACT_CONNS, DEST_PERSIST_CONNS, DEST_STATS = 7, 8, 9, 10
DEST_ADDR_FAMILY, DEST_STATS64, DEST_TUN_TYPE, DEST_TUN_PORT, DEST_TUN_FLAGS = 11, 12, 13, 14, 15

# IPVS_DAEMON_ATTR_*
DAEMON_STATE, DAEMON_MCAST_IFN, DAEMON_SYNC_ID, DAEMON_SYNC_MAXLEN = 1, 2, 3, 4
DAEMON_MCAST_GROUP, DAEMON_MCAST_GROUP6, DAEMON_MCAST_PORT, DAEMON_MCAST_TTL = 5, 6, 7, 8

# IPVS_STATS_ATTR_*: connections, packets and bytes in and out, and the same as rates.
STATS = range(1, 11)

AF_OF = {4: 2, 6: 10}
FAMILY_OF = {2: 4, 10: 6}
#: Bytes of an address by our family.
LENGTHS = {4: 4, 6: 16}

NAME_BYTES = 15
METHOD_MASK = 0x0007

#: A table of 10,000 destinations is packed and read again and again.
_ADDRESSES = 1 << 15


@lru_cache(_ADDRESSES)
def packed(address: str) -> bytes:
    """An address in network byte order; ValueError when it is none, or not as `unpacked` writes it.

    What is spelled otherwise, or names a zone, would not be recognised when it is read back.
    """
    found = ip_address(address).packed
    if unpacked(found) != address:
        raise ValueError(f"{address} is not spelled as the kernel's address is: {unpacked(found)}")
    return found


@lru_cache(_ADDRESSES)
def unpacked(address: bytes) -> str:
    """Its canonical text; of 4 or 16 bytes."""
    return str(ip_address(address))
