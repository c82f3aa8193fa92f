"""Deleted addresses: putting them back is right, until it has become a fight."""

from mooring_node.vrrp.losses import INCIDENT_NS, LIMIT, WINDOW_NS, Losses

NOW = 10**12


def test_deletions_close_together_are_one_incident() -> None:
    losses = Losses()
    assert not any(losses.record(NOW + step * INCIDENT_NS // 1000) for step in range(1000))


def test_one_more_than_the_limit_within_the_window_is_a_fight() -> None:
    losses = Losses()
    told = [losses.record(NOW + number * (INCIDENT_NS + 1)) for number in range(LIMIT + 1)]
    assert told == [False] * LIMIT + [True]


def test_incidents_outside_the_window_are_forgotten() -> None:
    losses = Losses()
    spacing = WINDOW_NS // LIMIT
    assert not any(losses.record(NOW + number * spacing) for number in range(50))


def test_after_a_fight_it_counts_anew() -> None:
    losses = Losses()
    step = INCIDENT_NS + 1
    told = [losses.record(NOW + number * step) for number in range(2 * (LIMIT + 1))]
    assert told.count(True) == 2
