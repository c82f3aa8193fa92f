"""The server that is checked, and counts: one port on all of 127.0.0.0/8, each address a backend of its own.

Run as a program it prints its port; then for each line on standard input it begins to count anew and prints what it
has counted: `{"seconds", "backends", "connections", "fewest", "most", "worstGapSeconds"}`.
"""

import contextlib
import json
import select
import socket
import sys
import time


class Counts:
    """Connections by address, and the longest time that one of them was left alone."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.connections: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self.worst = 0.0

    def add(self, address: str) -> None:
        now = time.monotonic()
        last = self._last.get(address)
        if last is not None and now - last > self.worst:
            self.worst = now - last
        self._last[address] = now
        self.connections[address] = self.connections.get(address, 0) + 1

    def to_json(self) -> str:
        counts = self.connections.values()
        return json.dumps(
            {
                "seconds": time.monotonic() - self.began,
                "backends": len(counts),
                "connections": sum(counts),
                "fewest": min(counts, default=0),
                "most": max(counts, default=0),
                "worstGapSeconds": self.worst,
            }
        )


def main() -> None:
    """Until standard input ends."""
    listening = socket.create_server(("0.0.0.0", 0), backlog=4096)
    listening.setblocking(False)
    print(listening.getsockname()[1], flush=True)
    counts = Counts()
    waiting = select.epoll()
    waiting.register(listening, select.EPOLLIN)
    waiting.register(sys.stdin, select.EPOLLIN)
    while True:
        ready = {descriptor for descriptor, _ in waiting.poll()}
        if listening.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                while True:
                    connection, _ = listening.accept()
                    counts.add(connection.getsockname()[0])
                    connection.close()
        if sys.stdin.fileno() in ready:
            if not sys.stdin.readline():
                return
            print(counts.to_json(), flush=True)
            counts = Counts()


if __name__ == "__main__":
    main()
