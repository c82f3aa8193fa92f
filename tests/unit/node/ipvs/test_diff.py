"""The way from one table to another: what is wanted comes out, what is not ours stays, and nothing is deleted to be
added again."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.ipvs.fake_kernel import FakeKernel
from tests.unit.node.ipvs.tables import DNS, MARK, ONE, THREE, TWO, WEB, WEB6, balanced, tables

from mooring_node.ipvs.diff import Action, Operation, diff, foreign, performed
from mooring_node.ipvs.table import (
    Balanced,
    Destination,
    Method,
    Service,
    ServiceFlag,
    ServiceKey,
    TunnelFlag,
    TunnelKind,
    effective_destination,
    effective_service,
)

NOTHING: frozenset[ServiceKey] = frozenset()


def _effective(table: dict[ServiceKey, Balanced]) -> dict[ServiceKey, Balanced]:
    return {
        key: Balanced(
            effective_service(key, each.service),
            {name: effective_destination(values) for name, values in each.destinations.items()},
        )
        for key, each in table.items()
    }


@given(tables(), tables(), st.data())
def test_what_is_wanted_comes_out_and_the_rest_stays(
    desired: dict[ServiceKey, Balanced], actual: dict[ServiceKey, Balanced], data: st.DataObject
) -> None:
    owned = frozenset(data.draw(st.sets(st.sampled_from(sorted(actual))))) if actual else NOTHING
    kernel = FakeKernel(_effective(actual))
    assert kernel.apply(diff(desired, kernel.table, owned)) == ()
    expected = _effective({key: each for key, each in actual.items() if key not in owned})
    expected |= _effective({key: each for key, each in desired.items() if key not in actual or key in owned})
    assert kernel.table == expected
    assert diff(desired, kernel.table, owned | (desired.keys() - actual.keys())) == ()


@given(tables(), tables())
def test_nothing_is_deleted_to_be_added_again(
    desired: dict[ServiceKey, Balanced], actual: dict[ServiceKey, Balanced]
) -> None:
    operations = diff(desired, actual, frozenset(actual))
    touched = [(each.service, each.destination) for each in operations]
    assert len(touched) == len(set(touched))
    assert [each.action for each in operations] == sorted(each.action for each in operations)


@given(tables(), tables())
def test_what_was_done_of_it_adds_up(desired: dict[ServiceKey, Balanced], actual: dict[ServiceKey, Balanced]) -> None:
    operations = diff(desired, actual, frozenset(actual))
    for key in desired.keys() | actual.keys():
        after = performed(actual.get(key), [each for each in operations if each.service == key])
        wanted = desired.get(key)
        assert (after is None) == (wanted is None)
        if after is not None and wanted is not None:
            assert _effective({key: after}) == _effective({key: wanted})


def test_a_change_of_one_weight_is_one_message() -> None:
    before = balanced(ONE, TWO)
    after = Balanced(before.service, {**before.destinations, TWO: Destination(0)})
    operations = diff({WEB: after, DNS: before}, {WEB: before, DNS: before}, frozenset({WEB, DNS}))
    assert operations == (Operation(Action.SET_DESTINATION, WEB, TWO, Destination(0)),)


def test_a_replacement_is_there_before_what_it_replaces_goes() -> None:
    operations = diff({WEB: balanced(ONE, THREE)}, {WEB: balanced(ONE, TWO)}, frozenset({WEB}))
    assert [(each.action, each.destination) for each in operations] == [
        (Action.NEW_DESTINATION, THREE),
        (Action.DELETE_DESTINATION, TWO),
    ]


def test_a_service_goes_with_its_destinations_by_one_message_and_last() -> None:
    operations = diff({DNS: balanced(ONE)}, {WEB: balanced(ONE, TWO)}, frozenset({WEB}))
    assert [(each.action, each.service) for each in operations] == [
        (Action.NEW_SERVICE, DNS),
        (Action.NEW_DESTINATION, DNS),
        (Action.DELETE_SERVICE, WEB),
    ]


def test_everything_of_a_service_is_edited_in_place() -> None:
    flags = ServiceFlag.PERSISTENT | ServiceFlag.SCHEDULER_1
    for service in (Service("mh"), Service("rr", flags, 60, 24), Service("rr", persistence_engine="sip")):
        operations = diff({WEB: Balanced(service)}, {WEB: Balanced(Service("rr"))}, frozenset({WEB}))
        assert [each.action for each in operations] == [Action.SET_SERVICE]


def test_everything_of_a_destination_is_edited_in_place() -> None:
    before = Balanced(Service("rr"), {ONE: Destination(1)})
    for values in (
        Destination(2),
        Destination(1, Method.DIRECT_ROUTE),
        Destination(1, Method.TUNNEL, tunnel=TunnelKind.GUE, tunnel_port=6080),
        Destination(1, Method.TUNNEL, tunnel=TunnelKind.GRE, tunnel_flags=TunnelFlag.CHECKSUM),
        Destination(1, upper=10, lower=5),
    ):
        operations = diff({WEB: Balanced(Service("rr"), {ONE: values})}, {WEB: before}, frozenset({WEB}))
        assert [each.action for each in operations] == [Action.SET_DESTINATION]


def test_what_means_nothing_is_no_difference() -> None:
    one = Balanced(Service("rr", ServiceFlag.HASHED, 300, 24), {ONE: Destination(1, tunnel_port=9)})
    other = Balanced(Service("rr", ServiceFlag.NONE, 0, 128), {ONE: Destination(1)})
    assert diff({WEB6: one}, {WEB6: other}, frozenset({WEB6})) == ()


def test_somebody_elses_service_is_not_touched_even_where_it_is_wanted() -> None:
    assert diff({WEB: balanced(ONE)}, {WEB: balanced(TWO), MARK: balanced(ONE)}, NOTHING) == ()
    assert foreign({WEB: balanced(ONE), DNS: balanced(ONE)}, frozenset({WEB, MARK}), NOTHING) == {WEB}
    assert foreign({WEB: balanced(ONE)}, frozenset({WEB}), frozenset({WEB})) == NOTHING
