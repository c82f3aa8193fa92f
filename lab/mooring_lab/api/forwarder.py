"""Lets a namespace reach a server on this host's loopback: listens inside, connects outside.

`python -m mooring_lab.api.forwarder NAMESPACE LISTEN TARGET` runs until it is ended; LISTEN and TARGET are
`ADDRESS:PORT`. While nobody answers at TARGET, connections are reset, as by a server that is down.
"""

import argparse
import asyncio
import signal
import socket
import struct
import sys
from collections.abc import Sequence

from mooring_lab import namespace

_PIECE = 65536
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


def listen_inside(name: str, address: str, port: int) -> socket.socket:
    """A socket that belongs to the namespace, whoever uses it."""

    def make() -> socket.socket:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(64)
        return listening

    return namespace.call(name, make)


async def forward(listening: socket.socket, target: tuple[str, int]) -> None:
    """Until it is cancelled."""

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(*target)
        except OSError:
            _reset(writer)
            return
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))

    server = await asyncio.start_server(accepted, sock=listening)
    async with server:
        await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    except OSError:
        _reset(writer)
    finally:
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side is told at once."""
    connected = writer.get_extra_info("socket")
    if connected is not None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    writer.close()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: write ADDRESS:PORT")
    return host, int(port)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mooring_lab.api.forwarder")
    parser.add_argument("namespace")
    parser.add_argument("listen", type=_address)
    parser.add_argument("target", type=_address)
    options = parser.parse_args(arguments)
    listening = listen_inside(options.namespace, *options.listen)
    sys.stdout.write("listening\n")
    sys.stdout.flush()

    async def run() -> None:
        task = asyncio.ensure_future(forward(listening, options.target))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return

    asyncio.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
