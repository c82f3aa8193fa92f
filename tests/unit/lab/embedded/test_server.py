"""The server as its clients meet it: who may ask, watches that fall behind, requests of an enemy, and SIGKILL."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_kube.errors import ApiError, KubeError, Unauthorized, Unreachable
from mooring_kube.resources import NAMESPACES, NODES, PODS, SECRETS, SERVICE_ACCOUNTS, Resource
from mooring_lab.api.embedded_api import EmbeddedApi
from mooring_lab.rights import LabError

PATIENCE_S = 60.0
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


@pytest.fixture
def client(api: EmbeddedApi) -> Iterator[Client]:
    client = Client(from_kubeconfig(api.kubeconfig), agent="tests")
    yield client
    client.close()


def _config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def _document(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", **_config_map(name, **data)}


def _raw(api: EmbeddedApi) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(api.ca))
    context.load_cert_chain(api.folder / "pki/admin.pem")
    return http.client.HTTPSConnection(api.url.removeprefix("https://"), timeout=PATIENCE_S, context=context)


def _ask(api: EmbeddedApi, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    connection = _raw(api)
    try:
        connection.request(method, path, body, {key.replace("_", "-"): value for key, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


# -- who may ask


def test_a_bound_token_names_its_node_and_ends_with_it(
    api: EmbeddedApi, client: Client, request: pytest.FixtureRequest
) -> None:
    client.create(SERVICE_ACCOUNTS, {"metadata": {"name": "daemon"}}, "default")
    uid = client.create(NODES, {"metadata": {"name": "n1"}})["metadata"]["uid"]
    spec = {"nodeName": "n1", "serviceAccountName": "daemon", "containers": [{"name": "c", "image": "i"}]}
    client.create(PODS, {"metadata": {"name": "p"}, "spec": spec}, "default")
    tokens = [api.token("daemon", namespace="default", **bound) for bound in ({"node": "n1"}, {"pod": "p"}, {})]
    paths = [api.kubeconfig_for(token, api.folder / f"{index}.yaml") for index, token in enumerate(tokens)]
    clients = [Client(from_kubeconfig(path)) for path in paths]
    request.addfinalizer(lambda: [one.close() for one in clients])
    extras = [_user(one).get("extra", {}) for one in clients]
    names = [one.get("authentication.kubernetes.io/node-name") for one in extras]
    assert names == [["n1"], ["n1"], None]
    assert extras[0]["authentication.kubernetes.io/node-uid"] == [uid]
    assert _user(clients[1])["username"] == "system:serviceaccount:default:daemon"
    client.delete(NODES, "n1")
    client.create(NODES, {"metadata": {"name": "n1"}})
    for gone in clients[:2]:
        with pytest.raises(Unauthorized):
            _user(gone)
    _user(clients[2])
    client.delete(SERVICE_ACCOUNTS, "daemon", "default")
    with pytest.raises(Unauthorized):
        _user(clients[2])


def _user(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=REVIEW)
    return found["status"]["userInfo"]  # type: ignore[no-any-return]


def test_who_is_not_known_gets_nothing(api: EmbeddedApi, client: Client) -> None:
    client.create(SERVICE_ACCOUNTS, {"metadata": {"name": "a"}}, "default")
    good = api.token("a", namespace="default")
    head, body, signature = good.split(".")
    forged = f"{head}.{body[:-2]}AA.{signature}"
    for token in ("", "x", "a.b.c", forged, f"{head}.{body}.", f"{head}..{signature}", good + "\u00e4".encode().hex()):
        status, text = _without_certificate(api, token)
        assert status == 401
        assert json.loads(text)["reason"] == "Unauthorized"
    assert _without_certificate(api, good)[0] == 200
    assert _without_certificate(api, "", "/healthz") == (200, b"ok")


def _without_certificate(api: EmbeddedApi, token: str, path: str = "/api/v1/nodes") -> tuple[int, bytes]:
    context = ssl.create_default_context(cafile=str(api.ca))
    connection = http.client.HTTPSConnection(api.url.removeprefix("https://"), timeout=PATIENCE_S, context=context)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_a_certificate_of_another_authority_is_none(api: EmbeddedApi, tmp_path: Path) -> None:
    other = EmbeddedApi(tmp_path / "other")
    other.start()
    try:
        context = ssl.create_default_context(cafile=str(api.ca))
        context.load_cert_chain(other.folder / "pki/admin.pem")
        connection = http.client.HTTPSConnection(api.url.removeprefix("https://"), timeout=PATIENCE_S, context=context)
        with closing(connection), pytest.raises(OSError, match=r"alert|reset|closed"):
            _status(connection)
    finally:
        other.stop()


def _status(connection: http.client.HTTPSConnection) -> int:
    connection.request("GET", "/api/v1/nodes")
    return connection.getresponse().status


# -- SIGKILL


def test_what_was_acknowledged_survives_sigkill(api: EmbeddedApi, client: Client) -> None:
    acknowledged: list[str] = []
    failed = threading.Event()

    def write(writer: int) -> None:
        with closing(Client(from_kubeconfig(api.kubeconfig), timeout_s=10.0)) as own:
            for number in range(10_000):
                name = f"w{writer}-{number}"
                try:
                    own.create(CONFIG_MAPS, _config_map(name, n=str(number)), "default")
                except KubeError:
                    failed.set()
                    return
                acknowledged.append(name)

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, writer) for writer in range(3)]
        while len(acknowledged) < 100:
            assert not failed.is_set()
        api.kill_server()
        for one in writers:
            one.result(PATIENCE_S)
    with pytest.raises(Unreachable):
        client.list(CONFIG_MAPS, "default")
    api.restart_server()
    found = client.list(CONFIG_MAPS, "default")
    names = {item["metadata"]["name"] for item in found.items}
    assert set(acknowledged) <= names
    assert len(names) <= len(acknowledged) + 3
    versions = [int(item["metadata"]["resourceVersion"]) for item in found.items]
    assert len(set(versions)) == len(versions)
    after = client.create(CONFIG_MAPS, _config_map("after"), "default")
    assert int(after["metadata"]["resourceVersion"]) > max(versions)


def test_a_watch_goes_on_after_a_restart_where_it_was(api: EmbeddedApi, client: Client) -> None:
    first = client.create(CONFIG_MAPS, _config_map("a"), "default")["metadata"]["resourceVersion"]
    client.create(CONFIG_MAPS, _config_map("b"), "default")
    api.restart_server()
    client.create(CONFIG_MAPS, _config_map("c"), "default")
    with closing(client.watch(CONFIG_MAPS, resource_version=first, namespace="default")) as watch:
        names = [event.object["metadata"]["name"] for _, event in zip(range(2), watch, strict=False)]
    assert names == ["b", "c"]


# -- many watches


def test_thirty_watches_hear_all_changes(api: EmbeddedApi, client: Client) -> None:
    watches, changes = 30, 1000
    start = client.create(CONFIG_MAPS, _config_map("a"), "default")["metadata"]["resourceVersion"]
    path = f"/api/v1/namespaces/default/configmaps?watch=1&resourceVersion={start}"

    def listen(_: int) -> list[str]:
        with closing(_raw(api)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            lines = [json.loads(response.readline()) for _ in range(changes)]
        return [line["object"]["data"]["n"] for line in lines]

    with ThreadPoolExecutor(watches) as pool:
        heard = [pool.submit(listen, number) for number in range(watches)]
        for number in range(changes):
            client.replace(CONFIG_MAPS, _document("a", n=str(number)), "default")
        expected = [str(number) for number in range(changes)]
        assert all(one.result(PATIENCE_S) == expected for one in heard)


def test_who_does_not_listen_costs_nobody_and_is_told_that_it_is_too_late(tmp_path: Path) -> None:
    api = EmbeddedApi(tmp_path, history=20)
    api.start()
    client = Client(from_kubeconfig(api.kubeconfig))
    try:
        client.create(CONFIG_MAPS, _config_map("a"), "default")
        with closing(_raw(api)) as deaf:
            deaf.connect()
            deaf.request("GET", "/api/v1/namespaces/default/configmaps?watch=1")
            silence = deaf.getresponse()
            for number in range(400):
                client.replace(CONFIG_MAPS, _document("a", n=str(number), padding="x" * 50_000), "default")
            told = [json.loads(line) for line in silence]
        assert 1 < len(told) < 400
        assert (told[-1]["type"], told[-1]["object"]["code"]) == ("ERROR", 410)
    finally:
        client.close()
        api.stop()


def test_a_thousand_objects_are_listed_in_pages_and_at_once(client: Client) -> None:
    for number in range(1000):
        client.create(CONFIG_MAPS, _config_map(f"c{number:04}"), "default")
    whole = client.list(CONFIG_MAPS, "default", page=5000)
    pages = client.list(CONFIG_MAPS, "default", page=7)
    assert len(whole.items) == 1000
    assert whole.items == pages.items


# -- an enemy


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "expected"),
    [
        ("POST", "/api/v1/namespaces", b"{", {}, 400),
        ("POST", "/api/v1/namespaces", b"\xff\xfe", {}, 400),
        ("POST", "/api/v1/namespaces", b"[" * 100_000, {}, 400),
        ("POST", "/api/v1/namespaces", b'{"metadata":' + b'{"a":' * 900 + b"1" + b"}" * 901, {}, 400),
        ("POST", "/api/v1/namespaces", b"null", {}, 400),
        ("POST", "/api/v1/namespaces", b"metadata: {labels: &a {x: *a}}", {"Content_Type": "application/yaml"}, 400),
        ("POST", "/api/v1/namespaces", b"!!python/object:os.system {}", {"Content_Type": "application/yaml"}, 400),
        ("POST", "/api/v1/namespaces", b"k8s\0\xff\xff", {"Content_Type": "application/vnd.kubernetes.protobuf"}, 400),
        ("POST", "/api/v1/namespaces", b"x" * (4 << 20), {}, 413),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", b"[]", {}, 400),
        ("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", b"7", {}, 400),
        ("PATCH", "/api/v1/namespaces/default", b"{", {"Content_Type": "application/merge-patch+json"}, 400),
        ("PATCH", "/api/v1/namespaces/default", b"[]", {"Content_Type": "application/merge-patch+json"}, 400),
        ("PATCH", "/api/v1/namespaces/default", b"7", {"Content_Type": "application/strategic-merge-patch+json"}, 400),
        ("PATCH", "/api/v1/namespaces/default", b"a: b", {"Content_Type": "application/apply-patch+yaml"}, 422),
        ("DELETE", "/api/v1/namespaces/default", b"[]", {}, 400),
        ("DELETE", "/api/v1/namespaces/default", b'{"preconditions": 5}', {}, 400),
        ("DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=x", None, {}, 400),
        ("GET", "/api/v1/namespaces/..%2f..%2fetc/pods", None, {}, 200),
        ("GET", "/api/v1/namespaces//pods", None, {}, 200),
        ("GET", "/api/v1/nodes/%zz%00", None, {}, 404),
        ("GET", "/api/v1/nodes?watch=1&timeoutSeconds=x", None, {}, 400),
        ("GET", "/api/v1/nodes?continue=e30=", None, {}, 400),
        ("GET", "/api/v1/nodes?labelSelector=%28%28", None, {}, 400),
        ("GET", "/api", None, {"Accept": "application/xml"}, 200),
        ("GET", "/apis/a/b/c/d/e/f/g/h", None, {}, 404),
        ("GET", "/", None, {}, 404),
        ("POST", "/api/v1/namespaces", b'{"metadata": {"name": "x"}, "spec": {"finalizers": [NaN]}}', {}, 400),
        ("POST", "/api/v1/namespaces", b'{"metadata": {"name": "x", "generation": 1e999}}', {}, 400),
        (
            "POST",
            "/api/v1/namespaces",
            b"metadata: {name: x, generation: .inf}",
            {"Content_Type": "application/yaml"},
            400,
        ),
        ("POST", "/api/v1/namespaces", b"metadata: {name: !!binary YQ==}", {"Content_Type": "application/yaml"}, 400),
        ("GET", "/api/v1/nodes?limit=" + "9" * 5000, None, {}, 400),
        ("GET", "/api/v1/nodes?limit=%D9%A3", None, {}, 400),
        ("BREW", "/api/v1/nodes", None, {}, 400),
        ("OPTIONS", "/api/v1/nodes/x", None, {}, 405),
    ],
)
def test_an_enemy_is_refused_in_order(
    shared: EmbeddedApi, method: str, path: str, body: bytes | None, headers: dict[str, str], expected: int
) -> None:
    before = (shared.folder / "embedded.log").read_text()
    status, text = _ask(shared, method, path, body, **({"Content_Type": "application/json"} | headers))
    assert status == expected, text
    assert _ask(shared, "GET", "/api/v1/namespaces/default")[0] == 200
    assert (shared.folder / "embedded.log").read_text() == before


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    api = EmbeddedApi(tmp_path_factory.mktemp("api"))
    api.start()
    yield api
    api.stop()


# -- the process


def test_it_starts_once_and_stops_twice(api: EmbeddedApi, client: Client) -> None:
    with pytest.raises(LabError, match="is up, or something is left"):
        EmbeddedApi(api.folder).start()
    other = EmbeddedApi.open(api.folder)
    assert (other.url, other.kubeconfig) == (api.url, api.kubeconfig)
    other.stop()
    other.stop()
    with pytest.raises(Unreachable):
        client.get(NAMESPACES, "default")
    with pytest.raises(LabError, match="no API server was started"):
        EmbeddedApi.open(api.folder)
    assert [path.name for path in api.folder.iterdir()] == ["embedded.log"]


def test_a_start_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = EmbeddedApi(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr("mooring_lab.api.embedded_api.free_ports", lambda _: [taken.getsockname()[1]])
        with pytest.raises(LabError, match="address already in use"):
            api.start()
    assert [path.name for path in tmp_path.iterdir()] == ["embedded.log"]


def test_a_restart_keeps_port_and_objects(api: EmbeddedApi, client: Client) -> None:
    made = client.create(SECRETS, {"metadata": {"name": "s"}, "stringData": {"a": "b"}}, "default")
    url = api.url
    api.restart_server()
    assert (api.url, client.get(SECRETS, "s", "default")) == (url, made)


def test_its_journal_is_its_owners_alone(api: EmbeddedApi) -> None:
    """Secrets stand in it."""
    for path in (api.folder / "data", api.folder / "pki"):
        assert path.stat().st_mode & 0o077 == 0


def test_unknown_tokens_are_refused_for_unknown_accounts(api: EmbeddedApi) -> None:
    with pytest.raises(LabError, match="not found"):
        api.token("nobody")
    calls: list[Callable[[], Any]] = [lambda: api.token("default", namespace="default", node="none")]
    for call in calls:
        with pytest.raises(LabError):
            call()


def test_a_conflict_is_told_to_our_client(client: Client) -> None:
    client.create(CONFIG_MAPS, _config_map("a"), "default")
    client.apply(CONFIG_MAPS, _document("a", x="1"), manager="one", namespace="default")
    with pytest.raises(ApiError) as refused:
        client.apply(CONFIG_MAPS, _document("a", x="2"), manager="two", namespace="default")
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
