"""Nodes that come and go: both generations are seen, no packet is lost, and no address ever has two holders."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.cluster.whole.scenery import Scene, addresses_of, virtual_ip
from tests.cluster.whole.watching import History

from mooring_api.virtualip import EXCLUSION_LABEL
from mooring_kube.resources import NODE_CONFIGS

pytestmark = [pytest.mark.cluster, pytest.mark.netns]


def eligible(history: History, node: str, instance: str) -> list[Any]:
    """What a node was told of its part, in order: may it take the role; None while it had no part."""
    told: list[Any] = []
    for each in history.instances(node, instance):
        now = each.get("eligible", True) if each else None
        if not told or told[-1] != now:
            told.append(now)
    return told


def peers(scene: Scene, node: str) -> set[str]:
    return set(scene.instances(node)["web-0"]["transport"]["peers"])


def test_a_node_joins_as_the_last_choice(scene: Scene) -> None:
    scene.label("lb-3", on=False)
    web = virtual_ip("web", "10.0.0.100")
    scene.settle(web)
    assert scene.instances("lb-3") == {}
    with History(scene.client, NODE_CONFIGS) as history, scene.watch(web) as watch:
        scene.label("lb-3", on=True)
        scene.until("lb-3 to take part", lambda: scene.instances("lb-3").get("web-0", {}).get("eligible"))
        scene.until_programmed("web")
        scene.until_settled()
        assert eligible(history, "lb-3", "web-0") == [None, False, True]
    watch.assert_nothing_moved()
    assert scene.states("lb-3") == {"web-0": "Backup"}
    assert peers(scene, "lb-1") == {"10.0.0.28", "10.0.0.38"}
    assert peers(scene, "lb-2") == {"10.0.0.18", "10.0.0.38"}


def test_a_node_joins_as_the_first_choice_and_leaves_again(scene: Scene, figure: Callable[[str], None]) -> None:
    """The address goes to it without a loss, and so it goes back."""
    scene.label("lb-1", on=False)
    web = virtual_ip("web", "10.0.0.100", "fd00:10::100")
    scene.apply(web)
    scene.until_programmed("web")
    scene.until_holder("lb-2", *addresses_of(web))
    scene.until_held("web")
    scene.until_settled()
    with History(scene.client, NODE_CONFIGS) as history, scene.watch(web) as watch:
        scene.label("lb-1", on=True)
        scene.until_holder("lb-1", *addresses_of(web))
        scene.until_programmed("web")
        scene.until_held("web")
        scene.until_settled()
        scene.label("lb-1", on=False)
        scene.until_holder("lb-2", *addresses_of(web))
        scene.until("lb-1 to have no part", lambda: not scene.instances("lb-1"))
        scene.until_programmed("web")
        scene.until_settled()
        for family in ("ipv4", "ipv6"):
            # It hands over before it is forgotten.
            assert eligible(history, "lb-1", f"web-0-{family}") == [None, False, True, False, None]
    watch.assert_never_two()
    assert watch.seen["10.0.0.100"].lost == 0
    # Linux says that an IPv6 address is there some moments before it answers for it: on a busy machine, packets.
    assert watch.gap_ms(["fd00:10::100"]) < 200.0
    figure(f"IPv6: {watch.seen['fd00:10::100'].lost} packets lost of one each millisecond in two hand-overs")


def test_more_candidates_and_fewer(scene: Scene) -> None:
    web = virtual_ip("web", "10.0.0.100", nodes={"maxCandidates": 1})
    scene.settle(web)
    assert [bool(scene.instances(name)) for name in scene.names] == [True, False, False]
    with History(scene.client, NODE_CONFIGS) as history, scene.watch(web) as watch:
        for count in (3, 1):
            web["spec"]["nodes"]["maxCandidates"] = count
            scene.apply(web)
            scene.until(
                f"{count} candidates", lambda of=count: sum(bool(scene.instances(name)) for name in scene.names) == of
            )
            scene.until_programmed("web")
            scene.until_settled()
        assert eligible(history, "lb-2", "web-0") == [None, False, True, False, None]
        assert eligible(history, "lb-3", "web-0") == [None, False, True, False, None]
    watch.assert_nothing_moved()


def test_a_node_is_cordoned_and_uncordoned(scene: Scene) -> None:
    web = virtual_ip("web", "10.0.0.100")
    scene.settle(web)
    with scene.watch(web) as watch:
        scene.kubectl("cordon", "lb-1")
        scene.until_holder("lb-2", "10.0.0.100")
        scene.until_held("web")
        scene.kubectl("uncordon", "lb-1")
        scene.until_holder("lb-1", "10.0.0.100")
        scene.until_held("web")
    watch.assert_moved_in_peace()


def test_a_holder_gets_the_label_of_nodes_that_load_balancers_leave_out_and_loses_it_again(scene: Scene) -> None:
    web = virtual_ip("web", "10.0.0.100", nodes={"maxCandidates": 2})
    scene.settle(web)
    assert order(scene) == ["lb-1", "lb-2"]
    with scene.watch(web) as watch:
        scene.kubectl("label", "node", "lb-1", f"{EXCLUSION_LABEL}=")
        scene.until_holder("lb-2", "10.0.0.100")
        scene.until("lb-1 to have no part", lambda: not scene.instances("lb-1"))
        scene.until_programmed("web")
        assert order(scene) == ["lb-2", "lb-3"]
        assert f"left out by the label {EXCLUSION_LABEL}: lb-1" in scene.condition("web", "Programmed")["message"]
        scene.kubectl("label", "node", "lb-1", f"{EXCLUSION_LABEL}-")
        scene.until_holder("lb-1", "10.0.0.100")
        scene.until_programmed("web")
        scene.until_held("web")
    watch.assert_moved_in_peace()


def test_where_all_nodes_have_that_label_it_moves_nothing(scene: Scene) -> None:
    web = virtual_ip("web", "10.0.0.100")
    scene.settle(web)
    with scene.watch(web) as watch:
        for name in ("lb-3", "lb-2", "lb-1"):
            scene.kubectl("label", "node", name, f"{EXCLUSION_LABEL}=")
        scene.until(
            "the condition to say so",
            lambda: "so it keeps none out" in scene.condition("web", "Programmed").get("message", ""),
        )
        scene.until_programmed("web")
        scene.until_held("web")
    watch.assert_nothing_moved()
    assert order(scene) == ["lb-1", "lb-2", "lb-3"]


def test_a_node_is_deleted_while_its_daemon_holds_and_it_is_made_again(scene: Scene) -> None:
    """Nobody has stopped its daemon: it lets go before the others forget it."""
    web = virtual_ip("web", "10.0.0.100")
    scene.settle(web)
    with scene.watch(web) as deleting:
        scene.kubectl("delete", "node", "lb-1")
        scene.until_holder("lb-2", "10.0.0.100")
        scene.until("lb-1 to be told to let go", lambda: not takes_part(scene, "lb-1"))
    with scene.watch(web) as coming:
        scene.cluster.admit("lb-1")
        # Its token was the deleted Node's; a kubelet would give the daemon's pod another.
        scene.lab.node("lb-1").stop_daemon()
        scene.lab.node("lb-1").start_daemon()
        scene.until("lb-1 to take part", lambda: takes_part(scene, "lb-1"))
        scene.until_holder("lb-1", "10.0.0.100")
        scene.until_programmed("web")
        scene.until_held("web")
    deleting.assert_moved_in_peace()
    coming.assert_moved_in_peace()


def test_a_node_is_deleted_that_lost_its_power_and_it_is_made_again(scene: Scene) -> None:
    """It can't say any more that it let go; that costs the others nothing."""
    web = virtual_ip("web", "10.0.0.100")
    scene.settle(web)
    scene.lab.node("lb-1").fault_node()
    scene.cluster.set_ready("lb-1", False)
    scene.until_holder("lb-2", "10.0.0.100")
    with scene.watch(web) as watch:
        scene.kubectl("delete", "node", "lb-1")
        scene.until("lb-1 to be told to let go", lambda: not takes_part(scene, "lb-1"))
        scene.until("the plan to be without it", lambda: order(scene) == ["lb-2", "lb-3"])
        scene.until("the others to hold it", lambda: scene.line("web")["HOLDERS"] == "lb-2(1)")
    watch.assert_nothing_moved()
    scene.cluster.admit("lb-1")
    scene.lab.node("lb-1").heal()
    scene.until_holder("lb-1", "10.0.0.100")
    scene.until_programmed("web")


