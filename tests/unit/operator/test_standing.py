"""What stands in the API, read leniently: nothing in it may stop the operator."""

import pytest

from mooring_operator.stage.standing import DROPPED, standing_of

GOOD = {"name": "web-0", "virtualRouterID": 7, "addresses": [{"address": "10.0.5.1/24"}]}


def document(*instances, generation=3, observed=None, **metadata):
    status = {"observedGeneration": observed} if observed is not None else {}
    own = {"name": "n1", "uid": "u", "generation": generation, **metadata}
    return {"metadata": own, "spec": {"instances": list(instances)}, "status": status}


@pytest.mark.parametrize(("observed", "confirmed"), [(None, False), (2, False), (3, True), (4, True)])
def test_confirmed_is_what_the_daemon_has_seen(observed, confirmed):
    assert standing_of(document(GOOD, observed=observed)).confirmed is confirmed


def test_an_instance_that_cannot_be_read_is_named_and_the_others_stand():
    future = GOOD | {"name": "shop-0", "checksum": "WithQuantum"}
    standing = standing_of(document(GOOD, future, "nonsense", {"name": 7}))
    assert [i.name for i in standing.instances] == ["web-0"]
    assert standing.unreadable == ("shop-0", "", "7")


def test_fields_of_a_newer_version_are_ignored_at_every_depth():
    newer = GOOD | {"color": "red", "addresses": [{"address": "10.0.5.1/24", "color": "red"}]}
    given = document(newer, observed=3)
    given["status"]["instances"] = [
        {"name": "web-0", "state": "Active", "sinceTime": "x", "priority": 1, "transitions": 0, "mood": "good"}
    ]
    standing = standing_of(given)
    assert standing.instances == standing_of(document(GOOD)).instances
    assert standing.status.instances[0].state == "Active"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"metadata": None, "spec": None, "status": None},
        {"metadata": "x", "spec": "x", "status": "x"},
        {"metadata": {"generation": "3", "annotations": "x"}, "spec": {"instances": "x"}, "status": []},
        {"metadata": {"annotations": {DROPPED: 7}}, "spec": {"instances": {"a": 1}}},
        {"status": {"observedGeneration": "many"}},
    ],
    ids=range(6),
)
def test_nonsense_is_an_empty_standing_that_nobody_confirmed(given):
    standing = standing_of(given)
    assert (standing.instances, standing.generation, standing.status) == ((), 0, None)
    assert not standing.confirmed
    assert standing.dropped == frozenset()


def test_what_was_dropped_is_read_from_the_annotation():
    note = {DROPPED: "web-0=10.0.5.2 web-0=IPv4/7"}
    assert standing_of(document(GOOD, annotations=note)).dropped == {"web-0=10.0.5.2", "web-0=IPv4/7"}


def test_a_spec_of_the_same_generation_is_not_read_again():
    before = standing_of(document(GOOD, observed=2))
    after = standing_of(document({"name": "another"}, observed=3), before)
    assert after.instances is before.instances
    assert after.confirmed


@pytest.mark.parametrize("change", [{"generation": 4}, {"uid": "v"}, {"name": "n2"}, {"uid": ""}, {"generation": None}])
def test_a_spec_of_another_object_or_generation_is_read(change):
    before = standing_of(document(GOOD))
    after = standing_of(document(GOOD | {"name": "shop-0"}, **change), before)
    assert [i.name for i in after.instances] == ["shop-0"]


@pytest.mark.parametrize(
    ("problem", "runs"),
    [
        ({"message": "x"}, False),
        ({"message": "x", "instance": "web-0", "path": "spec.instances[0]"}, False),
        ({"message": "x", "path": "status"}, True),
        ({"message": "x", "path": "spec.virtualServers", "module": "ip_vs"}, True),
        ({"message": "x", "path": "spec.connectionSync"}, True),
        ({"message": "x", "path": "spec.virtualServers[3].scheduler", "instance": "shop/web:http"}, True),
    ],
)
def test_what_is_said_of_balancing_refuses_no_instance(problem, runs):
    """Or a node without IPVS would stop every change of an election that it takes part in."""
    given = document(GOOD, observed=3)
    given["status"]["problems"] = [problem]
    assert standing_of(given).runs(["web-0"]) is runs
