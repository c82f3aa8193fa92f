"""The filters of a fault; that they drop what they should is seen in tests/netns."""

import pytest

from mooring_lab.faults import Direction, drop, restore


def test_a_direction_has_one_hook_and_both_have_two() -> None:
    assert "hook ingress" in drop("lb-1", Direction.FROM)
    assert "hook egress" not in drop("lb-1", Direction.FROM)
    assert "hook ingress" not in drop("lb-1", Direction.TOWARDS)
    both = drop("lb-1", Direction.BOTH)
    assert "hook ingress" in both
    assert "hook egress" in both


def test_a_fault_replaces_the_one_before() -> None:
    assert drop("lb-1", Direction.BOTH).startswith(restore("lb-1"))


def test_random_loss_is_a_percentage() -> None:
    assert "numgen random mod 100 < 30 drop" in drop("lb-1", Direction.BOTH, 30)
    assert "numgen" not in drop("lb-1", Direction.BOTH)


@pytest.mark.parametrize("percent", [0, 101, -1])
def test_what_is_no_percentage_is_refused(percent: int) -> None:
    with pytest.raises(ValueError, match="no percentage"):
        drop("lb-1", Direction.BOTH, percent)
