"""Who asks what is held is answered, and told of changes for a while."""

from mooring_node.vrrp.held import MOST_IN_MESSAGE, PATIENCE_NS, Held, parts

ONE = frozenset({(1, 2, bytes([192, 0, 2, 1]), 32)})


def test_who_asks_is_answered_once_and_told_of_changes_for_a_while() -> None:
    held = Held()
    assert held.due(lambda: (ONE,), 5) == ()
    held.ask(10)
    assert held.due(lambda: (ONE, frozenset()), 11) == ({"holding": ["192.0.2.1"], "more": False},)
    assert held.due(lambda: (ONE, frozenset()), 12) == ()
    held.ask(13)
    assert held.due(lambda: (ONE, frozenset()), 14) == ({"holding": ["192.0.2.1"], "more": False},)
    assert held.due(lambda: (frozenset(), frozenset()), 15) == ({"holding": [], "more": False},)
    assert held.due(lambda: (ONE, frozenset()), 13 + PATIENCE_NS) == ()
    held.ask(14 + PATIENCE_NS)
    assert held.due(lambda: (ONE, frozenset()), 15 + PATIENCE_NS)[0]["holding"] == ["192.0.2.1"]


def test_many_come_in_parts() -> None:
    addresses = [str(number) for number in range(2 * MOST_IN_MESSAGE)]
    told = parts(addresses)
    assert [each["more"] for each in told] == [True, False]
    assert [one for each in told for one in each["holding"]] == addresses


def test_the_groups_are_looked_through_only_while_somebody_asks() -> None:
    def looked() -> tuple[frozenset[tuple[int, int, bytes, int]], ...]:
        raise AssertionError("nobody has asked")

    assert Held().due(looked, 5) == ()
