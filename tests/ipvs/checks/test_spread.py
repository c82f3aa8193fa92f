"""Hundreds of backends: all are checked on time, and not in bursts. Counted at the server, by the virtual clock."""

import asyncio
import contextlib
import socket
import threading
import time
from collections import Counter
from itertools import pairwise

from mooring_node.checks.config import CheckConfig, Target, TCPProbe
from mooring_node.checks.runner import Runner

MS = 1_000_000
BACKENDS, SECONDS = 500, 5
CHECK = CheckConfig(TCPProbe(), 1000 * MS, 1000 * MS, 1000 * MS, retries=0, warmup_ns=1000 * MS)


def test_all_are_on_time_and_none_come_in_a_burst() -> None:
    came: list[tuple[int, str]] = []
    with socket.create_server(("0.0.0.0", 0), backlog=1024) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    came.append((time.monotonic_ns(), connection.getsockname()[0]))
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        targets = [Target(CHECK, f"127.1.{number // 250}.{number % 250 + 1}", port) for number in range(BACKENDS)]

        async def check() -> None:
            runner = Runner(lambda *_: None)
            task = asyncio.create_task(runner.run())
            runner.set_targets(targets)
            await asyncio.sleep(1)
            # Others come and go: those that stay keep their beat.
            runner.set_targets([*targets, *(Target(CHECK, "127.9.9.9", port) for _ in range(3))])
            await asyncio.sleep(1)
            runner.set_targets(targets)
            await asyncio.sleep(SECONDS - 1.5)
            runner.stop()
            await task

        asyncio.run(check())
        server.shutdown(socket.SHUT_RDWR)
        thread.join()

    begin = came[0][0]
    by_address: dict[str, list[int]] = {}
    for at, address in came:
        by_address.setdefault(address, []).append(at)
    by_address.pop("127.9.9.9")
    assert len(by_address) == BACKENDS
    for moments in by_address.values():
        assert len(moments) >= SECONDS
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        # The server is a thread here: it may wait 5 ms for the interpreter before it looks at the clock.
        assert all(990 * MS <= gap <= 1010 * MS for gap in gaps), gaps
    # Evenly spread, 5 fall into each hundredth of a second.
    windows = Counter((at - begin) // (10 * MS) for at, _ in came)
    assert max(windows.values()) <= 2 * BACKENDS // 100
