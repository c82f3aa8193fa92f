"""Serves the metrics, to strangers too: bounded in connections, time and memory (shell).

The port is open on the node's address, and next door runs VRRP: however many ask, the daemon's processes are asked
once a second, and whoever connects and says nothing takes the place of nobody who does.
"""

import asyncio
import socket
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mooring_node.agent.exposition import CONTENT_TYPE
from mooring_node.agent.metrics import State, render
from mooring_node.log import Log

#: So many at a time. One more has the place of the one that has been silent for longest; where all are being
#: answered, it is closed at once.
MOST_CONNECTIONS = 32
#: A request with its headers: in such a time, and so many bytes.
REQUEST_S = 5.0
LONGEST_REQUEST = 8192
#: Until the answer is made and read.
ANSWER_S = 30.0
#: So long an answer is good for all who ask.
FRESH_S = 1.0
#: No further answer is made while slow readers keep so many bytes of earlier ones.
MOST_HELD = 96 * 1024 * 1024
#: What is handed to the kernel at a time: the rest is the answer that all readers share, and no copy of it.
PIECE = 64 * 1024
#: Between two attempts to bind.
AGAIN_S = 5.0

PATHS = ("/metrics", "/")
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, eq=False)
class Page:
    """What a request is answered with."""

    status: str
    content: bytes
    content_type: str = TEXT
    more: str = ""
    """Headers of its own, each with its line's end."""

    def head(self) -> bytes:
        return (
            f"HTTP/1.1 {self.status}\r\nContent-Type: {self.content_type}\r\nContent-Length: {len(self.content)}\r\n"
            f"{self.more}Connection: close\r\n\r\n"
        ).encode()


BAD = Page("400 Bad Request", b"this is no HTTP/1.1\n")
NOT_FOUND = Page("404 Not Found", b"there is /metrics\n")
NOT_ALLOWED = Page("405 Method Not Allowed", b"only GET and HEAD\n", more="Allow: GET, HEAD\r\n")
TOO_LARGE = Page("431 Request Header Fields Too Large", b"the request is too large\n")
FAILED = Page("500 Internal Server Error", b"no metrics: the daemon's log says why\n")
BUSY = Page("503 Service Unavailable", b"slow readers keep too many answers\n")


