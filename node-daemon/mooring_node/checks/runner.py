"""Runs the checks of thousands of targets in one asyncio loop: one heap of deadlines, one epoll, no task for each.

Timers may fire up to a millisecond early, because epoll sleeps whole milliseconds: so no bound is passed. What
comes from the network is heard before a deadline is; and what this process slept through (a stopped or starved
process) is added to a try's time: our lateness is not the backend's fault.
"""

import asyncio
import resource
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

from mooring_node.checks.attempt import SLICE_NS, Attempt, Driver, Probing, Scope
from mooring_node.checks.config import ScriptProbe, Target
from mooring_node.checks.counters import Counters
from mooring_node.checks.probes import Probes
from mooring_node.checks.schedule import Deadlines, Spread, first_ns, next_ns, resumed_ns
from mooring_node.checks.thresholds import forgotten, tried
from mooring_node.checks.verdict import Outcome, Verdict
from mooring_node.checks.watched import Lanes, Watched

#: A try under way costs a file descriptor and a few KiB; a dead rack must not delay the checks of all others.
MOST_AT_ONCE = 4096
#: Each is a process of its own.
MOST_SCRIPTS = 64
_OTHER_DESCRIPTORS = 512
_EARLY_NS = 1_000_000
_STARTS_EACH_TURN = 64
_SCRIPTS_EACH_TURN = 1
_STALL_NS = 100_000_000
_COMPLAINT_NS = 10_000_000_000


