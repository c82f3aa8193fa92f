"""What a container finds: command, environment, volumes, rights, token; and what is refused."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.kubelet.conftest import NODE_NAMES, Nodes, Place, container, shell
from tests.cluster.kubelets import Document, condition

from mooring_kube.client import Client
from mooring_kube.connection import Connection
from mooring_kube.errors import Unauthorized
from mooring_kube.resources import CONFIG_MAPS, PODS, SECRETS
from mooring_lab.api.real import RealApi
from mooring_lab.kubelet import capabilities
from mooring_lab.wait import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

#: Prints what an expression gives, as JSON, and goes on running.
_REPORT = """
import json, os, sys, time
def text(path): return open(path).read()
def status(name): return next(l.split(":\\t")[1].strip() for l in open("/proc/self/status") if l.startswith(name + ":"))
def refusal(path):
    try: open(path, "w")
    except OSError as error: return error.strerror
print(json.dumps(eval(sys.argv[1])), flush=True)
time.sleep(1000)
"""


def reporter(expression: str, name: str = "main", **fields: Any) -> Document:
    return container(name, command=["python3", "-c", _REPORT, expression], **fields)


def report(place: Place, pod: Document, name: str = "main") -> Any:
    """What the reporter in a pod that is Ready has found."""
    place.until("the report", lambda: place.said(pod, name))
    return json.loads(place.said(pod, name))


def test_command_and_environment_are_as_the_spec_says(place: Place) -> None:
    place.create(CONFIG_MAPS, {"metadata": {"name": "settings"}, "data": {"colour": "blue", "pen.size": "2"}})
    place.create(SECRETS, {"metadata": {"name": "keys"}, "stringData": {"password": "sesame"}})
    field = {name: {"fieldRef": {"fieldPath": path}} for name, path in _FIELDS.items()}
    env = [
        {"name": "FIRST", "value": "one"},
        {"name": "SECOND", "value": "$(FIRST) two $$(FIRST) $(NOBODY)"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "ABSENT", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "x", "optional": True}}},
        *({"name": name, "valueFrom": source} for name, source in field.items()),
    ]
    main = reporter("[sys.argv[2:], dict(os.environ), os.getcwd(), text('/proc/sys/kernel/hostname').strip()]")
    main |= {
        "args": ["--node", "$(NODE)", "$(UNKNOWN)"],
        "env": env,
        "envFrom": [{"configMapRef": {"name": "settings"}, "prefix": "SET_"}],
        "workingDir": "/var/tmp/made/here",
    }
    place.run("env", {"containers": [main]}, labels={"app": "x"})

    words, found, folder, hostname = report(place, place.ready("env"))

    assert words == ["--node", NODE_NAMES[0], "$(UNKNOWN)"]
    pod = place.pod("env")
    expected = {
        "FIRST": "one",
        "SECOND": "one two $(FIRST) $(NOBODY)",
        "PASSWORD": "sesame",
        "COLOUR": "blue",
        "SET_colour": "blue",
        "SET_pen.size": "2",
        "NODE": NODE_NAMES[0],
        "POD": "env",
        "NAMESPACE": place.name,
        "UID": pod["metadata"]["uid"],
        "POD_IP": "10.0.0.18",
        "HOST_IP": "10.0.0.18",
        "APP": "x",
        "HOSTNAME": NODE_NAMES[0],
        "KUBERNETES_SERVICE_HOST": "192.168.77.254",
        "KUBERNETES_SERVICE_PORT": "6443",
    }
    assert {name: found.get(name) for name in expected} == expected
    assert not {"ABSENT", "KUBECONFIG"} & found.keys()
    assert (folder, hostname) == ("/var/tmp/made/here", NODE_NAMES[0])
    assert pod["status"]["podIP"] == pod["status"]["hostIP"] == "10.0.0.18"
    assert pod["status"]["phase"] == "Running"
    assert not Path("/var/tmp/made").exists()


_FIELDS = {
    "NODE": "spec.nodeName",
    "POD": "metadata.name",
    "NAMESPACE": "metadata.namespace",
    "UID": "metadata.uid",
    "POD_IP": "status.podIP",
    "HOST_IP": "status.hostIP",
    "APP": "metadata.labels['app']",
}


def test_it_runs_in_the_network_namespace_of_its_node_and_in_a_pid_namespace_of_its_own(
    place: Place, nodes: Nodes
) -> None:
    expression = (
        "[os.stat('/proc/self/ns/net').st_ino, os.getpid(), len([p for p in os.listdir('/proc') if p.isdigit()])]"
    )
    place.run("own", {"containers": [reporter(expression)]}, NODE_NAMES[1])
    place.run("shared", {"containers": [reporter(expression)], "hostPID": True}, NODE_NAMES[1])
    there = os.stat(f"/run/netns/{nodes.lab.node(NODE_NAMES[1]).namespace}").st_ino

    network, pid, processes = report(place, place.ready("own"))
    assert (network, pid, processes) == (there, 1, 1)
    network, pid, processes = report(place, place.ready("shared"))
    assert network == there
    assert pid > 1
    assert processes > 10


def test_volumes_show_what_they_are_made_of(place: Place, nodes: Nodes) -> None:
    place.create(CONFIG_MAPS, {"metadata": {"name": "files"}, "data": {"a": "A", "b": "B"}})
    place.create(SECRETS, {"metadata": {"name": "keys"}, "data": {"key": base64.b64encode(b"\xff\0").decode()}})
    volumes = [
        {"name": "files", "configMap": {"name": "files", "items": [{"key": "a", "path": "deep/a", "mode": 0o640}]}},
        {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}},
        {"name": "about", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "disk", "hostPath": {"path": "/var/lib/thing", "type": "DirectoryOrCreate"}},
        {"name": "modules", "hostPath": {"path": "/usr/lib"}},
        {"name": "none", "configMap": {"name": "nobody", "optional": True}},
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/v/{volume['name']}"} for volume in volumes]
    mounts.append({"name": "scratch", "mountPath": "/part", "subPathExpr": "$(WHO)"})
    first = shell("echo hello >/v/scratch/said; echo kept >/v/disk/kept", "first", volumeMounts=mounts)
    expression = """[
        text('/v/files/deep/a'), os.readlink('/v/files/deep'), oct(os.stat('/v/files/deep/a').st_mode)[-3:],
        open('/v/keys/key', 'rb').read().hex(), oct(os.stat('/v/keys/key').st_mode)[-3:],
        text('/v/about/labels'), text('/v/scratch/said'), [n for n in os.listdir('/v/none') if n[0] != '.'],
        [refusal(f'/v/{name}/new') for name in ('files', 'keys', 'about', 'modules', 'scratch')],
        os.listdir('/part'), os.path.exists('/v/scratch/me'),
    ]"""
    main = reporter(expression, volumeMounts=mounts, env=[{"name": "WHO", "value": "me"}])
    spec = {"initContainers": [first | {"env": main["env"]}], "containers": [main], "volumes": volumes}
    place.run("volumes", spec, labels={"b": "2", "a": "1"})

    found = report(place, place.ready("volumes"))

    assert found == [
        *("A", "..data/deep", "640", "ff00", "400", 'a="1"\nb="2"', "hello\n", []),
        ["Read-only file system"] * 4 + [None],
        *([], True),
    ]
    assert (nodes.folder(NODE_NAMES[0]) / "disk/var/lib/thing/kept").read_text() == "kept\n"
    assert not Path("/var/lib/thing").exists()


def test_a_config_map_that_changes_is_seen_in_one_step(place: Place) -> None:
    place.create(CONFIG_MAPS, {"metadata": {"name": "files"}, "data": {"a": "1", "old": "x"}})
    script = """
        last=; while true; do now="$(cat /v/a 2>&1)"
        [ "$now" = "$last" ] || echo "$now"; last="$now"; sleep 0.01; done"""
    main = shell(script, volumeMounts=[{"name": "v", "mountPath": "/v"}])
    place.run("changing", {"containers": [main], "volumes": [{"name": "v", "configMap": {"name": "files"}}]})
    pod = place.ready("changing")
    place.until("the first content", lambda: place.said(pod, "main") == "1\n")

    place.client.merge_patch(CONFIG_MAPS, "files", {"data": {"a": "2", "old": None, "new": "y"}}, place.name)

    place.until("the second content", lambda: "2" in place.said(pod, "main"))
    assert place.said(pod, "main") == "1\n2\n"
    folder = place.nodes.folder(NODE_NAMES[0]) / "pods" / pod["metadata"]["uid"] / "volumes/v"
    place.until("the names", lambda: {name for name in os.listdir(folder) if name[0] != "."} == {"a", "new"})


def test_a_link_that_a_container_made_leads_nowhere(place: Place) -> None:
    mount = {"name": "v", "mountPath": "/v"}
    volumes = [{"name": "v", "hostPath": {"path": "/var/lib/links"}}]
    maker = shell("ln -sfn /etc /v/out", volumeMounts=[mount])
    place.run("maker", {"containers": [maker], "volumes": volumes, "restartPolicy": "Never"})
    place.until_pod("maker", "to be over", lambda pod: pod["status"].get("phase") == "Succeeded")
    taker = shell("exec sleep 1000", volumeMounts=[mount | {"subPath": "out"}])
    place.run("taker", {"containers": [taker], "volumes": volumes})
    place.until_pod("taker", "to be refused", lambda pod: "leads out of the lab" in json.dumps(pod["status"]))


@pytest.mark.parametrize(
    ("security", "held"),
    [
        ({}, capabilities.DEFAULT),
        ({"capabilities": {"drop": ["ALL"]}}, frozenset()),
        ({"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]}}, {"NET_ADMIN", "NET_RAW"}),
        ({"capabilities": {"drop": ["NET_RAW"]}}, capabilities.DEFAULT - {"NET_RAW"}),
    ],
)
def test_capabilities_are_exactly_those_asked_for(place: Place, security: Document, held: frozenset[str]) -> None:
    place.run("caps", {"containers": [reporter(_CAPABILITIES, securityContext=security)]})
    found = report(place, place.ready("caps"))
    mask = f"{capabilities.mask(frozenset(held)):016x}"
    assert found == ["0" * 16, mask, mask, mask, "0" * 16, "0"]


_CAPABILITIES = "[status(n) for n in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs')]"


def test_a_user_has_no_capabilities_and_gets_none(place: Place) -> None:
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}
    spec = {
        "securityContext": {"runAsUser": 1234, "runAsGroup": 2345, "supplementalGroups": [77], "fsGroup": 88},
        "volumes": [{"name": "v", "emptyDir": {}}],
    }
    expression = f"[os.getresuid(), os.getresgid(), sorted(os.getgroups()), os.stat('/v').st_gid, {_CAPABILITIES}]"
    main = reporter(expression, securityContext=security, volumeMounts=[{"name": "v", "mountPath": "/v"}])
    place.run("user", spec | {"containers": [main]})
    users, groups, all_groups, group, held = report(place, place.ready("user"))
    assert (users, groups, all_groups, group) == ([1234] * 3, [2345] * 3, [77, 88, 2345], 88)
    net_admin = f"{capabilities.mask(frozenset({'NET_ADMIN'})):016x}"
    assert held == ["0" * 16, "0" * 16, "0" * 16, net_admin, "0" * 16, "1"]


def test_who_is_not_root_may_write_to_dev_stdout(place: Place) -> None:
    """Where a program writes its log to a file, its image often makes that file a link to /dev/stdout."""
    main = shell("echo one; echo two >/dev/stdout; echo three >/dev/stderr")
    place.run("links", {"containers": [main], "restartPolicy": "Never", "securityContext": {"runAsUser": 1234}})
    pod = place.until_pod("links", "to be over", lambda pod: pod["status"].get("phase") == "Succeeded")
    assert place.said(pod, "main").split() == ["one", "two", "three"]


def test_a_read_only_root_refuses_writes_and_volumes_take_them(place: Place) -> None:
    main = reporter(
        "[refusal(f'{folder}/file') for folder in ('', '/etc', '/tmp', '/v')] + [refusal('/proc/sys/vm/swappiness')]",
        securityContext={"readOnlyRootFilesystem": True},
        volumeMounts=[{"name": "v", "mountPath": "/v"}],
    )
    place.run("fixed", {"containers": [main], "volumes": [{"name": "v", "emptyDir": {}}]})
    read_only = "Read-only file system"
    assert report(place, place.ready("fixed")) == [read_only, read_only, read_only, None, read_only]


def test_what_a_container_writes_to_its_root_is_its_own_and_goes_with_it(place: Place) -> None:
    place.run(
        "writer",
        {"containers": [reporter("[refusal('/etc/mooring-lab-test'), os.listdir('/tmp'), os.listdir('/root')]")]},
    )
    found = report(place, place.ready("writer"))
    # A working tree under /tmp is shown to the container, as its programs run from there.
    assert [found[0], set(found[1]) - set(Path(__file__).parts)] == [None, set()]
    assert not Path("/etc/mooring-lab-test").exists()


def test_a_token_names_the_node_and_the_pod_and_ends_with_the_pod(
    place: Place, real_api: RealApi, client: Client
) -> None:
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    place.run(
        "talker",
        {"containers": [reporter(f"{{n: text(f'{folder}/{{n}}') for n in os.listdir('{folder}') if n[0] != '.'}}")]},
    )
    pod = place.ready("talker")
    found = report(place, pod)

    assert found["namespace"] == place.name
    assert found["ca.crt"].strip() == real_api.ca.read_text().strip()
    claims = json.loads(base64.urlsafe_b64decode(found["token"].split(".")[1] + "=="))["kubernetes.io"]
    assert claims["node"]["name"] == NODE_NAMES[0]
    assert claims["pod"] == {"name": "talker", "uid": pod["metadata"]["uid"]}
    token = found["token"]
    user = review(client, token)["user"]
    assert user["extra"]["authentication.kubernetes.io/node-name"] == [NODE_NAMES[0]]

    client.delete(PODS, "talker", place.name)
    place.gone("talker")

    own = Client(Connection(real_api.url, real_api.ca.read_text(), token), agent="tests")
    wait_until(lambda: _refused(own), 60, "the token of a pod that is gone to be refused", every=0.5)
    own.close()


def review(client: Client, token: str) -> Document:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    status: Document = client.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body=body)["status"]
    return status


def _refused(client: Client) -> bool:
    try:
        client.request("GET", "/version")
    except Unauthorized:
        return True
    return False


def test_a_container_reaches_the_api_server_as_a_pod_does(place: Place) -> None:
    script = """
