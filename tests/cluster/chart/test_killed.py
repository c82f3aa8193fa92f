"""The worst moment for a SIGKILL: in the middle of the hand-over, or without any."""

import json
import signal
import time
from collections.abc import Callable

import pytest
from tests.cluster.chart.scenery import NODE_NAMES, Stage, held
from tests.cluster.kubelets import Document
from tests.cluster.whole.watching import Watch

from mooring_kube.errors import NotFound
from mooring_kube.resources import PODS
from mooring_lab.api import NAMESPACE
from mooring_lab.processes import Identity
from mooring_lab.wait import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

ADDRESS = "10.0.0.98"
FIRST, SECOND = NODE_NAMES[:2]
#: The successors think for most of an interval before they speak: a hand-over that lasts long enough to be hit.
SLOW = {
    "preferred": [
        {"node": FIRST, "priority": 200},
        {"node": SECOND, "priority": 20},
        {"node": NODE_NAMES[2], "priority": 10},
    ]
}
#: The kernel's lease of the address, 3 s here, runs out within 1.5 s more, unless the next daemon has undone it before;
#: and a second for a slow machine.
LEFT_S = 5.5
HANDS_OVER = "nothing is taken until this daemon ends"


def kill_container(stage: Stage, pod: Document) -> None:
    """SIGKILL to its first process, and with it to all in its pid namespace, as where memory runs out."""
    folder = stage.kubelets[pod["spec"]["nodeName"]].folder / "pods" / pod["metadata"]["uid"]
    (file,) = folder.glob("attempts/*/*/process.json")
    first = Identity(**json.loads(file.read_text()))
    assert first.send(signal.SIGKILL)
    wait_until(lambda: not first.alive(), 20, "the daemon to be dead")


def report(watch: Watch, figure: Callable[[str], None]) -> tuple[float, float]:
    """How long nobody and how long two had it, in seconds."""
    kernels = watch.kernels
    dark_s, overlap_s = kernels.longest_s(lambda count: count == 0), kernels.longest_s(lambda count: count > 1)
    figure(
        f"{watch.lost} packets lost, longest silence {watch.gap_ms():.0f} ms; nobody had it for {dark_s * 1e3:.0f} ms,"
        f" two for {overlap_s * 1e3:.0f} ms; {kernels.holders(ADDRESS)}"
    )
    return dark_s, overlap_s


def test_a_kill_in_the_middle_of_the_hand_over(stage: Stage, figure: Callable[[str], None]) -> None:
    selector = {"matchLabels": {"node-role.kubernetes.io/ingress": ""}}
    node = stage.lab.node(FIRST)
    with held(stage, "hit", ADDRESS, nodes={"selector": selector, **SLOW}):
        pod = stage.daemon(FIRST)
        said = len(stage.said(FIRST, "node"))
        with Watch(stage.lab, [ADDRESS], after_s=2.0, interval_ms=2.0) as watch:
            stage.client.delete(PODS, pod["metadata"]["name"], NAMESPACE)
            wait_until(
                lambda: HANDS_OVER in stage.said(FIRST, "node")[said:], 20, "the hand-over to begin", every=0.005
            )
            kill_container(stage, pod)
            # Nobody has let go of it: it is the kernel that answers now.
            killed_at = time.monotonic()
            assert ADDRESS in node.held()
            stage.until("the dead daemon's address to go", lambda: ADDRESS not in node.held())
            figure(f"the dead daemon's address was gone after {time.monotonic() - killed_at:.1f} s")
            stage.until("another pod", lambda: stage.ready("node", len(NODE_NAMES)))
            stage.until("the first choice to hold again", lambda: stage.holds(ADDRESS, FIRST))
        dark_s, overlap_s = report(watch, figure)
        assert dark_s < LEFT_S
        assert overlap_s < LEFT_S


def test_an_eviction_without_grace(stage: Stage, figure: Callable[[str], None]) -> None:
    with held(stage, "hit", ADDRESS):
        pod = stage.daemon(FIRST)["metadata"]
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod["name"], "namespace": NAMESPACE},
            "deleteOptions": {"gracePeriodSeconds": 0},
        }
        with Watch(stage.lab, [ADDRESS], after_s=2.0, interval_ms=2.0) as watch:
            stage.client.request("POST", PODS.path(NAMESPACE, pod["name"], "eviction"), body=body)
            stage.until("another pod", lambda: stage.ready("node", len(NODE_NAMES)))
            assert stage.daemon(FIRST)["metadata"]["uid"] != pod["uid"]
            with pytest.raises(NotFound):
                stage.client.get(PODS, pod["name"], NAMESPACE)
            stage.until("the first choice to hold again", lambda: stage.holds(ADDRESS, FIRST))
        dark_s, overlap_s = report(watch, figure)
        assert dark_s < LEFT_S
        assert overlap_s < LEFT_S
