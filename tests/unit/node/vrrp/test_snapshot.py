"""What the process tells of itself, cut into messages."""

from hypothesis import given
from hypothesis import strategies as st

from mooring_node.vrrp.snapshot import PART_WEIGHT, in_parts


@given(st.lists(st.integers(0, 2 * PART_WEIGHT), max_size=40))
def test_parts_keep_the_order_and_stay_within_their_weight(weights: list[int]) -> None:
    parts = list(in_parts(weights, lambda weight: weight))
    assert [weight for part in parts for weight in part] == weights
    assert all(part for part in parts)
    assert all(sum(part) <= PART_WEIGHT or len(part) == 1 for part in parts)


def test_what_fits_is_not_divided() -> None:
    assert list(in_parts([1] * PART_WEIGHT, lambda weight: weight)) == [[1] * PART_WEIGHT]
