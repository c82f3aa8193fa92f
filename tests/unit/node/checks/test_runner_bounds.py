"""What the runner bounds: time that is given back, work of one turn, scripts at once."""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.unit.node.checks.test_runner import MS, QUICK, TARGET, Ear, running

from mooring_node.checks.attempt import Scope, readable
from mooring_node.checks.config import ScriptProbe, Target
from mooring_node.checks.runner import Runner
from mooring_node.checks.schedule import Deadlines
from mooring_node.checks.verdict import GOOD, Outcome, Reason
from mooring_node.checks.watched import Watched


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for each in ends:
        os.close(each)


async def something_in(pipe: tuple[int, int], scope: Scope) -> None:
    """Each try has a descriptor of its own, which an epoll asks for."""
    own = os.dup(pipe[0])
    scope.at_end(lambda: os.close(own))
    await readable(own)


def test_time_that_we_slept_is_given_back_once(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that sleeps again and again beyond a deadline would never tell of a backend that is silent."""
    stalls = given_back = 0
    real = Deadlines.set

    def counted(deadlines: Deadlines[Watched], watched: Watched, at: int) -> None:
        nonlocal given_back
        # Of a try that is under way: its first deadline is set before it begins.
        given_back += watched.attempt is not None
        real(deadlines, watched, at)

    monkeypatch.setattr(Deadlines, "set", counted)

    def stall() -> None:
        nonlocal stalls
        stalls += 1
        time.sleep(0.3)
        asyncio.get_running_loop().call_later(0.02, stall)

    async def probe(_scope: Scope, _target: Target) -> Outcome:
        asyncio.get_running_loop().call_soon(stall)
        await readable(pipe[0])
        return GOOD

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([replace(TARGET, check=replace(QUICK, timeout_ns=100 * MS, interval_ns=3600_000 * MS))])
        while not ear.heard and stalls < 10:
            await asyncio.sleep(0.001)
        assert [verdict.reason for _, verdict in ear.heard] == [Reason.TIMEOUT]
        assert given_back == 1

    running(test, probes=probe)


def test_costly_steps_of_tries_whose_time_is_up_do_not_add_up(pipe: tuple[int, int]) -> None:
    """All of them have heard something when this process awakes, beyond their time."""
    steps, most = 0, 0

    async def probe(scope: Scope, target: Target) -> Outcome:
        nonlocal steps
        if target.port == 1:
            asyncio.get_running_loop().call_later(0.05, stall)
        await something_in(pipe, scope)
        time.sleep(0.03)
        steps += 1
        return GOOD

    def stall() -> None:
        time.sleep(0.5)
        os.write(pipe[1], b"x")

    async def test(runner: Runner, _ear: Ear) -> None:
        nonlocal most
        check = replace(QUICK, timeout_ns=200 * MS, warmup_ns=0, interval_ns=3600_000 * MS)
        runner.set_targets([replace(TARGET, check=check, port=port) for port in range(1, 21)])
        before = 0
        while steps < 20:
            await asyncio.sleep(0)
            most, before = max(most, steps - before), steps

    running(test, probes=probe)
    assert most <= 6, "two turns of a loop, each with two slices, are four; without a bound they are all"


def test_scripts_at_once(pipe: tuple[int, int]) -> None:
    """Each is a process."""
    begun = 0

    async def probe(scope: Scope, _target: Target) -> Outcome:
        nonlocal begun
        begun += 1
        await something_in(pipe, scope)
        return GOOD

    async def test(runner: Runner, _ear: Ear) -> None:
        checks = [replace(QUICK, probe=ScriptProbe("x"), warmup_ns=0, fall=fall) for fall in range(1, 129)]
        runner.set_targets([replace(TARGET, check=check) for check in checks])
        while begun < 64:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0.001)
        assert begun == 64
        assert runner.to_wire()["running"] == 64

    running(test, probes=probe)
