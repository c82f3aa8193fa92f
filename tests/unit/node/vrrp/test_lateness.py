"""Lateness by bucket, as the histogram wants it."""

from mooring_node.vrrp.lateness import BOUNDS_NS, Lateness


def test_each_wake_up_is_in_one_bucket() -> None:
    lateness = Lateness()
    for late in (0, BOUNDS_NS[0], BOUNDS_NS[0] + 1, BOUNDS_NS[-1], BOUNDS_NS[-1] + 1):
        lateness.record(late)
    assert lateness.counts == [2, 1, 0, 0, 0, 0, 1, 1]
    assert lateness.worst_ns == BOUNDS_NS[-1] + 1
    assert lateness.total_ns == 2 * BOUNDS_NS[0] + 1 + 2 * BOUNDS_NS[-1] + 1


def test_the_worst_stays() -> None:
    lateness = Lateness()
    lateness.record(7)
    lateness.record(3)
    assert lateness.worst_ns == 7
