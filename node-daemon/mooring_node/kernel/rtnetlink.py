"""The sockets to rtnetlink: apply batches, read what is there, hear of what changed (shell).

A socket belongs to the network namespace of the thread that made it.
"""

import ctypes
import errno
import os
import re
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

from mooring_node.kernel import addresses as address_messages
from mooring_node.kernel import links as link_messages
from mooring_node.kernel.addresses import PROTOCOL, KernelAddress, parse_address
from mooring_node.kernel.links import DefaultRoute, Link, parse_default_route, parse_link
from mooring_node.kernel.netlink import (
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_OVERRUN,
    Answer,
    Batch,
    Message,
    NetlinkFormatError,
    Part,
    message,
    parse,
    parse_answer,
    parse_done,
)

#: Room for the answers to a whole part, and for a storm of notifications.
BUFFER_BYTES = 4 * 1024 * 1024
#: A dump is written into at most 32 KiB at a time.
RECEIVE_BYTES = 64 * 1024
ANSWER_TIMEOUT_S = 1
DUMP_ATTEMPTS = 16
#: A storm of notifications must not keep the reader from its other work.
READ_AT_ONCE = 1024

# Not in Python's socket module.
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE, _SO_ATTACH_FILTER = 32, 33, 26
_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 1, 10, 11
_RTNLGRP_LINK, _RTNLGRP_IPV4_IFADDR, _RTNLGRP_IPV6_IFADDR = 1, 5, 9
#: Sequence numbers of dumps start above those of any batch.
_FIRST_DUMP = 1 << 24

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Failure:
    """A message of a batch that the kernel refused; `index` counts what the batch was made from."""

    index: int
    errno: int
    reason: str = ""


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
        self._socket = _open_socket(BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", ANSWER_TIMEOUT_S, 0))
        self._port: int = self._socket.getsockname()[0]
        self._buffer = bytearray(RECEIVE_BYTES)
        self._dumps = _FIRST_DUMP

    def apply(self, batch: Batch) -> tuple[Failure, ...]:
        """Send a batch; what was refused. Messages after a refused one are done all the same."""
        failures: list[Failure] = []
        for part in batch.parts:
            failures.extend(self._apply_part(part))
        return tuple(failures)

    def addresses(self) -> tuple[KernelAddress, ...]:
        """All IPv4 and IPv6 addresses of all interfaces."""
        return self._dump(address_messages.RTM_GETADDR, address_messages.addresses_request(), parse_address)

    def links(self) -> tuple[Link, ...]:
        """All interfaces."""
        return self._dump(link_messages.RTM_GETLINK, link_messages.links_request(), parse_link)

    def default_interfaces(self) -> dict[int, int]:
        """The interface of the default route by family; a family without one is left out."""
        best: dict[int, DefaultRoute] = {}
        for family in (socket.AF_INET, socket.AF_INET6):
            request = link_messages.routes_request(family)
            for route in self._dump(link_messages.RTM_GETROUTE, request, parse_default_route):
                if route.family not in best or route.metric < best[route.family].metric:
                    best[route.family] = route
        return {family: route.interface_index for family, route in best.items()}

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _apply_part(self, part: Part) -> Iterator[Failure]:
        self._drain()
        self._socket.send(part.data)
        for answer in self._answers():
            if answer.errno:
                yield Failure(answer.sequence - 1, answer.errno, answer.reason)
            if answer.sequence == part.last:
                return

    def _answers(self) -> Iterator[Answer]:
        while True:
            for received in self._receive():
                answer = parse_answer(received)
                if answer is not None:
                    yield answer

    def _dump(self, kind: int, body: bytes, read: Callable[[Message], ValueT | None]) -> tuple[ValueT, ...]:
        for _attempt in range(DUMP_ATTEMPTS):
            found, consistent = self._dump_once(kind, body, read)
            if consistent:
                return tuple(found)
        raise OSError(errno.EAGAIN, f"the kernel's table changed during each of {DUMP_ATTEMPTS} dumps")

    def _dump_once(self, kind: int, body: bytes, read: Callable[[Message], ValueT | None]) -> tuple[list[ValueT], bool]:
        self._drain()
        self._dumps += 1
        self._socket.send(message(kind, NLM_F_REQUEST | NLM_F_DUMP, self._dumps, body))
        found: list[ValueT] = []
        consistent = True
        while True:
            for received in self._receive():
                if received.sequence != self._dumps:
                    continue
                consistent = consistent and not received.flags & NLM_F_DUMP_INTR
                _raise_refusal(received)
                if received.kind == NLMSG_DONE:
                    return found, consistent
                value = read(received)
                if value is not None:
                    found.append(value)

    def _receive(self, flags: int = 0) -> list[Message]:
        try:
            size, _data, received_flags, sender = self._socket.recvmsg_into([self._buffer], 0, flags)
        except BlockingIOError as timeout:
            if flags & socket.MSG_DONTWAIT:
                raise
            raise TimeoutError(errno.ETIMEDOUT, "rtnetlink did not answer") from timeout
        if received_flags & socket.MSG_TRUNC:
            raise NetlinkFormatError(f"an answer is longer than {RECEIVE_BYTES} bytes")
        if sender[0] != 0:
            return []
        received = parse(memoryview(self._buffer)[:size])
        return [each for each in received if each.port == self._port]

    def _drain(self) -> None:
        """Drop what an exchange that broke off has left.

        rtnetlink answers a request before send returns: nothing that is queued now belongs to the next one.
        """
        while True:
            try:
                self._receive(socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except NetlinkFormatError:
                continue
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise


class Monitor:
    """Hears of interfaces that change or go and of addresses that go; renewals do not wake the reader."""

    def __init__(self, buffer_bytes: int = BUFFER_BYTES) -> None:
        # The filter is attached before the groups are joined: nothing else may slip in between.
        self._socket = _open_socket(buffer_bytes)
        self._socket.setblocking(False)
        kinds = (address_messages.RTM_DELADDR, link_messages.RTM_NEWLINK, link_messages.RTM_DELLINK)
        _attach_filter(self._socket, kinds)
        for group in (_RTNLGRP_LINK, _RTNLGRP_IPV4_IFADDR, _RTNLGRP_IPV6_IFADDR):
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
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


def _raise_refusal(received: Message) -> None:
    answer = parse_answer(received)
    if answer is not None and answer.errno:
        raise OSError(answer.errno, answer.reason or os.strerror(answer.errno))
    if received.kind == NLMSG_DONE and (code := parse_done(received)):
        raise OSError(code, os.strerror(code))


def _open_socket(buffer_bytes: int) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        for forced, plain in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF), (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
            try:
                opened.setsockopt(socket.SOL_SOCKET, forced, buffer_bytes)
            except PermissionError:
                opened.setsockopt(socket.SOL_SOCKET, plain, buffer_bytes)
        opened.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        opened.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        opened.bind((0, 0))
    except OSError:
        opened.close()
        raise
    return opened


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
