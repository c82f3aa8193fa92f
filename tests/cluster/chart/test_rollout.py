"""`helm upgrade`: node after node, the address in use all the time, and one operator that leads."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.cluster.chart.scenery import NODE_NAMES, Stage, held
from tests.cluster.kubelets import is_ready
from tests.cluster.whole.watching import Watch

from mooring_kube.errors import KubeError

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

ADDRESS = "10.0.0.99"
#: A hand-over is an overlap by design, and the lab's machine stalls.
OVERLAP_S, DARK_S = 1.5, 1.0


@contextmanager
def fewest_ready(stage: Stage, found: list[int]) -> Iterator[None]:
    """Notes how many daemons were Ready at once, look by look."""
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.1):
            try:
                found.append(sum(map(is_ready, stage.pods("node"))))
            except KubeError:
                continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def leaders(stage: Stage) -> dict[str, float]:
    """By the operators' own metrics: pod to 1 where it leads."""
    found = {}
    for pod in stage.pods("operator"):
        node = stage.lab.node(pod["spec"]["nodeName"])
        # Where a scrape finds it: never on an address that Mooring holds.
        shown = node.exec("curl", "-s", "--max-time", "5", f"http://{pod['status']['podIP']}:9651/metrics").stdout
        values = [line.split()[1] for line in shown.splitlines() if line.startswith("mooring_operator_leader ")]
        found[pod["metadata"]["name"]] = float(values[0]) if values else -1.0
    return found


def test_an_upgrade_goes_from_node_to_node_and_the_address_stays_in_use(
    stage: Stage, figure: Callable[[str], None]
) -> None:
    before = {pod["metadata"]["uid"] for pod in (*stage.pods("node"), *stage.pods("operator"))}
    changed = {"operator": {"podAnnotations": {"turn": "2"}}, "node": {"podAnnotations": {"turn": "2"}}}
    ready: list[int] = []
    with held(stage, "roll", ADDRESS):
        with Watch(stage.lab, [ADDRESS], after_s=1.0, interval_ms=2.0) as watch, fewest_ready(stage, ready):
            stage.upgrade("4", changed)
            stage.until_ready()
            stage.until("the first choice to hold again", lambda: stage.holds(ADDRESS, NODE_NAMES[0]))
        kernels = watch.kernels
        dark_s, overlap_s = kernels.longest_s(lambda count: count == 0), kernels.longest_s(lambda count: count > 1)
        figure(
            f"{watch.lost} of {watch.seen[ADDRESS].sent} packets lost, longest silence {watch.gap_ms():.0f} ms;"
            f" nobody had it for {dark_s * 1e3:.0f} ms, two for {overlap_s * 1e3:.0f} ms; {kernels.holders(ADDRESS)}"
        )
        assert not before & {pod["metadata"]["uid"] for pod in (*stage.pods("node"), *stage.pods("operator"))}
        assert min(ready) >= len(NODE_NAMES) - 1
        assert dark_s < DARK_S
        assert watch.gap_ms() < DARK_S * 1e3
        assert overlap_s < OVERLAP_S
    stage.until("one operator to lead", lambda: sorted(leaders(stage).values()) == [0.0, 1.0])
    assert leaders(stage)[stage.leader()] == 1.0


def test_an_upgrade_that_changes_nothing_restarts_nothing(stage: Stage) -> None:
    before = {pod["metadata"]["uid"] for pod in (*stage.pods("node"), *stage.pods("operator"))}
    with held(stage, "roll", ADDRESS):
        with Watch(stage.lab, [ADDRESS], after_s=1.0) as watch:
            changed = {"operator": {"podAnnotations": {"turn": "2"}}, "node": {"podAnnotations": {"turn": "2"}}}
            for version in stage.helms:
                stage.upgrade(version, changed)
        watch.assert_nothing_moved()
    assert before == {pod["metadata"]["uid"] for pod in (*stage.pods("node"), *stage.pods("operator"))}