import sys
from mooring_kube.client import Client
from mooring_kube.connection import find
print(Client(find(None)).request("GET", "/version")["gitVersion"], flush=True)
"""
    place.run("asking", {"containers": [container(command=["python3", "-c", script])], "restartPolicy": "Never"})
    place.until_pod("asking", "to have asked", lambda pod: pod["status"].get("phase") == "Succeeded")
    assert place.said(place.pod("asking"), "main").startswith("v1.")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"hostNetwork": False, "containers": [shell("exit")]}, "the lab has no pod network"),
        (
            {
                "containers": [shell("exit")],
                "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "x"}}],
            },
            "does not know persistentVolumeClaim",
        ),
    ],
)
def test_what_the_lab_does_not_have_is_refused_in_words(place: Place, spec: Document, said: str) -> None:
    place.run("refused", spec)
    pod = place.until_pod("refused", "to be refused", lambda pod: pod["status"].get("reason") == "NotSupported")
    assert said in pod["status"]["message"]
    assert pod["status"]["phase"] == "Pending"
    place.client.delete(PODS, "refused", place.name)
    place.gone("refused")


@pytest.mark.parametrize(
    ("fields", "reason", "said"),
    [
        ({"command": ["no-such-program"]}, "StartError", "no-such-program"),
        ({}, "CreateContainerError", "no command specified"),
        (
            {"command": ["true"], "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "no", "key": "x"}}}]},
            "CreateContainerConfigError",
            'secret "no" not found',
        ),
        ({"command": ["true"], "securityContext": {"runAsNonRoot": True}}, "CreateContainerConfigError", "run as root"),
        (
            {"command": ["true"], "securityContext": {"capabilities": {"add": ["TELEPATHY"]}}},
            "CreateContainerError",
            "TELEPATHY",
        ),
    ],
)
def test_a_container_that_cannot_start_says_why(place: Place, fields: Document, reason: str, said: str) -> None:
    place.run("wrong", {"containers": [container(**fields)]})

    def stated(pod: Document) -> Document | None:
        for each in pod["status"].get("containerStatuses") or ():
            for state in (each["state"], each["lastState"]):
                for found in state.values():
                    if found.get("reason") == reason:
                        return found
        return None

    assert said in stated(place.until_pod("wrong", reason, stated))["message"]  # type: ignore[index]
    assert condition(place.pod("wrong"), "Ready") == "False"


def test_it_starts_as_soon_as_what_was_missing_is_there(place: Place) -> None:
    spec = {"containers": [shell("cat /v/word; exec sleep 1000", volumeMounts=[{"name": "v", "mountPath": "/v"}])]}
    place.run("patient", spec | {"volumes": [{"name": "v", "configMap": {"name": "later"}}]})
    place.until_pod("patient", "to wait", lambda pod: "later" in json.dumps(pod["status"]))
    place.create(CONFIG_MAPS, {"metadata": {"name": "later"}, "data": {"word": "at last"}})
    pod = place.ready("patient")
    place.until("its word", lambda: place.said(pod, "main") == "at last")
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
