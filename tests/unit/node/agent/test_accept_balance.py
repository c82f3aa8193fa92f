"""Accepting what is balanced: beside the groups, on disk before anybody is told, and each bad entry for itself."""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from tests.judged import judged

from mooring_node.agent import configuration
from mooring_node.agent.configuration import Outcome, accept, last_balance, origin_of
from mooring_node.balance import store
from mooring_node.files import StateFolder, read_json
from mooring_node.judge.facts import NodeFacts
from mooring_node.vrrp.config import TrackerConfig

FACTS = NodeFacts((("eth0", ip_network("10.0.0.0/16")),), ((4, "eth0"),))
A = {"name": "a", "interface": "eth0", "virtualRouterID": 1, "addresses": [{"address": "10.0.0.1/24"}]}


def server(name: str, last: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "addresses": [f"10.0.0.{last}"], "port": 80} | more


WEB, API = server("shop/web:http", 1), server("shop/api:http", 2)
BAD_WEB = WEB | {"scheduler": "best"}


class Node:
    def __init__(self, folder: Path) -> None:
        self.state = StateFolder(folder)
        self.state.create()
        self.facts = FACTS
        self.generation = 0

    def accept(self, *instances: Mapping[str, Any], **spec: Any) -> Outcome:
        self.generation += 1
        metadata = {"name": "lb-1", "uid": "u1", "generation": self.generation}
        head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": metadata}
        document = head | {"spec": {"instances": list(instances), **spec}}
        return accept(judged(document, self.facts), self.state, origin_of(document))

    @property
    def servers(self) -> list[str]:
        balance = last_balance(self.state)
        return [each.name for each in balance.servers] if balance else []


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_what_is_balanced_is_on_disk_under_a_number(node: Node) -> None:
    outcome = node.accept(A, virtualServers=[WEB, API])
    assert outcome.problems == ()
    assert outcome.balance == last_balance(node.state)
    assert (outcome.balance.generation, node.servers) == (1, ["shop/web:http", "shop/api:http"])
    assert outcome.runtime is not None
    again = node.accept(A, virtualServers=[WEB, API])
    assert (again.changed, again.balance) == (False, outcome.balance)
    fewer = node.accept(A, virtualServers=[WEB])
    assert (fewer.changed, fewer.balance.generation, fewer.runtime) == (True, 2, outcome.runtime)


def test_a_node_may_balance_and_hold_nothing(node: Node) -> None:
    outcome = node.accept(virtualServers=[WEB])
    assert outcome.runtime is not None
    assert outcome.runtime.groups == ()
    assert node.servers == ["shop/web:http"]


def test_without_a_list_of_instances_nothing_changes(node: Node) -> None:
    node.accept(A, virtualServers=[WEB])
    document = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": "lb-1"}}
    outcome = accept(judged(document | {"spec": {"virtualServers": [API]}}, FACTS), node.state)
    assert node.servers == ["shop/web:http"]
    assert [problem.path for problem in outcome.problems] == ["spec.instances"]
    assert "also where it only balances" in outcome.problems[0].message


def test_nothing_left_is_no_file_and_the_next_one_has_a_new_number(node: Node) -> None:
    node.accept(virtualServers=[WEB])
    outcome = node.accept()
    assert outcome.changed
    assert outcome.balance.empty
    assert not node.state.balance.exists()
    assert node.accept(virtualServers=[WEB]).balance.generation == 2
    assert (read_json(node.state.origin) or {})["balance"] == 2


def test_a_bad_server_keeps_its_last_good_form_also_after_a_restart(node: Node) -> None:
    node.accept(A, virtualServers=[WEB, API])
    outcome = node.accept(A, virtualServers=[BAD_WEB, API | {"quorum": {"up": 2}}])
    assert [problem.path for problem in outcome.problems] == ["spec.virtualServers[0].scheduler"]
    assert sorted(node.servers) == ["shop/api:http", "shop/web:http"]
    restarted = Node(node.state.path)
    again = restarted.accept(A, virtualServers=[BAD_WEB])
    assert restarted.servers == ["shop/web:http"]
    assert again.balance.generation == 3
    assert node.accept(A, virtualServers=[]).balance.empty, "what is not written any more is not bad, but gone"


