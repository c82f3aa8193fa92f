"""Interfaces that unwrap tunnels, as rtnetlink and generic netlink messages (pure); uapi/linux/{if_link,fou}.h."""

import struct
from socket import AF_INET, AF_INET6, AF_UNSPEC

from mooring_node.kernel.links import IFF_UP, IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINKINFO, RTM_DELLINK, RTM_NEWLINK
from mooring_node.kernel.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    Batch,
    Request,
    attribute,
    attributes,
    build_batch,
    nested,
    text,
)

FOU = "fou"

_IFINFOMSG = struct.Struct("=BxHiII")
_GENERIC = struct.Struct("=BBH")
_GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 3, 1, 2
_FOU_ADD, _FOU_DELETE, _FOU_GET = 1, 2, 3
_PORT, _FAMILY, _TYPE = 1, 2, 4
_GUE = 2

#: The number of generic netlink's own family.
CONTROL = 0x10


def create_batch(name: str, kind: str) -> Batch:
    """Make a tunnel's interface without addresses; EEXIST where there is one, which is as good.

    The kernel loads the kind's module for this, and the module brings the interface itself.
    """
    body = _IFINFOMSG.pack(AF_UNSPEC, 0, 0, 0, 0) + attribute(IFLA_IFNAME, text(name))
    body += nested(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, text(kind)))
    return build_batch([Request(0, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body)])


def up_batch(index: int, *, up: bool) -> Batch:
    """Set an interface up or down."""
    body = _IFINFOMSG.pack(AF_UNSPEC, 0, index, IFF_UP if up else 0, IFF_UP)
    return build_batch([Request(0, RTM_NEWLINK, 0, body)])


def remove_batch(index: int) -> Batch:
    """Remove an interface."""
    return build_batch([Request(0, RTM_DELLINK, 0, _IFINFOMSG.pack(AF_UNSPEC, 0, index, 0, 0))])


def family_request(name: str) -> bytes:
    """The body that asks CONTROL for a family's number; the kernel loads its module for this."""
    return _GENERIC.pack(_GET_FAMILY, 1, 0) + attribute(_FAMILY_NAME, text(name))


def family_number(body: bytes) -> int | None:
    """The number in the answer to family_request."""
    raw = attributes(body, _GENERIC.size).get(_FAMILY_ID, b"")
    return struct.unpack("=H", raw)[0] if len(raw) == 2 else None


def gue_batch(number: int, family: int, port: int, *, add: bool) -> Batch:
    """Begin or end to unwrap GUE at a UDP port; `number` is fou's, `family` 4 or 6. EADDRINUSE: it is taken."""
    body = _GENERIC.pack(_FOU_ADD if add else _FOU_DELETE, 1, 0) + attribute(_PORT, struct.pack("!H", port))
    body += attribute(_FAMILY, bytes((AF_INET6 if family == 6 else AF_INET,)))
    if add:
        body += attribute(_TYPE, bytes((_GUE,)))
    return build_batch([Request(0, number, 0, body)])


def ports_request() -> bytes:
    """The body of a dump of all ports."""
    return _GENERIC.pack(_FOU_GET, 1, 0)


def parse_port(body: bytes) -> tuple[int, int, bool] | None:
    """Family (4 or 6), port and whether it unwraps GUE, of a message of that dump."""
    members = attributes(body, _GENERIC.size)
    port, family = members.get(_PORT, b""), members.get(_FAMILY, b"")
    if len(port) != 2 or len(family) != 1:
        return None
    gue = members.get(_TYPE) == bytes((_GUE,))
    return (6 if family[0] == AF_INET6 else 4, struct.unpack("!H", port)[0], gue)
