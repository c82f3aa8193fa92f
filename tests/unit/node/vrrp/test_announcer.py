"""When announcements go out: each unit as often as asked, spread, paced, refreshed."""

import itertools
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mooring_node.vrrp import announcer
from mooring_node.vrrp.announcer import SILENT, Announcing
from mooring_node.vrrp.config import AnnouncementConfig

MS = 1_000_000
S = 1_000_000_000
NOW = 50 * S
DEFAULT = AnnouncementConfig()


def play(
    plan: Announcing, config: AnnouncementConfig, units: int, until: int, late: int = 0
) -> tuple[Announcing, list[tuple[int, int]]]:
    """What is sent, as (time, unit), when each deadline is met `late` nanoseconds late."""
    sent = []
    while (due := announcer.deadline(plan)) is not None and due <= until:
        plan, ranges = announcer.due(plan, config, units, due + late)
        following = announcer.deadline(plan)
        assert following is None or following > due + late
        sent += [(due + late, unit) for each in ranges for unit in each]
    return plan, sent


configs = st.builds(
    AnnouncementConfig,
    count=st.integers(1, 7),
    spread_ns=st.sampled_from([0, 200 * MS, S]),
    delay_ns=st.sampled_from([0, 100 * MS, 5 * S]),
    interval_ns=st.sampled_from([0, 1 * MS, 30 * MS, S]),
)


@given(configs, st.integers(1, 30), st.integers(0, 40 * MS))
def test_each_unit_goes_out_exactly_so_often(config: AnnouncementConfig, units: int, late: int) -> None:
    plan, sent = play(announcer.taken(config, NOW), config, units, NOW + 3600 * S, late)
    rounds = config.count * (2 if config.delay_ns else 1)
    assert Counter(unit for _, unit in sent) == dict.fromkeys(range(units), rounds)
    assert sent[0] == (NOW + late, 0)
    assert [unit for _, unit in sent] == list(range(units)) * rounds
    assert announcer.deadline(plan) is None


@given(configs, st.integers(1, 10), st.integers(0, 40 * MS), st.lists(st.integers(0, 2 * S), max_size=4))
def test_the_pace_holds_whatever_comes_between(
    config: AnnouncementConfig, units: int, late: int, again: list[int]
) -> None:
    config = replace(config, interval_ns=max(config.interval_ns, MS), refresh_ns=S, refresh_count=2)
    plan, sent = announcer.taken(config, NOW), list[tuple[int, int]]()
    for at in sorted(again):
        plan, more = play(plan, config, units, NOW + at, late)
        sent += more
        plan = announcer.once_more(plan, config, max(NOW + at, sent[-1][0] if sent else NOW))
    plan, more = play(plan, config, units, NOW + 10 * S, late)
    times = [time for time, _ in sent + more]
    assert all(after - before >= config.interval_ns for before, after in itertools.pairwise(times))


def test_by_default_five_rounds_over_200_ms_and_again_after_five_seconds() -> None:
    _, sent = play(announcer.taken(DEFAULT, NOW), DEFAULT, 1, NOW + 60 * S)
    spread = [0, 50 * MS, 100 * MS, 150 * MS, 200 * MS]
    assert [time - NOW for time, _ in sent] == spread + [5 * S + each for each in spread]


def test_one_round_needs_no_spread() -> None:
    one = replace(DEFAULT, count=1, delay_ns=0)
    assert play(announcer.taken(one, NOW), one, 3, NOW + S)[1] == [(NOW, 0), (NOW, 1), (NOW, 2)]


def test_a_refresh_repeats_for_as_long_as_the_addresses_are_held() -> None:
    config = AnnouncementConfig(count=1, delay_ns=0, refresh_ns=10 * S, refresh_count=2)
    plan, sent = play(announcer.taken(config, NOW), config, 2, NOW + 25 * S)
    assert [(time - NOW, unit) for time, unit in sent] == [
        (at, unit) for at in (0, 10 * S, 10 * S, 20 * S, 20 * S) for unit in (0, 1)
    ]
    assert announcer.deadline(plan) == NOW + 30 * S


