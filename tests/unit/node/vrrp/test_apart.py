"""Two reasons to stand aside, and what is said of the second."""

from mooring_node.vrrp.apart import Apart


def test_both_reasons_count_and_only_a_difference_is_one() -> None:
    apart = Apart()
    assert not apart
    assert apart.until(100, now_ns=50)
    assert apart
    assert not apart.until(100, now_ns=60)
    apart.maintenance = True
    # In maintenance its end changes nothing.
    assert not apart.until(100, now_ns=100)
    assert apart
    assert not apart.handing


def test_the_end_comes_by_itself() -> None:
    apart = Apart()
    apart.until(100, now_ns=50)
    assert apart.until(100, now_ns=100)
    assert not apart


def test_it_is_told_once_when_nothing_is_held_and_again_when_asked() -> None:
    apart = Apart()
    assert not apart.take_word(lambda: False)
    apart.until(100, now_ns=50)
    assert not apart.take_word(lambda: True)
    assert apart.take_word(lambda: False)
    assert not apart.take_word(lambda: False)
    apart.asked()
    assert apart.take_word(lambda: False)


def test_a_successor_tells_what_its_predecessor_may_have_told() -> None:
    apart = Apart()
    apart.until(100, now_ns=50)
    assert apart.take_word(lambda: False)


def test_the_groups_are_looked_through_only_while_somebody_waits() -> None:
    """It is asked at each turn, for each packet: with a thousand groups a look costs more than the packet."""
    asked: list[int] = []

    def holding() -> bool:
        asked.append(1)
        return False

    apart = Apart()
    apart.take_word(holding)
    apart.until(100, now_ns=50)
    assert asked == []
    apart.take_word(holding)
    apart.take_word(holding)
    assert len(asked) == 1
