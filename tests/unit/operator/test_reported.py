"""The report of a daemon of another release: what is new in it costs only itself."""

from typing import Any

import pytest

from mooring_api.nodeconfig import InstanceState
from mooring_operator.stage.reported import read_status
from mooring_operator.stage.seats import seat_of
from mooring_operator.stage.standing import standing_of

Document = dict[str, Any]
STATE = {"name": "web-0", "state": "Active", "sinceTime": "2026-01-01T00:00:00Z", "priority": 1, "transitions": 1}
STATUS: Document = {
    "observedGeneration": 7,
    "daemonVersion": "0.1.0",
    "instances": [STATE, STATE | {"name": "api-0", "state": "Backup"}],
    "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "carrier": True, "mtu": 1500}],
    "problems": [{"instance": "api-0", "message": "x"}],
}


def test_a_status_of_this_release_is_read_whole() -> None:
    status, unsaid = read_status(STATUS)
    assert status is not None
    assert (len(status.instances), unsaid) == (2, frozenset())


@pytest.mark.parametrize("given", [None, {}, [], 7, "x"])
def test_what_is_none_is_none(given: object) -> None:
    assert read_status(given) == (None, frozenset())


def test_unknown_fields_are_passed_over_at_every_depth() -> None:
    newer = STATUS | {"pools": [1], "instances": [each | {"later": 1} for each in STATUS["instances"]]}
    assert read_status(newer) == read_status(STATUS)


def test_an_entry_that_cannot_be_read_costs_itself_and_names_its_instance() -> None:
    newer = STATUS | {"instances": [STATE, STATE | {"name": "api-0", "state": "Standby"}, 7]}
    status, unsaid = read_status(newer)
    assert status is not None
    assert [(each.name, each.state) for each in status.instances] == [("web-0", InstanceState.ACTIVE)]
    assert unsaid == {"api-0", ""}
    assert (status.observed_generation, len(status.interfaces)) == (7, 1)


def test_a_field_that_cannot_be_read_costs_itself() -> None:
    status, _ = read_status(STATUS | {"kubeProxy": {"mode": "EBPF"}, "foreignRouters": "x"})
    assert status is not None
    assert (status.kube_proxy, status.foreign_routers) == (None, ())
    assert len(status.instances) == 2


def test_states_that_cannot_be_read_as_a_whole_may_be_of_any_instance() -> None:
    _, unsaid = read_status(STATUS | {"instances": {"web-0": "Standby"}})
    assert unsaid == {""}
    without = {name: part for name, part in STATUS.items() if name != "instances"}
    assert read_status(without | {"foreignRouters": "x"})[1] == frozenset()


@pytest.mark.parametrize(
    "changes", [{"observedGeneration": "x"}, {"problems": "x"}, {"problems": [{"message": "x"}] * 40}]
)
def test_without_what_it_runs_and_refuses_nothing_is_believed(changes: Document) -> None:
    """Problems that are more than can be read may hide the one that counts."""
    assert read_status(STATUS | changes) == (None, frozenset())


def test_a_state_that_is_not_known_may_be_one_in_which_it_holds_the_address() -> None:
    instance = {
        "name": "web-0",
        "virtualIP": "web",
        "virtualRouterID": 6,
        "eligible": False,
        "transport": {"source": "10.0.0.1", "peers": ["10.0.0.2"]},
        "addresses": [{"address": "10.0.0.100/24"}],
    }
    document = {"metadata": {"name": "n1", "generation": 7, "uid": "u"}, "spec": {"instances": [instance]}}
    for state, quiet in (("Backup", True), ("Active", False), ("Standby", False)):
        status = STATUS | {"problems": [], "instances": [STATE | {"state": state}]}
        standing = standing_of(document | {"status": status})
        share = {each.family: each for each in standing.instances}
        assert seat_of("n1", {}, standing, share).quiet is quiet
