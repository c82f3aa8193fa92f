"""What the agent finds out by itself: interfaces, groups that nobody told of, and a VRRP process that is silent."""

from collections.abc import Callable, Iterator
from pathlib import Path
from socket import AF_INET
from typing import Any

import pytest

from mooring_api.nodeconfig import NodeConfigStatus
from mooring_node.agent import observer
from mooring_node.agent.balancing import Balancing
from mooring_node.agent.configuration import Outcome
from mooring_node.agent.interfaces import Choice
from mooring_node.agent.observer import CROWDED_EVERY_NS, LOOK_AGAIN_NS, LOOK_EVERY_NS, Observer
from mooring_node.agent.transitions import Transition, TransitionLog
from mooring_node.balance.config import BalanceConfig, ServerConfig
from mooring_node.channel import Channel
from mooring_node.kernel.addresses import IFA_F_PERMANENT, KernelAddress
from mooring_node.kernel.links import Link
from mooring_node.ledger import Entries
from mooring_node.log import Log, timestamp
from mooring_node.vrrp.config import GroupConfig, MemberConfig, NodeRuntime

NOW_S = 1_795_233_600.0
MAC = bytes.fromhex("020000000001")


class Kernel:
    """Interfaces and addresses, or none to be had."""

    def __init__(self) -> None:
        self.addresses_there = ["10.0.0.18"]
        self.busy = False
        self.looks = 0

    def links(self) -> tuple[Link, ...]:
        self.looks += 1
        if self.busy:
            raise OSError(11, "the kernel's table changed during each of 16 dumps")
        return (Link(2, "eth0", MAC, True, 1500, None),)

    def addresses(self) -> tuple[KernelAddress, ...]:
        found = [bytes(map(int, text.split("."))) for text in self.addresses_there]
        return tuple(KernelAddress(2, AF_INET, each, 16, None, 0, None, IFA_F_PERMANENT, True) for each in found)

    def default_interfaces(self) -> dict[int, int]:
        return {}


class Runs:
    """What runs, as far as the observer asks."""

    def __init__(self) -> None:
        members = (MemberConfig("web", "eth0", 4, 1, 3, ()),)
        self.runtime: NodeRuntime | None = NodeRuntime(3, (GroupConfig("web", members),))
        self.outcome = Outcome(self.runtime, (), changed=False)
        self.places: dict[tuple[str, str], int] = {}
        self.ledger = self
        self.taken_up: list[tuple[int, int]] = []
        self.news = False

    def read(self) -> Entries:
        return Entries()

    def configured(self, generation: int, leaving: int) -> bool:
        self.taken_up.append((generation, leaving))
        return self.news


class Bench:
    def __init__(self, folder: Path) -> None:
        self.kernel = Kernel()
        self.runs = Runs()
        self.transitions = TransitionLog(folder / "t.json")
        self.questions: list[Callable[[dict[str, Any]], None]] = []
        self.changes = 0
        runs: Any = self.runs
        kernel: Any = self.kernel
        self.checks, self._checks = Channel.pair()
        self.balancing = Balancing(self._checks, Log(as_json=False), lambda _confirms: self._changed())
        self.observer = Observer(
            runs, self.transitions, kernel, self.balancing, Choice(), self.questions.append, self._changed
        )

    def _changed(self) -> None:
        self.changes += 1

    def answer(self, *groups: dict[str, Any], foreign: list[Any] | None = None) -> None:
        process = {"generation": 3, "leaving": 0, "foreignRouters": foreign or []}
        self.questions.pop(0)({"groups": list(groups), "vrrp": process})

    def silence(self) -> None:
        self.questions.pop(0)({"groups": [], "vrrp": {}})

    def status(self) -> Any:
        told = self.observer.status(7, (), ("a remark",))
        assert NodeConfigStatus.model_validate(told, by_alias=True, by_name=False).to_wire() == told
        return told


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(observer.time, "time", lambda: NOW_S)
    made = Bench(tmp_path)
    yield made
    made.checks.close()
    made._checks.close()