class Runner:
    """Checks targets and tells what becomes of them.

    `told(target, verdict)` hears the first verdict, each change of good, weight or reason, and nothing of a target
    that was taken out. `troubled(words)` hears what keeps this host from checking, at most every 10 s; verdicts
    stay as they are meanwhile. `withheld(target, words)` hears of each target what keeps this host from checking it,
    once, and "" when that is over.
    """

    def __init__(
        self,
        told: Callable[[Target, Verdict], None],
        troubled: Callable[[str], None] = lambda _: None,
        withheld: Callable[[Target, str], None] = lambda *_: None,
        *,
        most_at_once: int | None = None,
        start: float | None = None,
        probes: Callable[[Scope, Target], Probing] | None = None,
    ) -> None:
        self.counters = Counters()
        self._told = told
        self._troubled = troubled
        self._withheld = withheld
        self._probes = probes or Probes()
        self._light = Lanes(most_at_once or _affordable())
        self._scripts = Lanes(MOST_SCRIPTS)
        self._spread = Spread(time.time() if start is None else start)
        self._watched: dict[Target, Watched] = {}
        self._driver = Driver()
        self._deadlines: Deadlines[Watched] = Deadlines()
        self._complained_ns = -_COMPLAINT_NS
        self._look_at_ns = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    # What the caller wants.

    def set_targets(self, targets: Iterable[Target], starts_up: Callable[[Target], bool] = lambda _: True) -> None:
        """Check exactly these. Those that were there keep their state and their beat; a new one counts as
        `starts_up` says until its first verdict.
        """
        wanted = dict.fromkeys(targets)
        now = time.monotonic_ns()
        for target in [each for each in self._watched if each not in wanted]:
            self._silence(self._watched.pop(target))
            self._lanes(target).exit(target.check)
        for target in wanted:
            if target not in self._watched:
                watched = self._watched[target] = Watched(
                    target, self._lanes(target).enter(target.check), starts_up(target)
                )
                self._plan(watched, first_ns(target.check, now, self._spread.next()))
        self._arm()

    def pause(self, targets: Collection[Target]) -> None:
        """Exactly these rest, and keep their state; one that goes on is checked within its interval."""
        resting = frozenset(targets)
        now = time.monotonic_ns()
        for target, watched in self._watched.items():
            rests = target in resting
            if rests and not watched.paused:
                self._silence(watched)
                watched.standing = forgotten(watched.standing)
            elif watched.paused and not rests:
                self._plan(watched, resumed_ns(target.check, now, self._spread.next()))
            watched.paused = rests
        self._arm()

    def verdict(self, target: Target) -> Verdict | None:
        """The last word on it; None: none yet."""
        watched = self._watched.get(target)
        return watched.verdict if watched else None

    async def run(self) -> None:
        """Until `stop`; what is under way then is cancelled."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._driver.fileno(), self._turn)
        self._arm()
        try:
            await self._stopped.wait()
        finally:
            self._loop.remove_reader(self._driver.fileno())
            if self._timer is not None:
                self._timer.cancel()
            for watched in self._watched.values():
                self._silence(watched)
            self._watched.clear()
            self._loop = None
            self._driver.close()

    def stop(self) -> None:
        """Let `run` end, also one that has not begun yet."""
        self._stopped.set()

    def to_wire(self) -> dict[str, Any]:
        """Counters and gauges as JSON values. `overdue`: those that have waited for longer than their interval."""
        now = time.monotonic_ns()
        return self.counters.to_wire() | {
            "targets": len(self._watched),
            "running": self._light.running + self._scripts.running,
            "waiting": self._light.waiting + self._scripts.waiting,
            "overdue": sum(lanes.late(now)[0] for lanes in (self._light, self._scripts)),
        }

    def _lanes(self, target: Target) -> Lanes:
        return self._scripts if isinstance(target.check.probe, ScriptProbe) else self._light

    # The turns of the loop.

    def _turn(self) -> None:
        try:
            self._driver.turn()
            self._pass_deadlines(time.monotonic_ns())
            self._begin_some()
            self._look_for_late(time.monotonic_ns())
        finally:
            self._arm()

    def _timer_fired(self) -> None:
        self._timer = None
        self._turn()

    def _arm(self) -> None:
        if self._loop is None:
            return
        now = time.monotonic_ns()
        at = self._deadlines.soonest_ns()
        if self._driver.busy or self._light.free or self._scripts.free:
            at = now
        elif self._light.crowded or self._scripts.crowded:
            at = self._look_at_ns if at is None else min(at, self._look_at_ns)
        if at is None:
            return
        when = max(0, at - now - _EARLY_NS) / 1e9 + self._loop.time()
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._timer_fired)

    def _pass_deadlines(self, now: int) -> None:
        """For a slice of time: each may hear out a step of its try, and what is left is due at the next turn."""
        for watched, at in self._deadlines.due(now + _EARLY_NS):
            if watched.attempt is None:
                watched.began_ns = at
                watched.lane.wait(watched)
            else:
                self._expire(watched, watched.attempt, at, now)
            if time.monotonic_ns() - now >= SLICE_NS:
                break

    def _expire(self, watched: Watched, attempt: Attempt, at: int, now: int) -> None:
        # What has come meanwhile is heard first: it came in time.
        attempt.hear_out()
        if not attempt.running:
            return
        timeout = watched.target.check.timeout_ns
        slept = timeout if attempt.breathing else now - at
        if slept > _STALL_NS and not watched.extended:
            watched.extended = True
            self._deadlines.set(watched, now + min(slept, timeout))
        else:
            attempt.expire()

    def _begin_some(self) -> None:
        for lanes, most in ((self._light, _STARTS_EACH_TURN), (self._scripts, _SCRIPTS_EACH_TURN)):
            for _ in range(most):
                watched = lanes.next()
                if watched is None:
                    break
                self._begin(watched)

    def _begin(self, watched: Watched) -> None:
        now = time.monotonic_ns()
        self.counters.lateness.record(max(0, now - watched.began_ns))
        watched.began_ns = now
        watched.extended = False
        self._deadlines.set(watched, now + watched.target.check.timeout_ns)
        attempt = watched.attempt = Attempt(
            self._driver, lambda attempt, outcome: self._ended(watched, attempt, outcome)
        )
        attempt.run(self._probes(attempt, watched.target))

    def _ended(self, watched: Watched, attempt: Attempt, outcome: Outcome | None) -> None:
        now = time.monotonic_ns()
        watched.lane.leave()
        watched.attempt = None
        duration = now - watched.began_ns
        check = watched.target.check
        if outcome is None:
            self.counters.withheld += 1
            self._complain(now, str(attempt.error))
            watched.standing = forgotten(watched.standing)
        else:
            self.counters.tried(watched.kind, outcome.reason, duration)
            watched.standing = tried(watched.standing, check, outcome.good)
        self._plan(watched, next_ns(check, watched.standing, watched.planned_ns, now))
        self._tell_withheld(watched, "" if outcome is not None else str(attempt.error))
        if outcome is not None:
            self._tell(watched, outcome)

    def _tell(self, watched: Watched, outcome: Outcome) -> None:
        standing, last = watched.standing, watched.verdict
        if not standing.known or outcome.good is not standing.up:
            return
        if last and last.good is standing.up and last.reason is outcome.reason and last.weight == outcome.weight:
            return
        verdict = Verdict(standing.up, outcome.reason, outcome.words, outcome.weight)
        watched.verdict = verdict
        self._say(watched.target, lambda target: self._told(target, verdict))

    def _tell_withheld(self, watched: Watched, words: str) -> None:
        if words != watched.withheld:
            watched.withheld = words
            self._say(watched.target, lambda target: self._withheld(target, words))

    def _say(self, target: Target, say: Callable[[Target], None]) -> None:
        try:
            say(target)
        except Exception as error:  # noqa: BLE001  (a bug of the caller's ends no check)
            context = {"message": f"what was told of {target.address} was not taken", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    def _look_for_late(self, now: int) -> None:
        """At most every 10 s: tries that wait too long for a place."""
        if now < self._look_at_ns:
            return
        self._look_at_ns = now + _COMPLAINT_NS
        for lanes in (self._light, self._scripts):
            late, longest = lanes.late(now)
            if late:
                self._complain(
                    now,
                    f"{late} checks are late by more than their interval, one of them by {longest // 10**9} s: "
                    f"{lanes.running} others are under way, there is no place for more; shorten their timeouts",
                )

    def _complain(self, now: int, words: str) -> None:
        if now - self._complained_ns >= _COMPLAINT_NS:
            self._complained_ns = now
            self._troubled(words)

    def _plan(self, watched: Watched, at: int) -> None:
        if not watched.standing.retrying:
            watched.planned_ns = at
        self._deadlines.set(watched, at)

    def _silence(self, watched: Watched) -> None:
        self._deadlines.drop(watched)
        watched.lane.call_off(watched)
        if watched.attempt is not None:
            watched.attempt.cancel()
            watched.attempt = None
            watched.lane.leave()


def allow_descriptors() -> None:
    """Raise this process's own limit of file descriptors as far as it may and a runner has a use for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_AT_ONCE + _OTHER_DESCRIPTORS
    if 0 <= soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(hard, wanted), hard))


def _affordable() -> int:
    """How many tries at once this process's limit of file descriptors allows."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_AT_ONCE if soft < 0 else max(16, min(MOST_AT_ONCE, soft - _OTHER_DESCRIPTORS))
