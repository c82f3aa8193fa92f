"""The runner in a real loop, against sockets of this host."""

import asyncio
import errno
import json
import os
import resource
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from mooring_node.checks.attempt import Driver, Scope, readable
from mooring_node.checks.config import CheckConfig, Target, TCPProbe
from mooring_node.checks.runner import Runner, allow_descriptors
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


@pytest.mark.parametrize(
    "error", [OSError(24, "Too many open files"), OSError(105, "No buffer space"), MemoryError(), Withheld("no")]
)
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


def test_what_keeps_this_host_from_checking_is_told_of_each_target_and_when_it_is_over() -> None:
    no_port = Withheld("connections cannot come from port 7")
    script: list[Exception | Outcome] = [no_port, no_port, Withheld("no memory"), GOOD, no_port]
    heard: list[tuple[int, str]] = []

    async def probe(_scope: Scope, target: Target) -> Outcome:
        if target.port == 2:
            return BAD
        step = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(step, Exception):
            raise step
        return step

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([replace(TARGET, port=1), replace(TARGET, port=2)])
        while len(heard) < 4:
            await asyncio.sleep(0.01)
        assert {(target.port, verdict.good) for target, verdict in ear.heard} == {(1, True), (2, False)}

    running(test, probes=probe, withheld=lambda target, words: heard.append((target.port, words)))
    assert heard == [(1, str(no_port)), (1, "no memory"), (1, ""), (1, str(no_port))]


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