def group(state: str = "Active", age: int = 60, name: str = "web") -> dict[str, Any]:
    return {"name": name, "state": state, "forSeconds": age, "transitions": 2, "faults": [], "remedies": []} | {
        "priority": 100,
        "configuredPriority": 100,
    }


def router(vrid: int) -> dict[str, Any]:
    return {"interface": "eth0", "virtualRouterID": vrid, "source": "10.0.0.9", "priority": 1, "version": 2}


def test_it_looks_at_once_and_then_now_and_then(bench: Bench) -> None:
    bench.observer.turn(5)
    assert (bench.kernel.looks, len(bench.questions), bench.changes) == (1, 1, 1)
    bench.observer.turn(5 + LOOK_EVERY_NS - 1)
    assert (bench.kernel.looks, len(bench.questions)) == (1, 1)
    bench.kernel.addresses_there.append("10.0.0.19")
    bench.observer.turn(5 + LOOK_EVERY_NS)
    assert (bench.kernel.looks, len(bench.questions), bench.changes) == (2, 2, 2)
    bench.observer.turn(5 + 2 * LOOK_EVERY_NS)
    assert bench.changes == 2
    status = bench.status()
    assert status["interfaces"][0]["addresses"] == ["10.0.0.18/16", "10.0.0.19/16"]
    assert status["observedGeneration"] == 7
    assert status["problems"] == [{"instance": "", "path": "status", "message": "a remark"}]


