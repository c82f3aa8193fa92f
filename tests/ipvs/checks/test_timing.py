"""The promise of a check, exact: in the guest a sleep is a sleep of the virtual clock, and computing takes no time.

A timer of the runner's may be early by a millisecond and is never late; so is the sum of them.
"""

import asyncio
import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import pytest

from mooring_node.checks.config import CheckConfig, HTTPProbe, Probe, RequestConfig, Target, TCPProbe
from mooring_node.checks.runner import Runner
from mooring_node.checks.verdict import Reason, Verdict

MS = 1_000_000
CHECK = CheckConfig(
    TCPProbe(),
    interval_ns=1000 * MS,
    interval_down_ns=700 * MS,
    timeout_ns=400 * MS,
    retries=2,
    delay_before_retry_ns=250 * MS,
    warmup_ns=1000 * MS,
)
TRIES_NS = 3 * CHECK.timeout_ns + 2 * CHECK.delay_before_retry_ns
BOUND_NS = CHECK.interval_ns + CHECK.timeout_ns + 2 * (CHECK.delay_before_retry_ns + CHECK.timeout_ns)
EARLY_NS = 1 * MS


class Server:
    """Serves HTTP, or anybody who connects; notes when each connection came, until it is closed or falls silent."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._socket.getsockname()[1])
        self.came: list[int] = []
        self.silent = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.came.append(time.monotonic_ns())
            with contextlib.suppress(OSError), connection:
                if connection.recv(4096) and not self.silent:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                else:
                    connection.recv(4096)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    serving = Server()
    yield serving
    serving.close()


@pytest.fixture
def drop(server: Server) -> Iterator[Callable[[], None]]:
    """Lets the server's port vanish without a word."""

    def nft(text: str) -> None:
        subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)

    def vanish() -> None:
        rule = f"add rule ip silence input tcp dport {server.port} drop"
        nft(f"add table ip silence; add chain ip silence input {{ type filter hook input priority 0; }}; {rule}")

    yield vanish
    nft("add table ip silence; delete table ip silence")


def watched(
    server: Server, check: CheckConfig, life: Callable[[Callable[[], Awaitable[tuple[Verdict, int]]]], Awaitable[None]]
) -> None:
    """Run `life` with a function that waits for the next verdict and the moment it came."""

    async def run() -> None:
        heard: asyncio.Queue[tuple[Verdict, int]] = asyncio.Queue()
        runner = Runner(lambda _, verdict: heard.put_nowait((verdict, time.monotonic_ns())))
        task = asyncio.create_task(runner.run())
        runner.set_targets([Target(check, "127.0.0.1", server.port)])
        try:
            await life(heard.get)
        finally:
            runner.stop()
            await task

    asyncio.run(run())


async def server_at(server: Server, phase_ms: int) -> None:
    """Until so long after the beginning of a check, which has been seen by the server."""
    await asyncio.sleep(3.5)
    beat = server.came[-1] + CHECK.interval_ns
    await asyncio.sleep((beat + phase_ms * MS - time.monotonic_ns()) / 1e9)


@pytest.mark.parametrize("phase_ms", [3, 250, 500, 997])
@pytest.mark.parametrize("probe", [TCPProbe(), HTTPProbe((RequestConfig(body_pattern="ok"),))], ids=["tcp", "http"])
def test_a_backend_that_vanishes_is_bad_at_the_end_of_its_last_try(
    server: Server, drop: Callable[[], None], probe: Probe, phase_ms: int
) -> None:
    async def life(verdict: Callable[[], Awaitable[tuple[Verdict, int]]]) -> None:
        assert (await verdict())[0].good
        await server_at(server, phase_ms)
        drop()
        last, died = server.came[-1], time.monotonic_ns()
        found, at = await verdict()
        assert (found.good, found.reason) == (False, Reason.TIMEOUT)
        expected = last + CHECK.interval_ns + TRIES_NS
        assert expected - 6 * EARLY_NS <= at <= expected + EARLY_NS
        assert at <= died + BOUND_NS

    watched(server, replace(CHECK, probe=probe), life)


@pytest.mark.parametrize("phase_ms", [3, 500, 997])
def test_a_closed_port_is_bad_within_one_interval(server: Server, phase_ms: int) -> None:
    async def life(verdict: Callable[[], Awaitable[tuple[Verdict, int]]]) -> None:
        await verdict()
        await server_at(server, phase_ms)
        last, died = server.came[-1], time.monotonic_ns()
        server.close()
        found, at = await verdict()
        assert (found.good, found.reason) == (False, Reason.REFUSED)
        assert last + CHECK.interval_ns - 2 * EARLY_NS <= at <= last + CHECK.interval_ns + EARLY_NS
        assert at <= died + CHECK.interval_ns

    watched(server, replace(CHECK, retries=0), life)


def test_a_silent_http_server_is_bad_and_comes_back_after_rise(server: Server) -> None:
    rise = 3

    async def life(verdict: Callable[[], Awaitable[tuple[Verdict, int]]]) -> None:
        await verdict()
        await server_at(server, 500)
        last = server.came[-1]
        server.silent = True
        found, at = await verdict()
        assert (found.good, found.words) == (False, "timed out while waiting for the reply to /")
        assert (
            last + CHECK.interval_ns + TRIES_NS - 6 * EARLY_NS <= at <= last + CHECK.interval_ns + TRIES_NS + EARLY_NS
        )
        await asyncio.sleep(5)
        server.silent = False
        back = time.monotonic_ns()
        found, at = await verdict()
        assert found.good
        # The check that is under way may yet succeed, and the next may follow it at once: two of them are for free.
        assert back + (rise - 2) * CHECK.interval_down_ns - EARLY_NS <= at
        assert at <= back + TRIES_NS + rise * CHECK.interval_down_ns

    watched(server, replace(CHECK, probe=HTTPProbe(), rise=rise), life)


def test_checks_keep_their_beat_for_a_minute(server: Server) -> None:
    async def life(verdict: Callable[[], Awaitable[tuple[Verdict, int]]]) -> None:
        await verdict()
        await asyncio.sleep(90)
        planned = [server.came[0] + number * CHECK.interval_ns for number in range(len(server.came))]
        assert len(planned) >= 90
        off = [came - at for came, at in zip(server.came, planned, strict=True)]
        assert max(map(abs, off)) <= 2 * EARLY_NS, "none is left out, none is late, and it does not drift"

    watched(server, CHECK, life)
