"""Netlink's framing: messages, attributes, answers and batches as bytes (pure).

Layout as in Linux' uapi/linux/netlink.h: numbers in the host's byte order, everything aligned to 4 bytes.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview

NLMSG_NOOP, NLMSG_ERROR, NLMSG_DONE, NLMSG_OVERRUN = 1, 2, 3, 4

NLM_F_REQUEST = 0x01
NLM_F_ACK = 0x04
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
#: In answers: the request's payload is left out; attributes follow.
NLM_F_CAPPED = 0x100
NLM_F_ACK_TLVS = 0x200

#: The most bytes that one part of a batch holds: far below the smallest default send buffer (about 208 KiB).
PART_BYTES = 64 * 1024

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")
_NESTED = 0x8000
_ATTRIBUTE_KIND = 0x3FFF
_REASON = 1
_LARGEST_ATTRIBUTE = 0xFFFF


class NetlinkFormatError(ValueError):
    """Bytes that are no netlink message: a length that points outside, or a part that is too short."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as received; `body` is what follows the header."""

    kind: int
    flags: int
    sequence: int
    body: bytes
    port: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The kernel's answer to one request: `errno` 0 is an acknowledgement; `reason` its own words, if any."""

    sequence: int
    errno: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One message of a batch that is to be built; `index` names it in answers (see Batch)."""

    index: int
    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """What one sendmsg carries; the answer to the message numbered `last` ends its exchange."""

    data: bytes
    count: int
    last: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that are built once and sent often, `count` in all, in parts of at most PART_BYTES.

    The sequence number of a message is its index + 1, where the index counts what the caller gave (also where
    the order of sending is another). Only the last message of each part asks for an acknowledgement; the
    others are answered only when they fail.
    A part is sent by one sendmsg and answered before the next is sent.
    """

    parts: tuple[Part, ...]

    @property
    def count(self) -> int:
        return sum(part.count for part in self.parts)

    @property
    def data(self) -> bytes:
        return b"".join(part.data for part in self.parts)


def message(kind: int, flags: int, sequence: int, body: Buffer) -> bytes:
    """One netlink message, padded; the port is left 0 for the kernel to fill in."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + bytes(body) + _padding(len(body))


def attribute(kind: int, payload: Buffer) -> bytes:
    """One attribute, padded; ValueError when the payload is longer than 65,531 bytes."""
    length = _ATTRIBUTE.size + len(payload)
    if length > _LARGEST_ATTRIBUTE:
        raise ValueError(f"an attribute holds at most 65,531 bytes, not {len(payload)}")
    return _ATTRIBUTE.pack(length, kind) + bytes(payload) + _padding(length)


def nested(kind: int, *members: bytes) -> bytes:
    """An attribute made of attributes."""
    return attribute(kind | _NESTED, b"".join(members))


def text(value: str) -> bytes:
    """A string as the kernel wants it: ended by a zero byte."""
    return value.encode() + b"\0"


def build_batch(requests: Iterable[Request], part_bytes: int = PART_BYTES) -> Batch:
    """Pack requests in the order given, with an acknowledgement asked of the last one of each part."""
    parts: list[Part] = []
    waiting: list[Request] = []
    size = 0
    for request in requests:
        length = _aligned(_HEADER.size + len(request.body))
        if waiting and size + length > part_bytes:
            parts.append(_part(waiting))
            waiting, size = [], 0
        waiting.append(request)
        size += length
    if waiting:
        parts.append(_part(waiting))
    return Batch(tuple(parts))


def parse(buffer: Buffer) -> Iterator[Message]:
    """The messages of one datagram, in order; NetlinkFormatError at the first that does not fit into it."""
    view = memoryview(buffer)
    offset = 0
    while offset < len(view):
        if len(view) - offset < _HEADER.size:
            raise NetlinkFormatError(f"{len(view) - offset} bytes are too few for a message header")
        length, kind, flags, sequence, port = _HEADER.unpack_from(view, offset)
        if not _HEADER.size <= length <= len(view) - offset:
            raise NetlinkFormatError(f"message of {length} bytes where {len(view) - offset} are left")
        yield Message(kind, flags, sequence, bytes(view[offset + _HEADER.size : offset + length]), port)
        offset += _aligned(length)


def attributes(buffer: Buffer, offset: int = 0) -> dict[int, bytes]:
    """Attributes by kind (the last of a kind counts); NetlinkFormatError when one does not fit.

    Fewer than 4 bytes at the end are padding, as in the kernel's own reader.
    """
    view = memoryview(buffer)
    found: dict[int, bytes] = {}
    while len(view) - offset >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(view, offset)
        if not _ATTRIBUTE.size <= length <= len(view) - offset:
            raise NetlinkFormatError(f"attribute of {length} bytes where {len(view) - offset} are left")
        found[kind & _ATTRIBUTE_KIND] = bytes(view[offset + _ATTRIBUTE.size : offset + length])
        offset += _aligned(length)
    return found


def unpack(layout: struct.Struct, buffer: Buffer, offset: int = 0) -> tuple[int, ...]:
    """`layout` at `offset`, or NetlinkFormatError when the bytes end before it does."""
    if len(buffer) - offset < layout.size:
        raise NetlinkFormatError(f"{len(buffer) - offset} bytes where {layout.size} are needed")
    return layout.unpack_from(buffer, offset)


def number(members: Mapping[int, bytes], kind: int) -> int | None:
    """An unsigned number of 1, 2, 4 or 8 bytes, None when the attribute is not there."""
    raw = members.get(kind)
    if raw is None:
        return None
    layout = _NUMBERS.get(len(raw))
    if layout is None:
        raise NetlinkFormatError(f"attribute {kind} is no number: {len(raw)} bytes")
    value: int = layout.unpack(raw)[0]
    return value


def string(members: Mapping[int, bytes], kind: int) -> str | None:
    """A string attribute up to its zero byte; bytes that are no UTF-8 survive as surrogates."""
    raw = members.get(kind)
    return None if raw is None else raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def parse_answer(received: Message) -> Answer | None:
    """The answer in a message of kind NLMSG_ERROR, None for every other kind."""
    if received.kind != NLMSG_ERROR:
        return None
    (negative,) = unpack(_ERROR, received.body)
    if negative > 0:
        raise NetlinkFormatError(f"error code {negative} is positive")
    length, _kind, _flags, sequence, _port = unpack(_HEADER, received.body, _ERROR.size)
    reason = ""
    if received.flags & NLM_F_ACK_TLVS:
        echoed = _HEADER.size if received.flags & NLM_F_CAPPED else max(_aligned(length), _HEADER.size)
        members = attributes(received.body, min(_ERROR.size + echoed, len(received.body)))
        reason = string(members, _REASON) or ""
    return Answer(sequence, -negative, reason)


def parse_done(received: Message) -> int:
    """The errno that ends a dump, 0 when it is complete."""
    if len(received.body) < _ERROR.size:
        return 0
    (negative,) = _ERROR.unpack_from(received.body)
    return max(-int(negative), 0)


_NUMBERS = {1: struct.Struct("=B"), 2: struct.Struct("=H"), 4: struct.Struct("=I"), 8: struct.Struct("=Q")}


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _padding(length: int) -> bytes:
    return bytes(-length & 3)


def _part(requests: list[Request]) -> Part:
    *others, final = requests
    data = [message(each.kind, each.flags | NLM_F_REQUEST, each.index + 1, each.body) for each in others]
    data.append(message(final.kind, final.flags | NLM_F_REQUEST | NLM_F_ACK, final.index + 1, final.body))
    return Part(b"".join(data), len(requests), final.index + 1)
