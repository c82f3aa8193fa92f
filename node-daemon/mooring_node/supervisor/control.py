"""The local socket: a person on the node asks here, without any API. One JSON line in, one line out.

That is JSON too, but for the probes, whose clients must not spend on imports.
"""

import contextlib
import json
import os
import select
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

REQUEST_BYTES = 4096
#: A client that neither asks nor reads is dropped after so long.
CLIENT_NS = 5_000_000_000
MOST_CLIENTS = 8


class Client:
    """One connection."""

    def __init__(self, connection: socket.socket, now_ns: int) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.until_ns = now_ns + CLIENT_NS
        self._received = b""

    def fileno(self) -> int:
        return self.connection.fileno()

    def request(self) -> dict[str, Any] | None:
        """The whole request once its line is there; ValueError when it is none, EOFError when the client went."""
        try:
            data = self.connection.recv(REQUEST_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            raise EOFError from error
        if not data:
            raise EOFError
        self._received += data
        if b"\n" not in self._received:
            if len(self._received) > REQUEST_BYTES:
                raise ValueError("the request is too long")
            return None
        try:
            value = json.loads(self._received.partition(b"\n")[0])
        except RecursionError as error:
            raise ValueError("the request is nested too deeply") from error
        if not isinstance(value, dict):
            raise ValueError("the request is not an object")
        return value

    @property
    def gone(self) -> bool:
        """Whether the client has closed its end: nobody waits for the answer. One that only sends no more is there."""
        poll = select.poll()
        poll.register(self.connection, 0)
        return any(events & select.POLLHUP for _, events in poll.poll(0))

    def answer(self, reply: dict[str, Any]) -> None:
        """Send the reply and end."""
        self.say(json.dumps(reply))

    def say(self, line: str) -> None:
        """The same in plain words. What does not fit the socket's buffer at once is for a client that does not read."""
        with contextlib.suppress(OSError):
            self.connection.settimeout(1.0)
            self.connection.sendall(line.encode() + b"\n")
        self.close()

    def close(self) -> None:
        """The client sees the end at once: a child that was forked meanwhile has the connection open, too."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class ControlSocket:
    """Listens at `path`, for this user alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(MOST_CLIENTS)

    def fileno(self) -> int:
        return self._listener.fileno()

    def accept(self, now_ns: int) -> Client | None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return None
        return Client(connection, now_ns)

    def leave(self) -> None:
        """In a child: when the supervisor is no more, who asks here is refused, and does not wait."""
        self._listener.close()

    def close(self) -> None:
        self._listener.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)


def ask(
    path: Path,
    request: dict[str, Any],
    timeout_s: float = 10.0,
    *,
    admit: Callable[[socket.socket], None] = lambda _: None,
) -> dict[str, Any]:
    """For the command line: one request, one reply. OSError when no daemon listens there, or `admit` raises it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        admit(connection)
        connection.sendall(json.dumps(request).encode() + b"\n")
        received = b""
        while not received.endswith(b"\n"):
            data = connection.recv(65536)
            if not data:
                raise ConnectionError("the daemon ended the connection without an answer")
            received += data
    reply = json.loads(received)
    if not isinstance(reply, dict):
        raise ConnectionError("the daemon answered something else than an object")
    return reply
