"""When the next try is, by a virtual clock: the bounds that users rely on, and the spread."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mooring_node.checks.config import CheckConfig, TCPProbe
from mooring_node.checks.schedule import Deadlines, Spread, first_ns, next_ns, resumed_ns
from mooring_node.checks.thresholds import Standing, tried

configs = st.builds(
    CheckConfig,
    st.just(TCPProbe()),
    interval_ns=st.integers(10, 1000),
    interval_down_ns=st.integers(10, 1000),
    timeout_ns=st.integers(10, 2000),
    retries=st.integers(0, 4),
    delay_before_retry_ns=st.integers(0, 500),
    warmup_ns=st.integers(0, 2000),
    rise=st.integers(1, 3),
    fall=st.integers(1, 3),
)


@dataclass
class Backend:
    """Answers after `delay` from its birth to its death; else a try fails: refused after `delay`, or in silence."""

    delay: int
    lives: range
    silent: bool

    def answer(self, began: int, timeout: int) -> tuple[bool, int]:
        """Whether a try is good, and when it ends."""
        if began in self.lives and self.delay < timeout:
            return True, began + self.delay
        return False, began + (timeout if self.silent else min(self.delay, timeout))


def history(check: CheckConfig, backend: Backend, *, up: bool, part: float, until: int) -> list[tuple[int, bool]]:
    """Each end of a try and the state after it, as the runner goes about it with a clock that is never late."""
    standing, planned, found = Standing(up), first_ns(check, 0, part), []
    at = planned
    while at < until:
        good, ended = backend.answer(at, check.timeout_ns)
        standing = tried(standing, check, good)
        found.append((ended, standing.up))
        at = next_ns(check, standing, planned, ended)
        assert at >= ended
        if not standing.retrying:
            assert at > planned
            interval = check.interval_ns if standing.up else check.interval_down_ns
            assert (at - planned) % interval == 0, "it keeps its beat"
            assert at - interval < max(ended, planned + 1), "no beat is left out that was free"
            planned = at
    return found


@given(configs, st.integers(0, 3000), st.integers(5000, 9000), st.booleans(), st.floats(0, 0.999))
def test_a_dead_backend_is_bad_within_the_bound(
    check: CheckConfig, delay: int, death: int, silent: bool, part: float
) -> None:
    backend = Backend(delay % check.timeout_ns, range(death), silent)
    one = check.interval_ns + check.timeout_ns + check.retries * (check.delay_before_retry_ns + check.timeout_ns)
    # A reply that takes longer than the interval holds the next check up.
    since = death if backend.delay <= check.interval_ns else death + backend.delay
    found = history(check, backend, up=True, part=part, until=since + 20 * one)
    down = next(ended for ended, up in found if not up)
    assert death <= down <= since + check.fall * one


@given(configs, st.integers(5000, 9000), st.floats(0, 0.999))
def test_a_closed_port_is_bad_within_one_interval(check: CheckConfig, death: int, part: float) -> None:
    check = CheckConfig(TCPProbe(), check.interval_ns, check.interval_down_ns, check.timeout_ns, 0, warmup_ns=1000)
    found = history(check, Backend(0, range(death), silent=False), up=True, part=part, until=20_000)
    down = next(ended for ended, up in found if not up)
    assert death <= down <= death + check.interval_ns


@given(configs, st.integers(5000, 9000), st.booleans(), st.floats(0, 0.999))
def test_a_live_backend_is_good_after_rise(check: CheckConfig, birth: int, silent: bool, part: float) -> None:
    backend = Backend(0, range(birth, 10**6), silent)
    found = history(check, backend, up=False, part=part, until=birth + 20_000)
    risen = next(ended for ended, up in found if up)
    tries = (1 + check.retries) * check.timeout_ns + check.retries * check.delay_before_retry_ns
    assert birth <= risen <= birth + tries + check.rise * check.interval_down_ns


@given(configs, st.integers(0, 10**12), st.floats(0, 0.999))
def test_the_first_check_comes_within_the_warmup(check: CheckConfig, now: int, part: float) -> None:
    assert now <= first_ns(check, now, part) <= now + check.warmup_ns
    assert now <= resumed_ns(check, now, part) <= now + min(check.warmup_ns, check.interval_ns)


@given(st.floats(0, 1e10), st.integers(10, 2000))
def test_the_spread_is_even_whatever_the_number(start: float, number: int) -> None:
    spread = Spread(start)
    parts = sorted(spread.next() for _ in range(number))
    assert parts[0] >= 0
    assert parts[-1] < 1
    gaps = [after - before for before, after in pairwise(parts)]
    assert max(gaps) < 3 / number, "nowhere a hole"
    assert min(gaps) > 0.3 / number, "nowhere a burst"


# Deadlines.


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 100) | st.none())), st.integers(0, 100))
def test_deadlines_are_as_a_dictionary_says(changes: list[tuple[int, int | None]], now: int) -> None:
    deadlines: Deadlines[int] = Deadlines()
    model: dict[int, int] = {}
    for key, at in changes:
        if at is None:
            deadlines.drop(key)
            model.pop(key, None)
        else:
            deadlines.set(key, at)
            model[key] = at
        assert deadlines.soonest_ns() == min(model.values(), default=None)
        assert len(deadlines) == len(model)
    due = list(deadlines.due(now))
    assert sorted(due) == sorted((key, at) for key, at in model.items() if at <= now)
    assert [at for _, at in due] == sorted(at for _, at in due)
    assert deadlines.soonest_ns() == min((at for at in model.values() if at > now), default=None)


def test_what_is_replaced_for_ever_is_forgotten() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for at in range(10_000):
        deadlines.set(at % 3, at)
    assert len(deadlines._heap) < 100
    assert [key for key, _ in deadlines.due(10_000)] == [1, 2, 0]
