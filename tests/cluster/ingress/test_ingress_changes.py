"""What people do to a cluster on purpose; clients of the ingress controller are to notice next to nothing."""

from collections.abc import Callable

import pytest
from tests.cluster.ingress.scenery import ADDRESS, CONTROLLERS, EXAMPLE, Scene
from tests.cluster.ingress.watching import MOST_PACKETS, MOST_REQUESTS, Watch

from mooring_lab.api import NAMESPACE

# The cluster that the first of them waits for is built within its time.
pytestmark = [pytest.mark.cluster, pytest.mark.netns, pytest.mark.timeout(300)]

Figure = Callable[[str], None]


def test_rolling_restart_of_the_controller(scene: Scene, figure: Figure) -> None:
    """In its hardest form: between two nodes, where the second pod goes in the moment in which the first is Ready."""
    scene.label(scene.order()[-1], on=False)
    scene.kubectl("-n", CONTROLLERS, "patch", "daemonset/controller", "-p", '{"spec": {"minReadySeconds": 0}}')
    scene.settle()
    first, other = scene.order()
    with Watch(scene) as watch:
        scene.restart(CONTROLLERS, "daemonset/controller")
        scene.until("the first choice alone to hold the address", lambda: scene.holders() == (first,))
    figure(f"rolling restart of the controller, two nodes, no pause between them: {watch}")
    watch.assert_peaceful(MOST_PACKETS, MOST_REQUESTS)
    assert any(other in text for text in watch.kernels.holders(ADDRESS)), watch.story()


def test_rolling_restart_of_the_daemons(scene: Scene, figure: Figure) -> None:
    first = scene.first
    with Watch(scene) as watch:
        scene.restart(NAMESPACE, "daemonset/mooring-node")
        scene.until("the first choice alone to hold the address", lambda: scene.holders() == (first,))
    figure(f"rolling restart of the daemons: {watch}")
    watch.assert_peaceful(MOST_PACKETS, MOST_REQUESTS)
    assert watch.moves >= 2, watch.story()


def test_drain_of_the_holders_node(scene: Scene, figure: Figure) -> None:
    first, leader = scene.first, scene.leader()
    with Watch(scene) as watch:
        scene.kubectl("drain", first, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
        scene.until("another node to hold the address", lambda: scene.holders() not in ((), (first,)))
    figure(f"drain of the holder's node{', and of the leading operator' * (leader == first)}: {watch}")
    watch.assert_peaceful(MOST_PACKETS, MOST_REQUESTS)
    assert scene.holder.name != first
    with Watch(scene) as back:
        scene.kubectl("uncordon", first)
        scene.until("the first choice alone to hold the address", lambda: scene.holders() == (first,))
    figure(f"uncordon: {back}")
    back.assert_peaceful(MOST_PACKETS, MOST_REQUESTS)


def test_a_deployment_instead_of_the_daemon_set(scene: Scene, figure: Figure) -> None:
    """Two controllers on three nodes: the address is where one is, before and after a drain that evicts one."""
    scene.kubectl("-n", CONTROLLERS, "delete", "daemonset", "controller", "--wait")
    scene.apply(EXAMPLE / "deployment" / "deployment.yaml")
    scene.until("two controllers", lambda: len(scene.nodes_with_controllers()) == 2)
    scene.settle()
    first, leader = scene.holder.name, scene.leader()
    assert first in scene.nodes_with_controllers()
    with Watch(scene) as watch:
        scene.kubectl("drain", first, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
    figure(f"drain that evicts the controller{', and the leading operator' * (leader == first)}: {watch}")
    watch.assert_peaceful(MOST_PACKETS, MOST_REQUESTS)
    scene.until("two controllers elsewhere", lambda: len(scene.nodes_with_controllers() - {first}) == 2)
    assert scene.holder.name in scene.nodes_with_controllers()
