"""The driver: nobody is resumed but by what it waits for, and nobody keeps the others waiting."""

import asyncio
import random
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.unit.node.checks.trying import head, serving, target, tried

from mooring_node.checks.attempt import Attempt, Driver, breathe, readable, writable
from mooring_node.checks.config import HTTPProbe, RequestConfig, Target, TCPProbe
from mooring_node.checks.runner import Runner
from mooring_node.checks.verdict import GOOD, Outcome, Reason, Verdict, Withheld

MS = 1_000_000
#: What costs the most: an automaton of a million states.
COSTLY = RequestConfig(body_pattern="[ab]*a[ab]{20}c")
LARGE = bytes(random.Random(1).choices(b"ab", k=200 * 1024))


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.close()


@pytest.fixture
def ready() -> Iterator[socket.socket]:
    """What can always be read, and written to."""
    near, far = socket.socketpair()
    with near, far:
        far.send(b"x")
        yield near


def whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def serve_large(connection: socket.socket) -> None:
    head(connection)
    connection.sendall(whole(LARGE))


def test_one_that_breathes_is_resumed_once_a_turn_whatever_its_descriptor_has(
    driver: Driver, ready: socket.socket
) -> None:
    steps = 0

    async def probe() -> Outcome:
        nonlocal steps
        await readable(ready.fileno())
        while steps < 10:
            await breathe()
            steps += 1
        return GOOD

    ended: list[Outcome | None] = []
    attempt = Attempt(driver, lambda _, outcome: ended.append(outcome))
    attempt.run(probe())
    driver.turn()
    for expected in range(1, 10):
        assert steps in (expected - 1, expected)
        assert driver.breathing == 1
        driver.turn()
    while driver.busy:
        driver.turn()
    assert ended == [GOOD]


def test_after_a_breath_one_waits_for_its_descriptor_anew(driver: Driver, ready: socket.socket) -> None:
    async def probe() -> Outcome:
        await readable(ready.fileno())
        await breathe()
        assert not await writable(ready.fileno())
        await readable(ready.fileno())
        return GOOD

    ended: list[Outcome | None] = []
    attempt = Attempt(driver, lambda _, outcome: ended.append(outcome))
    attempt.run(probe())
    for _ in range(5):
        driver.turn()
    assert ended == [GOOD]
    assert not select.select([driver], [], [], 0)[0]


def test_one_that_is_cancelled_while_it_breathes_is_not_resumed(driver: Driver) -> None:
    steps = 0

    async def probe() -> Outcome:
        nonlocal steps
        while True:
            await breathe()
            steps += 1

    attempts = [Attempt(driver, lambda *_: None) for _ in range(3)]
    for attempt in attempts:
        attempt.run(probe())
    attempts[1].cancel()
    driver.turn()
    assert steps == 2
    for attempt in attempts:
        attempt.cancel()
    assert not driver.busy


def test_a_turn_ends_although_all_want_to_compute(driver: Driver, ready: socket.socket) -> None:
    """A thousand steps of 5 ms are ten turns at least; and events are served in each."""
    steps, served = 0, 0

    async def compute() -> Outcome:
        nonlocal steps
        while True:
            await breathe()
            time.sleep(0.005)
            steps += 1

    async def serve() -> Outcome:
        nonlocal served
        while True:
            await readable(ready.fileno())
            served += 1

    attempts = [Attempt(driver, lambda *_: None) for _ in range(101)]
    attempts[0].run(serve())
    for attempt in attempts[1:]:
        attempt.run(compute())
    for turn in range(1, 11):
        driver.turn()
        assert 0 < steps <= 4 * turn
        assert served == turn
    for attempt in attempts:
        attempt.cancel()


def test_at_the_end_of_its_time_what_has_come_is_heard_and_nothing_is_computed(
    driver: Driver, ready: socket.socket
) -> None:
    steps = 0

    async def probe() -> Outcome:
        nonlocal steps
        await readable(ready.fileno())
        while True:
            await breathe()
            steps += 1

    attempt = Attempt(driver, lambda *_: None)
    attempt.run(probe())
    assert not attempt.breathing
    attempt.hear_out()
    assert attempt.breathing
    attempt.hear_out()
    assert steps == 0
    attempt.cancel()


def test_two_requests_with_large_bodies() -> None:
    with serving(serve_large) as port:
        probe = HTTPProbe((RequestConfig("/a"), RequestConfig("/b")))
        assert tried(target(probe, port)) == GOOD
        searched = replace(COSTLY, pattern_is_bad=True, body_pattern="ab*c")
        assert tried(target(HTTPProbe((searched, searched)), port)) == GOOD


def test_a_search_that_we_have_no_time_for_is_not_the_backends_fault() -> None:
    with serving(serve_large) as port, pytest.raises(Withheld, match="bodyPattern"):
        tried(target(HTTPProbe((COSTLY,)), port), timeout_s=1)


def test_costly_searches_are_resumed_once_each_and_others_go_on_meanwhile() -> None:
    costly = 20
    most = 0

    async def check(port: int) -> None:
        nonlocal most
        heard: asyncio.Queue[tuple[Target, Verdict]] = asyncio.Queue()
        runner = Runner(lambda *what: heard.put_nowait(what))
        task = asyncio.create_task(runner.run())
        slow = target(HTTPProbe((COSTLY,)), port, warmup_ns=0, timeout_ns=3600_000 * MS)
        targets = [replace(slow, check=replace(slow.check, fall=number)) for number in range(1, costly + 1)]
        runner.set_targets(targets)
        while runner._driver.breathing < costly:
            await asyncio.sleep(0.01)
        quick = target(TCPProbe(), port, warmup_ns=0, interval_ns=10 * MS, retries=0)
        runner.set_targets([*targets, quick])
        found, verdict = await asyncio.wait_for(heard.get(), 60)
        assert (found, verdict.reason) == (quick, Reason.SUCCESS)
        for _ in range(20):
            await asyncio.sleep(0)
            most = max(most, runner._driver.breathing)
        runner.stop()
        await task

    with serving(serve_large) as port:
        asyncio.run(check(port))
    assert most <= costly
