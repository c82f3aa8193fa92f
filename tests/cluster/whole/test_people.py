"""What people do to a running cluster with kubectl: delete, edit, pause, and what the operator makes of it."""

import pytest
from tests.cluster.whole.scenery import Document, Scene, virtual_ip
from tests.cluster.whole.watching import History

from mooring_api.virtualip import PAUSED
from mooring_kube.resources import NODE_CONFIGS

pytestmark = [pytest.mark.cluster, pytest.mark.netns]


@pytest.fixture
def web(scene: Scene) -> Document:
    """At rest on lb-1."""
    found = virtual_ip("web", "10.0.0.100")
    scene.settle(found)
    return found


def test_a_nodeconfig_that_somebody_deletes_is_made_again_as_it_was(scene: Scene, web: Document) -> None:
    before = scene.config("lb-1")
    with scene.watch(web) as watch:
        scene.kubectl("delete", "nodeconfig", "lb-1")
        until_it_is_made_again(scene, before)
    watch.assert_moved_in_peace()
    assert scene.config("lb-1")["spec"] == before["spec"]
    assert scene.line("web")["HOLDERS"] == "lb-1(1)"
    watch.assert_nothing_moved()


def test_a_nodeconfig_is_deleted_while_its_holder_cannot_hear_of_it(scene: Scene, web: Document) -> None:
    """Last good stays on the node; so the others must go on to hear it."""
    before = scene.config("lb-1")
    scene.cluster.cut("lb-1")
    with scene.watch(web) as watch:
        scene.kubectl("delete", "nodeconfig", "lb-1")
        scene.until("another one", lambda: uid(scene.config("lb-1")) not in ("", uid(before)))
    with scene.watch(web) as mending:
        scene.cluster.mend("lb-1")
        until_it_is_made_again(scene, before)
    watch.assert_nothing_moved()
    mending.assert_moved_in_peace()


def until_it_is_made_again(scene: Scene, before: Document) -> None:
    """And everything is at rest."""
    scene.until("another one", lambda: uid(scene.config("lb-1")) not in ("", uid(before)))
    scene.until("lb-1 to take part", lambda: scene.instances("lb-1").get("web-0", {}).get("eligible"))
    scene.until_programmed("web")
    scene.until_holder("lb-1", "10.0.0.100")
    scene.until_settled()


def uid(document: Document) -> str:
    return str(document.get("metadata", {}).get("uid", ""))


EMPTY = "{apiVersion: mooring.dev/v1alpha1, kind: NodeConfig, metadata: {name: lb-3}, spec: {instances: []}}"
WAYS = {
    "server-side": ("apply", "--server-side", "--force-conflicts", "--field-manager=alice", "-f", "-"),
    "replace": ("replace", "-f", "-"),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_person_writes_into_a_nodeconfig_is_overruled(scene: Scene, web: Document, way: str) -> None:
    wanted = scene.instances("lb-3")
    with scene.watch(web) as watch:
        scene.kubectl(*WAYS[way], stdin=EMPTY)
        scene.until("the operator to write over it", lambda: scene.instances("lb-3") == wanted)
        scene.until_settled()
        scene.until("lb-3 to stand by again", lambda: scene.states("lb-3") == {"web-0": "Backup"})
    watch.assert_nothing_moved()
    scene.until("the event", lambda: "Overruled" in scene.events("lb-3"))
    who = "alice" if way == "server-side" else "kubectl-replace"
    assert f"{who} wrote spec.instances" in scene.events("lb-3")["Overruled"]


def test_a_pause_keeps_a_change_from_the_nodes_until_it_is_over(scene: Scene, web: Document) -> None:
    scene.kubectl("annotate", "vip", "web", f"{PAUSED}=true")
    scene.until("PLAN to say so", lambda: scene.line("web")["PLAN"] == "Paused")
    scene.until_settled()
    before = scene.generations()
    with History(scene.client, NODE_CONFIGS) as history, scene.watch(web) as watch:
        web["spec"]["addresses"].append({"address": "10.0.0.101/16"})
        web["spec"]["vrrp"]["virtualRouterIDs"] = [99]
        web["metadata"]["annotations"] = {PAUSED: "true"}
        scene.apply(web)
        scene.until_condition("web", "Programmed", "False", saying="Paused: ")
        scene.kubectl("cordon", "lb-1")
        scene.label("lb-3", on=False)
        scene.until_settled()
        # They go on to take over from each other.
        scene.lab.node("lb-1").maintenance(True)
        scene.until_holder("lb-2", "10.0.0.100")
        scene.lab.node("lb-1").maintenance(False)
        scene.until_holder("lb-1", "10.0.0.100")
        assert [len(history.specs(name)) for name in scene.names] == [1, 1, 1]
    watch.assert_moved_in_peace()
    assert scene.generations() == before
    scene.label("lb-3", on=True)
    scene.kubectl("uncordon", "lb-1")
    with scene.watch(web) as resumed:
        scene.kubectl("annotate", "vip", "web", f"{PAUSED}-")
        scene.until_programmed("web")
        scene.until_holder("lb-1", "10.0.0.100", "10.0.0.101")
        scene.until_settled()
    # The second address was nobody's before.
    assert resumed.seen["10.0.0.100"].lost == 0
    assert resumed.kernels.holders("10.0.0.100") == ["lb-1"]
    assert {scene.instances(name)["web-0"]["virtualRouterID"] for name in scene.names} == {99}
    scene.until("both to be told", lambda: {"Paused", "Resumed"} <= scene.events("web").keys())
