"""kubectl, from Debian's to the newest, finds in the embedded API server what it finds in a real one."""

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mooring_lab.api import ApiServer
from mooring_lab.api.embedded_api import EmbeddedApi
from mooring_lab.api.kubectl import VERSIONS, Kubectl
from mooring_lab.api.real import RealApi

CRDS = Path(__file__).parents[2] / "crds"
DAY = yaml.safe_load(Path(__file__).with_name("kubectl.yaml").read_text())
PATIENCE_S = 60.0


@pytest.fixture(scope="session")
def embedded_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedApi]:
    """With our CRDs, as `real_api`."""
    api = EmbeddedApi(tmp_path_factory.mktemp("embedded"))
    api.start()
    try:
        kubectl = Kubectl(api.kubeconfig, tmp_path_factory.mktemp("home"))
        for words in (("apply", "-f", str(CRDS)), ("wait", "--for=condition=Established", "-f", str(CRDS))):
            done = kubectl(*words)
            assert done.returncode == 0, done.stderr
        yield api
    finally:
        api.stop()


@pytest.fixture(params=["embedded", "real"])
def server(request: pytest.FixtureRequest) -> ApiServer:
    """Both, in turn."""
    found: RealApi | EmbeddedApi = request.getfixturevalue(f"{request.param}_api")
    return found


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def kubectl(server: ApiServer, version: str, tmp_path: Path) -> Kubectl:
    return Kubectl(server.kubeconfig, tmp_path, version)


def _vip(name: str, **spec: Any) -> str:
    head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "VirtualIP", "metadata": {"name": name}}
    return yaml.safe_dump({**head, "spec": {"addresses": [{"address": "10.7.1.1/24"}], **spec}})


def _has(version: str, since: str) -> bool:
    order = list(VERSIONS)
    return order.index(version) >= order.index(since)


def test_a_working_day(kubectl: Kubectl, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = []
    try:
        for step in DAY:
            if not _has(version, step.get("since", VERSIONS[0])):
                continue
            monkeypatch.setenv("EDITOR", step.get("editor", "false"))
            given = yaml.safe_dump(step["stdin"]) if "stdin" in step else None
            done = kubectl(*step["words"], stdin=given)
            said = done.stdout + done.stderr
            right = done.returncode == step.get("code", 0) and re.search(step.get("says", ""), said, re.MULTILINE)
            if not right or ("lacks" in step and re.search(step["lacks"], said)):
                wrong.append((" ".join(step["words"]), done.returncode, said))
        assert wrong == []
    finally:
        for words in (["vip", "day"], ["node", "day"], ["namespace", "day"]):
            kubectl("delete", *words, "--ignore-not-found")


def _lines(process: subprocess.Popen[str], wanted: Callable[[str], bool]) -> str:
    """Read until a line is wanted; the timer ends a process that never says it."""
    timer = threading.Timer(PATIENCE_S, process.kill)
    timer.start()
    read = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            read.append(line)
            if wanted(line):
                return line
    finally:
        timer.cancel()
    pytest.fail(f"it never said it: {read}")


@pytest.fixture
def beside(kubectl: Kubectl) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a kubectl that goes on; it is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            kubectl.command(*words),
            env=kubectl.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_get_w_tells_changes(kubectl: Kubectl, beside: Callable[..., subprocess.Popen[str]]) -> None:
    assert kubectl("apply", "-f", "-", stdin=_vip("watched")).returncode == 0
    try:
        watch = beside("get", "vip", "watched", "-w", "-o", "custom-columns=I:.spec.interface")
        _lines(watch, lambda line: "<none>" in line)
        kubectl("patch", "vip", "watched", "--type=merge", "-p", '{"spec":{"interface":"eth9"}}')
        _lines(watch, lambda line: "eth9" in line)
        table = beside("get", "vip", "-w")
        _lines(table, lambda line: line.startswith("watched "))
        assert kubectl("apply", "-f", "-", stdin=_vip("also")).returncode == 0
        _lines(table, lambda line: line.startswith("also "))
    finally:
        kubectl("delete", "vip", "watched", "also", "--ignore-not-found")


def test_wait_ends_when_the_condition_comes(
    server: ApiServer, kubectl: Kubectl, beside: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    newest = Kubectl(server.kubeconfig, tmp_path, VERSIONS[-1])
    assert kubectl("apply", "-f", "-", stdin=_vip("awaited")).returncode == 0
    try:
        early = kubectl("wait", "vip/awaited", "--for=condition=Accepted", "--timeout=1s")
        assert (early.returncode, "timed out waiting" in early.stderr) == (1, True)
        wait = beside("wait", "vip/awaited", "--for=condition=Accepted", f"--timeout={PATIENCE_S:.0f}s")
        condition = '{"type":"Accepted","status":"True","reason":"Accepted","message":"good"}'
        patch = f'{{"status":{{"conditions":[{condition}]}}}}'
        done = newest("patch", "vip", "awaited", "--subresource=status", "--type=merge", "-p", patch)
        assert done.returncode == 0, done.stderr
        _lines(wait, lambda line: "condition met" in line)
        # At this verbosity it tells its requests: the deletion comes when it listens.
        gone = beside("wait", "vip/awaited", "--for=delete", f"--timeout={PATIENCE_S:.0f}s", "-v=6")
        _lines(gone, lambda line: "watch=true" in line)
        assert kubectl("delete", "vip", "awaited").returncode == 0
        assert gone.wait(PATIENCE_S) == 0
    finally:
        kubectl("delete", "vip", "awaited", "--ignore-not-found")
