"""The operator dies, comes back without a memory, and meets another one: nothing that runs takes notice."""

import signal

import pytest
from tests.cluster.whole.scenery import SECOND, Document, Scene, virtual_ip
from tests.cluster.whole.watching import History

from mooring_kube.resources import NODE_CONFIGS
from mooring_lab.cluster import OPERATOR

pytestmark = [pytest.mark.cluster, pytest.mark.netns]


@pytest.fixture
def both(scene: Scene) -> list[Document]:
    """One VirtualIP of one holder and one that is balanced, both at rest on lb-1 and lb-2.

    The latter was planned for two nodes, and keeps its two groups although there are three: who planned it anew
    would make another one.
    """
    web = virtual_ip("web", "10.0.0.100")
    spread = virtual_ip("spread", "10.0.0.110", "10.0.0.111", "10.0.0.112", distribution="Balanced")
    scene.label("lb-3", on=False)
    scene.settle(web)
    scene.apply(spread)
    scene.until_programmed("spread")
    scene.until_holder("lb-1", "10.0.0.110", "10.0.0.111")
    scene.until_holder("lb-2", "10.0.0.112")
    scene.until_held("spread")
    scene.label("lb-3", on=True)
    scene.until("lb-3 to take part", lambda: len(scene.instances("lb-3")) == 3)
    scene.until_programmed("spread", "web")
    scene.until_settled()
    return [web, spread]


def test_one_that_is_killed_and_one_that_begins_with_an_empty_memory(scene: Scene, both: list[Document]) -> None:
    before = scene.generations()
    with History(scene.client, NODE_CONFIGS) as history, scene.watch(*both) as watch:
        for number in (signal.SIGKILL, signal.SIGTERM):
            scene.cluster.stop_operator(number)
            scene.cluster.start_operator()
            scene.until("the operator to lead and to settle", scene.settled_operator)
        scene.until_settled()
        assert [len(history.specs(name)) for name in scene.names] == [1, 1, 1]
    watch.assert_nothing_moved()
    assert scene.generations() == before
    assert scene.line("spread")["HOLDERS"] == "lb-1(2) lb-2(1)"


def test_two_at_once_and_the_leader_is_killed(scene: Scene, both: list[Document]) -> None:
    before = scene.generations()
    with History(scene.client, NODE_CONFIGS) as history, scene.watch(*both) as watch:
        scene.cluster.start_operator(SECOND)
        scene.until("the second to be ready to lead", lambda: scene.cluster.ask_operator("/readyz", SECOND)[0] == 200)
        assert leads(scene, OPERATOR)
        assert not leads(scene, SECOND)
        # Both are alive, and one of them is asked for something: it is done once.
        both[0]["spec"]["addresses"].append({"address": "10.0.0.101/16"})
        scene.apply(both[0])
        scene.until_programmed("web")
        scene.until_holder("lb-1", "10.0.0.101")
        scene.until_settled()
        changed = scene.generations()
        assert {name: changed[name][1] - before[name][1] for name in scene.names} == dict.fromkeys(scene.names, 1)
        scene.cluster.stop_operator(signal.SIGKILL)
        scene.until("the second to lead and to settle", lambda: scene.settled_operator(SECOND))
        assert scene.generations() == changed
        scene.cluster.start_operator()
        both[0]["spec"]["addresses"].pop()
        scene.apply(both[0])
        scene.until_programmed("web")
        scene.until_holder("lb-1", "10.0.0.100")
        scene.until_settled()
        assert [len(history.specs(name)) for name in scene.names] == [3, 3, 3]
    watch.assert_nothing_moved()


def leads(scene: Scene, name: str) -> bool:
    return "mooring_operator_leader 1.0" in scene.cluster.ask_operator("/metrics", name)[1].splitlines()


def test_one_that_dies_in_the_middle_of_a_change_leaves_nothing_half_done(scene: Scene, both: list[Document]) -> None:
    """Killed when the first node has been told of a change that goes round; its successor brings it to its end."""
    web, killed = both[0], []

    def kill(config: Document) -> None:
        if not killed and any(each.get("alsoAccept") for each in config["spec"]["instances"]):
            scene.cluster.stop_operator(signal.SIGKILL)
            killed.append(config["metadata"]["name"])

    with History(scene.client, NODE_CONFIGS) as history, scene.watch(*both) as watch:
        history.on_change(kill)
        web["spec"]["vrrp"]["virtualRouterIDs"] = [77]
        scene.apply(web)
        scene.until("the operator to be killed", lambda: killed)
        scene.cluster.start_operator()
        scene.until_programmed("web")
        scene.until_settled()
    watch.assert_nothing_moved()
    assert {scene.instances(name)["web-0"]["virtualRouterID"] for name in scene.names} == {77}
    assert not any(scene.instances(name)["web-0"]["alsoAccept"] for name in scene.names)
