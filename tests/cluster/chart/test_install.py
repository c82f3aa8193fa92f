"""`helm install`, `kubectl apply -f examples/`, `helm test`: what a person does on his first day."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster.chart.scenery import NODE_NAMES, OPERATOR, RELEASE, Stage
from tests.cluster.kubelets import DEPLOYMENTS

from mooring_kube.resources import NODES, VIRTUAL_IPS, VIRTUAL_SERVERS
from mooring_lab.api import NAMESPACE
from mooring_lab.charts import ROOT
from mooring_lab.charts.helm import VERSIONS

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

EXAMPLES = ROOT / "examples"
HELD = {"Accepted": "True Accepted", "Programmed": "True Programmed", "Held": "True Held"}
#: Without it nothing can be balanced, and the statuses say so.
HAS_IPVS = Path("/proc/net/ip_vs").exists()


@pytest.fixture
def examples(stage: Stage) -> Iterator[Stage]:
    stage.must("apply", "-f", str(EXAMPLES))
    yield stage
    stage.must("delete", "-f", str(EXAMPLES))
    stage.until("all addresses to be gone", lambda: not stage.lab.holders())
    stage.until("the nodes to have confirmed it", stage.observed)


def test_every_pod_runs_where_it_should(stage: Stage) -> None:
    assert {pod["spec"]["nodeName"] for pod in stage.pods("node")} == {node.name for node in stage.lab.nodes}
    operators = stage.pods("operator")
    assert len({pod["spec"]["nodeName"] for pod in operators}) == 2
    assert stage.leader() in {pod["metadata"]["name"] for pod in operators}


def test_no_node_has_an_address_or_a_taint_that_it_had_not_before(stage: Stage) -> None:
    for node in stage.lab.nodes:
        said = stage.client.get(NODES, node.name)
        own = [each["address"] for each in said["status"]["addresses"] if each["type"] == "InternalIP"]
        assert own == list(node.own_addresses)
        assert node.held() == frozenset()


def test_a_token_lives_for_an_hour(stage: Stage) -> None:
    """By automountServiceAccountToken it would live for a year."""
    files = {
        component: stage.kubelets[pod["spec"]["nodeName"]].folder / "pods" / pod["metadata"]["uid"] / "volumes"
        for component in ("operator", "node")
        for pod in stage.pods(component)[:1]
    }
    for component, volumes in files.items():
        (token,) = volumes.glob("*/token")
        claims = json.loads(base64.urlsafe_b64decode(token.read_text().split(".")[1] + "=="))
        assert 3500 <= claims["exp"] - claims["iat"] <= 3700, component
        assert "warnafter" not in claims["kubernetes.io"], "else the server has made its life longer"


def test_the_examples_are_held_and_their_statuses_say_so(examples: Stage) -> None:
    held = (("edge", "edge", ["10.0.0.130"]), ("web-nat", "web", ["10.0.0.120", "fd00:10::120"]))
    for name, server, addresses in held:
        examples.until(f"VirtualIP {name} to be held", lambda n=name: HELD.items() <= said_of(examples, n).items())
        for address in addresses:
            assert len(examples.lab.holders()[address]) == 1
            assert examples.lab.client.reach(address) == 3
        balanced = examples.conditions(VIRTUAL_SERVERS, server, server)
        assert balanced["Accepted"].startswith("True"), balanced
        if not HAS_IPVS:
            examples.until(
                "the lack of IPVS to be told",
                lambda n=server: examples.conditions(VIRTUAL_SERVERS, n, n)["Programmed"] == "False ModuleMissing",
            )


def said_of(stage: Stage, name: str) -> dict[str, str]:
    return stage.conditions(VIRTUAL_IPS, name)


@pytest.mark.parametrize("version", VERSIONS)
def test_helm_test_passes_and_leaves_nothing(stage: Stage, version: str) -> None:
    stage.helm(version, "test", RELEASE, "-n", NAMESPACE, "--timeout", "90s")
    said = verify_said(stage)
    assert "FAIL" not in said
    assert f"ok    {stage.leader()} leads" in said
    for node in stage.lab.nodes:
        assert f"ok    {node.name}: its daemon runs generation" in said
    left = stage.must("get", "pods,serviceaccounts,roles,rolebindings", "-n", NAMESPACE, "-o", "name")
    assert "test" not in left
    assert "verify" not in left
    assert "verify" not in stage.must("get", "clusterroles,clusterrolebindings", "-o", "name")


def test_helm_test_takes_an_account_of_ones_own(stage: Stage) -> None:
    stage.must("create", "serviceaccount", "tester", "-n", NAMESPACE)
    stage.upgrade("3", {"verify": {"serviceAccount": {"create": False, "name": "tester"}}})
    try:
        stage.helm("3", "test", RELEASE, "-n", NAMESPACE, "--timeout", "90s")
        assert f"ok    {stage.leader()} leads" in verify_said(stage)
        assert "serviceaccount/tester" in stage.must("get", "serviceaccounts", "-n", NAMESPACE, "-o", "name")
    finally:
        stage.upgrade("3", {})
        stage.must("delete", "serviceaccount", "tester", "-n", NAMESPACE)


def test_preflight_tells_of_kubelets_flags_before_the_daemon_starts(stage: Stage) -> None:
    for node in NODE_NAMES:
        # The kubelet that its node's root would show.
        seen = stage.disk(node) / "proc" / "4711"
        seen.mkdir(parents=True)
        (seen / "comm").write_text("kubelet\n")
        flags = "" if node == NODE_NAMES[0] else "--node-ip=10.0.0.1\0"
        (seen / "cmdline").write_text(f"/usr/bin/kubelet\0--v=2\0{flags}")
    stage.upgrade("3", {"node": {"preflight": {"enabled": True}}})
    try:
        stage.until_ready()
        said = {node: preflight_said(stage, node) for node in NODE_NAMES}
        assert [node for node in NODE_NAMES if "NodeAddressNotSet" in said[node]] == [NODE_NAMES[0]], said
        assert "warning  NodeAddressNotSet: kubelet runs without --node-ip" in said[NODE_NAMES[0]]
        for each in said.values():
            assert "not looked at: kubelet's flags" not in each
    finally:
        stage.upgrade("3", {})
    stage.until_ready()


def preflight_said(stage: Stage, node: str) -> str:
    (log,) = (stage.kubelets[node].folder / "logs").glob(f"{NAMESPACE}_*-node-*/preflight/*.log")
    return log.read_text()


def verify_said(stage: Stage) -> str:
    """The newest log of the test's pod, on whichever node it ran."""
    files = [
        path
        for kubelet in stage.kubelets.values()
        for path in (kubelet.folder / "logs").glob(f"{NAMESPACE}_{RELEASE}-verify*/*/*.log")
    ]
    return max(files, key=lambda path: path.stat().st_mtime).read_text()


def test_helm_test_fails_with_a_clear_word_when_nobody_leads(stage: Stage, figure: Callable[[str], None]) -> None:
    scale(stage, 0)
    try:
        stage.until("the operators to be gone", lambda: not stage.pods("operator"))
        stage.until("the Lease to be free", lambda: not stage.leader())
        done = stage.helms["3"]("test", RELEASE, "-n", NAMESPACE, "--timeout", "150s")
        assert done.returncode != 0
        said = verify_said(stage)
        figure(said.splitlines()[-2])
        assert f"FAIL  no operator leads: the last one gave the Lease {NAMESPACE}/{OPERATOR} back" in said
        assert f"kubectl -n {NAMESPACE} logs deployment/{OPERATOR}" in said
        assert "ok    lb-1: its daemon runs generation" in said
    finally:
        scale(stage, 2)
        # It stays for whoever reads its log, until the next `helm test`.
        stage.must("delete", "pod", f"{RELEASE}-verify", "-n", NAMESPACE)
    stage.until_ready()


def scale(stage: Stage, replicas: int) -> None:
    stage.client.merge_patch(DEPLOYMENTS, OPERATOR, {"spec": {"replicas": replicas}}, NAMESPACE)
