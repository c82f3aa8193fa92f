"""Reads a reply of HTTP/1.x as it comes, piece by piece (RFC 9112). Pure; nothing in it is trusted, all is bounded."""

import enum
import re
from collections.abc import Callable

from mooring_node.checks.verdict import Failed, Reason

MOST_LINE_BYTES = 8192
MOST_HEAD_BYTES = 65536
MOST_LINES = 256
MOST_INTERIM = 16

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: .*)?")
_FIELD_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(?:;.*)?")
_SWITCHING_PROTOCOLS = 101
_WITHOUT_BODY = (101, 204, 304)


class _Part(enum.Enum):
    """What comes next."""

    STATUS_LINE = enum.auto()
    FIELDS = enum.auto()
    BODY_OF_LENGTH = enum.auto()
    BODY_TO_THE_END = enum.auto()
    CHUNK_SIZE = enum.auto()
    CHUNK = enum.auto()
    CHUNK_END = enum.auto()
    TRAILERS = enum.auto()
    NOTHING = enum.auto()


class Reply:
    """One final reply. `feed` what comes until `done`; `take` gets the body in pieces, `most_body` bytes of it at most.

    `status` is set once the head is whole; `cut`: the body is longer. `feed` and `end` raise Failed where this is no
    reply, or too much of one, and what `take` raises.
    """

    def __init__(self, most_body: int, take: Callable[[bytearray], object]) -> None:
        self.status = 0
        self.cut = False
        self._take = take
        self._body_left = most_body
        self._buffer = bytearray()
        self._searched = 0
        self._part = _Part.STATUS_LINE
        self._left = 0
        self._begin_head()
        self._interim = 0

    @property
    def done(self) -> bool:
        """Whether the rest does not matter."""
        return self._part is _Part.NOTHING

    def feed(self, data: bytes) -> None:
        """More of it."""
        self._buffer += data
        while not self.done and self._step():
            pass

    def end(self) -> None:
        """The connection was closed; Failed where the reply was not whole."""
        if self._part is _Part.BODY_TO_THE_END:
            self._part = _Part.NOTHING
        elif not self.done:
            where = "before a reply" if not self.status and not self._buffer else "in the middle of the reply"
            raise Failed(Reason.CLOSED, f"the connection was closed {where}")

    def _step(self) -> bool:
        """Read one piece; False where more must come first."""
        match self._part:
            case _Part.BODY_OF_LENGTH | _Part.CHUNK:
                return self._take_body()
            case _Part.BODY_TO_THE_END:
                self._keep(self._buffer)
                self._buffer.clear()
                return False
        line = self._line()
        if line is not None:
            self._take_line(line)
        return line is not None

    def _take_line(self, line: bytes) -> None:
        match self._part:
            case _Part.STATUS_LINE:
                self._take_status_line(line)
            case _Part.FIELDS:
                self._take_field(line)
            case _Part.CHUNK_SIZE:
                self._take_chunk_size(line)
            case _Part.CHUNK_END:
                if line:
                    raise _malformed("a chunk is longer than it says")
                self._part = _Part.CHUNK_SIZE
            case _Part.TRAILERS:
                self._count_line(line)
                if not line:
                    self._part = _Part.NOTHING

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
        if max(end, self._searched) > MOST_LINE_BYTES:
            raise Failed(Reason.REPLY_TOO_LARGE, f"a line of the reply has more than {MOST_LINE_BYTES} bytes")
        if end < 0:
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    # The head.

    def _begin_head(self) -> None:
        self._lines = 0
        self._head_bytes = 0
        self._lengths: set[bytes] = set()
        self._codings = b""
        self._folds_into = b""

    def _count_line(self, line: bytes) -> None:
        self._lines += 1
        self._head_bytes += len(line)
        if self._lines > MOST_LINES or self._head_bytes > MOST_HEAD_BYTES:
            raise Failed(Reason.REPLY_TOO_LARGE, "the reply has too many or too large header fields")

    def _take_status_line(self, line: bytes) -> None:
        found = _STATUS_LINE.fullmatch(line)
        if not found:
            raise _malformed("it does not begin with a status line of HTTP/1.0 or HTTP/1.1")
        self.status = int(found[1])
        self._part = _Part.FIELDS

    def _take_field(self, line: bytes) -> None:
        self._count_line(line)
        if not line:
            self._end_head()
            return
        if line[:1] in (b" ", b"\t"):
            if self._folds_into in (b"content-length", b"transfer-encoding"):
                raise _malformed("its length is folded over lines")
            return
        name, colon, value = line.partition(b":")
        if not colon or not _FIELD_NAME.fullmatch(name):
            raise _malformed("a header field has no name")
        name = self._folds_into = name.lower()
        if name == b"content-length":
            # Two that differ say as much as all of them, of which a head has room for thousands.
            self._lengths = {*self._lengths, *sorted({each.strip() for each in value.split(b",")})[:2]}
        elif name == b"transfer-encoding":
            self._codings = b"," + value.lower()

    def _end_head(self) -> None:
        if self.status < 200 and self.status != _SWITCHING_PROTOCOLS:
            self._interim += 1
            if self._interim > MOST_INTERIM:
                raise Failed(Reason.REPLY_TOO_LARGE, "there is no end of interim replies")
            self._begin_head()
            self.status = 0
            self._part = _Part.STATUS_LINE
        elif self.status in _WITHOUT_BODY:
            self._part = _Part.NOTHING
        elif self._codings:
            chunked = self._codings.rsplit(b",", 1)[-1].strip() == b"chunked"
            self._part = _Part.CHUNK_SIZE if chunked else _Part.BODY_TO_THE_END
        elif self._lengths:
            self._left = self._length()
            self._part = _Part.BODY_OF_LENGTH if self._left else _Part.NOTHING
        else:
            self._part = _Part.BODY_TO_THE_END

    def _length(self) -> int:
        text = self._lengths.pop()
        if self._lengths or not _LENGTH.fullmatch(text):
            raise _malformed("its Content-Length is no number")
        return int(text)

    # The body.

    def _take_chunk_size(self, line: bytes) -> None:
        found = _CHUNK_SIZE.fullmatch(line)
        if not found:
            raise _malformed("the size of a chunk is no hexadecimal number")
        self._left = int(found[1], 16)
        if self._left:
            self._part = _Part.CHUNK
        else:
            self._begin_head()
            self._part = _Part.TRAILERS

    def _take_body(self) -> bool:
        if not self._buffer:
            return False
        data = self._buffer[: self._left]
        del self._buffer[: self._left]
        self._left -= len(data)
        chunked = self._part is _Part.CHUNK
        self._keep(data)
        if not self._left and not self.done:
            self._part = _Part.CHUNK_END if chunked else _Part.NOTHING
        return True

    def _keep(self, data: bytearray) -> None:
        self._take(data[: self._body_left])
        if len(data) > self._body_left:
            self.cut = True
            self._part = _Part.NOTHING
        self._body_left -= min(len(data), self._body_left)


def _malformed(why: str) -> Failed:
    return Failed(Reason.REPLY_MALFORMED, f"no reply of HTTP: {why}")
