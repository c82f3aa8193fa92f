"""What a node holds, as it is told in parts."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from mooring_node.balance.holding import Holding

ADDRESSES = st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]), max_size=5)


@given(ADDRESSES, st.lists(ADDRESSES, min_size=1, max_size=3))
def test_all_parts_count_once_the_last_has_come(before: list[str], parts: list[list[str]]) -> None:
    holding, whole = Holding(before), frozenset(chain.from_iterable(parts))
    held = holding.addresses
    for part in parts[:-1]:
        assert not holding.hear({"holding": part, "more": True})
        assert holding.addresses == held
    assert holding.hear({"holding": parts[-1]}) is (whole != held)
    assert holding.addresses == whole
    assert not holding.hear({"holding": holding.noted}), "nothing is left of earlier parts"


def test_other_messages_say_nothing_of_it() -> None:
    holding = Holding({"no": "list"})
    assert not any(holding.hear(each) for each in ({"do": "stop"}, {"holding": "192.0.2.1"}, {"more": True}))
    assert holding.noted == []
