"""Interfaces, their IPv4 settings and default routes as rtnetlink messages (pure).

Layout as in Linux' uapi/linux/if_link.h, rtnetlink.h and ip.h.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from socket import AF_INET, AF_INET6, AF_UNSPEC

from mooring_node.kernel.netlink import (
    Batch,
    Message,
    NetlinkFormatError,
    Request,
    attribute,
    attributes,
    build_batch,
    nested,
    number,
    string,
    unpack,
)

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWROUTE, RTM_GETROUTE = 24, 26

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_WIRELESS = 1, 3, 4, 10, 11
IFLA_LINKINFO, IFLA_AF_SPEC, IFLA_EXT_MASK, IFLA_CARRIER = 18, 26, 29, 33
IFLA_INFO_KIND = 1
IFLA_INET_CONF = 1
RTEXT_FILTER_SKIP_STATS = 8

IFF_UP = 0x1
IFF_RUNNING = 0x40

#: The IPv4 settings of an interface that concern us, by their number in the kernel (IPV4_DEVCONF_*).
SETTINGS: Mapping[str, int] = {
    "rp_filter": 8,
    "arp_announce": 18,
    "arp_ignore": 19,
    "promote_secondaries": 20,
}

_IFINFOMSG = struct.Struct("=BxHiII")
_RTMSG = struct.Struct("=BBBBBBBBI")
_NEXTHOP = struct.Struct("=HBBi")
_VALUE = struct.Struct("=I")

_RTA_OIF, _RTA_PRIORITY, _RTA_MULTIPATH, _RTA_TABLE = 4, 6, 9, 15
_MAIN_TABLE = 254
_UNICAST = 1
_CLONED = 0x200


@dataclass(frozen=True, slots=True)
class Link:
    """An interface; `up` means set up and with carrier; `settings` holds what was told of SETTINGS.

    `master` is the index of the bridge or bond that it belongs to.
    """

    index: int
    name: str
    mac: bytes
    up: bool
    mtu: int
    kind: str | None
    settings: Mapping[str, int] = field(default_factory=dict)
    master: int | None = None


@dataclass(frozen=True, slots=True)
class DefaultRoute:
    """A default route of the main table; the lowest metric wins."""

    family: int
    interface_index: int
    metric: int


def parse_link(received: Message) -> Link | None:
    """The interface of an RTM_NEWLINK or RTM_DELLINK message, None for anything else.

    A bridge's messages about its ports (family AF_BRIDGE) are of these kinds too, and RTM_DELLINK there means
    only that the port left the bridge: None.
    """
    if received.kind not in (RTM_NEWLINK, RTM_DELLINK):
        return None
    family, _type, index, flags, _change = unpack(_IFINFOMSG, received.body)
    if family != AF_UNSPEC:
        return None
    members = attributes(received.body, _IFINFOMSG.size)
    name = string(members, IFLA_IFNAME)
    if name is None or IFLA_WIRELESS in members:
        return None
    info = attributes(members.get(IFLA_LINKINFO, b""))
    # IFLA_CARRIER says it at once, while IFF_RUNNING follows after the kernel's link watch (up to 1 s).
    carrier = number(members, IFLA_CARRIER) != 0
    return Link(
        index=index,
        name=name,
        mac=members.get(IFLA_ADDRESS, b""),
        up=bool(flags & IFF_UP and flags & IFF_RUNNING and carrier),
        mtu=number(members, IFLA_MTU) or 0,
        kind=string(info, IFLA_INFO_KIND),
        settings=_settings(members),
        master=number(members, IFLA_MASTER) or None,
    )


def settings_batch(interface_index: int, settings: Mapping[str, int]) -> Batch:
    """Set IPv4 settings of one interface through RTM_SETLINK, which works where /proc/sys is read-only.

    KeyError for a name that is not in SETTINGS.
    """
    values = (attribute(SETTINGS[name], _VALUE.pack(value)) for name, value in settings.items())
    spec = nested(IFLA_AF_SPEC, nested(AF_INET, nested(IFLA_INET_CONF, *values)))
    body = _IFINFOMSG.pack(AF_UNSPEC, 0, interface_index, 0, 0) + spec
    return build_batch([Request(0, RTM_SETLINK, 0, body)])


def links_request() -> bytes:
    """The body of an RTM_GETLINK dump, without statistics."""
    return _IFINFOMSG.pack(AF_UNSPEC, 0, 0, 0, 0) + attribute(IFLA_EXT_MASK, _VALUE.pack(RTEXT_FILTER_SKIP_STATS))


def routes_request(family: int) -> bytes:
    """The body of an RTM_GETROUTE dump of one family."""
    return _RTMSG.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)


def parse_default_route(received: Message) -> DefaultRoute | None:
    """The default route in an RTM_NEWROUTE message; None for every other route, table and kind of message."""
    if received.kind != RTM_NEWROUTE:
        return None
    family, bits, _source, _tos, table, _protocol, _scope, kind, flags = unpack(_RTMSG, received.body)
    if bits or kind != _UNICAST or flags & _CLONED or family not in (AF_INET, AF_INET6):
        return None
    members = attributes(received.body, _RTMSG.size)
    if (number(members, _RTA_TABLE) or table) != _MAIN_TABLE:
        return None
    index = number(members, _RTA_OIF)
    if index is None and _RTA_MULTIPATH in members:
        _length, _flags, _hops, index = unpack(_NEXTHOP, members[_RTA_MULTIPATH])
    return None if index is None else DefaultRoute(family, index, number(members, _RTA_PRIORITY) or 0)


def _settings(members: Mapping[int, bytes]) -> dict[str, int]:
    by_family = attributes(members.get(IFLA_AF_SPEC, b""))
    values = attributes(by_family.get(AF_INET, b"")).get(IFLA_INET_CONF, b"")
    if len(values) % _VALUE.size:
        raise NetlinkFormatError(f"IPv4 settings of {len(values)} bytes are no 32-bit values")
    return {
        name: unpack(_VALUE, values, (place - 1) * _VALUE.size)[0]
        for name, place in SETTINGS.items()
        if place * _VALUE.size <= len(values)
    }
