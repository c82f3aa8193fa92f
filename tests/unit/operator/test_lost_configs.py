"""NodeConfigs that were lost while nobody led: no daemon lets go, and none is forgotten by the others."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator.fake_api import FakeApi
from tests.unit.operator.running import Running
from tests.unit.operator.test_contested import node
from tests.unit.operator.test_reconcile import NAMES, virtual_ip

Document = dict[str, Any]


class Daemon:
    """One that runs what it is told, and what it ran before where it is told nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.runs: list[Document] = []
        self.beside: Document = {}
        self.active: frozenset[str] = frozenset()

    def follow(self, api: FakeApi) -> bool:
        """Take what stands and report; whether it had something new to say."""
        document = api.objects.get(("NodeConfig", self.name))
        if document is None or not self.alive:
            return False
        listed = (document.get("spec") or {}).get("instances")
        if listed is not None:
            self.runs = listed
            self.beside = {key: part for key, part in document["spec"].items() if key != "instances"}
        self.active = frozenset(i["name"] for i in self.runs if i.get("eligible", True)) & self.active
        status: Document = {
            "interfaces": [
                {
                    "name": f"eth{number}",
                    "mac": f"02:00:00:00:0{number}:0{self.name[1:]}",
                    "addresses": [f"10.0.{number}.{self.name[1:]}/24"],
                    "carrier": True,
                    "mtu": 1500,
                }
                for number in range(2)
            ],
            "instances": [
                {
                    "name": i["name"],
                    "state": "Active" if i["name"] in self.active else "Backup",
                    "sinceTime": "2026-01-01T00:00:00Z",
                    "priority": i["priority"],
                    "transitions": 1,
                }
                for i in self.runs
            ],
        }
        if listed is not None:
            status["observedGeneration"] = document["metadata"]["generation"]
        if document.get("status") == status:
            return False
        api.add({**api.get("NodeConfig", self.name), "status": status})
        return True


class Fleet:
    """Three nodes and their daemons; n1 holds what is there, unless a test says otherwise."""

    def __init__(self, *virtual_ips: Document) -> None:
        nodes = [node(name, f"10.0.0.{name[1:]}") for name in NAMES]
        self.api = FakeApi([*nodes, *(virtual_ips or [virtual_ip("web", "10.0.0.100/24")])])
        self.daemons = {name: Daemon(name) for name in NAMES}
        self.running = Running(self.api)
        self.settle()
        self.hold("n1")

    def hold(self, name: str) -> None:
        for daemon in self.daemons.values():
            mine = {i["name"] for i in daemon.runs} if daemon.name == name else ()
            daemon.active = frozenset(mine)
        self.settle()

    def die(self, name: str) -> None:
        self.daemons[name].alive = False
        self.api.add(node(name, f"10.0.0.{name[1:]}", ready=False))

    def settle(self) -> None:
        self.running.settle()
        for _ in range(60):
            if not any([daemon.follow(self.api) for daemon in self.daemons.values()]):
                return
            self.running.settle()
        raise AssertionError("no end")

    def lose(self, *names: str) -> None:
        """These NodeConfigs are deleted while no operator runs; the next one knows nothing of them."""
        for name in names:
            if ("NodeConfig", name) in self.api.objects:
                self.api.remove("NodeConfig", name)
        self.running = Running(self.api)

    def what_runs(self) -> dict[str, list[Document]]:
        return {name: daemon.runs for name, daemon in self.daemons.items()}

    def what_runs_beside(self) -> dict[str, Document]:
        return {name: daemon.beside for name, daemon in self.daemons.items()}

    def specs(self) -> dict[str, Document]:
        return {name: document["spec"] for name, document in self.api.all("NodeConfig").items()}

    def programmed(self) -> str:
        conditions = self.api.get("VirtualIP", "web")["status"]["conditions"]
        message: str = next(c["message"] for c in conditions if c["type"] == "Programmed")
        return message


@pytest.mark.parametrize("holder", NAMES)
@pytest.mark.parametrize("lost", [("n2",), ("n1", "n2"), NAMES])
def test_what_was_lost_comes_back_as_it_was(lost: tuple[str, ...], holder: str) -> None:
    fleet = Fleet()
    fleet.hold(holder)
    before, specs = fleet.what_runs(), fleet.specs()
    assert all(before.values())
    fleet.lose(*lost)
    fleet.running.settle()
    assert fleet.specs() == specs | {name: {} for name in lost}, "the others hear those that say nothing yet"
    fleet.settle()
    assert fleet.what_runs() == before
    assert fleet.specs() == specs
    assert fleet.programmed() == "runs on n1, n2, n3"


def test_one_after_the_other_reports_and_nobody_is_written_before_the_last() -> None:
    fleet = Fleet()
    before = fleet.what_runs()
    fleet.lose(*NAMES)
    for name in NAMES:
        fleet.running.settle()
        assert fleet.specs() == {each: {} for each in NAMES}
        assert "until its daemon reports in the new one" in fleet.programmed()
        fleet.daemons[name].follow(fleet.api)
        fleet.running = Running(fleet.api)
    fleet.settle()
    assert fleet.what_runs() == before


