"""The runner in a real loop, against sockets of this host."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from mooring_node.checks.attempt import Scope, readable
from mooring_node.checks.config import CheckConfig, Target, TCPProbe
from mooring_node.checks.runner import Runner
from mooring_node.checks.verdict import GOOD, Outcome, Reason, Verdict, Withheld

MS = 1_000_000
QUICK = CheckConfig(
    TCPProbe(),
    interval_ns=20 * MS,
    interval_down_ns=20 * MS,
    timeout_ns=10_000 * MS,
    retries=0,
    delay_before_retry_ns=5 * MS,
    warmup_ns=20 * MS,
)


class Ear:
    """Hears verdicts and waits for the next."""

    def __init__(self) -> None:
        self.heard: list[tuple[Target, Verdict]] = []
        self.troubles: list[str] = []
        self._queue: asyncio.Queue[tuple[Target, Verdict]] = asyncio.Queue()

    def __call__(self, target: Target, verdict: Verdict) -> None:
        self.heard.append((target, verdict))
        self._queue.put_nowait((target, verdict))

    async def next(self) -> tuple[Target, Verdict]:
        return await asyncio.wait_for(self._queue.get(), 30)


def running(test: Callable[[Runner, Ear], Awaitable[None]], **options: Any) -> Ear:
    """Run a test beside a runner; the runner ends well."""

    async def both() -> Ear:
        ear = Ear()
        runner = Runner(ear, ear.troubles.append, **options)
        task = asyncio.create_task(runner.run())
        try:
            await asyncio.wait_for(test(runner, ear), 60)
        finally:
            runner.stop()
            await task
        return ear

    return asyncio.run(both())


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        yield listening


def port_of(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return port_of(gone)


def test_an_open_port_is_good_and_a_closed_one_is_refused(server: socket.socket) -> None:
    alive, dead = Target(QUICK, "127.0.0.1", port_of(server)), Target(QUICK, "127.0.0.1", closed_port())

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([alive, dead, alive])
        verdicts = dict([await ear.next(), await ear.next()])
        assert verdicts[alive].good
        assert verdicts[alive].reason is Reason.SUCCESS
        assert (verdicts[dead].good, verdicts[dead].reason) == (False, Reason.REFUSED)
        assert runner.verdict(alive) == verdicts[alive]

    running(test)


def test_ipv6() -> None:
    async def test(runner: Runner, ear: Ear) -> None:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
            runner.set_targets([Target(QUICK, "::1", port_of(listening))])
            assert (await ear.next())[1].good

    running(test)


def test_nothing_is_told_twice(server: socket.socket) -> None:
    asked = 0

    async def probe(_scope: Scope, _target: Target) -> Outcome:
        nonlocal asked
        asked += 1
        return GOOD

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([Target(QUICK, "127.0.0.1", port_of(server))])
        await ear.next()
        while asked < 5:
            await asyncio.sleep(0.01)

    assert len(running(test, probes=probe).heard) == 1


def test_a_probe_with_a_bug_is_bad_and_ends_nothing() -> None:
    async def probe(_scope: Scope, _target: Target) -> Outcome:
        raise ZeroDivisionError("a bug")

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([Target(QUICK, "192.0.2.1", 80)])
        _, verdict = await ear.next()
        assert (verdict.good, verdict.reason, verdict.words) == (False, Reason.INTERNAL, "ZeroDivisionError: a bug")
        runner.set_targets([Target(QUICK, "192.0.2.2", 80)])
        await ear.next()

    running(test, probes=probe)


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), OSError(105, "No buffer space"), Withheld("no")])
def test_what_this_host_lacks_is_no_verdict(error: Exception) -> None:
    tried = asyncio.Event()

    async def probe(_scope: Scope, _target: Target) -> Outcome:
        tried.set()
        raise error

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([Target(replace(QUICK, retries=0), "192.0.2.1", 80)])
        await tried.wait()
        while not runner.counters.withheld > 2:
            await asyncio.sleep(0.01)
        assert not ear.heard

    assert len(running(test, probes=probe).troubles) == 1


def test_a_removed_target_is_cancelled_and_never_tells(server: socket.socket) -> None:
    opened: list[socket.socket] = []

    async def probe(scope: Scope, _target: Target) -> Outcome:
        sock = scope.socket(socket.AF_INET, socket.SOCK_STREAM)
        opened.append(sock)
        sock.connect_ex(("127.0.0.1", port_of(server)))
        await readable(sock.fileno())
        return GOOD

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([Target(QUICK, "127.0.0.1", port_of(server))])
        while not opened:
            await asyncio.sleep(0.01)
        runner.set_targets([])
        assert opened[0].fileno() == -1
        assert runner.to_wire()["running"] == 0
        await asyncio.sleep(0.05)
        assert not ear.heard

    running(test, probes=probe)


def test_a_try_that_takes_too_long_is_a_timeout(server: socket.socket) -> None:
    async def probe(scope: Scope, _target: Target) -> Outcome:
        sock = scope.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.connect_ex(("127.0.0.1", port_of(server)))
        while True:
            await readable(sock.fileno())

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([Target(replace(QUICK, timeout_ns=30 * MS), "127.0.0.1", port_of(server))])
        _, verdict = await ear.next()
        assert (verdict.good, verdict.reason) == (False, Reason.TIMEOUT)

    running(test, probes=probe)
