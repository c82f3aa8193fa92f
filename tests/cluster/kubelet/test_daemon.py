"""Mooring's own daemon as a DaemonSet: with the rights of deploy/, its pod's token, and no more than it needs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.kubelet.conftest import DAEMON_SETS, NODE_NAMES, Document, Nodes, Place, condition

from mooring_kube.client import Client
from mooring_kube.errors import NotFound
from mooring_kube.resources import NODE_CONFIGS, PODS, SERVICE_ACCOUNTS, Resource
from mooring_lab.wait import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

RIGHTS = Path(__file__).parents[3] / "deploy" / "node-rbac.yaml"
ADDRESS = "10.0.0.100"
FIRST, SECOND = NODE_NAMES
_RBAC = "rbac.authorization.k8s.io"
_RESOURCES = {
    "ServiceAccount": SERVICE_ACCOUNTS,
    **{
        kind: Resource(_RBAC, "v1", f"{kind.lower()}s", kind, namespaced=not kind.startswith("Cluster"))
        for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    },
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
def rights(client: Client, place: Place) -> Iterator[None]:
    """Those of deploy/, in the test's namespace and under its name."""
    text = RIGHTS.read_text().replace("mooring-system", place.name)
    documents = list(yaml.safe_load_all(text))
    cluster_wide = [d for d in documents if d["kind"].startswith("Cluster")]
    for document in cluster_wide:
        document["metadata"]["name"] = place.name
    for document in documents:
        if document["kind"] == "ClusterRoleBinding":
            document["roleRef"]["name"] = place.name
        resource = _RESOURCES[document["kind"]]
        client.create(resource, document, place.name if resource.namespaced else None)
    try:
        yield
    finally:
        for document in cluster_wide:
            client.delete(_RESOURCES[document["kind"]], place.name)


def daemon_set(namespace: str, **annotations: str) -> Document:
    arguments = ["run", "--node", "$(NODE_NAME)", "--namespace", namespace, "--metrics-address", "127.0.0.1:0"]
    main = {
        "name": "daemon",
        "image": "example.com/mooring-node:test",
        "command": ["mooring-node"],
        "args": arguments,
        "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "readinessProbe": {"exec": {"command": ["mooring-node", "status"]}, "periodSeconds": 1, "timeoutSeconds": 10},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW", "SYS_NICE", "IPC_LOCK"]},
        },
        "volumeMounts": [{"name": "state", "mountPath": "/var/lib/mooring"}],
    }
    spec = {
        "hostNetwork": True,
        "serviceAccountName": "mooring-node",
        "containers": [main],
        "volumes": [{"name": "state", "hostPath": {"path": "/var/lib/mooring", "type": "DirectoryOrCreate"}}],
    }
    labels = {"app": "mooring-node"}
    template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}
    return {"metadata": {"name": "mooring-node"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}


def all_ready(place: Place) -> bool:
    pods = place.pods(app="mooring-node")
    return len(pods) == 2 and all(condition(pod, "Ready") == "True" for pod in pods)


def pod_of(place: Place, node: str) -> Document:
    (pod,) = [pod for pod in place.pods(app="mooring-node") if pod["spec"].get("nodeName") == node]
    return pod


def states(client: Client) -> dict[str, Any]:
    """What each daemon says of its instance in the status of its NodeConfig."""
    found = {}
    for name in NODE_NAMES:
        said = (client.get(NODE_CONFIGS, name).get("status") or {}).get("instances") or [{}]
        found[name] = said[0].get("state")
    return found


@pytest.mark.usefixtures("configs", "rights")
def test_the_daemon_lives_as_a_pod(place: Place, nodes: Nodes, client: Client) -> None:
    lab = nodes.lab
    place.create(DAEMON_SETS, daemon_set(place.name))
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
        old = {pod["metadata"]["uid"] for pod in place.pods(app="mooring-node")}
        client.merge_patch(DAEMON_SETS, "mooring-node", {"spec": daemon_set(place.name, turn="2")["spec"]}, place.name)

        def replaced() -> bool:
            return all_ready(place) and not old & {pod["metadata"]["uid"] for pod in place.pods(app="mooring-node")}

        place.until("the rollout", replaced)
        lab.wait_held({FIRST: [ADDRESS], SECOND: []}, 20)
        place.until("their word", lambda: states(client) == {FIRST: "Active", SECOND: "Backup"})
    except (TimeoutError, AssertionError, NotFound) as error:
        logs = "\n".join(nodes.kubelets[name].container_log(place.name, "*", "daemon") for name in NODE_NAMES)
        raise AssertionError(f"{error}\n{logs}") from error
    place.delete(DAEMON_SETS, "mooring-node")
    wait_until(lambda: not lab.holders(), 20, "the address to go with its last daemon")
