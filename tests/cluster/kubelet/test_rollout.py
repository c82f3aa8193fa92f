"""DaemonSets and Deployments on the lab's nodes: bound, rolled out, drained, each as on a cluster."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.cluster.kubelet.conftest import NODE_NAMES, Place, container
from tests.cluster.kubelets import DAEMON_SETS, DEPLOYMENTS, Document, is_ready

from mooring_kube.errors import KubeError
from mooring_kube.resources import NODES, PODS
from mooring_lab.api.kubectl import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

#: Answers on its port with its version; says when it is told to stop.
_SERVER = """
import http.server, signal, sys, threading
version, port = sys.argv[1], int(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(version.encode())
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler)
def stop(*_):
    print("TERM", flush=True)
    threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, stop)
print("up", flush=True)
server.serve_forever()
"""
_PORT = 18100


def template(version: str, readiness: Document | None = None, **fields: Any) -> Document:
    probe = readiness or {"httpGet": {"port": _PORT, "path": "/"}, "periodSeconds": 1}
    hook = {"preStop": {"exec": {"command": ["/bin/sh", "-c", "echo stopping >/proc/1/fd/1"]}}}
    main = container(
        command=["python3", "-c", _SERVER, version, str(_PORT)],
        ports=[{"containerPort": _PORT}],
        readinessProbe=probe,
        lifecycle=hook,
        **fields,
    )
    spec = {
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 10,
        "containers": [main],
        "volumes": [{"name": "v", "hostPath": {"path": "/var/lib/rollout"}}],
    }
    return {"metadata": {"labels": {"app": "web", "version": version}}, "spec": spec}


def daemon_set(version: str, **fields: Any) -> Document:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}
    selector = {"matchLabels": {"app": "web"}}
    spec = {"selector": selector, "updateStrategy": strategy, "template": template(version, **fields)}
    return {"metadata": {"name": "web"}, "spec": spec}


def up_to_date(place: Place, version: str) -> bool:
    """Whether each node has a pod of this version, Ready, and none has another."""
    pods = place.pods(app="web")
    return (
        {pod["spec"].get("nodeName") for pod in pods} == set(NODE_NAMES)
        and len(pods) == len(NODE_NAMES)
        and all(is_ready(pod) and pod["metadata"]["labels"]["version"] == version for pod in pods)
    )


def on(place: Place, node: str) -> Document:
    """The pod of a node."""
    (pod,) = [pod for pod in place.pods(app="web") if pod["spec"].get("nodeName") == node]
    return pod


@contextmanager
def watched(place: Place, fewest: list[int]) -> Iterator[None]:
    """Notes the smallest number of pods that were Ready at once."""
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.05):
            try:
                ready = [
                    pod for pod in place.pods(app="web") if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
                ]
            except KubeError:
                continue
            fewest.append(len(ready))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_daemon_set_runs_on_every_node(place: Place) -> None:
    place.create(DAEMON_SETS, daemon_set("one"))
    place.until("the rollout", lambda: up_to_date(place, "one"))
    for node in NODE_NAMES:
        answer = place.nodes.lab.node(node).exec("curl", "-s", f"http://127.0.0.1:{_PORT}/").stdout
        assert answer == "one"
    status = place.client.get(DAEMON_SETS, "web", place.name)["status"]
    place.until("its status", lambda: place.client.get(DAEMON_SETS, "web", place.name)["status"]["numberReady"] == 2)
    assert status["desiredNumberScheduled"] == 2


def test_a_rollout_goes_from_node_to_node(place: Place) -> None:
    place.create(DAEMON_SETS, daemon_set("one"))
    place.until("the first rollout", lambda: up_to_date(place, "one"))
    before = place.pods(app="web")
    fewest: list[int] = []

    with watched(place, fewest):
        place.client.merge_patch(DAEMON_SETS, "web", {"spec": {"template": template("two")}}, place.name)
        place.until("the second rollout", lambda: up_to_date(place, "two"))

    assert min(fewest) == 1
    for pod in before:
        assert place.said(pod, "main").split() == ["up", "stopping", "TERM"]


def test_a_rollout_stops_at_a_pod_that_does_not_become_ready(place: Place) -> None:
    place.create(DAEMON_SETS, daemon_set("one"))
    place.until("the first rollout", lambda: up_to_date(place, "one"))
    probe = {"exec": {"command": ["test", "-f", "/v/good"]}, "periodSeconds": 1}
    new = template("two", readiness=probe, volumeMounts=[{"name": "v", "mountPath": "/v"}])

    place.client.merge_patch(DAEMON_SETS, "web", {"spec": {"template": new}}, place.name)

    def stuck() -> bool:
        versions = sorted(pod["metadata"]["labels"]["version"] for pod in place.pods(app="web"))
        running = all(pod["status"].get("phase") == "Running" for pod in place.pods(app="web"))
        return running and versions == ["one", "two"]

    place.until("the first node's turn", stuck)
    # The controller was told of it and let the other node be.
    place.until(
        "its status", lambda: place.client.get(DAEMON_SETS, "web", place.name)["status"]["numberUnavailable"] == 1
    )
    place.client.merge_patch(DAEMON_SETS, "web", {"metadata": {"labels": {"seen": "again"}}}, place.name)
    assert stuck()
    for node in NODE_NAMES:
        (place.nodes.folder(node) / "disk/var/lib/rollout/good").touch()
    place.until("the second rollout", lambda: up_to_date(place, "two"))


def test_a_pod_that_is_deleted_comes_again(place: Place) -> None:
    place.create(DAEMON_SETS, daemon_set("one"))
    place.until("the rollout", lambda: up_to_date(place, "one"))
    first = on(place, NODE_NAMES[0])
    place.delete(PODS, first["metadata"]["name"])
    place.gone(first["metadata"]["name"])
    place.until("another pod", lambda: up_to_date(place, "one"))
    assert place.said(first, "main").split() == ["up", "stopping", "TERM"]


def test_drain_moves_a_deployment_and_leaves_daemon_sets(place: Place, kubectl: Kubectl) -> None:
    place.create(DAEMON_SETS, daemon_set("one"))
    spec = template("any")["spec"]
    labels = {"app": "moving"}
    # No port, so that both may be on one node for a moment.
    spec["containers"][0] |= {"ports": [], "command": ["python3", "-c", _SERVER, "any", "0"], "readinessProbe": None}
    deployment = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": spec},
    }
    place.create(DEPLOYMENTS, {"metadata": {"name": "moving"}, "spec": deployment})
    place.until("both", lambda: up_to_date(place, "one") and any(map(is_ready, place.pods(app="moving"))))
    (before,) = place.pods(app="moving")
    node = before["spec"]["nodeName"]
    try:
        done = kubectl("drain", node, "--ignore-daemonsets", "--timeout=60s")
        assert done.returncode == 0, done.stderr
        place.gone(before["metadata"]["name"], 5)
        place.until("the other node", lambda: any(map(is_ready, place.pods(app="moving"))))
        (after,) = place.pods(app="moving")
        assert after["spec"]["nodeName"] != node
        assert place.said(before, "main").split() == ["up", "stopping", "TERM"]
        assert up_to_date(place, "one")

        # A DaemonSet's pod comes to a cordoned node all the same.
        daemon = on(place, node)
        place.delete(PODS, daemon["metadata"]["name"])
        place.gone(daemon["metadata"]["name"])
        place.until("the daemon's next pod", lambda: up_to_date(place, "one"))
    finally:
        assert kubectl("uncordon", node).returncode == 0


def test_a_pod_that_no_node_may_have_waits(place: Place) -> None:
    taint = {"key": "only", "value": "others", "effect": "NoSchedule"}
    waiting = {"hostNetwork": True, "nodeSelector": {"kubernetes.io/hostname": NODE_NAMES[1]}}
    waiting["containers"] = [container(command=["sleep", "1000"])]
    place.client.merge_patch(NODES, NODE_NAMES[1], {"spec": {"taints": [taint]}})
    try:
        place.create(PODS, {"metadata": {"name": "waiting"}, "spec": waiting})
        place.create(PODS, {"metadata": {"name": "free"}, "spec": waiting | {"nodeSelector": {}}})
        assert place.ready("free")["spec"]["nodeName"] == NODE_NAMES[0]
        assert "nodeName" not in place.pod("waiting")["spec"]
    finally:
        place.client.merge_patch(NODES, NODE_NAMES[1], {"spec": {"taints": None}})
    assert place.ready("waiting")["spec"]["nodeName"] == NODE_NAMES[1]
