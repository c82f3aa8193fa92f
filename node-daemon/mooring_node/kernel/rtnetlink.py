"""The sockets to rtnetlink: apply batches, read what is there, hear of what changed (shell).

A socket belongs to the network namespace of the thread that made it.
"""

import ctypes
import errno
import os
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias

from mooring_node.kernel import addresses as address_messages
from mooring_node.kernel import links as link_messages
from mooring_node.kernel.addresses import PROTOCOL, KernelAddress, parse_address
from mooring_node.kernel.exchange import BUFFER_BYTES, RECEIVE_BYTES, SOL_NETLINK, Exchange, open_socket
from mooring_node.kernel.exchange import Failure as Failure
from mooring_node.kernel.links import DefaultRoute, Link, parse_default_route, parse_link
from mooring_node.kernel.netlink import NLMSG_OVERRUN, Batch, Message, NetlinkFormatError, parse

#: A storm of notifications must not keep the reader from its other work.
READ_AT_ONCE = 1024

# Not in Python's socket module.
_SO_ATTACH_FILTER = 26
_NETLINK_ADD_MEMBERSHIP = 1
_RTNLGRP_LINK, _RTNLGRP_IPV4_IFADDR, _RTNLGRP_IPV6_IFADDR = 1, 5, 9


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """An interface is there, or something about it may have changed."""

    link: Link


@dataclass(frozen=True, slots=True)
class LinkGone:
    """An interface was removed, renamed away excepted (that is a LinkChanged)."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class AddressGone:
    """An address was removed, by whomever, or its lifetime ended."""

    address: KernelAddress


@dataclass(frozen=True, slots=True)
class Overrun:
    """Notifications were lost: read everything again."""


Change: TypeAlias = LinkChanged | LinkGone | AddressGone | Overrun


def tells_who_set_an_address(release: str) -> bool:
    """Whether a kernel of this release keeps IFA_PROTO (Linux 5.18)."""
    numbers = re.match(r"(\d+)\.(\d+)", release)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= (5, 18)


_TELLS = tells_who_set_an_address(os.uname().release)


def is_ours(address: KernelAddress) -> bool:
    """Whether this daemon, or one before it, set an address: with a lease, and by name where the kernel keeps that."""
    return address.valid_lifetime_s is not None and (address.protocol == PROTOCOL or not _TELLS)


class Rtnetlink:
    """Requests to rtnetlink, one at a time, each answered before the call returns.

    OSError from any call: the kernel refused the exchange as a whole (EPERM, ENOBUFS, ETIMEDOUT after 1 s).
    """

    def __init__(self) -> None:
        self._exchange = Exchange(socket.NETLINK_ROUTE)

    def apply(self, batch: Batch) -> tuple[Failure, ...]:
        """Send a batch; what was refused. Messages after a refused one are done all the same."""
        return self._exchange.apply(batch)

    def addresses(self) -> tuple[KernelAddress, ...]:
        """All IPv4 and IPv6 addresses of all interfaces."""
        return self._exchange.dump(address_messages.RTM_GETADDR, address_messages.addresses_request(), parse_address)

    def links(self) -> tuple[Link, ...]:
        """All interfaces."""
        return self._exchange.dump(link_messages.RTM_GETLINK, link_messages.links_request(), parse_link)

    def default_interfaces(self) -> dict[int, int]:
        """The interface of the default route by family; a family without one is left out."""
        best: dict[int, DefaultRoute] = {}
        for family in (socket.AF_INET, socket.AF_INET6):
            request = link_messages.routes_request(family)
            for route in self._exchange.dump(link_messages.RTM_GETROUTE, request, parse_default_route):
                if route.family not in best or route.metric < best[route.family].metric:
                    best[route.family] = route
        return {family: route.interface_index for family, route in best.items()}

    def fileno(self) -> int:
        return self._exchange.fileno()

    def close(self) -> None:
        self._exchange.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Monitor:
    """Hears of interfaces that change or go and of addresses that go; renewals do not wake the reader."""

    def __init__(self, buffer_bytes: int = BUFFER_BYTES) -> None:
        # The filter is attached before the groups are joined: nothing else may slip in between.
        self._socket = open_socket(socket.NETLINK_ROUTE, buffer_bytes)
        self._socket.setblocking(False)
        kinds = (address_messages.RTM_DELADDR, link_messages.RTM_NEWLINK, link_messages.RTM_DELLINK)
        _attach_filter(self._socket, kinds)
        for group in (_RTNLGRP_LINK, _RTNLGRP_IPV4_IFADDR, _RTNLGRP_IPV6_IFADDR):
            self._socket.setsockopt(SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
        self._buffer = bytearray(RECEIVE_BYTES)

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> tuple[Change, ...]:
        """What changed since the last call, in order; empty when nothing did.

        At most READ_AT_ONCE notifications; the socket stays readable when more wait.
        """
        changes: list[Change] = []
        for _ in range(READ_AT_ONCE):
            try:
                size, sender = self._socket.recvfrom_into(self._buffer)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                changes.append(Overrun())
                continue
            if sender[0] == 0:
                changes.extend(_changes(memoryview(self._buffer)[:size]))
        return tuple(changes)

    def close(self) -> None:
        self._socket.close()


def _changes(datagram: memoryview) -> Iterator[Change]:
    try:
        for received in parse(datagram):
            change = _change(received)
            if change is not None:
                yield change
    except NetlinkFormatError:
        # What a message that can't be read said is lost, as in an overrun.
        yield Overrun()


def _change(received: Message) -> Change | None:
    if received.kind == NLMSG_OVERRUN:
        return Overrun()
    if received.kind == address_messages.RTM_DELADDR:
        address = parse_address(received)
        return None if address is None else AddressGone(address)
    link = parse_link(received)
    if link is None:
        return None
    return LinkGone(link.index, link.name) if received.kind == link_messages.RTM_DELLINK else LinkChanged(link)


def _attach_filter(opened: socket.socket, kinds: tuple[int, ...]) -> None:
    """Let only messages of these kinds through (BPF loads big-endian, nlmsg_type is in host order)."""
    load_half, jump_equal, give_back = 0x28, 0x15, 0x06
    steps = [(load_half, 0, 0, 4)]
    for place, kind in enumerate(kinds):
        steps.append((jump_equal, len(kinds) - place, 0, socket.htons(kind)))
    steps += [(give_back, 0, 0, 0), (give_back, 0, 0, 0xFFFFFFFF)]
    program = b"".join(struct.pack("=HBBI", *step) for step in steps)
    code = ctypes.create_string_buffer(program, len(program))
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(steps), ctypes.addressof(code)))
