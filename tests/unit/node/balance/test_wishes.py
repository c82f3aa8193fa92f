"""How long a table waits for its rules."""

from mooring_node.balance.wishes import Wishes


def test_the_first_that_is_not_met_counts() -> None:
    wishes = Wishes()
    assert wishes.since_ns is None
    wishes.wish(1)
    wishes.wish(2)
    assert wishes.since_ns == 1
    wishes.begin()
    wishes.wish(3)
    wishes.wish(4)
    assert wishes.since_ns == 1
    wishes.met()
    assert wishes.since_ns == 3
    wishes.begin()
    wishes.met()
    assert wishes.since_ns is None


def test_one_that_failed_is_not_met_by_the_next_that_is_begun() -> None:
    wishes = Wishes()
    wishes.wish(1)
    wishes.begin()
    wishes.wish(5)
    wishes.begin()
    assert wishes.since_ns == 1
    wishes.met()
    assert wishes.since_ns is None
