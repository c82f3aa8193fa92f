"""Which table the kernel is given: with its rules, without them, and while backends change."""

from mooring_node.balance.handing import RULES_PATIENCE_NS, Handing
from mooring_node.ipvs.table import Balanced, Destination, DestinationKey, Service, ServiceKey, Table

ONE, TWO = DestinationKey("10.0.0.1", 80), DestinationKey("10.0.0.2", 80)
NOW = 5


def table(port: int = 80, **weights: int) -> Table:
    backends = {"one": ONE, "two": TWO}
    destinations = {backends[name]: Destination(weight) for name, weight in weights.items()}
    return {ServiceKey(4, 6, "192.0.2.1", port): Balanced(Service("wlc"), destinations)}


def given(first: Table) -> Handing:
    """One whose rules are there, and whose kernel has the first table."""
    handing = Handing()
    handing.configured(first, 0)
    handing.wishes.begin()
    handing.wishes.met()
    assert handing.next(first, NOW) is first
    return handing


def test_the_first_table_waits_for_its_rules_and_not_for_ever() -> None:
    handing, first = Handing(), table(one=1)
    handing.configured(first, NOW)
    assert not handing.begun(NOW)
    assert handing.due_ns(0, NOW) == NOW + RULES_PATIENCE_NS
    assert handing.begun(NOW + RULES_PATIENCE_NS)
    assert handing.next(first, NOW + RULES_PATIENCE_NS) is first


def test_the_same_table_is_given_once() -> None:
    handing = given(first := table(one=1))
    assert handing.next(first, NOW) is None
    assert handing.due_ns(70, NOW) == 70


def test_a_loss_does_not_wait_and_what_is_new_does() -> None:
    handing = given(table(one=1, two=1))
    other = table(81, one=1) | table(one=1, two=1)
    handing.configured(other, NOW)
    assert handing.begun(NOW)
    lost = table(81, one=1) | table(two=1)
    assert handing.next(lost, NOW) == table(two=1)
    assert handing.due_ns(NOW + 10 * RULES_PATIENCE_NS, NOW) == NOW + RULES_PATIENCE_NS
    assert handing.next(lost, NOW + RULES_PATIENCE_NS) is lost


def test_who_configures_again_and_again_does_not_put_it_off() -> None:
    handing = given(table(one=1))
    for step in range(4):
        handing.configured(wanted := table(81 + step, one=1), NOW + step * RULES_PATIENCE_NS // 4)
    assert handing.next(wanted, NOW + RULES_PATIENCE_NS) is wanted
