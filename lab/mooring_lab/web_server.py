"""An HTTP server that says its name: what a lab balances over.

`python -m mooring_lab.web_server NAME --port 80 --port 8080` answers on all addresses of its machine, both families:

    /                    its name
    /healthz             200, or what it was told
    /wait/SECONDS        its name, after so long
    /download/SECONDS    a line with its name and a number each 100 ms for so long
    /told                what it has been asked so far, as JSON
    PUT /behave          {"status": 503, "delay": 2.5}: how `/` and `/healthz` answer from now on; asked from its own
                         machine alone

It is for labs: standard library alone, one process, started in a fraction of a second.
"""

import argparse
import asyncio
import ipaddress
import json
import signal
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus

DEFAULT_PORTS = (80, 8080)
#: Each line of a download is so long, so that its whole length is known before it begins.
LINE_BYTES = 32
LINE_SECONDS = 0.1
_MOST_SECONDS = 3600.0
_BACKLOG = 1024


class WebServer:
    """What it has been asked, and how it answers."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._asked: Counter[str] = Counter()
        self._connections = 0
        self._status = HTTPStatus.OK
        self._delay = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until its client ends it."""
        self._connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # the client is gone, or speaks no HTTP
        except asyncio.CancelledError:
            pass  # we end; Python 3.11 would complain of a task that says so
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; whether another may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request, *lines = head.rstrip().split("\r\n")
        method, path, version = request.split(" ")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self._asked[path] += 1
        stays = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        if path.startswith("/download/"):
            await self._download(writer, _seconds(path))
        else:
            status, text = await self._reply(method, path, body, writer)
            self._head(writer, status, len(text), stays=stays)
            writer.write(text if method != "HEAD" else b"")
            await writer.drain()
            return stays
        return False

    async def _reply(
        self, method: str, path: str, body: bytes, writer: asyncio.StreamWriter
    ) -> tuple[HTTPStatus, bytes]:
        match path.split("/")[1:]:
            case ["behave"] if method == "PUT" and _from_here(writer):
                told = json.loads(body)
                self._status, self._delay = HTTPStatus(told.get("status", 200)), float(told.get("delay", 0))
                return HTTPStatus.OK, b"{}\n"
            case ["told"]:
                told = {"name": self._name, "connections": self._connections, "requests": self._asked}
                return HTTPStatus.OK, json.dumps(told).encode() + b"\n"
            case ["wait", _]:
                await asyncio.sleep(_seconds(path))
                return HTTPStatus.OK, self._name.encode() + b"\n"
            case [""] | ["healthz"]:
                await asyncio.sleep(self._delay)
                return self._status, self._name.encode() + b"\n"
        return HTTPStatus.NOT_FOUND, b"nothing is here\n"

    async def _download(self, writer: asyncio.StreamWriter, seconds: float) -> None:
        lines = round(seconds / LINE_SECONDS)
        self._head(writer, HTTPStatus.OK, lines * LINE_BYTES, stays=False)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number in range(lines):
            writer.write(f"{self._name} {number}".ljust(LINE_BYTES - 1).encode() + b"\n")
            await writer.drain()
            await asyncio.sleep(max(begun + (number + 1) * LINE_SECONDS - loop.time(), 0))

    def _head(self, writer: asyncio.StreamWriter, status: HTTPStatus, length: int, *, stays: bool) -> None:
        connection = "keep-alive" if stays else "close"
        head = (f"HTTP/1.1 {status.value} {status.phrase}", f"Server: {self._name}", "Content-Type: text/plain")
        end = (f"Content-Length: {length}", f"Connection: {connection}", "", "")
        writer.write("\r\n".join((*head, *end)).encode())


def _seconds(path: str) -> float:
    return min(max(float(path.rpartition("/")[2]), 0.0), _MOST_SECONDS)


def _from_here(writer: asyncio.StreamWriter) -> bool:
    address = ipaddress.ip_address(writer.get_extra_info("peername")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _listen(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("::", port))
    made.listen(_BACKLOG)
    return made


async def _run(name: str, ports: Sequence[int]) -> None:
    server = WebServer(name)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listening = [await asyncio.start_server(server.serve, sock=_listen(port)) for port in ports]
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    await stop.wait()
    for each in listening:
        each.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="mooring_lab.web_server")
    parser.add_argument("name")
    parser.add_argument("--port", type=int, action="append", default=[])
    options = parser.parse_args(arguments)
    asyncio.run(_run(options.name, options.port or DEFAULT_PORTS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
