"""The stand-in itself is killed, stopped, without power, started twice, or has no API server."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cluster.kubelet.conftest import NODE_NAMES, Nodes, Place, shell
from tests.cluster.kubelets import Document, is_ready, ready_nodes

from mooring_kube.resources import LEASES, NODES, PODS
from mooring_lab import namespace
from mooring_lab.api.real import RealApi
from mooring_lab.processes import Identity
from mooring_lab.rights import LabError
from mooring_lab.wait import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.netns]
NODE = NODE_NAMES[0]
SLEEP = "echo up; exec sleep 1000"
OBEDIENT = "trap 'echo TERM; exit' TERM; echo up; while :; do sleep 0.1; done"
MOUNTS = [{"name": "v", "mountPath": "/v"}]
V = {"volumes": [{"name": "v", "emptyDir": {}}]}


def processes(nodes: Nodes, pod: Document) -> list[Identity]:
    """The containers of a pod, by what their keepers wrote down."""
    found = (nodes.folder(pod["spec"]["nodeName"]) / "pods" / pod["metadata"]["uid"]).glob("attempts/*/*/process.json")
    return [Identity(**json.loads(path.read_text())) for path in sorted(found)]


def all_restarts(pod: Document) -> list[int]:
    return [each["restartCount"] for each in pod["status"]["containerStatuses"]]


def restarts(pod: Document) -> int:
    """Of its first container."""
    return all_restarts(pod)[0]


def test_after_sigkill_the_next_one_goes_on_with_the_same_processes(place: Place, nodes: Nodes) -> None:
    containers = [shell(SLEEP, "main"), shell(SLEEP, "beside")]
    place.run("lasting", {"containers": containers})
    pod = place.ready("lasting")
    before = processes(nodes, pod)
    assert len(before) == 2

    nodes.kubelets[NODE].kill()
    assert all(each.alive() for each in before)
    nodes.start(NODE)

    probe = place.run("later", {"containers": [shell(SLEEP)]})
    place.ready(probe["metadata"]["name"])
    assert processes(nodes, pod) == before
    assert all(each.alive() for each in before)
    assert restarts(place.pod("lasting")) == 0
    assert is_ready(place.pod("lasting"))
    before[0].send(signal.SIGKILL)
    place.until_pod("lasting", "one restart", lambda pod: sum(all_restarts(pod)) == 1)


def test_what_happens_while_none_runs_is_made_up_for(place: Place, nodes: Nodes) -> None:
    """A container that ended, a pod that was deleted, one that was forced out, and one that came."""
    ends = shell("trap 'exit 6' TERM; echo up; while :; do sleep 0.1; done")
    for name in ("ended", "deleted", "forced"):
        place.run(name, {"containers": [ends]})
    pods = {name: place.ready(name) for name in ("ended", "deleted", "forced")}
    for pod in pods.values():
        place.until("it to be up", lambda pod=pod: place.said(pod, "main"))
    nodes.kubelets[NODE].kill()

    (container,) = processes(nodes, pods["ended"])
    container.send(signal.SIGTERM)
    wait_until(lambda: not container.alive(), 10, "the container to end")
    place.delete(PODS, "deleted")
    place.delete(PODS, "forced", gracePeriodSeconds=0)
    place.run("new", {"containers": [shell(SLEEP)]})
    running = [*processes(nodes, pods["deleted"]), *processes(nodes, pods["forced"])]
    assert all(each.alive() for each in running)
    nodes.start(NODE)

    place.ready("new")
    pod = place.until_pod("ended", "its restart", lambda pod: restarts(pod) == 1)
    assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 6
    place.gone("deleted")
    place.until("all of them to end", lambda: not any(each.alive() for each in running))
    for name in ("deleted", "forced"):
        folder = nodes.folder(NODE) / "pods" / pods[name]["metadata"]["uid"]
        place.until("its folder to go", lambda folder=folder: not folder.exists())


def test_killed_in_the_middle_of_a_deletion_the_next_one_ends_it(place: Place, nodes: Nodes) -> None:
    hook = {"preStop": {"exec": {"command": ["/bin/sh", "-c", "echo stopping >/proc/1/fd/1; sleep 2"]}}}
    place.run(
        "leaving",
        {"containers": [shell(OBEDIENT, lifecycle=hook)]},
    )
    pod = place.ready("leaving")
    place.until("it to be up", lambda: place.said(pod, "main"))
    place.delete(PODS, "leaving")
    place.until("its hook", lambda: "stopping" in place.said(pod, "main"))
    nodes.kubelets[NODE].kill()
    nodes.start(NODE)
    place.gone("leaving")
    said = place.said(pod, "main").split()
    assert said[0] == "up"
    assert said[-1] == "TERM"


def test_killed_at_any_moment_of_a_start_nothing_runs_twice(place: Place, nodes: Nodes) -> None:
    names = [f"moment-{number}" for number in range(8)]
    for number, name in enumerate(names):
        place.run(name, {"containers": [shell(SLEEP)]})
        # Whatever it does at that moment: plan, write, start, wait.
        time.sleep(number * 0.03)
        nodes.kubelets[NODE].kill()
        nodes.start(NODE)
    for name in names:
        pod = place.ready(name)
        assert restarts(pod) == 0
        assert len(processes(nodes, pod)) == 1
    place.until("each to have spoken", lambda: all(place.said(place.pod(name), "main") for name in names))
    assert [place.said(place.pod(name), "main") for name in names] == ["up\n"] * len(names)
    assert len(nodes.lab.node(NODE).processes("shim")) == len(names)


def test_a_keeper_that_is_killed_takes_its_container_with_it(place: Place, nodes: Nodes) -> None:
    place.run("kept", {"containers": [shell(SLEEP)]})
    pod = place.ready("kept")
    (container,) = processes(nodes, pod)
    keeper = nodes.folder(NODE) / "pods" / pod["metadata"]["uid"] / "attempts/main/1/shim.json"
    Identity(**json.loads(keeper.read_text())).send(signal.SIGKILL)
    pod = place.until_pod("kept", "its restart", lambda pod: restarts(pod) == 1)
    assert not container.alive()
    last = pod["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (137, "ContainerStatusUnknown")


def test_a_stop_ends_everything_and_leaves_nothing(place: Place, nodes: Nodes) -> None:
    main = shell(
        "trap 'echo TERM; exit' TERM; echo up; while :; do sleep 0.1; done",
        volumeMounts=[{"name": "v", "mountPath": "/v"}],
    )
    spec = {"containers": [main], "volumes": [{"name": "v", "emptyDir": {}}]}
    place.run("stopped", spec)
    place.run("starting", {"containers": [shell(SLEEP)], "initContainers": [shell("sleep 100", "first")]})
    pod = place.ready("stopped")
    place.until("it to be up", lambda: place.said(pod, "main"))
    mounts = Path("/proc/self/mounts").read_text()

    nodes.kubelets[NODE].stop()

    assert place.said(pod, "main").split() == ["up", "TERM"]
    machine = nodes.lab.node(NODE)
    assert namespace.members(machine.namespace) == []
    assert list((nodes.folder(NODE) / "pods").iterdir()) == []
    assert Path("/proc/self/mounts").read_text() == mounts
    assert NODE not in ready_nodes(place.client)
    nodes.start(NODE)
    pod = place.ready("stopped")
    assert restarts(pod) == 1
    assert pod["status"]["phase"] == "Running"


def test_a_stop_of_one_that_is_only_starting_leaves_nothing(place: Place, nodes: Nodes) -> None:
    kubelet = nodes.kubelets[NODE]
    kubelet.kill()
    for number in range(6):
        place.run(f"half-{number}", {"containers": [shell(SLEEP)]})
    nodes.start(NODE)
    kubelet.stop()
    assert namespace.members(nodes.lab.node(NODE).namespace) == []
    assert list((nodes.folder(NODE) / "pods").iterdir()) == []


def test_a_power_cut_ends_all_and_heal_brings_all_back(place: Place, nodes: Nodes) -> None:
    main = shell("ls /v; touch /v/kept; exec sleep 1000", volumeMounts=MOUNTS)
    place.run("cut", {"containers": [main]} | V)
    pod = place.ready("cut")
    node = nodes.lab.node(NODE)
    (container,) = processes(nodes, pod)
    node.fault_node()
    assert not container.alive()
    assert nodes.kubelets[NODE].running is None
    node.heal()
    place.until_pod("cut", "its restart", lambda pod: restarts(pod) == 1)
    place.until("what it had kept", lambda: place.said(pod, "main") == "kept\n")


def test_containers_go_on_while_the_api_server_is_away_and_are_restarted_too(
    place: Place, nodes: Nodes, real_api: RealApi
) -> None:
    place.run("alone", {"containers": [shell(SLEEP)], "terminationGracePeriodSeconds": 1})
    pod = place.ready("alone")
    (first,) = processes(nodes, pod)
    real_api.kill_server()
    try:
        first.send(signal.SIGKILL)
        wait_until(lambda: place.said(pod, "main").split() == ["up", "up"], 30, "a restart without the API server")
    finally:
        real_api.restart_server()
    pod = place.until_pod("alone", "to be told of it", lambda pod: restarts(pod) == 1)
    place.ready("alone")


def test_a_start_without_the_api_server_goes_on_with_what_runs(place: Place, nodes: Nodes, real_api: RealApi) -> None:
    probe = {"exec": {"command": ["test", "-f", "/v/ok"]}, "periodSeconds": 1, "failureThreshold": 1}
    steady = shell(SLEEP)
    probed = shell("touch /v/ok; echo up; exec sleep 1000", "probed", livenessProbe=probe, volumeMounts=MOUNTS)
    place.run("alone", {"containers": [steady, probed], "terminationGracePeriodSeconds": 1} | V)
    pod = place.ready("alone")
    before = processes(nodes, pod)
    nodes.kubelets[NODE].kill()
    real_api.kill_server()
    try:
        nodes.start(NODE)
        volume = nodes.folder(NODE) / "pods" / pod["metadata"]["uid"] / "volumes/v/ok"
        volume.unlink()
        # It looks after them: the probe fails, and the container is ended.
        wait_until(lambda: [each.alive() for each in before].count(False) == 1, 30, "the probed container to end")
    finally:
        real_api.restart_server()
    place.until_pod("alone", "one restart", lambda pod: sorted(all_restarts(pod)) == [0, 1])
    place.ready("alone")
    assert [each.alive() for each in before].count(True) == 1


def test_only_one_runs_for_a_node(nodes: Nodes) -> None:
    with pytest.raises(LabError, match="runs already"):
        nodes.start(NODE)
    kubelet = nodes.kubelets[NODE]
    command = ["--lab", nodes.lab.name, "--node", NODE, "--kubeconfig", str(kubelet.folder / "kubeconfig")]
    done = subprocess.run(
        [sys.executable, "-m", "mooring_lab.kubelet", *command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 5
    assert "another kubelet" in done.stderr


def test_the_node_renews_its_lease_and_says_what_it_is(place: Place) -> None:
    lease = place.client.get(LEASES, NODE, "kube-node-lease")
    assert lease["spec"]["holderIdentity"] == NODE
    first = lease["spec"]["renewTime"]

    def renewed() -> bool:
        return bool(place.client.get(LEASES, NODE, "kube-node-lease")["spec"]["renewTime"] != first)

    place.until("the next renewal", renewed)
    node = place.client.get(NODES, NODE)
    assert [each["address"] for each in node["status"]["addresses"]] == ["10.0.0.18", "fd00:10::18", NODE]
    assert node["status"]["capacity"]["cpu"] == str(os.cpu_count())
    assert not [taint for taint in node["spec"].get("taints") or () if "not-ready" in taint["key"]]
