"""`helm uninstall`, as it is documented: a node is as it was, the objects stay, and who comes back goes on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster.chart.scenery import PATIENCE, RELEASE, Stage, virtual_ip
from tests.cluster.chart.traces import Traces, left_behind, traces

from mooring_kube.resources import (
    CUSTOM_RESOURCE_DEFINITIONS,
    NAMESPACES,
    NODE_CONFIGS,
    PODS,
    VIRTUAL_IPS,
    VIRTUAL_SERVERS,
    Resource,
)
from mooring_lab.api import NAMESPACE
from mooring_lab.charts import MOORING, ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

ADDRESSES = {"10.0.0.97", "10.0.0.120", "fd00:10::120", "10.0.0.130"}
STATE = ROOT / "docs" / "node-daemon.md"


@pytest.fixture
def in_use(stage: Stage, untouched: dict[str, Traces]) -> Iterator[Stage]:
    """Addresses of all kinds are held, and the traces of that are there to be seen."""
    stage.must("apply", "-f", str(ROOT / "examples"))
    stage.client.apply(VIRTUAL_IPS, virtual_ip("plain", "10.0.0.97"), manager="test")
    try:
        stage.until("all of them to be held", lambda: len(stage.lab.holders()) == len(ADDRESSES))
        stage.until("the nodes to have confirmed it", stage.observed)
        at_work = {kind for node in stage.lab.nodes for kind in left_behind(untouched[node.name], traces(node))}
        assert at_work >= {"addresses", "processes", "settings", "nftables"}
        yield stage
    finally:
        stage.must("delete", "-f", str(ROOT / "examples"))
        stage.client.delete(VIRTUAL_IPS, "plain")
    stage.until("all addresses to be gone", lambda: not stage.lab.holders())


def test_an_uninstall_leaves_no_trace_on_a_node_and_every_object(
    in_use: Stage, untouched: dict[str, Traces], figure: Callable[[str], None]
) -> None:
    stage = in_use
    groups = stage.client.get(VIRTUAL_IPS, "plain")["status"]["groups"]

    stage.stop_daemons()
    stage.until("the word that nobody holds it", lambda: says(stage, "plain", "Held", "False NoHolder"))
    stage.uninstall("3")

    assert remains(stage, untouched) == {}
    kept = {str(path.relative_to(folder)) for folder in state_folders(stage) for path in folder.rglob("*")}
    figure(f"files that stay in /var/lib/mooring: {', '.join(sorted(kept))}")
    documented = STATE.read_text()
    assert [name for name in kept if f"`{name}`" not in documented] == []
    for cluster_wide in ("clusterroles", "clusterrolebindings", "validatingadmissionpolicies"):
        assert RELEASE not in stage.must("get", cluster_wide, "-o", "name")
    assert_objects_are_kept(stage)

    stage.install("4")
    stage.until_ready()
    stage.until("all of them to be held again", lambda: set(stage.lab.holders()) == ADDRESSES)
    stage.until("the nodes to have confirmed it", stage.observed)
    again = stage.client.get(VIRTUAL_IPS, "plain")["status"]["groups"]
    assert [group["virtualRouterID"] for group in again] == [group["virtualRouterID"] for group in groups]


def test_helm_uninstall_alone_leaves_no_trace_either(in_use: Stage, untouched: dict[str, Traces]) -> None:
    """It takes the rights away before the daemons have ended; they need none to undo what they did."""
    in_use.uninstall("4")
    assert remains(in_use, untouched) == {}


def test_a_release_of_another_name_in_another_namespace_works(own: Stage, untouched: dict[str, Traces]) -> None:
    """Accounts, Lease, policy and Secrets are where the release is; nothing looks for the names of the default."""
    if own.installed():
        own.uninstall("4")
    named = ["--set=fullnameOverride=vips", "--create-namespace", *PATIENCE]
    own.helm("3", "install", "net", str(MOORING), "-n", "edge-net", *own.values(), *named)
    own.helm("4", "test", "net", "-n", "edge-net", "--timeout", "90s")
    leases = own.must("get", "leases", "-n", "edge-net", "-o", "name").split()
    assert leases == ["lease.coordination.k8s.io/vips-operator"]
    own.helm("4", "uninstall", "net", "-n", "edge-net", *PATIENCE)
    own.until("the pods to be gone", lambda: not own.client.list(PODS, "edge-net").items)
    assert remains(own, untouched) == {}


def remains(stage: Stage, untouched: dict[str, Traces]) -> dict[str, dict[str, list[str]]]:
    """By node, where there is anything."""
    found = {node.name: left_behind(untouched[node.name], traces(node)) for node in stage.lab.nodes}
    return {node: kinds for node, kinds in found.items() if kinds}


def says(stage: Stage, name: str, kind: str, words: str) -> bool:
    return stage.conditions(VIRTUAL_IPS, name).get(kind) == words


def assert_objects_are_kept(stage: Stage) -> None:
    assert len(stage.client.list(CUSTOM_RESOURCE_DEFINITIONS).items) == 3
    labels = stage.client.get(NAMESPACES, NAMESPACE)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"
    assert names(stage, VIRTUAL_IPS) == {"edge", "plain", "web-nat"}
    assert names(stage, VIRTUAL_SERVERS) == {"edge", "web"}
    assert names(stage, NODE_CONFIGS) == {node.name for node in stage.lab.nodes}


def names(stage: Stage, resource: Resource) -> set[str]:
    return {item["metadata"]["name"] for item in stage.client.list(resource).items}


def state_folders(stage: Stage) -> list[Path]:
    return [stage.disk(node.name) / "var/lib/mooring" for node in stage.lab.nodes]
