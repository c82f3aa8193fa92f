"""However much changes, so often and no oftener is it passed on."""

from hypothesis import given
from hypothesis import strategies as st

from mooring_operator.cluster.pace import Pace

PACE = Pace(every_s=1.0, burst=4, least_s=0.2)


def taken(pace: Pace, until: float) -> list[float]:
    """When it is passed on while something changes all the time."""
    found: list[float] = []
    while (now := max(pace.next(), 0.0)) <= until:
        pace = pace.taken(now)
        found.append(now)
    return found


def test_the_first_one_does_not_wait() -> None:
    assert PACE.next() < 0.0


def test_some_are_quick_and_then_one_a_second() -> None:
    assert [round(time, 3) for time in taken(PACE, 4.0)] == [0.0, 0.2, 0.4, 0.6, 1.0, 2.0, 3.0, 4.0]


def test_after_a_quiet_time_it_is_as_at_first() -> None:
    pace = PACE
    for now in taken(pace, 5.0):
        pace = pace.taken(now)
    assert [round(time - 60.0, 3) for time in taken(pace.taken(60.0), 61.0)] == [0.2, 0.4, 0.6, 1.0]


@given(st.lists(st.floats(0.0, 3.0), max_size=60))
def test_no_stretch_of_time_sees_more(waits: list[float]) -> None:
    pace, now, times = PACE, 0.0, []
    for wait in waits:
        now = max(now + wait, pace.next())
        pace = pace.taken(now)
        times.append(now)
    for first, begin in enumerate(times):
        for count, end in enumerate(times[first:], start=1):
            assert count <= 4 + (end - begin) + 1e-6
