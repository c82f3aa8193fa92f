"""Messages between the daemon's processes: JSON over a SOCK_SEQPACKET pair, never blocking the sender.

The supervisor makes the pairs and keeps both ends open, so a child that is replaced finds its end as its
predecessor left it.
"""

import json
import socket
from collections.abc import Iterator
from typing import Any

MESSAGE_BYTES = 192 * 1024
_READ_AT_ONCE = 64


class Channel:
    """One end of a pair."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MESSAGE_BYTES)
        self._end = end
        self.dropped = 0
        self.ended = False
        """Whether the other end is closed in all processes; known when `receive` has come to it."""

    @classmethod
    def pair(cls) -> tuple["Channel", "Channel"]:
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    def fileno(self) -> int:
        return self._end.fileno()

    def send(self, message: dict[str, Any]) -> bool:
        """Send at once, without waiting: False when the other side does not read, so that it may be tried again.

        What can never be sent is dropped, and counts as dealt with: a message beyond MESSAGE_BYTES, of which the
        other side would read only the beginning, or any message once the other end is closed.
        """
        data = json.dumps(message, separators=(",", ":")).encode()
        if len(data) > MESSAGE_BYTES:
            self.dropped += 1
            return True
        try:
            self._end.send(data)
        except BlockingIOError:
            return False
        except OSError:
            self.dropped += 1
        return True

    def receive(self) -> Iterator[dict[str, Any]]:
        """What has arrived, at most a batch; ends where nothing more waits."""
        for _ in range(_READ_AT_ONCE):
            try:
                data = self._end.recv(MESSAGE_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:
                # It was closed with messages unread; nothing more comes.
                self.ended = True
                return
            if not data:
                self.ended = True
                return
            message = json.loads(data)
            if isinstance(message, dict):
                yield message

    def close(self) -> None:
        self._end.close()
