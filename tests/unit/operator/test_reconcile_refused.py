"""A VirtualIP that its nodes' daemons refuse: deleted, it goes at once where nothing of it runs, and only there."""

from typing import Any

import pytest
from tests.unit.operator.balanced import node
from tests.unit.operator.fake_api import FakeApi
from tests.unit.operator.running import Running
from tests.unit.operator.test_reconcile import instances, virtual_ip

NAMES = ("n1", "n2")
KEYED = {"version": 2, "authentication": {"type": "Password", "secretRef": {"name": "web-key"}}}
LACKING = [{"name": "web-key"}]


def refusing(api: FakeApi, *, states: tuple[str, ...] = (), blamed: str = "web-0") -> bool:
    """Every daemon confirms and refuses what it has no key for; these states it tells. Whether one had news."""
    news = False
    for name, document in api.all("NodeConfig").items():
        if document.get("status", {}).get("observedGeneration") == document["metadata"]["generation"]:
            continue
        problem = {"instance": blamed, "path": "spec.instances[0].authentication.secretRef", "message": "is not there"}
        told = [
            {"name": "web-0", "state": s, "sinceTime": "2026-01-01T00:00:00Z", "priority": 100, "transitions": 1}
            for s in states
        ]
        given = bool(document["spec"].get("instances"))
        more: dict[str, Any] = {"problems": [problem], "credentials": LACKING, "instances": told} if given else {}
        api.report(name, {"eth0": [f"10.0.0.{name[1:]}/24"]}, **more)
        news = True
    return news


def follow(running: Running, api: FakeApi, **how: Any) -> None:
    running.settle()
    while refusing(api, **how):
        running.settle()


@pytest.fixture
def api() -> FakeApi:
    return FakeApi([*map(node, NAMES), virtual_ip("web", "10.0.0.100/24", vrrp=KEYED)])


def test_what_no_node_has_a_key_for_goes_when_it_is_deleted(api: FakeApi) -> None:
    running = Running(api)
    follow(running, api)
    assert [instances(api, name) for name in NAMES] == [["web-0"], ["web-0"]]
    api.remove("VirtualIP", "web")
    running.hear("VirtualIP")
    follow(running, api)
    assert [instances(api, name) for name in NAMES] == [[], []]


@pytest.mark.parametrize("state", ["Active", "Backup", "Fault", "Standby"])
def test_what_a_node_keeps_in_its_last_good_form_stays_until_it_lets_go(api: FakeApi, state: str) -> None:
    """Refused as it stands, it may be in the role, or take it; so may a state that only a newer daemon knows."""
    running = Running(api)
    follow(running, api, states=(state,))
    api.remove("VirtualIP", "web")
    running.hear("VirtualIP")
    follow(running, api, states=(state,))
    assert [instances(api, name) for name in NAMES] == [["web-0"], ["web-0"]]


def test_a_daemon_that_refuses_the_whole_has_said_nothing_of_any_instance(api: FakeApi) -> None:
    running = Running(api)
    follow(running, api)
    api.remove("VirtualIP", "web")
    running.hear("VirtualIP")
    follow(running, api, blamed="")
    assert [instances(api, name) for name in NAMES] == [["web-0"], ["web-0"]]
