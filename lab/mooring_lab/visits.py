"""A client's HTTP requests from a machine of the lab, and who answered them. No process is started for them."""

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from mooring_lab import namespace
from mooring_lab.web_server import LINE_BYTES

_SECONDS = 3.0
_MOST_BYTES = 1 << 20
_PROMISED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Visit:
    """One request. Times are seconds of CLOCK_MONOTONIC."""

    at: float
    seconds: float
    server: str | None
    """Who answered, by its Server header; None when nobody did."""
    status: int = 0
    error: str = ""

    @property
    def good(self) -> bool:
        return self.status == 200


def connect(name: str, host: str, port: int, timeout: float) -> socket.socket:
    """A TCP connection out of a namespace; OSError."""
    return namespace.call(name, lambda: socket.create_connection((host, port), timeout))


def visit(name: str, url: str, timeout: float = _SECONDS) -> Visit:
    """One GET over a connection of its own, out of a namespace; a failure is a Visit too."""
    begun = time.monotonic()
    try:
        with _opened(name, url, timeout) as reply:
            reply.read(_MOST_BYTES)
            server, status = reply.getheader("Server"), reply.status
    except (OSError, http.client.HTTPException) as error:
        return Visit(begun, time.monotonic() - begun, None, error=str(error) or type(error).__name__)
    return Visit(begun, time.monotonic() - begun, server, status)


def tally(visits: Iterable[Visit]) -> dict[str, int]:
    """How many each server answered, by name; under "" those that nobody did, or not well."""
    return dict(sorted(Counter(each.server or "" if each.good else "" for each in visits).items()))


def _opened(name: str, url: str, timeout: float) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url!r} is no address of HTTP; write http://10.0.0.100/")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    connection.sock = connect(name, parts.hostname, parts.port or 80, timeout)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        return connection.getresponse()  # which owns the socket from here on, as the reply says close
    except BaseException:
        connection.close()
        raise


class Visitor:
    """Asks for a URL again and again in a thread of its own; `with Visitor(...) as v:` ends it."""

    def __init__(self, name: str, url: str, every: float = 0.05, timeout: float = 1.0) -> None:
        self.visits: list[Visit] = []
        self._ask = (name, url, timeout)
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            due = time.monotonic() + self._every
            self.visits.append(visit(*self._ask))
            self._stop.wait(max(due - time.monotonic(), 0))

    def failures(self, after: float = 0.0) -> list[Visit]:
        """Those that nobody answered well, of those that began after this time."""
        return [each for each in self.visits if each.at >= after and not each.good]

    def back(self, after: float) -> float | None:
        """When the first request was answered after which none failed; None when the last one failed."""
        failed = self.failures(after)
        since = failed[-1].at if failed else after
        return next((each.at + each.seconds for each in self.visits if each.at > since and each.good), None)

    def __enter__(self) -> "Visitor":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()


class Download:
    """A long download that runs in a thread of its own until it is whole, or breaks."""

    def __init__(self, name: str, url: str, timeout: float = _PROMISED_SECONDS) -> None:
        """Begin it; OSError when the connection is refused. `timeout`: so long may it be silent before it is broken."""
        self._reply = _opened(name, url, timeout)
        self.server = self._reply.getheader("Server")
        self.expected = int(self._reply.getheader("Content-Length") or 0)
        self.received = 0
        self.last_at = time.monotonic()
        self.longest_silence = 0.0
        self.error = ""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while data := self._reply.read(LINE_BYTES):
                now = time.monotonic()
                self.received += len(data)
                self.longest_silence = max(self.longest_silence, now - self.last_at)
                self.last_at = now
        except (OSError, http.client.HTTPException) as error:
            self.error = str(error) or type(error).__name__
        finally:
            self._reply.close()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def whole(self) -> bool:
        """Whether every byte came."""
        return not self.running and not self.error and self.received == self.expected

    def wait(self, timeout: float) -> bool:
        """Wait for its end; whether it is whole."""
        self._thread.join(timeout)
        return self.whole
