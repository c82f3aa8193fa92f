"""A netlink socket for requests: batches, single questions and dumps, each answered before the call returns (shell).

A socket belongs to the network namespace of the thread that made it.
"""

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from mooring_node.kernel.netlink import (
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
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
DUMP_ATTEMPTS = 16

# Not in Python's socket module.
SOL_NETLINK = 270
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 10, 11
#: Sequence numbers of dumps and questions start above those of any batch.
_FIRST_SINGLE = 1 << 24

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Failure:
    """A message of a batch that the kernel refused; `index` counts what the batch was made from."""

    index: int
    errno: int
    reason: str = ""


class Exchange:
    """Requests of one netlink protocol (socket.NETLINK_*), one at a time.

    OSError from any call: the kernel refused the exchange as a whole (EPERM, ENOBUFS, ETIMEDOUT).
    """

    def __init__(self, protocol: int, answer_timeout_s: int = 1) -> None:
        self._socket = open_socket(protocol, BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", answer_timeout_s, 0))
        self._port: int = self._socket.getsockname()[0]
        self._buffer = bytearray(RECEIVE_BYTES)
        self._singles = _FIRST_SINGLE

    def apply(self, batch: Batch) -> tuple[Failure, ...]:
        """Send a batch; what was refused. Messages after a refused one are done all the same."""
        return self.ask_all(batch)[1]

    def ask_all(self, batch: Batch) -> tuple[tuple[Message, ...], tuple[Failure, ...]]:
        """Send a batch of questions; what was answered, and which were refused."""
        answers: list[Message] = []
        failures: list[Failure] = []
        for part in batch.parts:
            self._exchange_part(part, answers, failures)
        return tuple(answers), tuple(failures)

    def ask(self, kind: int, body: bytes) -> tuple[Message, ...]:
        """What the kernel answers to one request that is neither a dump nor refused (OSError)."""
        sequence = self._send(kind, NLM_F_REQUEST | NLM_F_ACK, body)
        found: list[Message] = []
        for received in self._replies(sequence):
            answer = parse_answer(received)
            if answer is None:
                found.append(received)
                continue
            raise_refusal(received)
            break
        return tuple(found)

    def dump(self, kind: int, body: bytes, read: Callable[[Message], ValueT | None]) -> tuple[ValueT, ...]:
        """What `read` makes of each message of a dump; OSError (EAGAIN) when the table changed during all attempts."""
        for _attempt in range(DUMP_ATTEMPTS):
            found, consistent = self._dump_once(kind, body, read)
            if consistent:
                return tuple(found)
        raise OSError(errno.EAGAIN, f"the kernel's table changed during each of {DUMP_ATTEMPTS} dumps")

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

    def _exchange_part(self, part: Part, answers: list[Message], failures: list[Failure]) -> None:
        self._drain()
        self._socket.send(part.data)
        while True:
            for received in self._receive():
                answer = parse_answer(received)
                if answer is None:
                    answers.append(received)
                    continue
                if answer.errno:
                    failures.append(Failure(answer.sequence - 1, answer.errno, answer.reason))
                if answer.sequence == part.last:
                    return

    def _dump_once(self, kind: int, body: bytes, read: Callable[[Message], ValueT | None]) -> tuple[list[ValueT], bool]:
        sequence = self._send(kind, NLM_F_REQUEST | NLM_F_DUMP, body)
        found: list[ValueT] = []
        consistent = True
        for received in self._replies(sequence):
            consistent = consistent and not received.flags & NLM_F_DUMP_INTR
            raise_refusal(received)
            if received.kind == NLMSG_DONE:
                break
            value = read(received)
            if value is not None:
                found.append(value)
        return found, consistent

    def _send(self, kind: int, flags: int, body: bytes) -> int:
        self._drain()
        self._singles += 1
        self._socket.send(message(kind, flags, self._singles, body))
        return self._singles

    def _replies(self, sequence: int) -> Iterator[Message]:
        while True:
            yield from (received for received in self._receive() if received.sequence == sequence)

    def _receive(self, flags: int = 0) -> list[Message]:
        try:
            size, _data, received_flags, sender = self._socket.recvmsg_into([self._buffer], 0, flags)
        except BlockingIOError as timeout:
            if flags & socket.MSG_DONTWAIT:
                raise
            raise TimeoutError(errno.ETIMEDOUT, "the kernel did not answer") from timeout
        if received_flags & socket.MSG_TRUNC:
            raise NetlinkFormatError(f"an answer is longer than {RECEIVE_BYTES} bytes")
        if sender[0] != 0:
            return []
        received = parse(memoryview(self._buffer)[:size])
        return [each for each in received if each.port == self._port]

    def _drain(self) -> None:
        """Drop what an exchange that broke off has left.

        The kernel answers a request before send returns: nothing that is queued now belongs to the next one.
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


def raise_refusal(received: Message) -> None:
    """OSError when this is an answer, or the end of a dump, that refuses."""
    answer = parse_answer(received)
    if answer is not None and answer.errno:
        raise OSError(answer.errno, answer.reason or os.strerror(answer.errno))
    if received.kind == NLMSG_DONE and (code := parse_done(received)):
        raise OSError(code, os.strerror(code))


def open_socket(protocol: int, buffer_bytes: int) -> socket.socket:
    """A bound netlink socket with room for so much, whose refusals tell the kernel's own words."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    try:
        for forced, plain in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF), (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
            try:
                opened.setsockopt(socket.SOL_SOCKET, forced, buffer_bytes)
            except PermissionError:
                opened.setsockopt(socket.SOL_SOCKET, plain, buffer_bytes)
        opened.setsockopt(SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        opened.setsockopt(SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        opened.bind((0, 0))
    except OSError:
        opened.close()
        raise
    return opened