class Controlled:
    """A probe whose outcomes the test decides; counts its tries."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.tries = 0

    async def __call__(self, _scope: Scope, _target: Target) -> Outcome:
        self.tries += 1
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]

    async def reach(self, number: int) -> None:
        while self.tries < number:
            await asyncio.sleep(0.005)


BAD = Outcome(Reason.REFUSED, "no")
TARGET = Target(QUICK, "192.0.2.1", 80)


def test_thresholds_count() -> None:
    check = replace(QUICK, retries=1, fall=2)
    probe = Controlled(GOOD, BAD, GOOD, BAD, BAD, BAD, GOOD, BAD, BAD, BAD, BAD)

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([replace(TARGET, check=check)])
        assert (await ear.next())[1].good
        assert not (await ear.next())[1].good
        assert probe.tries == 11

    running(test, probes=probe)


def test_a_change_of_weight_or_reason_is_told_and_other_words_are_not() -> None:
    outcomes = [
        Outcome(Reason.SUCCESS, weight=5),
        Outcome(Reason.SUCCESS, weight=5),
        Outcome(Reason.SUCCESS, weight=7),
        Outcome(Reason.TIMEOUT, "a"),
        Outcome(Reason.TIMEOUT, "b"),
        Outcome(Reason.RESET, "c"),
        Outcome(Reason.RESET, "d"),
        GOOD,
    ]
    probe = Controlled(*outcomes)

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([TARGET])
        told = [(await ear.next())[1] for _ in range(5)]
        assert [(verdict.good, verdict.weight, verdict.words) for verdict in told] == [
            (True, 5, ""),
            (True, 7, ""),
            (False, None, "a"),
            (False, None, "c"),
            (True, None, ""),
        ]

    running(test, probes=probe)


@pytest.mark.parametrize("up", [True, False])
def test_what_the_caller_says_counts_until_the_first_verdict(up: bool) -> None:
    probe = Controlled(BAD if up else GOOD)
    check = replace(QUICK, fall=3, rise=3)

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([replace(TARGET, check=check)], starts_up=lambda _: up)
        assert (await ear.next())[1].good is not up
        assert probe.tries == 3

    running(test, probes=probe)


def test_targets_that_stay_keep_their_state_and_are_not_told_again() -> None:
    probe = Controlled(GOOD)

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([TARGET])
        await ear.next()
        for number in range(20):
            runner.set_targets([TARGET, replace(TARGET, port=1000 + number)])
        await ear.next()
        assert len(ear.heard) == 2
        assert runner.verdict(TARGET) is not None
        runner.set_targets([])
        assert runner.verdict(TARGET) is None
        runner.set_targets([TARGET])
        await ear.next()

    running(test, probes=probe)


def test_changes_of_others_never_delay_a_check() -> None:
    """Each set of targets would restart the timers of a careless runner, and none would ever be due."""
    probe = Controlled(GOOD)

    async def test(runner: Runner, ear: Ear) -> None:
        for number in range(100):
            runner.set_targets([TARGET, replace(TARGET, port=1000 + number)])
            await asyncio.sleep(0.004)
        assert any(target == TARGET for target, _ in ear.heard)

    running(test, probes=probe)


def test_a_paused_target_rests_and_goes_on() -> None:
    probe = Controlled(BAD, GOOD)
    target = replace(TARGET, check=replace(QUICK, rise=3))

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([target])
        runner.pause([target])
        await asyncio.sleep(0.1)
        assert probe.tries == 0
        runner.pause([])
        assert not (await ear.next())[1].good
        await probe.reach(2)
        runner.pause([target])
        tries = probe.tries
        await asyncio.sleep(0.1)
        assert probe.tries == tries
        verdict = runner.verdict(target)
        assert verdict is not None
        assert not verdict.good, "it keeps its state"
        runner.pause([])
        assert (await ear.next())[1].good
        assert probe.tries == tries + 3, "and begins to count anew"

    running(test, probes=probe)


def test_only_so_many_at_once_first_come_first_served() -> None:
    begun: list[int] = []
    most = 0
    now = 0

    async def probe(scope: Scope, target: Target) -> Outcome:
        nonlocal now, most
        now += 1
        most = max(most, now)
        begun.append(target.port)
        scope.at_end(leave)
        pipe, write = os.pipe()
        scope.at_end(lambda: os.close(pipe))
        asyncio.get_running_loop().call_later(0.002, os.close, write)
        await readable(pipe)
        return GOOD

    def leave() -> None:
        nonlocal now
        now -= 1

    async def test(runner: Runner, _ear: Ear) -> None:
        runner.set_targets([replace(TARGET, port=port) for port in range(1, 101)])
        while len(begun) < 300:
            await asyncio.sleep(0.01)

    running(test, probes=probe, most_at_once=10)
    assert most == 5, "half of the places are left for other checks"
    assert {begun.count(port) for port in range(1, 101)} <= {2, 3, 4}, "nobody waits longer than the others"


@pytest.mark.parametrize(("others", "places"), [(1, 8), (2, 11)])
def test_silent_backends_of_one_check_do_not_delay_another(server: socket.socket, others: int, places: int) -> None:
    """Each of them would take a place for an hour."""
    silent = [replace(QUICK, warmup_ns=0, timeout_ns=3600_000 * MS, fall=each + 1) for each in range(others)]
    dead = Target(replace(QUICK, warmup_ns=20 * MS), "127.0.0.1", closed_port())

    async def probe(scope: Scope, target: Target) -> Outcome:
        if target == dead:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        sock = scope.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.connect_ex(("127.0.0.1", port_of(server)))
        await readable(sock.fileno())
        return GOOD

    async def test(runner: Runner, ear: Ear) -> None:
        targets = [Target(check, "127.0.0.1", port) for check in silent for port in range(1, 33)]
        runner.set_targets(targets)
        while runner.to_wire()["running"] < places:
            await asyncio.sleep(0.01)
        runner.set_targets([*targets, dead])
        found, verdict = await ear.next()
        assert (found, verdict.reason) == (dead, Reason.REFUSED)
        assert runner.to_wire()["running"] == places
        runner.set_targets([dead])
        assert runner.to_wire()["waiting"] == 0

    running(test, probes=probe, most_at_once=16)


def test_checks_that_wait_for_a_place_too_long_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring_node.checks.runner._COMPLAINT_NS", 50 * MS)
    pipe, write = os.pipe()

    async def probe(_scope: Scope, _target: Target) -> Outcome:
        await readable(pipe)
        return GOOD

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([replace(TARGET, port=port) for port in range(1, 4)])
        while not ear.troubles:
            await asyncio.sleep(0.01)
        assert "checks are late by more than their interval" in ear.troubles[0]
        assert runner.to_wire()["overdue"] == 2

    try:
        running(test, probes=probe, most_at_once=1)
    finally:
        os.close(pipe)
        os.close(write)


def test_no_descriptors_is_no_failure_of_any_backend(server: socket.socket) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    targets = [replace(TARGET, address="127.0.0.1", port=port_of(server))]
    targets += [Target(replace(QUICK, fall=fall), "127.0.0.1", port_of(server)) for fall in range(2, 20)]

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets(targets)
        for _ in targets:
            assert (await ear.next())[1].good
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            before = runner.counters.withheld
            while runner.counters.withheld < before + 100:
                await asyncio.sleep(0.01)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert all(verdict.good for _, verdict in ear.heard)
        await asyncio.sleep(0.1)
        assert all(verdict.good for _, verdict in ear.heard)

    ear = running(test)
    assert ear.troubles == ["no more file descriptors are allowed to this process (RLIMIT_NOFILE)"]


def test_a_stall_of_ours_is_not_the_backends_fault(server: socket.socket) -> None:
    """The process sleeps beyond the deadline while the answer lies ready."""
    pipe, write = os.pipe()
    woken = 0

    async def probe(_scope: Scope, _target: Target) -> Outcome:
        nonlocal woken
        if not woken:
            woken = 1
            asyncio.get_running_loop().call_soon(stall)
            await readable(pipe)
            await readable(pipe)  # what comes in the second step comes after the stall
        return GOOD

    def stall() -> None:
        time.sleep(0.5)
        os.write(write, b"x")

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([Target(replace(QUICK, timeout_ns=200 * MS), "127.0.0.1", port_of(server))])
        assert (await ear.next())[1].good

    try:
        running(test, probes=probe)
    finally:
        os.close(pipe)
        os.close(write)


def test_the_time_that_we_slept_is_given_back(server: socket.socket) -> None:
    """The answer lies there a few turns of the loop after we awake beyond the deadline."""
    pipe, write = os.pipe()
    slept = False

    async def probe(_scope: Scope, _target: Target) -> Outcome:
        nonlocal slept
        if not slept:
            slept = True
            asyncio.get_running_loop().call_soon(stall)
        await readable(pipe)
        return GOOD

    def stall() -> None:
        time.sleep(0.5)
        answer(10)

    def answer(after: int) -> None:
        if after:
            asyncio.get_running_loop().call_soon(answer, after - 1)
        else:
            os.write(write, b"x")

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([Target(replace(QUICK, timeout_ns=200 * MS), "127.0.0.1", port_of(server))])
        assert (await ear.next())[1].good

    try:
        running(test, probes=probe)
    finally:
        os.close(pipe)
        os.close(write)


def test_what_hears_may_fail_and_the_runner_goes_on(server: socket.socket) -> None:
    heard = []

    def told(_target: Target, verdict: Verdict) -> None:
        heard.append(verdict)
        raise RuntimeError("the caller has a bug")

    async def test() -> None:
        troubles: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
        runner = Runner(told)
        task = asyncio.create_task(runner.run())
        runner.set_targets(
            [
                replace(TARGET, address="127.0.0.1", port=port_of(server)),
                replace(TARGET, address="127.0.0.1", port=closed_port()),
            ]
        )
        while len(heard) < 2:
            await asyncio.sleep(0.01)
        while sum(runner.counters.durations["tcp"].counts) < 6:
            await asyncio.sleep(0.01)
        runner.stop()
        await task
        assert len(troubles) == 2

    asyncio.run(asyncio.wait_for(test(), 60))


def test_nothing_stays_open(server: socket.socket) -> None:
    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([Target(QUICK, "127.0.0.1", port_of(server)), Target(QUICK, "127.0.0.1", closed_port())])
        await ear.next()
        await ear.next()

    running(test)
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        running(test)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_counters(server: socket.socket) -> None:
    dead = closed_port()

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([Target(QUICK, "127.0.0.1", port_of(server)), Target(QUICK, "127.0.0.1", dead)])
        await ear.next()
        await ear.next()
        wire = json.loads(json.dumps(runner.to_wire()))
        assert wire["targets"] == 2
        assert sum(wire["durations"]["tcp"]["counts"]) >= 2
        assert len(wire["durations"]["tcp"]["counts"]) == len(wire["boundsSeconds"]) + 1
        assert wire["failures"][0] | {"count": 1} == {"kind": "tcp", "reason": "Refused", "count": 1}
        assert sum(wire["lateness"]["counts"]) >= 2

    running(test)


@pytest.mark.parametrize(("soft", "after"), [(600, 4608), (5000, 5000)])
def test_the_limit_of_descriptors_is_raised_and_never_lowered(soft: int, after: int) -> None:
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard < 0 or hard >= 5000
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        allow_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (after, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def test_a_refused_watch_is_no_verdict(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    async def test(runner: Runner, ear: Ear) -> None:
        runner.set_targets([Target(QUICK, "127.0.0.1", port_of(server))])
        while runner.counters.withheld < 3:
            await asyncio.sleep(0.01)
        assert not ear.heard
        assert runner.to_wire()["running"] == 0

    monkeypatch.setattr(Driver, "watch", refuse)
    assert "max_user_watches" in running(test).troubles[0]


def test_a_stop_before_the_beginning() -> None:
    runner = Runner(lambda *_: None)
    runner.set_targets([TARGET])
    runner.stop()
    asyncio.run(asyncio.wait_for(runner.run(), 60))