def test_the_last_holder_keeps_its_role_though_the_other_member_is_dead() -> None:
    """It cannot be confirmed by the dead one that it is heard, as one that joins must be."""
    fleet = Fleet()
    fleet.hold("n2")
    fleet.die("n1")
    fleet.die("n3")
    fleet.settle()
    before = fleet.what_runs()
    fleet.lose("n2")
    fleet.settle()
    assert fleet.what_runs() == before
    assert fleet.daemons["n2"].active == {"web-0"}


def test_who_is_silent_is_heard_until_its_node_is_deleted() -> None:
    fleet = Fleet()
    fleet.die("n2")
    fleet.settle()
    specs = fleet.specs()
    fleet.lose("n2")
    changed = {"addresses": [{"address": "10.0.0.100/24"}], "vrrp": {"advertisementInterval": "2s"}}
    fleet.api.add(fleet.api.get("VirtualIP", "web") | {"spec": changed})
    fleet.settle()
    fleet.running = Running(fleet.api)
    fleet.settle()
    assert fleet.specs() == specs | {"n2": {}}
    assert "the NodeConfig of n2 was lost: nothing changes until its daemon reports" in fleet.programmed()
    fleet.api.remove("Node", "n2")
    fleet.settle()
    assert fleet.specs().keys() == {"n1", "n3"}
    assert fleet.programmed() == "runs on n1, n3"


@pytest.mark.parametrize("status", [True, False])
def test_a_node_of_a_paused_virtual_ip_waits_until_that_goes_on(status: bool) -> None:
    """What it runs of it only the plan could say, which is not to be followed now; all else waits with it.

    That it runs some of it its daemon says, also where the status that named it is lost, too.
    """
    fleet = Fleet(virtual_ip("web", "10.0.0.100/24"), virtual_ip("api", "10.0.0.101/24"))
    before = fleet.what_runs()
    web = fleet.api.get("VirtualIP", "web")
    changed = {**web["spec"], "vrrp": {"advertisementInterval": "2s"}}
    paused = {**web["metadata"], "annotations": {"mooring.dev/paused": "true"}}
    fleet.api.add({**web, "metadata": paused, "spec": changed, "status": web["status"] if status else {}})
    fleet.lose("n2")
    fleet.settle()
    assert fleet.what_runs() == before
    assert fleet.specs()["n2"] == {}
    fleet.api.add({**fleet.api.get("VirtualIP", "web"), "metadata": web["metadata"], "spec": web["spec"]})
    fleet.settle()
    assert fleet.what_runs() == before
    assert fleet.specs()["n2"]["instances"] == before["n2"]


def test_who_is_no_member_is_told_so_when_it_has_reported() -> None:
    fleet = Fleet(virtual_ip("web", "10.0.0.100/24", nodes={"preferred": [{"node": "n1"}], "maxCandidates": 1}))
    stale = fleet.daemons["n1"].runs
    assert stale
    fleet.daemons["n3"].runs = stale
    fleet.lose("n3")
    fleet.running.settle()
    assert fleet.specs()["n3"] == {}
    fleet.settle()
    assert fleet.specs()["n3"]["instances"] == []
    assert fleet.daemons["n3"].runs == []


def mute(own: list[Document]) -> list[Document]:
    return [{**each, "eligible": False} for each in own]


@settings(max_examples=30, deadline=None)
@given(
    holder=st.sampled_from(NAMES),
    dead=st.sets(st.sampled_from(NAMES), max_size=2),
    spec=st.sampled_from([{}, {"vrrp": {"virtualRouterIDs": [7]}}, {"nodes": {"preferred": [{"node": "n2"}]}}]),
    steps=st.lists(
        st.tuples(st.sets(st.sampled_from(NAMES)), st.lists(st.sampled_from(NAMES), max_size=3)),
        min_size=1,
        max_size=4,
    ),
)
def test_whatever_is_lost_no_daemon_runs_anything_else(
    holder: str, dead: set[str], spec: Document, steps: list[tuple[set[str], list[str]]]
) -> None:
    """In each step NodeConfigs are lost with the operator, and some daemons report before the next step.

    Who does not hold it may have to listen until the others have confirmed that they hear it.
    """
    fleet = Fleet(virtual_ip("web", "10.0.0.100/24", **spec), virtual_ip("api", "10.0.0.101/24"))
    fleet.hold(holder)
    for name in dead:
        fleet.die(name)
    fleet.settle()
    before, specs = fleet.what_runs(), fleet.specs()
    active = fleet.daemons[holder].active
    for names, reporting in steps:
        fleet.lose(*names)
        fleet.running.settle()
        for name in reporting:
            fleet.daemons[name].follow(fleet.api)
            fleet.running.settle()
        assert {name: mute(own) for name, own in fleet.what_runs().items()} == {n: mute(o) for n, o in before.items()}
        holding = fleet.daemons[holder]
        assert holding.runs == before[holder]
        assert holding.active == active
    fleet.settle()
    assert fleet.daemons[holder].active == active
    if not dead:
        assert fleet.what_runs() == before
        assert fleet.specs() == specs
