"""From `kubectl apply` to the NodeConfigs of the candidates, and back into the VirtualIP's status."""

import pytest
from tests.cluster.operator.scenery import SOON_S, Cluster, Daemons, addresses_of

from mooring_api.virtualip import PAUSED
from mooring_kube.client import Client
from mooring_kube.resources import EVENTS, NAMESPACES, NODE_CONFIGS, NODES, PODS, SERVICE_ACCOUNTS, VIRTUAL_IPS
from mooring_lab.api.kubectl import Kubectl
from mooring_lab.wait import wait_until

pytestmark = pytest.mark.cluster


def test_one_virtual_ip_the_whole_way(cluster: Cluster) -> None:
    names = ["n1", "n2", "n3"]
    cluster.add_nodes(names)
    operator = cluster.leader()
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8", nodes={"preferred": [{"node": "n2"}]})
        cluster.wait_for("web", "Programmed")
        cluster.wait_for("web", "Held")
    assert {name: list(cluster.instances(name)) for name in names} == {name: ["web-0"] for name in names}
    (group,) = cluster.client.get(VIRTUAL_IPS, "web")["status"]["groups"]
    assert (group["holder"], group["order"][0]["node"]) == ("n2", "n2")
    assert operator.metric("mooring_operator_writes_total", result="failed") == 0


def test_one_changed_virtual_ip_writes_its_candidates_and_nobody_else(cluster: Cluster) -> None:
    names = [f"n{i}" for i in range(1, 31)]
    cluster.add_nodes(names)
    operator = cluster.leader()
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8")
        cluster.apply("api", "10.0.0.101/8")
        for virtual_ip in ("web", "api"):
            cluster.wait_for(virtual_ip, "Programmed")
            cluster.wait_for(virtual_ip, "Held")
        wait_until(operator.settled, SOON_S, "the operator to settle")
        candidates = {name for name in names if "api-0" in cluster.instances(name)}
        assert len(candidates) == 8
        before, written = cluster.generations(), operator.written(kind="NodeConfig")
        cluster.apply("api", "10.0.0.101/8", vrrp={"preemption": {"mode": "Never"}})
        cluster.wait_for("api", "Programmed")
        after = cluster.generations()
        assert {name for name in names if after[name] != before[name]} == candidates
        assert operator.written(kind="NodeConfig") - written == len(candidates)


def test_a_config_that_was_deleted_comes_back_and_goes_with_its_node(cluster: Cluster) -> None:
    names = ["n1", "n2"]
    cluster.add_nodes(names)
    cluster.leader()
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8")
        cluster.wait_for("web")
        cluster.client.delete(NODE_CONFIGS, "n1")
        wait_until(lambda: cluster.instances("n1"), SOON_S, "the config of n1 to come back with what it had")
        cluster.client.delete(NODES, "n1")
        wait_until(lambda: not cluster.config("n1"), SOON_S, "the config of n1 to go with its Node")
        cluster.wait_for("web")
    assert cluster.config("n2")


def test_a_pause_keeps_what_runs_and_its_end_brings_it_up_to_date(cluster: Cluster) -> None:
    names = ["n1", "n2"]
    cluster.add_nodes(names)
    operator = cluster.leader()
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8")
        cluster.wait_for("web")
        before = cluster.generations()
        cluster.apply("web", "10.0.0.100/8", "10.0.0.101/8", annotations={PAUSED: "true"})
        wait_until(
            lambda: cluster.condition("web", "Programmed").get("reason") == "Paused", SOON_S, "the pause to be told"
        )
        wait_until(operator.settled, SOON_S, "the operator to settle")
        assert cluster.generations() == before
        cluster.apply("web", "10.0.0.100/8", "10.0.0.101/8")
        cluster.wait_for("web")
        assert len(cluster.instances("n1")["web-0"]["addresses"]) == 2


def test_what_a_person_applied_to_a_config_is_written_over_and_told(cluster: Cluster, kubectl: Kubectl) -> None:
    names = ["n1", "n2"]
    cluster.add_nodes(names)
    cluster.leader()
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8")
        cluster.wait_for("web")
        wanted = cluster.instances("n1")
        manifest = "{apiVersion: mooring.dev/v1alpha1, kind: NodeConfig, metadata: {name: n1}, spec: {instances: []}}"
        done = kubectl(
            "apply", "--server-side", "--force-conflicts", "--field-manager=alice", "-f", "-", stdin=manifest
        )
        assert done.returncode == 0, done.stderr
        wait_until(lambda: cluster.instances("n1") == wanted, SOON_S, "the operator to write over it", every=0.05)
        told = wait_until(
            lambda: [
                e
                for e in cluster.client.list(EVENTS, "default").items
                if e["reason"] == "Overruled" and "alice wrote spec.instances" in e["message"]
            ],
            SOON_S,
            "the event on the NodeConfig",
        )
    assert told[0]["involvedObject"]["kind"] == "NodeConfig"
    described = kubectl("describe", "nc", "n1").stdout
    assert "Overruled" in described


def test_an_unready_pod_touches_its_own_node_alone(cluster: Cluster) -> None:
    names = ["n1", "n2", "n3"]
    cluster.add_nodes(names)
    operator = cluster.leader()
    client = cluster.client
    client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ingress"}})
    try:
        wait_until(lambda: client.list(SERVICE_ACCOUNTS, "ingress").items, SOON_S, "the namespace's service account")
        for name in names:
            _pod(client, f"controller-{name}", name)
        with Daemons(client, addresses_of(names)).running():
            pods = {"namespace": "ingress", "selector": {"matchLabels": {"app": "controller"}}}
            cluster.apply("web", "10.0.0.100/8", nodes={"pods": pods})
            cluster.wait_for("web")
            cluster.wait_for("web", "Held")
            assert all(cluster.instances(name)["web-0"]["eligible"] for name in names)
            before = cluster.generations()
            _ready(client, "controller-n2", "False")
            wait_until(lambda: not cluster.instances("n2")["web-0"]["eligible"], SOON_S, "n2 to become not eligible")
            cluster.wait_for("web")
            after = cluster.generations()
            assert {name for name in names if after[name] != before[name]} == {"n2"}
            # Whoever starts anew knows of no pods for a moment, and changes nothing for that.
            operator.end()
            before = cluster.versions()
            again = cluster.leader()
            wait_until(lambda: again.metric("mooring_operator_lists_total", kind="Node") >= 2, SOON_S, "its lists")
            wait_until(again.settled, SOON_S, "it to settle")
            assert cluster.versions() == before
            _ready(client, "controller-n2", "True")
            wait_until(lambda: cluster.instances("n2")["web-0"]["eligible"], SOON_S, "n2 to take part again")
    finally:
        client.delete(NAMESPACES, "ingress")


def _pod(client: Client, name: str, node: str) -> None:
    spec = {"nodeName": node, "containers": [{"name": "main", "image": "none.example.com/none"}]}
    metadata = {"name": name, "labels": {"app": "controller"}}
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    client.create(PODS, document, "ingress")
    _ready(client, name, "True")


def _ready(client: Client, pod: str, status: str) -> None:
    conditions = [{"type": "Ready", "status": status}]
    client.merge_patch(PODS, pod, {"status": {"conditions": conditions}}, "ingress", "status")
