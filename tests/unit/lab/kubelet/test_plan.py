"""From a container of a pod to what is run."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.lab.kubelet.pods import INSTALLATION, NODE, Document, container, facts, pod

from mooring_lab.kubelet import capabilities
from mooring_lab.kubelet.facts import CannotRun
from mooring_lab.kubelet.images import Images
from mooring_lab.kubelet.plan import host_path, plan_container, unsupported
from mooring_lab.kubelet.runspec import Mount, RunSpec


def planned(main: Document | None = None, **spec: Any) -> RunSpec:
    main = main or container()
    return plan_container(pod(main, **spec), main, facts())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"command": ["a", "b"]}, ("a", "b")),
        ({"command": ["a"], "args": ["c"]}, ("a", "c")),
        ({"command": None}, ("entry", "default")),
        ({"command": None, "args": ["c"]}, ("entry", "c")),
        ({"command": ["$(HOSTNAME)"], "args": ["$(NO)", "$$(HOSTNAME)"]}, ("lb-1", "$(NO)", "$(HOSTNAME)")),
    ],
)
def test_command_and_args_replace_what_the_image_says(fields: Document, expected: tuple[str, ...]) -> None:
    images = Images.of_json(INSTALLATION, {"example.com/thing": {"entrypoint": ["entry"], "command": ["default"]}})
    main = container(**fields)
    known = replace(facts(), node=replace(NODE, images=images))
    assert plan_container(pod(main), main, known).argv == expected


def test_nothing_to_run_is_said() -> None:
    with pytest.raises(CannotRun, match="no command specified") as error:
        planned(container(command=None))
    assert error.value.reason == "CreateContainerError"


def test_an_ordinary_container() -> None:
    run = planned(container(workingDir="/w"))
    assert (run.working_dir, run.network, run.hostname) == ("/w", NODE.network, "lb-1")
    assert (run.host_pid, run.host_ipc, run.root.read_only) == (False, False, False)
    assert (run.identity.uid, run.identity.gid, run.identity.groups) == (0, 0, (0,))
    assert run.identity.capabilities == capabilities.mask(capabilities.DEFAULT)
    assert not run.identity.no_new_privileges
    assert run.mounts == (Mount("/lab/pods/u-1/messages/main", "/dev/termination-log"),)
    assert RunSpec.of_json(run.to_json()) == run


def test_the_container_is_heard_before_the_pod() -> None:
    security = {"runAsUser": 5, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False}
    whole = {"runAsUser": 1, "runAsGroup": 2, "supplementalGroups": [9], "fsGroup": 8}
    run = planned(container(securityContext=security), securityContext=whole, hostPID=True, hostIPC=True)
    who = run.identity
    assert (who.uid, who.gid, who.groups, who.no_new_privileges) == (5, 2, (2, 8, 9), True)
    assert (run.root.read_only, run.host_pid, run.host_ipc) == (True, True, True)


@pytest.mark.parametrize(
    ("security", "reason", "said"),
    [
        ({"runAsNonRoot": True}, "CreateContainerConfigError", "will run as root"),
        ({"capabilities": {"add": ["X"]}}, "CreateContainerError", "unknown capability"),
        ({"capabilities": {"add": ["SYS_TIME"]}}, "CreateContainerError", "without CAP_SYS_TIME"),
    ],
)
def test_rights_that_cannot_be(security: Document, reason: str, said: str) -> None:
    main = container(securityContext=security)
    poor = replace(NODE, capabilities=NODE.capabilities & ~capabilities.mask(frozenset({"SYS_TIME", "MKNOD"})))
    with pytest.raises(CannotRun, match=said) as error:
        plan_container(pod(main), main, replace(facts(), node=poor))
    assert error.value.reason == reason


def test_what_the_lab_lacks_nobody_gets_unasked() -> None:
    poor = replace(NODE, capabilities=NODE.capabilities & ~capabilities.mask(frozenset({"MKNOD"})))
    main = container()
    run = plan_container(pod(main), main, replace(facts(), node=poor))
    assert run.identity.capabilities == capabilities.mask(capabilities.DEFAULT - {"MKNOD"})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/lib/mooring", ("/lab/disk/var/lib/mooring", False)),
        ("/var/lib/../../etc/passwd", ("/etc/passwd", True)),
        ("/proc/sys/net", ("/proc/sys/net", False)),
        ("/dev/shm", ("/dev/shm", False)),
        ("/usr", ("/usr", True)),
        ("/usrlocal", ("/lab/disk/usrlocal", False)),
        ("/", ("/lab/disk", False)),
        ("/run/xtables.lock", ("/lab/disk/run/xtables.lock", False)),
    ],
)
def test_where_a_host_path_leads(path: str, expected: tuple[str, bool]) -> None:
    assert host_path(path, "/lab/disk") == expected


def test_mounts_come_in_an_order_that_hides_none() -> None:
    mounts = [
        {"name": "e", "mountPath": "/a/b/"},
        {"name": "c", "mountPath": "/a", "subPath": "x/y"},
        {"name": "h", "mountPath": "/a/b/c", "readOnly": True, "subPathExpr": "$(HOSTNAME)"},
    ]
    volumes = [
        {"name": "e", "emptyDir": {}},
        {"name": "c", "configMap": {"name": "c"}},
        {"name": "h", "hostPath": {"path": "/v"}},
    ]
    run = planned(container(volumeMounts=mounts), volumes=volumes)
    assert run.mounts[:-1] == (
        Mount("/lab/pods/u-1/volumes/c/x/y", "/a", read_only=True, within="/lab/pods/u-1"),
        Mount("/lab/pods/u-1/volumes/e", "/a/b", within="/lab/pods/u-1"),
        Mount("/lab/disk/v/lb-1", "/a/b/c", read_only=True, within="/lab/disk"),
    )


@pytest.mark.parametrize("part", ["../x", "a/../../x", "/etc"])
def test_a_sub_path_stays_in_its_volume(part: str) -> None:
    with pytest.raises(CannotRun, match="must stay inside"):
        planned(
            container(volumeMounts=[{"name": "e", "mountPath": "/a", "subPath": part}]),
            volumes=[{"name": "e", "emptyDir": {}}],
        )


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (pod(hostNetwork=False), "set hostNetwork: true"),
        (pod(shareProcessNamespace=True), "shareProcessNamespace"),
        (pod(activeDeadlineSeconds=5), "activeDeadlineSeconds"),
        (pod(volumes=[{"name": "x", "csi": {}}]), "volume x: the lab's kubelet does not know csi"),
        (pod(initContainers=[container("side", restartPolicy="Always")]), "no sidecars"),
        (pod(container(livenessProbe={"grpc": {"port": 1}})), "no grpc probes"),
        (pod(container(volumeDevices=[{"name": "d"}])), "no block devices"),
    ],
)
def test_what_the_lab_does_not_have(document: Document, said: str) -> None:
    assert said in (unsupported(document) or "")


def test_what_it_has() -> None:
    volumes = [{"name": "a", "emptyDir": {}}, {"name": "b", "hostPath": {"path": "/x"}}, {"name": "c", "projected": {}}]
    probe = {"exec": {"command": ["x"]}}
    assert unsupported(pod(container(livenessProbe=probe), initContainers=[container("i")], volumes=volumes)) is None
