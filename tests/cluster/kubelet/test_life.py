"""The life of containers: order, restarts, hooks, grace, probes."""

from typing import Any

import pytest
from tests.cluster.kubelet.conftest import Place, container, shell
from tests.cluster.kubelets import Document, condition

from mooring_kube.resources import EVENTS, PODS

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

SLEEP = "exec sleep 1000"
#: Tells when SIGTERM came and how long it could go on after it.
_STUBBORN = """
import signal, sys, time
def ended(*_):
    print("TERM", time.monotonic(), flush=True)
signal.signal(signal.SIGTERM, ended)
print("up", flush=True)
while True:
    time.sleep(0.05)
    print("alive", time.monotonic(), flush=True)
"""
_OBEDIENT = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print("TERM", flush=True), sys.exit(0)))
print("up", flush=True)
while True: signal.pause()
"""


def python(script: str, **fields: Any) -> Document:
    return container(command=["python3", "-c", script], **fields)


def first_status(pod: Document) -> Document:
    """What kubelet says of its first container; before it says anything, that it has not begun."""
    said = pod["status"].get("containerStatuses")
    found: Document = said[0] if said else {"restartCount": 0, "state": {}, "lastState": {}}
    return found


def words(place: Place, name: str) -> list[str]:
    """The words that a container has written, without times."""
    text = place.nodes.kubelets["knode-1"].container_log(place.name, name, "main")
    return [line.split()[0] for line in text.splitlines() if not line.startswith("alive")]


def events(place: Place, reason: str) -> list[Document]:
    return [each for each in place.client.list(EVENTS, place.name).items if each["reason"] == reason]


# -- order and restarts


def test_init_containers_run_one_after_the_other_and_before_the_others(place: Place) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]
    inits = [
        shell(f"cat /v/* 2>/dev/null; echo {each} >>/v/order; sleep 0.3", each, volumeMounts=mounts)
        for each in ("one", "two")
    ]
    main = shell(f"cat /v/order; {SLEEP}", volumeMounts=mounts)
    place.run("ordered", {"initContainers": inits, "containers": [main], "volumes": [{"name": "v", "emptyDir": {}}]})
    pod = place.ready("ordered")
    place.until("its words", lambda: words(place, "ordered") == ["one", "two"])
    codes = [each["state"]["terminated"]["exitCode"] for each in pod["status"]["initContainerStatuses"]]
    assert codes == [0, 0]
    assert condition(pod, "Initialized") == "True"


def test_a_failing_init_container_holds_the_others_back_until_it_succeeds(place: Place) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]
    init = shell("[ -f /v/tried ] && exit 0; touch /v/tried; exit 3", "init", volumeMounts=mounts)
    spec = {"initContainers": [init], "containers": [shell(SLEEP)], "volumes": [{"name": "v", "emptyDir": {}}]}
    place.run("again", spec)
    said = place.ready("again")["status"]["initContainerStatuses"][0]
    assert (said["restartCount"], said["lastState"]["terminated"]["exitCode"]) == (1, 3)

    place.run("never", spec | {"restartPolicy": "Never", "volumes": [{"name": "v", "emptyDir": {}}]})
    pod = place.until_pod("never", "to fail", lambda pod: pod["status"].get("phase") == "Failed")
    assert "waiting" in first_status(pod)["state"]


@pytest.mark.parametrize(
    ("policy", "script", "phase", "restarts"),
    [
        ("Never", "exit 0", "Succeeded", 0),
        ("Never", "exit 4", "Failed", 0),
        ("OnFailure", "exit 0", "Succeeded", 0),
        ("OnFailure", "[ -f /v/x ] && exit 0; touch /v/x; exit 5", "Succeeded", 1),
    ],
)
def test_a_pod_that_is_over_says_how(place: Place, policy: str, script: str, phase: str, restarts: int) -> None:
    main = shell(script, volumeMounts=[{"name": "v", "mountPath": "/v"}])
    place.run("over", {"containers": [main], "restartPolicy": policy, "volumes": [{"name": "v", "emptyDir": {}}]})
    pod = place.until_pod("over", "to be over", lambda pod: pod["status"].get("phase") in ("Succeeded", "Failed"))
    assert pod["status"]["phase"] == phase
    assert first_status(pod)["restartCount"] == restarts
    assert condition(pod, "Ready") == "False"


def test_a_container_that_ends_again_and_again_is_started_with_growing_pauses(place: Place) -> None:
    main = shell("echo up; echo so long >/dev/termination-log; exit 9")
    place.run("loop", {"containers": [main]})
    place.until_pod("loop", "three restarts", lambda pod: first_status(pod)["restartCount"] >= 3)
    pod = place.until_pod(
        "loop",
        "a pause",
        lambda pod: first_status(pod)["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff",
    )
    last = first_status(pod)["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"], last["message"]) == (9, "Error", "so long\n")
    assert place.until("an event", lambda: events(place, "BackOff"))


def test_last_words_come_from_the_log_where_that_is_asked_for(place: Place) -> None:
    main = shell("echo it broke; exit 1", terminationMessagePolicy="FallbackToLogsOnError")
    place.run("words", {"containers": [main], "restartPolicy": "Never"})
    pod = place.until_pod("words", "to fail", lambda pod: pod["status"].get("phase") == "Failed")
    assert first_status(pod)["state"]["terminated"]["message"] == "it broke\n"


def test_processes_that_a_container_leaves_behind_end_with_it(place: Place) -> None:
    marker = f"sleep 9{place.name.replace('-', '').replace('k', '')}"
    for name, host_pid in (("left-own", False), ("left-host", True)):
        main = shell(f"setsid {marker} & echo up; exit 0")
        place.run(name, {"containers": [main], "restartPolicy": "Never", "hostPID": host_pid})
        place.until_pod(name, "to be over", lambda pod: pod["status"].get("phase") == "Succeeded")
    running = [str(p.pid) for p in place.nodes.lab.node("knode-1").processes("sleep")]
    assert running == []


# -- the end


def test_pre_stop_comes_before_sigterm(place: Place) -> None:
    hook = {"preStop": {"exec": {"command": ["/bin/sh", "-c", "sleep 1; echo stopping >/proc/1/fd/1"]}}}
    place.run("polite", {"containers": [python(_OBEDIENT, lifecycle=hook)]})
    place.ready("polite")
    place.until("it to be up", lambda: words(place, "polite") == ["up"])
    place.delete(PODS, "polite")
    place.gone("polite")
    assert words(place, "polite") == ["up", "stopping", "TERM"]


def test_sigkill_comes_when_the_grace_period_is_over(place: Place) -> None:
    place.run("stubborn", {"containers": [python(_STUBBORN)], "terminationGracePeriodSeconds": 3})
    place.ready("stubborn")
    place.until("it to be up", lambda: "up" in words(place, "stubborn"))
    place.delete(PODS, "stubborn")
    pod = place.pod("stubborn")
    assert pod["metadata"]["deletionTimestamp"]
    place.gone("stubborn")
    text = place.said(pod, "main").splitlines()
    (term,) = [float(line.split()[1]) for line in text if line.startswith("TERM")]
    assert 2.0 <= float(text[-1].split()[1]) - term <= 10.0


def test_a_hook_that_never_ends_is_cut_off_with_the_grace_period(place: Place) -> None:
    hook = {"preStop": {"exec": {"command": ["sleep", "1000"]}}}
    main = python(_OBEDIENT, lifecycle=hook)
    place.run("hanging", {"containers": [main], "terminationGracePeriodSeconds": 2})
    place.ready("hanging")
    place.until("it to be up", lambda: words(place, "hanging") == ["up"])
    place.delete(PODS, "hanging")
    place.gone("hanging", 15)
    assert words(place, "hanging") == ["up", "TERM"]


def test_a_shorter_grace_period_replaces_a_longer_one(place: Place) -> None:
    place.run("hurry", {"containers": [python(_STUBBORN)], "terminationGracePeriodSeconds": 600})
    place.ready("hurry")
    # Before that it has no handler, and the first process of a pid namespace hears no signal without one.
    place.until("it to be up", lambda: "up" in words(place, "hurry"))
    place.delete(PODS, "hurry")
    place.until("SIGTERM", lambda: "TERM" in words(place, "hurry"))
    place.delete(PODS, "hurry", gracePeriodSeconds=1)
    place.gone("hurry", 15)


def test_a_pod_that_is_forced_out_of_the_api_server_is_ended_all_the_same(place: Place) -> None:
    pod = place.run("forced", {"containers": [python(_OBEDIENT)]})
    place.ready("forced")
    place.until("it to be up", lambda: words(place, "forced") == ["up"])
    folder = place.nodes.folder("knode-1") / "pods" / pod["metadata"]["uid"]
    assert folder.exists()
    place.delete(PODS, "forced", gracePeriodSeconds=0)
    place.gone("forced", 2)
    place.until("its processes to end", lambda: not folder.exists())
    assert words(place, "forced") == ["up", "TERM"]


def test_a_pod_may_be_deleted_before_it_has_started(place: Place) -> None:
    place.run("brief", {"containers": [shell(SLEEP)]})
    place.delete(PODS, "brief")
    place.gone("brief", 15)


def test_post_start_comes_before_ready_and_its_failure_restarts(place: Place) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]
    hook = {"postStart": {"exec": {"command": ["/bin/sh", "-c", "[ -f /v/x ] || { touch /v/x; exit 1; }"]}}}
    main = shell(SLEEP, lifecycle=hook, volumeMounts=mounts)
    spec = {"containers": [main], "volumes": [{"name": "v", "emptyDir": {}}], "terminationGracePeriodSeconds": 1}
    place.run("hooked", spec)
    assert first_status(place.ready("hooked"))["restartCount"] == 1
    assert place.until("an event", lambda: events(place, "FailedPostStartHook"))


# -- probes

_FILE = {"exec": {"command": ["test", "-f", "/v/ok"]}, "periodSeconds": 1, "failureThreshold": 2}
_V = {"volumes": [{"name": "v", "hostPath": {"path": "/var/lib/probed"}}], "terminationGracePeriodSeconds": 1}
_MOUNTS = [{"name": "v", "mountPath": "/v"}]


def test_readiness_follows_its_probe_and_restarts_nothing(place: Place) -> None:
    ok = place.nodes.folder("knode-1") / "disk/var/lib/probed/ok"
    place.run("wavering", {"containers": [shell(SLEEP, readinessProbe=_FILE, volumeMounts=_MOUNTS)]} | _V)
    pod = place.until_pod("wavering", "Unready", lambda pod: pod["status"].get("phase") == "Running")
    assert condition(pod, "Ready") == "False"
    ok.touch()
    place.ready("wavering")
    ok.unlink()
    pod = place.until_pod("wavering", "to be unready again", lambda pod: condition(pod, "Ready") == "False")
    assert first_status(pod)["restartCount"] == 0
    assert condition(pod, "ContainersReady") == "False"
    assert place.until("an event", lambda: events(place, "Unhealthy"))


def test_a_failed_liveness_probe_restarts_the_container(place: Place) -> None:
    script = f"touch /v/ok; [ -f /v/twice ] || {{ touch /v/twice; sleep 1; rm /v/ok; }}; {SLEEP}"
    spec = {"containers": [shell(script, livenessProbe=_FILE | {"initialDelaySeconds": 1}, volumeMounts=_MOUNTS)]}
    place.run("dying", spec | {"volumes": [{"name": "v", "emptyDir": {}}], "terminationGracePeriodSeconds": 1})
    pod = place.until_pod("dying", "one restart", lambda pod: first_status(pod)["restartCount"] == 1)
    place.ready("dying")
    assert first_status(pod)["lastState"]["terminated"]["exitCode"] == 137
    assert place.until("an event", lambda: events(place, "Killing"))


def test_a_startup_probe_holds_the_others_back(place: Place) -> None:
    probes = {
        "startupProbe": _FILE | {"failureThreshold": 30},
        "livenessProbe": {"exec": {"command": ["test", "-f", "/v/ok"]}, "periodSeconds": 1, "failureThreshold": 1},
    }
    spec = {"containers": [shell(f"sleep 3; touch /v/ok; {SLEEP}", volumeMounts=_MOUNTS, **probes)]}
    place.run("slow", spec | {"volumes": [{"name": "v", "emptyDir": {}}]})
    pod = place.until_pod("slow", "to run", lambda pod: pod["status"].get("phase") == "Running")
    assert (first_status(pod)["started"], first_status(pod)["ready"]) == (False, False)
    pod = place.ready("slow")
    assert (first_status(pod)["started"], first_status(pod)["restartCount"]) == (True, 0)


def test_network_probes_are_made_in_the_node(place: Place) -> None:
    """Both nodes have a server on one port: each kubelet must ask its own."""
    script = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.path == "/healthz" and self.headers["X-Who"] == sys.argv[1]
        self.send_response(200 if good else 500); self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 18080), Handler).serve_forever()
"""
    for node in ("knode-1", "knode-2"):
        probe = {
            "httpGet": {"port": "web", "path": "/healthz", "httpHeaders": [{"name": "X-Who", "value": node}]},
            "periodSeconds": 1,
        }
        main = container(
            command=["python3", "-c", script, node],
            ports=[{"name": "web", "containerPort": 18080}],
            readinessProbe=probe,
            livenessProbe={"tcpSocket": {"port": 18080}, "periodSeconds": 1},
        )
        place.run(node, {"containers": [main]}, node)
    for node in ("knode-1", "knode-2"):
        assert first_status(place.ready(node))["restartCount"] == 0

    def unhealthy(name: str) -> list[Document]:
        return [each for each in events(place, "Unhealthy") if each["involvedObject"]["name"] == name]

    probe = {"tcpSocket": {"port": 18081}, "periodSeconds": 1}
    place.run("closed", {"containers": [shell(SLEEP, readinessProbe=probe)]})
    told = place.until("an event", lambda: unhealthy("closed"))
    assert "refused" in told[0]["message"]
