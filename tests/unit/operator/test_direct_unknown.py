"""Without NAT: while a report or a NodeConfig is lost, nodes go on balancing and answering as they were told."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator.running import Running
from tests.unit.operator.serving import ALL, namespace, virtual_server
from tests.unit.operator.test_lost_configs import Fleet
from tests.unit.operator.test_reconcile import NAMES, virtual_ip
from tests.unit.operator.test_unreported import HOW, spoil

Document = dict[str, Any]
#: n3 is a backend and no candidate; of two backends only reports say whose they are.
BACKENDS = ("10.0.0.1", "10.0.1.2", "10.0.1.3", "10.0.9.9")
CONFIG = "its NodeConfig"


def direct(key: str = "shop/shop", *backends: str, **spec: Any) -> Document:
    servers = [{"address": each} for each in backends or BACKENDS]
    return virtual_server(key, **{"forwarding": "DirectRoute", "backends": {"servers": servers}} | spec)


def fleet_of(*servers: Document) -> Fleet:
    web = virtual_ip(
        "web",
        "10.0.0.100/24",
        nodes={"preferred": [{"node": "n1"}, {"node": "n2"}], "maxCandidates": 2},
        allowedNamespaces=ALL,
        tenantFeatures=["StaticServers"],
        portGuard="Enforce",
    )
    return Fleet(web, namespace("shop"), *(servers or (direct(),)))


def directors(fleet: Fleet, name: str) -> list[list[str]]:
    return [each["otherDirectors"] for each in fleet.specs()[name]["virtualServers"]]


def accepted(fleet: Fleet, key: str = "shop/shop") -> tuple[str, str]:
    conditions = fleet.api.get("VirtualServer", key)["status"]["conditions"]
    found = next(each for each in conditions if each["type"] == "Accepted")
    return found["reason"], found["message"]


def test_directors_know_each_other_and_backends_answer() -> None:
    """What the other tests lose."""
    fleet = fleet_of()
    assert directors(fleet, "n1") == [["02:00:00:00:00:02", "02:00:00:00:01:02"]]
    assert directors(fleet, "n2") == [["02:00:00:00:00:01", "02:00:00:00:01:01"]]
    answers = {name: [each["address"] for each in spec["backendAddresses"]] for name, spec in fleet.specs().items()}
    assert answers == {name: ["10.0.0.100"] for name in NAMES}
    assert accepted(fleet)[0] == "Accepted"


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", NAMES)
def test_services_stay_while_a_report_is_lost(name: str, how: str, anew: bool) -> None:
    fleet = fleet_of()
    specs = fleet.specs()
    spoil(fleet, name, how)
    if anew:
        fleet.running = Running(fleet.api)
    fleet.running.settle()
    assert fleet.specs() == specs
    fleet.settle()
    assert fleet.specs() == specs
    assert accepted(fleet)[0] == "Accepted"


def test_who_is_waited_for_is_told_and_a_change_comes_then() -> None:
    fleet = fleet_of()
    specs = fleet.specs()
    spoil(fleet, "n2", "no status")
    fleet.api.add(fleet.api.get("VirtualServer", "shop/shop") | {"spec": direct("shop/shop", "10.0.0.1")["spec"]})
    fleet.running.settle()
    assert fleet.specs() == specs
    reason, message = accepted(fleet)
    assert reason == "KeptAsItStands"
    assert "what the daemon of n2 reports of its interfaces is lost" in message
    fleet.settle()
    assert accepted(fleet)[0] == "Accepted"
    assert [len(each["backends"]) for each in fleet.specs()["n1"]["virtualServers"]] == [1]
    assert fleet.specs()["n2"]["backendAddresses"] == []


@pytest.mark.parametrize("how", ["no status", "its own MAC", "its own interface"])
def test_what_is_new_is_not_balanced_beside_a_director_whose_mac_is_not_known(how: str) -> None:
    """Two that did not know each other would hand packets to and fro for ever."""
    fleet = fleet_of(direct("shop/other", "10.0.9.9", ports=[{"name": "http", "port": 80}]))
    for name in ("n1", "n2"):
        spoil(fleet, name, how)
    fleet.api.add(direct("shop/shop", "10.0.0.1", "10.0.0.2"))
    fleet.running.settle()
    for name in ("n1", "n2"):
        assert [each["name"] for each in fleet.specs()[name]["virtualServers"]] == ["shop/other:http"]
    fleet.settle()
    assert directors(fleet, "n1") == [[], ["02:00:00:00:00:02", "02:00:00:00:01:02"]]


def test_by_nat_backends_change_while_a_report_is_lost() -> None:
    fleet = fleet_of(direct(forwarding="NAT"))
    spoil(fleet, "n2", "no status")
    changed = direct("shop/shop", "10.0.9.8", forwarding="NAT")
    fleet.api.add(fleet.api.get("VirtualServer", "shop/shop") | {"spec": changed["spec"]})
    fleet.running.settle()
    assert accepted(fleet)[0] == "Accepted"
    assert [b["address"] for b in fleet.specs()["n1"]["virtualServers"][0]["backends"]] == ["10.0.9.8"]


@pytest.mark.parametrize("holder", ["n1", "n2"])
@pytest.mark.parametrize("lost", [("n2",), ("n1",), ("n3",), ("n1", "n2")])
def test_services_stay_while_a_lost_node_config_is_waited_for(lost: tuple[str, ...], holder: str) -> None:
    fleet = fleet_of()
    fleet.hold(holder)
    specs, beside = fleet.specs(), fleet.what_runs_beside()
    generations = {name: each["metadata"]["generation"] for name, each in fleet.api.all("NodeConfig").items()}
    fleet.lose(*lost)
    fleet.running.settle()
    assert fleet.specs() == specs | {name: {} for name in lost}
    conditions = {c["type"]: c for c in fleet.api.get("VirtualIP", "web")["status"]["conditions"]}
    if holder in lost:
        assert (conditions["Held"]["status"], conditions["Held"]["reason"]) == ("Unknown", "Electing")
        assert "may hold" in conditions["Held"]["message"]
    else:
        assert conditions["Held"]["status"] == "True"
    fleet.settle()
    assert fleet.specs() == specs
    assert fleet.what_runs_beside() == beside
    for name in set(NAMES) - set(lost):
        assert fleet.api.get("NodeConfig", name)["metadata"]["generation"] == generations[name]


@settings(max_examples=40, deadline=None)
@given(
    servers=st.sampled_from(
        [
            (direct(),),
            (direct("shop/shop", "10.0.0.1", "10.0.0.2"),),
            (
                direct("shop/old", "10.0.9.9", forwarding="NAT", ports=[{"name": "http", "port": 80}]),
                direct(forwarding="Tunnel", created=1),
            ),
        ]
    ),
    holder=st.sampled_from(["n1", "n2"]),
    steps=st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*HOW, CONFIG]), min_size=1),
            st.booleans(),
            st.lists(st.sampled_from(NAMES), max_size=3),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_whatever_is_lost_no_daemon_balances_or_answers_for_anything_else(
    servers: tuple[Document, ...], holder: str, steps: list[tuple[dict[str, str], bool, list[str]]]
) -> None:
    """In each step something of some nodes is lost, perhaps the operator with it, and some daemons report."""
    fleet = fleet_of(*servers)
    fleet.hold(holder)
    specs, before = fleet.specs(), fleet.what_runs_beside()
    for losses, anew, reporting in steps:
        for name, how in losses.items():
            if how == CONFIG:
                fleet.api.objects.pop(("NodeConfig", name), None)
            elif ("NodeConfig", name) in fleet.api.objects:
                spoil(fleet, name, how)
        if anew:
            fleet.running = Running(fleet.api)
        fleet.running.settle()
        for name in reporting:
            fleet.daemons[name].follow(fleet.api)
            assert fleet.what_runs_beside() == before
            fleet.running.settle()
    fleet.settle()
    assert fleet.what_runs_beside() == before
    assert fleet.specs() == specs
