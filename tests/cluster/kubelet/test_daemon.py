"""Mooring's own daemon as the chart's DaemonSet: with its rights, its pod's token, and no more than it needs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.kubelet.conftest import NODE_NAMES, Nodes, Place
from tests.cluster.kubelets import DAEMON_SETS, Document, is_ready

from mooring_kube.client import Client
from mooring_kube.errors import NotFound
from mooring_kube.resources import NODE_CONFIGS, PODS, SERVICE_ACCOUNTS, Resource
from mooring_lab.charts import MOORING
from mooring_lab.charts.helm import Helm
from mooring_lab.wait import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

ADDRESS = "10.0.0.100"
FIRST, SECOND = NODE_NAMES
#: Its release is called like the test's namespace, so nothing of it is anybody else's.
DAEMON = "{}-node"
_RBAC, _ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
_RESOURCES = {
    "ServiceAccount": SERVICE_ACCOUNTS,
    **{
        kind: Resource(_RBAC, "v1", f"{kind.lower()}s", kind, namespaced=not kind.startswith("Cluster"))
        for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    },
    "ValidatingAdmissionPolicy": Resource(_ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy"),
    "ValidatingAdmissionPolicyBinding": Resource(
        _ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"
    ),
}


def node_config(name: str, own: str, peer: str, priority: int) -> Document:
    instance = {
        "name": "web",
        "interface": "eth0",
        "virtualRouterID": 51,
        "version": 3,
        "priority": priority,
        "advertisementInterval": "100ms",
        "transport": {"type": "Unicast", "source": own, "peers": [peer]},
        "addresses": [{"address": f"{ADDRESS}/16"}],
    }
    head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": name}}
    return head | {"spec": {"instances": [instance]}}


@pytest.fixture
def configs(client: Client, nodes: Nodes) -> Iterator[None]:
    first, second = (nodes.lab.node(name).address for name in NODE_NAMES)
    for document in (node_config(FIRST, first, second, 150), node_config(SECOND, second, first, 100)):
        client.create(NODE_CONFIGS, document)
    try:
        yield
    finally:
        for name in NODE_NAMES:
            client.delete(NODE_CONFIGS, name)


@pytest.fixture
def chart(place: Place, tmp_path: Path) -> list[Document]:
    """What the chart renders for the daemons, as a release in the test's namespace."""
    settings = f"--set=fullnameOverride={place.name},node.minReadySeconds=1"
    text = Helm(tmp_path).template(MOORING, settings, namespace=place.name)
    component = "app.kubernetes.io/component"
    return [d for d in yaml.safe_load_all(text) if d and d["metadata"]["labels"][component] == "node"]


@pytest.fixture
def rights(client: Client, place: Place, chart: list[Document]) -> Iterator[None]:
    """Those of the chart."""
    documents = [document for document in chart if document["kind"] in _RESOURCES]
    assert {document["kind"] for document in documents} == set(_RESOURCES)
    cluster_wide = [d for d in documents if not _RESOURCES[d["kind"]].namespaced]
    for document in documents:
        resource = _RESOURCES[document["kind"]]
        client.create(resource, document, place.name if resource.namespaced else None)
    try:
        yield
    finally:
        for document in cluster_wide:
            client.delete(_RESOURCES[document["kind"]], document["metadata"]["name"])


@pytest.fixture
def daemon_set(chart: list[Document]) -> Document:
    """The chart's; only what is in the image's entry point stands here, as this lab's nodes have no images."""
    (found,) = [document for document in chart if document["kind"] == "DaemonSet"]
    (container,) = found["spec"]["template"]["spec"]["containers"]
    container["command"] = ["mooring-node"]
    # Probes that tell the test soon what is so.
    container["readinessProbe"]["periodSeconds"] = container["startupProbe"]["periodSeconds"] = 1
    return found


def daemons(place: Place) -> list[Document]:
    return place.pods(**{"app.kubernetes.io/component": "node"})


def all_ready(place: Place) -> bool:
    pods = daemons(place)
    return len(pods) == 2 and all(map(is_ready, pods))


def pod_of(place: Place, node: str) -> Document:
    (pod,) = [pod for pod in daemons(place) if pod["spec"].get("nodeName") == node]
    return pod


def states(client: Client) -> dict[str, Any]:
    """What each daemon says of its instance in the status of its NodeConfig."""
    found = {}
    for name in NODE_NAMES:
        said = (client.get(NODE_CONFIGS, name).get("status") or {}).get("instances") or [{}]
        found[name] = said[0].get("state")
    return found


@pytest.mark.usefixtures("configs", "rights")
def test_the_daemon_lives_as_a_pod(place: Place, nodes: Nodes, client: Client, daemon_set: Document) -> None:
    lab, name = nodes.lab, DAEMON.format(place.name)
    place.create(DAEMON_SETS, daemon_set)
    try:
        place.until("both daemons", lambda: all_ready(place))
        lab.wait_held({FIRST: [ADDRESS], SECOND: []}, 20)
        place.until("their word", lambda: states(client) == {FIRST: "Active", SECOND: "Backup"})

        # A kubelet that was killed moves nothing.
        before = pod_of(place, FIRST)
        nodes.kubelets[FIRST].kill()
        nodes.start(FIRST)
        assert lab.holders() == {ADDRESS: (FIRST,)}

        # A pod that is deleted hands over; the next one takes back.
        place.delete(PODS, before["metadata"]["name"])
        lab.wait_held({FIRST: [], SECOND: [ADDRESS]}, 20)
        place.gone(before["metadata"]["name"])
        lab.wait_held({FIRST: [ADDRESS], SECOND: []}, 20)

        # A rollout goes through both.
        place.until("both daemons", lambda: all_ready(place))
        old = {pod["metadata"]["uid"] for pod in daemons(place)}
        turn = {"spec": {"template": {"metadata": {"annotations": {"turn": "2"}}}}}
        client.merge_patch(DAEMON_SETS, name, turn, place.name)

        def replaced() -> bool:
            return all_ready(place) and not old & {pod["metadata"]["uid"] for pod in daemons(place)}

        place.until("the rollout", replaced)
        lab.wait_held({FIRST: [ADDRESS], SECOND: []}, 20)
        place.until("their word", lambda: states(client) == {FIRST: "Active", SECOND: "Backup"})
    except (TimeoutError, AssertionError, NotFound) as error:
        logs = "\n".join(nodes.kubelets[name].container_log(place.name, "*", "daemon") for name in NODE_NAMES)
        raise AssertionError(f"{error}\n{logs}") from error
    place.delete(DAEMON_SETS, name)
    wait_until(lambda: not lab.holders(), 20, "the address to go with its last daemon")