def test_a_storm_of_changes_costs_one_look_a_second(bench: Bench) -> None:
    bench.observer.turn(0)
    for step in range(10):
        bench.observer.kernel_changed()
        bench.observer.turn(step * LOOK_AGAIN_NS // 10)
    assert bench.kernel.looks == 1
    bench.observer.turn(LOOK_AGAIN_NS)
    assert bench.kernel.looks == 2
    bench.observer.turn(2 * LOOK_AGAIN_NS)
    assert bench.kernel.looks == 2


def test_a_kernel_that_is_busy_is_asked_again_and_takes_nothing_away(bench: Bench) -> None:
    bench.observer.turn(0)
    bench.kernel.busy = True
    bench.observer.turn(LOOK_EVERY_NS)
    assert bench.status()["interfaces"]
    bench.kernel.busy = False
    bench.kernel.addresses_there = []
    bench.observer.turn(LOOK_EVERY_NS + LOOK_AGAIN_NS)
    assert bench.status()["interfaces"][0]["addresses"] == []


def test_a_group_that_nobody_told_of_is_found(bench: Bench) -> None:
    bench.observer.turn(0)
    assert bench.status()["instances"] == []
    bench.answer(group(), group(name="gone"))
    (instance,) = bench.status()["instances"]
    assert (instance["state"], instance["sinceTime"]) == ("Active", "2026-11-21T03:59:00Z")
    assert bench.changes == 2
    assert bench.runs.taken_up == [(3, 0)]
    assert bench.transitions.groups.keys() == {"web"}
    # The same again is nothing new, whatever the second.
    bench.observer.turn(LOOK_EVERY_NS)
    bench.answer(group(age=61))
    assert bench.changes == 2


def test_what_was_told_at_the_transition_is_kept(bench: Bench) -> None:
    bench.transitions.add(Transition(timestamp(NOW_S - 59.2), "web", "Backup", "Active", "nobody else was heard"))
    bench.observer.turn(0)
    bench.answer(group(age=60))
    assert bench.status()["instances"][0]["reason"] == "nobody else was heard"
    assert bench.changes == 1


def test_a_group_that_goes_on_under_another_name_is_asked_for(bench: Bench) -> None:
    bench.observer.turn(0)
    bench.answer(group(name="old"))
    bench.transitions.add(Transition(timestamp(NOW_S), "old", "Backup", "Active", "x"))
    bench.observer.configured(1)
    assert bench.transitions.groups == {}
    bench.answer(group())
    assert bench.status()["instances"][0]["name"] == "web"
    bench.observer.configured(2)
    assert bench.questions == []


def test_that_the_configuration_is_taken_up_is_news(bench: Bench) -> None:
    bench.observer.turn(0)
    bench.answer(group())
    before = bench.changes
    bench.runs.news = True
    bench.observer.turn(LOOK_EVERY_NS)
    bench.answer(group())
    assert bench.changes == before + 1


def test_a_silent_vrrp_process_is_told_of_the_whole(bench: Bench) -> None:
    bench.observer.turn(0)
    bench.silence()
    assert len(bench.status()["problems"]) == 1
    bench.observer.turn(LOOK_EVERY_NS)
    bench.silence()
    (problem, _) = bench.status()["problems"]
    assert (problem["instance"], problem["path"]) == ("", "")
    assert "the VRRP process does not answer" in problem["message"]
    before = bench.changes
    bench.observer.turn(2 * LOOK_EVERY_NS)
    bench.answer()
    assert len(bench.status()["problems"]) == 1
    assert bench.changes == before + 1


def test_a_new_router_is_told_at_once_and_a_crowd_of_them_once_a_minute(bench: Bench) -> None:
    bench.observer.turn(0)
    bench.answer(foreign=[router(51)])
    assert [each["virtualRouterID"] for each in bench.status()["foreignRouters"]] == [51]
    now = 0
    crowd = [[router(vrid) for vrid in range(start, start + 32)] for start in range(1, 20)]
    changes = bench.changes
    for routers in crowd:
        now += LOOK_EVERY_NS
        bench.observer.turn(now)
        bench.answer(foreign=routers)
    assert bench.changes - changes <= now // CROWDED_EVERY_NS + 1


def test_what_the_checks_process_tells_is_in_the_status(bench: Bench) -> None:
    bench.balancing.configure(BalanceConfig(1, (ServerConfig("shop/web:http", mark=7),)), 0)
    bench.runs.places = {("virtualServers", "shop/web:http"): 4}
    server = {"name": "shop/web:http", "family": "IPv4", "quorum": False, "sorry": False, "up": 0, "down": 1}
    problem = {"server": "shop/web:http", "path": "spec.virtualServers[].scheduler", "message": "ip_vs_mh is missing"}
    report = {"part": 0, "of": 1, "servers": [server], "problems": [problem], "kubeProxy": {"mode": "IPTables"}}
    bench.balancing.hear({"report": report})
    assert bench.changes == 1
    status = bench.status()
    assert status["virtualServers"] == [server | {"draining": 0, "backends": []}]
    assert status["kubeProxy"]["mode"] == "IPTables"
    assert {
        "instance": "shop/web:http",
        "path": "spec.virtualServers[4].scheduler",
        "message": "ip_vs_mh is missing",
    } in status["problems"]


def test_a_priority_by_what_is_tracked_is_found_and_told(bench: Bench) -> None:
    bench.observer.turn(0)
    bench.answer(group() | {"priority": 50})
    assert bench.status()["instances"][0]["priority"] == 50
    bench.transitions.weighed("web", 70)
    assert bench.status()["instances"][0]["priority"] == 70
    bench.transitions.weighed("web", None)
    assert bench.status()["instances"][0]["priority"] == 100
    bench.transitions.weighed("stranger", 7)
    assert bench.transitions.groups.keys() == {"web"}


def test_where_no_vrrp_is_spoken_nobody_is_asked(bench: Bench) -> None:
    runs: Any = bench.runs
    kernel: Any = bench.kernel
    alone = Observer(runs, bench.transitions, kernel, bench.balancing, Choice(), None, bench._changed)
    alone.turn(0)
    alone.turn(5 * LOOK_EVERY_NS)
    assert bench.questions == []
    assert alone.status(7, (), ())["problems"] == []
