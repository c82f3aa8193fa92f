"""The write of the status: server-side apply, and what is done where a server does not take that."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mooring_api.nodeconfig import NodeConfigStatus
from mooring_api.wire import wire_name
from mooring_kube.connection import NoConnection
from mooring_kube.errors import Conflict, Forbidden, Invalid, KubeError, ServerError, Unreachable
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

    def apply(self, _: Any, document: Mapping[str, Any], *, manager: str, force: bool, subresource: str) -> Any:
        assert (manager, force, subresource) == (MANAGER, True, "status")
        return self._do("apply", document)

    def request(self, method: str, path: str, *, query: Any, body: Mapping[str, Any], content_type: str) -> Any:
        assert (method, path) == ("PATCH", "/apis/mooring.dev/v1alpha1/nodeconfigs/lb-1/status")
        assert (query, content_type) == ({"fieldManager": MANAGER}, "application/merge-patch+json")
        return self._do("patch", body)


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


def test_it_is_applied_to_the_version_that_was_seen(server: KubeServer) -> None:
    client = Client()
    assert write(server, client) == {"what": "apply"}
    assert client.calls == [("apply", {"metadata": {"name": "lb-1", "resourceVersion": "7"}, "status": STATUS})]


@pytest.mark.parametrize(
    "error",
    [
        ServerError(500, "", "failed to create typed patch object: .status.telepathy: field not declared in schema"),
        Invalid(422, "Invalid", "status.x"),
    ],
)
def test_a_field_that_the_server_does_not_know_costs_only_itself(server: KubeServer, error: KubeError) -> None:
    client = Client(error)
    assert write(server, client) == {"what": "patch"}
    body = client.calls[1][1]
    assert body["metadata"] == {"name": "lb-1", "resourceVersion": "7"}
    # What is left out is taken away, as server-side apply would.
    assert body["status"] == {
        "observedGeneration": None,
        "daemonVersion": "1",
        "contractLevel": None,
        "instances": None,
        "interfaces": None,
        "foreignRouters": None,
        "credentials": None,
        "virtualServers": None,
        "kubeProxy": None,
        "problems": [],
    }


def test_a_patch_takes_away_whatever_a_status_can_have() -> None:
    assert list(api._EMPTY_STATUS) == [wire_name(name) for name in NodeConfigStatus.model_fields]
    assert set(api._EMPTY_STATUS.values()) == {None}


@pytest.mark.parametrize("error", [Conflict(409, "Conflict", ""), Forbidden(403, "Forbidden", ""), Unreachable("x")])
def test_any_other_refusal_is_told(server: KubeServer, error: KubeError) -> None:
    client = Client(error)
    with pytest.raises(type(error)):
        write(server, client)
    assert len(client.calls) == 1


def test_a_server_in_trouble_is_told_with_its_last_words(server: KubeServer) -> None:
    client = Client(ServerError(500, "", "first"), ServerError(500, "", "second"))
    with pytest.raises(ServerError, match="second"):
        write(server, client)


def test_without_a_kubeconfig_outside_a_pod_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(NoConnection, match="--kubeconfig"):
        KubeServer(None, "lb-1", "mooring-system")
