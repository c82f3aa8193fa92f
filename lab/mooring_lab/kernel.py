"""Which addresses a namespace has, from the kernel itself: one netlink socket that answers and tells of changes."""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address

from mooring_lab import namespace

_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_DUMP = 1, 0x300
_GROUPS = 1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_HEADER = struct.Struct("=IHHII")
_IFADDRMSG = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_SCOPE_LINK, _SCOPE_HOST = 253, 254
#: lo is the first link of every namespace. What a backend of direct routing has there, it does not hold.
_LOOPBACK = 1


class KernelAddresses:
    """Asks for the addresses of one namespace without starting a process; readable when one changes.

    It stays with the namespace that had the name when it was made.
    """

    def __init__(self, name: str) -> None:
        def make(groups: int) -> socket.socket:
            made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
            made.bind((0, groups))
            return made

        self._events = namespace.call(name, lambda: make(_GROUPS))
        self._questions = namespace.call(name, lambda: make(0))
        self._events.setblocking(False)

    def close(self) -> None:
        self._events.close()
        self._questions.close()

    def fileno(self) -> int:
        return self._events.fileno()

    def drain(self) -> None:
        """Throw away what has been told so far."""
        with suppress(BlockingIOError):
            while True:
                try:
                    self._events.recv(1 << 16)
                except OSError as error:
                    if error.errno != errno.ENOBUFS:  # events were lost: as good a reason to ask as any
                        raise

    def read(self) -> frozenset[str]:
        """All addresses but those of lo and link-local ones, without prefix."""
        request = _IFADDRMSG.pack(0, 0, 0, 0, 0)
        header = _HEADER.pack(_HEADER.size + len(request), _RTM_GETADDR, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0)
        self._questions.send(header + request)
        found: set[str] = set()
        while True:
            for kind, body in _messages(self._questions.recv(1 << 18)):
                if kind == _NLMSG_DONE:
                    return frozenset(found)
                if kind == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", body)[0]
                    raise OSError(number, f"RTM_GETADDR: {os.strerror(number)}")
                if kind == _RTM_NEWADDR:
                    found.update(_address(body))


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def _address(body: bytes) -> Iterator[str]:
    """The address of one RTM_NEWADDR; nothing for host and link scope, nor on lo.

    IFA_LOCAL wins where both are there.
    """
    _family, _prefix, _flags, scope, index = _IFADDRMSG.unpack_from(body)
    data, attributes = body[_IFADDRMSG.size :], {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        attributes[kind] = data[_ATTRIBUTE.size : length]
        data = data[max((length + 3) & ~3, _ATTRIBUTE.size) :]
    raw = attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS))
    if not raw or index == _LOOPBACK:
        return
    address = ip_address(raw)
    # A virtual address may have link scope on purpose; only IPv6's link-local ones are everybody's.
    if scope != _SCOPE_HOST and not (scope == _SCOPE_LINK and address.version == 6 and address.is_link_local):
        yield str(address)