def test_a_node_is_given_the_address_of_one_that_lost_its_power(scene: Scene) -> None:
    """The others know lb-2 by it; the holder keeps its part, and the condition says what is wrong on lb-3."""
    web = virtual_ip("web", "10.0.0.100")
    scene.settle(web)
    scene.lab.node("lb-2").fault_node()
    scene.cluster.set_ready("lb-2", False)
    lb_3 = scene.lab.node("lb-3")
    try:
        with scene.watch(web) as watch:
            lb_3.exec("ip", "addr", "del", "10.0.0.38/16", "dev", "eth0")
            lb_3.exec("ip", "addr", "add", "10.0.0.28/16", "dev", "eth0")
            scene.until(
                "the condition to say so",
                lambda: "lb-3: 10.0.0.28 on eth0 is the InternalIP of node lb-2" in left_out(scene),
            )
            scene.until("lb-3 to have no part", lambda: not takes_part(scene, "lb-3"))
            scene.until("lb-1 to hold it", lambda: scene.line("web")["HOLDERS"] == "lb-1(1)")
        watch.assert_nothing_moved()
        assert takes_part(scene, "lb-1")
    finally:
        lb_3.exec("ip", "addr", "del", "10.0.0.28/16", "dev", "eth0")
        lb_3.exec("ip", "addr", "add", "10.0.0.38/16", "dev", "eth0")
    scene.lab.node("lb-2").heal()
    scene.cluster.set_ready("lb-2", True)
    scene.until("lb-3 to take part", lambda: takes_part(scene, "lb-3"))
    scene.until_programmed("web")


def left_out(scene: Scene) -> str:
    message: str = scene.condition("web", "Accepted").get("message", "")
    return message


def takes_part(scene: Scene, node: str) -> bool:
    return bool(scene.instances(node).get("web-0", {}).get("eligible"))


def order(scene: Scene) -> list[str]:
    """The members, first choice first."""
    (group,) = scene.virtual_ip("web")["status"]["groups"]
    return [each["node"] for each in group["order"]]
