"""`helm uninstall`, as it is documented: a node is as it was, the objects stay, and who comes back goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cluster.chart.scenery import Stage
from tests.cluster.chart.test_upgrade import virtual_ip
from tests.cluster.chart.traces import Traces, left_behind, traces

from mooring_kube.resources import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, NODE_CONFIGS, VIRTUAL_IPS, VIRTUAL_SERVERS
from mooring_lab.api import NAMESPACE
from mooring_lab.charts import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

STATE = ROOT / "docs" / "node-daemon.md"


def test_an_uninstall_leaves_no_trace_on_a_node_and_every_object(
    stage: Stage, untouched: dict[str, Traces], figure: Callable[[str], None]
) -> None:
    stage.must("apply", "-f", str(ROOT / "examples"))
    stage.client.apply(VIRTUAL_IPS, virtual_ip("plain", "10.0.0.97"), manager="test")
    stage.until("all of them to be held", lambda: len(stage.lab.holders()) == 4)
    stage.until("the nodes to have confirmed it", stage.observed)
    at_work = {node.name: left_behind(untouched[node.name], traces(node)) for node in stage.lab.nodes}
    # What is compared sees what the daemons do.
    assert {"addresses", "processes", "settings", "nftables"} <= {kind for kinds in at_work.values() for kind in kinds}
    groups = stage.client.get(VIRTUAL_IPS, "plain")["status"]["groups"]

    stage.uninstall("4")

    for node in stage.lab.nodes:
        assert left_behind(untouched[node.name], traces(node)) == {}
    kinds = ", ".join(sorted({kind for kinds in at_work.values() for kind in kinds}))
    figure(f"nothing left of {kinds}")
    kept = {str(path.relative_to(folder)) for folder in state_folders(stage) for path in folder.rglob("*")}
    figure(f"files that stay in /var/lib/mooring: {', '.join(sorted(kept))}")
    documented = STATE.read_text()
    assert [name for name in kept if f"`{name}`" not in documented] == []

    assert len(stage.client.list(CUSTOM_RESOURCE_DEFINITIONS).items) == 3
    assert (
        stage.client.get(NAMESPACES, NAMESPACE)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "privileged"
    )
    assert {item["metadata"]["name"] for item in stage.client.list(VIRTUAL_IPS).items} == {"edge", "plain", "web"}
    assert len(stage.client.list(VIRTUAL_SERVERS).items) == 2
    assert {item["metadata"]["name"] for item in stage.client.list(NODE_CONFIGS).items} == {
        node.name for node in stage.lab.nodes
    }

    stage.install("4")
    stage.until_ready()
    stage.until("all of them to be held again", lambda: len(stage.lab.holders()) == 4)
    stage.until("the nodes to have confirmed it", stage.observed)
    again = stage.client.get(VIRTUAL_IPS, "plain")["status"]["groups"]
    assert [group["virtualRouterID"] for group in again] == [group["virtualRouterID"] for group in groups]
    stage.must("delete", "-f", str(ROOT / "examples"))
    stage.client.delete(VIRTUAL_IPS, "plain")
    stage.until("all addresses to be gone", lambda: not stage.lab.holders())


def state_folders(stage: Stage) -> list[Path]:
    return [stage.disk(node.name) / "var/lib/mooring" for node in stage.lab.nodes]