class MetricsServer:
    """Serves from `start` to `stop`; both in the event loop. An address that is not here yet is tried again."""

    def __init__(self, address: str, port: int, read: Callable[[], Awaitable[State]], log: Log) -> None:
        """`read` asks the processes; it must answer in bounded time."""
        self._address = address
        self._port = port
        self._read = read
        self._log = log
        self._binding: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        # By age.
        self._silent: dict[asyncio.StreamWriter, None] = {}
        self._answered: set[asyncio.StreamWriter] = set()
        self._asking: asyncio.Task[Page] | None = None
        self._held: weakref.WeakSet[Page] = weakref.WeakSet()
        # Large tables take seconds to write down, and the agent's loop has to show progress: one thread, used by one
        # answer at a time, is all there is.
        self._writing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="metrics")

    @property
    def bound(self) -> bool:
        return self._server is not None

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._silent) + self.answering

    @property
    def answering(self) -> int:
        """How many of them have asked."""
        return len(self._answered)

    @property
    def fresh(self) -> bool:
        """Is there an answer, or one under way, that the next scraper shares?"""
        return self._asking is not None

    def start(self) -> None:
        self._binding = asyncio.get_running_loop().create_task(self._bind())

    async def stop(self) -> None:
        """Whoever is connected is cut off."""
        tasks = [task for task in (self._binding, self._asking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for writer in (*self._silent, *self._answered):
            writer.transport.abort()
        self._writing.shutdown(wait=False, cancel_futures=True)

    # The address.

    async def _bind(self) -> None:
        """Until it is bound; told once when it cannot be, and once when it is then."""
        where = f"[{self._address}]:{self._port}" if ":" in self._address else f"{self._address}:{self._port}"
        told = False
        while True:
            try:
                self._server = await self._listen()
            except (OSError, UnicodeError) as error:
                if not told:
                    again = f"tried again each {AGAIN_S:.0f} s; if it stays so, choose another --metrics-address"
                    self._log.write("error", f"no metrics: {where}: {error}; {again}")
                told = True
                await asyncio.sleep(AGAIN_S)
            else:
                if told:
                    self._log.write("info", f"metrics are served at {where} now")
                return

    async def _listen(self) -> asyncio.Server:
        family, where = await self._where()
        # A socket of our own: asyncio would make [::] speak IPv6 alone.
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Connections inherit it: what the kernel keeps of an answer counts as the container's memory.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * PIECE)
            opened.bind(where)
            return await asyncio.start_server(
                self._connected, sock=opened, limit=LONGEST_REQUEST, backlog=MOST_CONNECTIONS
            )
        except BaseException:
            opened.close()
            raise

    async def _where(self) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
        address, port, kind = self._address, self._port, socket.SOCK_STREAM
        try:
            # In bytes: for a text Python loads the tables of international names, 0.4 MiB.
            found = socket.getaddrinfo(address.encode(), port, type=kind, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            # A name: who answers for it may take long.
            found = await asyncio.get_running_loop().getaddrinfo(address, port, type=kind)
        return found[0][0], found[0][4]

    # A connection.

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._admit(writer):
            writer.transport.abort()
            return
        # What was sent has left us when `drain` returns: closing never waits for a reader.
        writer.transport.set_write_buffer_limits(0)
        try:
            async with asyncio.timeout(REQUEST_S):
                line = await _request(reader)
            # Not one that has been cut off meanwhile.
            if writer in self._silent:
                del self._silent[writer]
                self._answered.add(writer)
                async with asyncio.timeout(ANSWER_S):
                    await self._answer(line, writer)
                writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # theirs to tell
        finally:
            self._silent.pop(writer, None)
            self._answered.discard(writer)
            if not writer.is_closing():
                writer.transport.abort()

    def _admit(self, writer: asyncio.StreamWriter) -> bool:
        if self.connections >= MOST_CONNECTIONS:
            if not self._silent:
                return False
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            oldest.transport.abort()
        self._silent[writer] = None
        return True

    async def _answer(self, line: bytes | None, writer: asyncio.StreamWriter) -> None:
        page = await self._page(line)
        writer.write(page.head())
        await writer.drain()
        if line is not None and line.startswith(b"HEAD "):
            return
        content = memoryview(page.content)
        for start in range(0, len(content), PIECE):
            writer.write(content[start : start + PIECE])
            await writer.drain()

    async def _page(self, line: bytes | None) -> Page:
        """For a request's first line; None: the request was too large."""
        if line is None:
            return TOO_LARGE
        match line.split(b" "):
            case [method, target, version] if version.startswith(b"HTTP/1."):
                path = target.partition(b"?")[0].decode("latin-1")
            case _:
                return BAD
        if path not in PATHS:
            return NOT_FOUND
        if method not in (b"GET", b"HEAD"):
            return NOT_ALLOWED
        return await self._metrics()

    # The answer that all share.

    async def _metrics(self) -> Page:
        if self._asking is None:
            if sum(len(page.content) for page in self._held) > MOST_HELD:
                return BUSY
            self._asking = asyncio.get_running_loop().create_task(self._ask())
        # Who goes away does not take the others' answer along.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Page:
        loop = asyncio.get_running_loop()
        try:
            content = await loop.run_in_executor(self._writing, render, await self._read())
        except Exception as error:  # noqa: BLE001 - a mistake of ours, or no memory: told, no reason to end
            self._log.write("error", f"a scrape failed: {type(error).__name__}: {error}")
            return FAILED
        else:
            page = Page("200 OK", content, CONTENT_TYPE)
            self._held.add(page)
            return page
        finally:
            loop.call_later(FRESH_S, self._forget)

    def _forget(self) -> None:
        self._asking = None


async def _request(reader: asyncio.StreamReader) -> bytes | None:
    """The first line of a request that is whole; None where it is too large. IncompleteReadError, OSError."""
    try:
        return (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]
    except asyncio.LimitOverrunError:
        return None
