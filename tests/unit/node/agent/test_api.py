"""What the agent asks of the API server: one write, and of Secrets only what is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mooring_kube.connection import NoConnection
from mooring_kube.errors import Conflict, Forbidden, KubeError, ServerError, Unreachable
from mooring_kube.resources import NODE_CONFIGS
from mooring_node.agent import api
from mooring_node.agent.api import LARGEST_REPLY, MANAGER, KubeServer, lean
from mooring_node.agent.secrets import password_of

STATUS = {"daemonVersion": "1", "problems": []}
KUBECONFIG = """\
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
"""


class Client:
    """Takes writes, or fails as it is told."""

    def __init__(self, *fails: KubeError | None) -> None:
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self._fails = list(fails)

    def _do(self, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append((what, body))
        error = self._fails.pop(0) if self._fails else None
        if error is not None:
            raise error
        return {"what": what}

    def replace_status(self, kind: Any, name: str, version: str, status: Mapping[str, Any], *, manager: str) -> Any:
        assert (kind, name, manager) == (NODE_CONFIGS, "lb-1", MANAGER)
        return self._do(version, status)


@pytest.fixture
def server(tmp_path: Path) -> KubeServer:
    kubeconfig = tmp_path / "k.yaml"
    kubeconfig.write_text(KUBECONFIG)
    return KubeServer(kubeconfig, "lb-1", "mooring-system")


def test_of_a_secret_only_what_is_read_is_kept() -> None:
    metadata = {"name": "web", "resourceVersion": "7", "annotations": {"x": "y" * 1000}}
    secret = {"metadata": metadata, "type": "mooring.dev/credentials", "data": {"password": "cA==", "more": "y" * 1000}}
    kept = {"metadata": {"name": "web", "resourceVersion": "7"}, "type": "mooring.dev/credentials"}
    assert lean(secret) == kept | {"data": {"password": "cA=="}}
    for data in ({}, None, [], "password"):
        assert lean(secret | {"data": data}) == kept | {"data": {}}
    endless = lean(secret | {"data": {"password": "cHBw" * 100_000}})
    assert len(endless["data"]["password"]) < 100
    assert "is not 1 to 8" in password_of(endless)[1]
    assert lean({}) == {"metadata": {}, "type": None, "data": {}}


def test_no_reply_is_larger_than_a_page_of_the_largest_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    monkeypatch.setattr(api, "Client", lambda _, **options: made.update(options))
    (tmp_path / "k.yaml").write_text(KUBECONFIG)
    KubeServer(tmp_path / "k.yaml", "lb-1", "mooring-system")
    assert made["largest_reply"] == LARGEST_REPLY > api._PAGE * 1_500_000


def write(server: KubeServer, client: Client) -> Any:
    server._client = client  # type: ignore[assignment]
    return server.write_status("7", STATUS)


def test_it_replaces_what_was_seen(server: KubeServer) -> None:
    client = Client()
    assert write(server, client) == {"what": "7"}
    assert client.calls == [("7", STATUS)]


REFUSALS = (
    Conflict(409, "Conflict", ""),
    Forbidden(403, "Forbidden", ""),
    ServerError(500, "", "etcdserver: leader changed"),
    Unreachable("x"),
)


@pytest.mark.parametrize("error", REFUSALS)
def test_a_refusal_is_told_and_nothing_else_is_tried(server: KubeServer, error: KubeError) -> None:
    client = Client(error)
    with pytest.raises(type(error)):
        write(server, client)
    assert len(client.calls) == 1


def test_without_a_kubeconfig_outside_a_pod_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(NoConnection, match="--kubeconfig"):
        KubeServer(None, "lb-1", "mooring-system")