def test_where_everything_is_bad_and_nothing_was_ever_good_nothing_runs(node: Node) -> None:
    assert node.accept(virtualServers=[BAD_WEB]).runtime is None
    assert node.accept(A | {"priority": 0}, virtualServers=[WEB]).runtime is not None
    assert node.servers == ["shop/web:http"]


def test_a_file_of_another_version_is_written_anew(node: Node) -> None:
    node.state.balance.write_text('{"format": 99}')
    outcome = node.accept(virtualServers=[WEB])
    assert outcome.changed
    assert node.servers == ["shop/web:http"]
    node.state.balance.write_text('{"format": 99}')
    assert node.accept().balance.empty
    assert not node.state.balance.exists()


def test_what_waits_for_the_network_is_tried_again(node: Node) -> None:
    node.facts = NodeFacts()
    outcome = node.accept(A, backendAddresses=[{"address": "10.0.0.1"}], connectionSync={})
    assert outcome.waits
    assert [(each.instance, each.path) for each in outcome.problems] == [
        ("10.0.0.1", "spec.backendAddresses[0].interfaces"),
        ("connectionSync", "spec.connectionSync.interface"),
    ]
    node.facts = FACTS
    assert not node.accept(A, backendAddresses=[{"address": "10.0.0.1"}], connectionSync={}).waits


def tracking(server: str, weight: int | None = None) -> dict[str, Any]:
    effect = {"type": "AdjustPriority", "weight": weight} if weight else {}
    return {"name": "t", "virtualServer": {"name": server}, "effect": effect}


def test_what_is_tracked_is_told_to_both(node: Node) -> None:
    shop = WEB | {"virtualServer": "shop/web"}
    outcome = node.accept(A | {"tracking": [tracking("shop/web", -50)]}, virtualServers=[shop, API])
    assert outcome.runtime is not None
    assert outcome.runtime.groups[0].trackers == (TrackerConfig("t", "shop/web", -50),)
    assert outcome.balance.tracked == ("shop/web",)
    by_entry = node.accept(A | {"tracking": [tracking("shop/api:http")]}, virtualServers=[shop, API])
    assert by_entry.runtime is not None
    assert by_entry.runtime.groups[0].trackers == (TrackerConfig("t", "shop/api:http", None),)
    assert by_entry.balance.tracked == ("shop/api:http",)


def test_what_is_not_here_is_not_tracked_and_said(node: Node) -> None:
    outcome = node.accept(A | {"tracking": [tracking("shop/gone")]}, virtualServers=[WEB])
    assert outcome.runtime is not None
    assert outcome.runtime.groups[0].trackers == ()
    (problem,) = outcome.problems
    assert (problem.severity.value, problem.instance, problem.path) == ("Warning", "a", "spec.instances[0].tracking[0]")
    # One that is bad and was good goes on, and is tracked.
    node.accept(A | {"tracking": [tracking("shop/web:http")]}, virtualServers=[WEB])
    kept = node.accept(A | {"tracking": [tracking("shop/web:http")]}, virtualServers=[BAD_WEB])
    assert kept.balance.tracked == ("shop/web:http",)


def test_a_full_disk_changes_nothing_and_the_next_try_does(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    before = node.accept(A, virtualServers=[WEB])

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    for module, name in ((store, "write_atomically"), (configuration, "write_atomically")):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, full)
            with pytest.raises(OSError, match="No space"):
                node.accept(A | {"priority": 77}, virtualServers=[API])
    after = node.accept(A | {"priority": 77}, virtualServers=[API])
    assert after.runtime is not None
    assert before.runtime is not None
    assert after.runtime.generation == before.runtime.generation + 1
    assert node.servers == ["shop/api:http"]
