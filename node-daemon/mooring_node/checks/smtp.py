"""A mail server's greeting, HELO and QUIT (RFC 5321)."""

import re

from mooring_node.checks.attempt import Scope
from mooring_node.checks.config import SMTPProbe, Target
from mooring_node.checks.connecting import connect
from mooring_node.checks.stream import Plain, Stream
from mooring_node.checks.verdict import GOOD, Failed, Outcome, Reason

MOST_LINE_BYTES = 2048
MOST_LINES = 64

_LINE = re.compile(rb"([2-5][0-9]{2})([ -]?)(.*)", re.DOTALL)


async def smtp(scope: Scope, target: Target) -> Outcome:
    """Greeted by 220, HELO answered by 250, QUIT by 221 or by the end of the connection."""
    probe = target.check.probe
    assert isinstance(probe, SMTPProbe)
    lines = _Lines(Plain(await connect(scope, target)))
    await lines.expect(scope, "the greeting", 220)
    await lines.send(f"HELO {probe.helo_name}\r\n")
    await lines.expect(scope, "the reply to HELO", 250)
    await lines.send("QUIT\r\n")
    await lines.expect(scope, "the reply to QUIT", 221, may_end=True)
    return GOOD


class _Lines:
    """Replies of one or several lines."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def send(self, command: str) -> None:
        await self._stream.send(command.encode("ascii", "replace"))

    async def expect(self, scope: Scope, what: str, wanted: int, *, may_end: bool = False) -> None:
        """Read a whole reply; Failed where it is another, or none."""
        scope.stage = f"waiting for {what}"
        for _ in range(MOST_LINES):
            line = await self._line(may_end)
            if line is None:
                return
            found = _LINE.fullmatch(line)
            if not found:
                raise Failed(Reason.REPLY_MALFORMED, f"{what} is none of SMTP: {_shown(line)}")
            if int(found[1]) != wanted:
                raise Failed(Reason.REPLY_WRONG, f"{what} is {_shown(line)}, not {wanted}")
            if found[2] != b"-":
                return
        raise Failed(Reason.REPLY_TOO_LARGE, f"{what} has no end")

    async def _line(self, may_end: bool) -> bytes | None:
        while True:
            end = self._buffer.find(b"\n")
            if max(end, len(self._buffer) if end < 0 else 0) > MOST_LINE_BYTES:
                raise Failed(Reason.REPLY_TOO_LARGE, f"a line of the reply has more than {MOST_LINE_BYTES} bytes")
            if end >= 0:
                line = bytes(self._buffer[:end]).removesuffix(b"\r")
                del self._buffer[: end + 1]
                return line
            data = await self._stream.read()
            if not data:
                if may_end:
                    return None
                raise Failed(Reason.CLOSED, "the connection was closed before the reply was whole")
            self._buffer += data


def _shown(line: bytes) -> str:
    text = line[:80].decode("ascii", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text)
