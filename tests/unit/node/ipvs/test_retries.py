"""When what was refused is tried again."""

from tests.unit.node.ipvs.tables import DNS, WEB

from mooring_node.ipvs.findings import Problem, Trouble
from mooring_node.ipvs.retries import Retries, pause_ns
from mooring_node.units import SECOND_NS

PROBLEM = Problem(Trouble.REFUSED, "refused", WEB)


def test_pauses_grow_to_half_a_minute() -> None:
    assert [pause_ns(tries) // SECOND_NS for tries in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert pause_ns(10_000) == 30 * SECOND_NS


def test_a_refusal_is_told_and_tried_again_after_a_pause() -> None:
    retries = Retries()
    retries.refuse(WEB, 0, PROBLEM, at_once=False)
    assert (retries.holds(WEB), retries.holds(DNS), retries.next_ns) == (True, False, SECOND_NS)
    assert retries.problems == (PROBLEM,)
    retries.wake(SECOND_NS - 1)
    assert retries.holds(WEB)
    retries.wake(SECOND_NS)
    assert not retries.holds(WEB)
    assert retries.problems == (PROBLEM,)
    retries.refuse(WEB, SECOND_NS, PROBLEM, at_once=False)
    assert retries.next_ns == 3 * SECOND_NS
    retries.forget(WEB)
    assert (retries.problems, retries.next_ns, retries.holds(WEB)) == ((), None, False)


def test_a_surprise_is_tried_again_at_once_and_only_once() -> None:
    retries = Retries()
    retries.refuse(WEB, 0, PROBLEM, at_once=True)
    assert (retries.problems, retries.holds(WEB)) == ((), False)
    retries.refuse(WEB, 0, PROBLEM, at_once=True)
    assert (retries.problems, retries.next_ns) == ((PROBLEM,), 2 * SECOND_NS)


def test_what_is_held_waits_until_then() -> None:
    retries = Retries()
    retries.hold(WEB, 30 * SECOND_NS, PROBLEM)
    retries.hold(DNS, 7 * SECOND_NS, PROBLEM)
    assert retries.next_ns == 7 * SECOND_NS
    retries.wake(7 * SECOND_NS)
    assert (retries.holds(DNS), retries.holds(WEB)) == (False, True)