def test_refreshes_do_not_pile_up_where_the_pace_is_slower() -> None:
    config = AnnouncementConfig(count=1, delay_ns=0, interval_ns=S, refresh_ns=2 * S, refresh_count=3)
    plan, sent = play(announcer.taken(config, NOW), config, 10, NOW + 600 * S)
    assert len(plan.rounds) <= 3
    assert len(sent) == 601


def test_a_refresh_that_is_turned_off_ends_and_does_not_spin() -> None:
    config = AnnouncementConfig(count=1, delay_ns=0, refresh_ns=10 * S)
    off = replace(config, refresh_ns=0)
    plan, _ = play(announcer.taken(config, NOW), config, 1, NOW + S)
    assert announcer.deadline(announcer.refreshed_as(plan, off, NOW + S)) is None
    spun, sent = announcer.due(plan, off, 1, NOW + 10 * S)
    assert announcer.deadline(spun) is None
    assert len(sent) == 1


def test_a_refresh_that_is_turned_on_begins_and_one_that_is_on_is_not_put_off() -> None:
    config = AnnouncementConfig(refresh_ns=10 * S)
    assert announcer.deadline(announcer.refreshed_as(SILENT, config, NOW)) == NOW + 10 * S
    running = Announcing(refresh_at=NOW + 3 * S)
    assert announcer.deadline(announcer.refreshed_as(running, config, NOW)) == NOW + 3 * S
    sooner = replace(config, refresh_ns=S)
    assert announcer.deadline(announcer.refreshed_as(running, sooner, NOW)) == NOW + S


def test_once_more_comes_at_once_and_keeps_what_was_planned() -> None:
    config = AnnouncementConfig(count=2, spread_ns=200 * MS, delay_ns=0)
    plan, _ = play(announcer.taken(config, NOW), config, 1, NOW + 100 * MS)
    _, sent = play(announcer.once_more(plan, config, NOW + 110 * MS), config, 1, NOW + S)
    assert sent == [(NOW + 110 * MS, 0), (NOW + 200 * MS, 0)]


def test_a_round_under_way_comes_to_its_end_before_the_next_one() -> None:
    config = AnnouncementConfig(count=1, delay_ns=0, interval_ns=10 * MS)
    plan, sent = play(announcer.taken(config, NOW), config, 3, NOW + 10 * MS)
    _, more = play(announcer.once_more(plan, config, NOW + 15 * MS), config, 3, NOW + S)
    assert [unit for _, unit in sent + more] == [0, 1, 2, 0, 1, 2]


@given(st.integers(1, 255), st.integers(1, 40), st.integers(1, 8), st.integers(0, 40 * MS))
def test_once_more_again_and_again_reaches_every_unit_and_does_not_pile_up(
    units: int, interval_ms: int, count: int, late: int
) -> None:
    config = AnnouncementConfig(count=count, spread_ns=0, delay_ns=0, interval_ns=interval_ms * MS)
    plan, sent = announcer.taken(config, NOW), list[tuple[int, int]]()
    for second in range(1, 61):
        plan, more = play(plan, config, units, NOW + second * S, late)
        sent += more
        plan = announcer.once_more(plan, config, NOW + second * S + late)
        assert len(plan.rounds) <= max(2, count)
    counts = Counter(unit for _, unit in sent)
    assert max(counts.values()) - counts[units - 1] <= 1


def test_once_more_starts_the_refresh_of_adopted_addresses() -> None:
    config = AnnouncementConfig(refresh_ns=10 * S)
    plan, sent = play(announcer.once_more(SILENT, config, NOW), config, 1, NOW + S)
    assert sent == [(NOW, 0)]
    assert announcer.deadline(plan) == NOW + 10 * S


def test_who_is_silent_has_no_deadline() -> None:
    assert announcer.deadline(SILENT) is None
    assert announcer.due(SILENT, DEFAULT, 3, NOW) == (SILENT, ())
