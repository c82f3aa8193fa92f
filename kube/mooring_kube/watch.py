"""A watch: the API server's stream of changes, one JSON object a line."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mooring_kube.errors import Unreachable, api_error

#: Twice what etcd takes for one object.
LONGEST_LINE = 4 * 1024 * 1024
_PIECE = 65536


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """ADDED, MODIFIED, DELETED or BOOKMARK (whose object has nothing but a resourceVersion)."""

    type: str
    object: dict[str, Any]

    @property
    def resource_version(self) -> str:
        return str((self.object.get("metadata") or {}).get("resourceVersion") or "")


class Watch:
    """Iterate over it in one thread; `close` from any other ends the iteration.

    The iteration ends when the server ends the stream, and raises Gone when it has forgotten our version,
    another ApiError when it says so, Unreachable when the stream breaks or is not what a server sends.
    """

    def __init__(self, connected: socket.socket, response: http.client.HTTPResponse) -> None:
        self._connected = connected
        self._response = response
        self._closed = threading.Event()
        self._read = False

    def __iter__(self) -> Iterator[WatchEvent]:
        self._read = True
        try:
            for line in self._lines():
                yield _event(line)
        finally:
            self._release()

    def close(self) -> None:
        """End it; nothing is left open once the iterating thread has noticed."""
        self._closed.set()
        with suppress(OSError):
            # Not SSLSocket's own, which would take the TLS state away from the thread that reads.
            socket.socket.shutdown(self._connected, socket.SHUT_RDWR)
        if not self._read:
            self._release()

    def _release(self) -> None:
        self._response.close()
        self._connected.close()

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        while not self._closed.is_set():
            try:
                piece = self._response.read1(_PIECE)
            except (OSError, ValueError, http.client.HTTPException) as error:
                if self._closed.is_set():
                    return
                raise Unreachable(f"the watch broke off: {error or type(error).__name__}") from error
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > LONGEST_LINE:
                raise Unreachable("the watch sent a line that no object can be")
            yield from (line for line in lines if line)


def _event(line: bytes) -> WatchEvent:
    try:
        said = json.loads(line)
        event = WatchEvent(str(said["type"]), said["object"])
        if not isinstance(event.object, dict):
            raise TypeError("its object is none")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreachable(f"the watch sent what is no event: {line[:80]!r}") from error
    if event.type == "ERROR":
        code = event.object.get("code")
        raise api_error(code if isinstance(code, int) else 500, event.object)
    return event
