"""Who waits for the holder of its addresses, and who would wait in vain."""

import json
from pathlib import Path
from typing import Any

import pytest

from mooring_api.problems import Severity
from mooring_node.check import check
from mooring_node.judge.facts import NodeFacts
from mooring_node.judge.judging import judge
from mooring_node.judge.messages import Judgement, Question

HELD = {"name": "web-0", "addresses": [{"address": "10.0.0.100/24"}]}
SIX = {"name": "web-1", "family": "IPv6", "addresses": [{"address": "fe80::7"}, {"address": "2001:db8::100"}]}


def config(*addresses: str, **fields: Any) -> str:
    server = {"name": "web", "addresses": addresses, "port": 80, "checksOn": "Holder", **fields}
    head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": "lb-1"}}
    every = {"interface": "eth0", "virtualRouterID": 7, "transport": {"alone": True}}
    return json.dumps(head | {"spec": {"instances": [HELD | every, SIX | every], "virtualServers": [server]}})


def judged(text: str, *, checks_only: bool = False) -> Judgement:
    return judge(Question(text, "file", "node.yaml", NodeFacts(), checks_only))


@pytest.mark.parametrize("addresses", [["10.0.0.100"], ["2001:db8::100"], ["10.0.0.100", "2001:db8::100"]])
def test_who_has_addresses_of_instances_waits(addresses: list[str]) -> None:
    found = judged(config(*addresses))
    assert found.problems == ()
    assert found.balance.servers[0].checks_on_holder


@pytest.mark.parametrize("addresses", [["10.0.0.7"], ["10.0.0.100", "10.0.0.7"]])
def test_who_would_wait_for_an_address_of_nobody_is_checked_and_told_of(addresses: list[str]) -> None:
    found = judged(config(*addresses))
    (told,) = found.problems
    assert (told.severity, told.instance, told.path) == (Severity.WARNING, "web", "spec.virtualServers[].checksOn")
    assert "has 10.0.0.7, and" in told.message
    assert not found.balance.servers[0].checks_on_holder


def test_where_no_vrrp_is_spoken_nobody_waits() -> None:
    found = judged(config("10.0.0.100"), checks_only=True)
    assert not found.balance.servers[0].checks_on_holder
    assert [each.path for each in found.problems] == ["spec.instances", "spec.virtualServers[].checksOn"]


def test_a_virtual_server_that_comes_before_its_instance_is_checked_without_a_word() -> None:
    found = judged(config("10.0.0.7", virtualServer="shop/web"))
    assert found.problems == ()
    assert not found.balance.servers[0].checks_on_holder


def test_a_file_is_good_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(config("10.0.0.7"))
    assert check(path)
    told = capsys.readouterr().err
    assert "spec.virtualServers[0].checksOn (virtual server web): warning: no instance of this NodeConfig" in told
