"""The agent's side of the checks process: told until it has taken it up, waited for a while, heard in parts."""

from collections.abc import Iterator
from typing import Any

import pytest

from mooring_api.nodeconfig import NodeConfigStatus
from mooring_node.agent.balancing import AGAIN_NS, PATIENCE_NS, Balancing
from mooring_node.agent.report import Facts, build
from mooring_node.agent.server_report import bounded
from mooring_node.balance.config import BalanceConfig, ServerConfig
from mooring_node.channel import Channel
from mooring_node.log import Log, Subject

S = 1_000_000_000
NOW = 100 * S
CONFIG = BalanceConfig(4, (ServerConfig("web", addresses=("10.0.0.1",), port=80),))
CONFIGURE = {"do": "configure"}
SERVER: dict[str, Any] = {"name": "web", "family": "IPv4", "quorum": True, "up": 1, "down": 0}


class Lines(Log):
    def __init__(self) -> None:
        super().__init__(as_json=False)
        self.lines: list[tuple[str, str, str]] = []

    def write(self, level: str, message: str, about: Subject | None = None) -> None:
        self.lines.append((level, about.text if about else "", message))


class Bench:
    def __init__(self) -> None:
        self.checks, self._here = Channel.pair()
        self.log = Lines()
        self.changes: list[bool] = []
        self.balancing = Balancing(self._here, self.log, self.changes.append)

    def told(self) -> list[dict[str, Any]]:
        return list(self.checks.receive())

    def report(self, *parts: dict[str, Any]) -> None:
        for number, part in enumerate(parts):
            plain = {"servers": [], "problems": [], "kubeProxy": None}
            self.balancing.hear({"report": {"part": number, "of": len(parts)} | plain | part})

    def close(self) -> None:
        self.checks.close()
        self._here.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.fixture
def running(bench: Bench) -> Bench:
    bench.balancing.configure(CONFIG, NOW)
    bench.balancing.hear({"configured": 4})
    bench.told()
    bench.changes.clear()
    return bench


def test_it_is_settled_when_it_runs_what_it_should(bench: Bench) -> None:
    assert bench.balancing.settled, "there is nothing to run"
    bench.balancing.configure(CONFIG, NOW)
    assert not bench.balancing.settled
    assert CONFIGURE in bench.told()
    bench.balancing.hear({"configured": 3})
    assert not bench.balancing.settled
    assert bench.changes == []
    bench.balancing.hear({"configured": 4})
    assert bench.balancing.settled
    assert bench.changes == [True]
    bench.balancing.configure(CONFIG, NOW + S)
    assert CONFIGURE not in bench.told(), "it runs that already"


def test_what_was_not_taken_up_is_told_again(bench: Bench) -> None:
    bench.balancing.configure(CONFIG, NOW)
    bench.told()
    bench.balancing.turn(NOW + AGAIN_NS - 1)
    assert CONFIGURE not in bench.told()
    bench.balancing.turn(NOW + AGAIN_NS)
    assert CONFIGURE in bench.told()
    bench.balancing.hear({"configured": 4})
    bench.balancing.turn(NOW + 3 * AGAIN_NS)
    assert CONFIGURE not in bench.told()


def test_one_that_does_not_answer_is_waited_for_no_longer(bench: Bench) -> None:
    bench.balancing.configure(CONFIG, NOW)
    bench.balancing.turn(NOW + PATIENCE_NS - 1)
    assert not bench.balancing.settled
    bench.balancing.turn(NOW + PATIENCE_NS)
    assert bench.balancing.settled
    assert bench.balancing.silent
    assert bench.changes == [True]
    assert [problem.path for problem in bench.balancing.problems()] == ["spec.virtualServers"]
    assert [level for level, _, _ in bench.log.lines] == ["error"]
    # Another generation does not wait for it, either, until it has been heard again.
    newer = BalanceConfig(5, CONFIG.servers)
    bench.balancing.configure(newer, NOW + 60 * S)
    assert bench.balancing.settled
    bench.balancing.hear({"configured": 5})
    assert not bench.balancing.silent
    assert bench.balancing.problems() == ()
    assert bench.changes == [True, True]
    bench.balancing.configure(BalanceConfig(6, CONFIG.servers), NOW + 61 * S)
    assert not bench.balancing.settled


def test_nothing_to_run_is_told_once_and_waits_for_nothing(running: Bench) -> None:
    running.report({"servers": [SERVER]})
    running.balancing.configure(BalanceConfig(0), NOW + S)
    assert running.told() == [CONFIGURE]
    assert running.balancing.settled
    assert running.balancing.report.servers == ()
    running.report({"servers": [SERVER]})
    assert running.balancing.report.servers == (), "its last words"
    for second in range(2, 20):
        running.balancing.turn(NOW + second * S)
    assert running.told() == []


