"""A real API server starts, is found again by another process, and leaves nothing, however it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_kube.errors import Forbidden, Unauthorized
from mooring_kube.resources import NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS, Resource
from mooring_lab.api import ApiServer, tools
from mooring_lab.api.kubectl import VERSIONS, Kubectl
from mooring_lab.api.real import RealApi
from mooring_lab.rights import LabError
from mooring_lab.wait import wait_until

REVIEW = Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview")
NODE_CLAIM = "authentication.kubernetes.io/node-name"
POD_CLAIM = "authentication.kubernetes.io/pod-name"


def _processes(folder: Path) -> list[str]:
    """The command lines that name the folder, but for this test's own."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in line:
                found.append(line)
    return found


def test_its_whole_life(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    api: ApiServer = RealApi(tmp_path / "api", names=("api.example.com",))
    began = time.monotonic()
    api.start()
    try:
        seconds = time.monotonic() - began
        record_property("start_seconds", seconds)
        print(f"started in {seconds:.1f} s")
        found = RealApi.open(tmp_path / "api")
        assert (found.url, found.kubeconfig, found.ca) == (api.url, api.kubeconfig, api.ca)
        assert len(_processes(tmp_path)) == 3
        with closing(Client(from_kubeconfig(found.kubeconfig))) as client:
            assert client.get(NAMESPACES, "default")["status"]["phase"] == "Active"
        with pytest.raises(LabError, match="is up, or something is left of one"):
            RealApi(tmp_path / "api").start()
        assert len(_processes(tmp_path)) == 3
        found.stop()
        assert _processes(tmp_path) == []
        assert {path.suffix for path in (tmp_path / "api").iterdir()} == {".log"}, "nothing but logs is left"
        with pytest.raises(LabError, match="no API server was started"):
            RealApi.open(tmp_path / "api")
    finally:
        api.stop()


def test_nobody_else_on_this_machine_reads_its_secrets(real_api: RealApi) -> None:
    assert (real_api.folder.stat().st_mode & 0o777, real_api.kubeconfig.stat().st_mode & 0o777) == (0o700, 0o600)
    keys = [path for path in real_api.ca.parent.iterdir() if path != real_api.ca]
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


def test_a_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    api = RealApi(tmp_path / "api", server_flags=("--no-such-flag",))
    with pytest.raises(LabError, match=r"(?s)kube-apiserver ended by itself; its log ends with:.*no-such-flag"):
        api.start()
    assert _processes(tmp_path) == []
    with pytest.raises(LabError, match="no API server was started"):
        api.restart_server()


def test_a_start_that_is_killed_in_the_middle_can_be_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "api"
    starting = (
        "import sys, pathlib; from mooring_lab.api.real import RealApi; RealApi(pathlib.Path(sys.argv[1])).start()"
    )
    starter = subprocess.Popen([sys.executable, "-c", starting, str(folder)])
    try:
        wait_until(lambda: any("kube-apiserver" in line for line in _processes(folder)), 60, "the server's process")
    finally:
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    assert _processes(folder)
    with pytest.raises(LabError, match="stop it"):
        RealApi(folder).start()
    RealApi(folder).stop()
    assert _processes(folder) == []


def test_two_at_once(tmp_path: Path, real_api: RealApi, client: Client) -> None:
    other = RealApi(tmp_path / "api")
    other.start()
    try:
        assert other.url != real_api.url
        other.kill_server()
        assert client.get(NAMESPACES, "default")
    finally:
        other.stop()
    assert len(_processes(real_api.folder)) == 3


@pytest.mark.parametrize("version", VERSIONS)
def test_every_kubectl_talks_to_it(real_api: RealApi, tmp_path: Path, version: str) -> None:
    done = Kubectl(real_api.kubeconfig, tmp_path, version)("get", "namespace", "default", "-o", "name")
    assert (done.returncode, done.stdout) == (0, "namespace/default\n")


def test_every_program_is_found() -> None:
    for name in (*tools.SERVERS, "kubectl"):
        assert tools.find(name).name == name


# -- tokens


@pytest.fixture(scope="module")
def someone(client: Client) -> Iterator[str]:
    """A service account, and a Node and a pod that its tokens are bound to; gives the account's name."""
    client.create(SERVICE_ACCOUNTS, {"metadata": {"name": "someone"}}, "default")
    client.create(NODES, {"metadata": {"name": "some-node"}})
    spec = {"nodeName": "some-node", "serviceAccountName": "someone", "containers": [{"name": "a", "image": "a"}]}
    client.create(PODS, {"metadata": {"name": "some-pod"}, "spec": spec}, "default")
    yield "someone"
    # No kubelet says that the pod has ended.
    client.request("DELETE", PODS.path("default", "some-pod"), body={"gracePeriodSeconds": 0})
    client.delete(NODES, "some-node")
    client.delete(SERVICE_ACCOUNTS, "someone", "default")


@contextmanager
def _client_with(token: str, api: RealApi, folder: Path) -> Iterator[Client]:
    with closing(Client(from_kubeconfig(api.kubeconfig_for(token, folder / "kubeconfig")))) as client:
        yield client


@pytest.mark.parametrize(
    ("node", "pod", "claims"),
    [
        (None, None, {}),
        ("some-node", None, {NODE_CLAIM: ["some-node"]}),
        (None, "some-pod", {NODE_CLAIM: ["some-node"], POD_CLAIM: ["some-pod"]}),
    ],
)
def test_a_token_says_who_and_where(
    real_api: RealApi, someone: str, tmp_path: Path, node: str | None, pod: str | None, claims: dict[str, list[str]]
) -> None:
    token = real_api.token(someone, namespace="default", node=node, pod=pod)
    with _client_with(token, real_api, tmp_path) as client:
        said = client.request("POST", REVIEW.path(), body={"apiVersion": REVIEW.api_version, "kind": REVIEW.kind})
        user = said["status"]["userInfo"]
        assert user["username"] == "system:serviceaccount:default:someone"
        assert {key: value for key, value in user["extra"].items() if key in (NODE_CLAIM, POD_CLAIM)} == claims
        with pytest.raises(Forbidden):
            client.list(PODS, "default")


def test_a_token_of_nobody_is_refused(real_api: RealApi, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no token for the service account default/nobody: 404 NotFound"):
        real_api.token("nobody", namespace="default")
    with _client_with("forged", real_api, tmp_path) as client, pytest.raises(Unauthorized):
        client.list(PODS, "default")


def test_a_kubeconfig_may_name_another_way_to_the_server(real_api: RealApi, tmp_path: Path) -> None:
    path = real_api.kubeconfig_for("t", tmp_path / "kubeconfig", server="https://192.168.77.254:6443")
    assert from_kubeconfig(path).server == "https://192.168.77.254:6443"
    assert path.stat().st_mode & 0o777 == 0o600