def test_a_report_counts_when_it_is_whole(running: Bench) -> None:
    other = SERVER | {"name": "api"}
    problem = {"server": "web", "path": "spec.virtualServers[]", "message": "ip_vs_mh is missing"}
    proxy = {"mode": "IPVS"}
    first = {"part": 0, "of": 2, "servers": [SERVER], "problems": [problem], "kubeProxy": proxy}
    second = {"part": 1, "of": 2, "servers": [other], "problems": [], "kubeProxy": None}
    running.balancing.hear({"report": first})
    assert running.balancing.report.servers == ()
    running.balancing.hear({"report": second})
    assert running.balancing.report.servers == (SERVER, other)
    assert running.balancing.report.kube_proxy == proxy
    (told,) = running.balancing.problems()
    assert (told.instance, told.path, told.message) == ("web", "spec.virtualServers[]", "ip_vs_mh is missing")
    assert running.changes == [False]
    # The same again is no news; one that lacks a part is forgotten with the next.
    for part in (first, second, first, first, second):
        running.balancing.hear({"report": part})
    assert running.changes == [False]
    assert running.balancing.told() == bounded((SERVER, other), 1 << 20)


def test_what_happens_is_logged(running: Bench) -> None:
    plain = {"server": "web", "time": 1.0}
    where = {"address": "fd00::1", "port": 80}
    running.balancing.hear({"happened": {"event": "BackendDown", "reason": "refused", "family": 6} | where | plain})
    running.balancing.hear({"happened": {"event": "QuorumUp", "reason": "", "address": None, "port": None} | plain})
    running.balancing.hear({"log": {"level": "error", "message": "oh", "server": "web"}})
    assert running.log.lines == [
        ("warning", "web IPv6", "BackendDown [fd00::1]:80: refused"),
        ("info", "web", "QuorumUp"),
        ("error", "web", "oh"),
    ]


def test_what_cannot_be_balanced_is_logged_when_it_begins_and_when_it_ends(running: Bench) -> None:
    missing = {"server": "", "path": "", "message": "the kernel lacks the module ip_vs", "module": "ip_vs"}
    running.report({"problems": [missing]})
    running.balancing.turn(NOW)
    running.balancing.turn(NOW + 1)
    line = "nothing is balanced: the kernel lacks the module ip_vs; checks go on"
    assert running.log.lines == [("error", "", line)]
    assert running.balancing.about()["problems"] == [line]
    running.report({"problems": []})
    running.balancing.turn(NOW + 2)
    assert running.log.lines[1:] == [("info", "", f"no longer: {line}")]


def test_a_person_is_told_the_worst_first_and_no_more_than_a_message_holds(running: Bench) -> None:
    down = SERVER | {"name": "x", "quorum": False, "down": 9}
    running.report({"servers": [SERVER, down] * 2000})
    about = running.balancing.about()
    assert (about["servers"], about["well"], about["generation"], about["runs"]) == (4000, 2000, 4, 4)
    assert len(about["listed"]) < 4000
    assert about["listed"][0]["name"] == "x"


def test_what_the_kernel_does_not_have_is_not_well(running: Bench) -> None:
    other = SERVER | {"name": "other"}
    of_service = {"server": "web", "path": "", "message": "adding 10.0.0.1:80/TCP: refused"}
    running.report({"servers": [SERVER, other], "problems": [of_service]})
    assert running.balancing.about()["well"] == 1
    running.report({"servers": [SERVER, other], "problems": [{"message": "missing", "module": "ip_vs"}]})
    assert running.balancing.about()["well"] == 0


def test_weights_are_for_who_asks_on_the_node(running: Bench) -> None:
    running.report({"servers": [SERVER | {"weights": {"up": 1, "needed": 1, "all": 1, "backends": 1}}]})
    (reported,) = build(Facts("1", servers=running.balancing.told()))["virtualServers"]
    assert reported["name"] == "web"
    assert "weights" not in reported


def test_a_problem_of_balancing_never_seems_to_be_one_of_the_addresses(running: Bench) -> None:
    said = [
        {"server": "web", "path": "", "message": "a", "module": "ip_vs_mh"},
        {"server": "", "path": "", "message": "b"},
        {"server": "", "path": "spec.connectionSync", "message": "c"},
    ]
    running.report({"problems": said})
    found = [(each.instance, each.path, each.message, each.module) for each in running.balancing.problems()]
    assert found == [
        ("web", "spec.virtualServers[]", "a", "ip_vs_mh"),
        ("", "spec.virtualServers", "b", ""),
        ("", "spec.connectionSync", "c", ""),
    ]
    status = build(Facts("1", problems=running.balancing.problems()))
    reported = NodeConfigStatus.model_validate(status, by_alias=True, by_name=False).problems
    assert all(each.of_balancing for each in reported)
    assert [(each.of_all_servers, each.module) for each in reported] == [
        (False, "ip_vs_mh"),
        (True, None),
        (False, None),
    ]
