"""Requests: what is sent, and what each kind of reply becomes."""

import socket
import threading
from pathlib import Path

import pytest
from tests.unit.kube.conftest import ApiStub, Connect, Reply

from mooring_kube.client import Client
from mooring_kube.connection import Connection
from mooring_kube.errors import (
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from mooring_kube.resources import LEASES, NODE_CONFIGS, NODES, SECRETS, VIRTUAL_IPS

STATUS = {"kind": "Status", "reason": "TheReason", "message": "the message", "details": {"name": "web"}}


def test_a_request_bears_the_token_and_names_its_object(api: ApiStub, client: Client) -> None:
    api.replies = [Reply({"kind": "VirtualIP"})]
    assert client.get(VIRTUAL_IPS, "web") == {"kind": "VirtualIP"}
    (asked,) = api.asked
    assert (asked.method, asked.path) == ("GET", "/apis/mooring.dev/v1alpha1/virtualips/web")
    assert asked.headers["Authorization"] == "Bearer secret-token"


def test_a_list_is_read_page_by_page_and_its_items_say_what_they_are(api: ApiStub, client: Client) -> None:
    api.replies = [
        Reply({"items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "more", "resourceVersion": "7"}}),
        Reply({"items": [{"metadata": {"name": "b"}}], "metadata": {"resourceVersion": "7"}}),
    ]
    listing = client.list(NODES, label_selector="a=b", page=1)
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
    assert {(item["kind"], item["apiVersion"]) for item in listing.items} == {("Node", "v1")}
    assert listing.resource_version == "7"
    assert [asked.query for asked in api.asked] == [
        {"labelSelector": "a=b", "limit": "1"},
        {"labelSelector": "a=b", "limit": "1", "continue": "more"},
    ]


def test_a_list_whose_pages_are_forgotten_in_the_middle_begins_anew(api: ApiStub, client: Client) -> None:
    api.replies = [
        Reply({"items": [{"metadata": {"name": "old"}}], "metadata": {"continue": "more"}}),
        Reply(STATUS, 410),
        Reply({"items": [{"metadata": {"name": "new"}}], "metadata": {"resourceVersion": "9"}}),
    ]
    assert [item["metadata"]["name"] for item in client.list(NODES).items] == ["new"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ApiError),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Gone),
        (418, ApiError),
        (422, Invalid),
        (429, TooManyRequests),
        (500, ServerError),
        (503, ServerError),
    ],
)
def test_each_status_is_an_error_of_its_own(api: ApiStub, client: Client, status: int, kind: type[ApiError]) -> None:
    api.replies = [Reply(STATUS, status, {"Retry-After": "3"})]
    with pytest.raises(kind) as caught:
        client.get(NODES, "lb-1")
    error = caught.value
    assert (error.status, error.reason, error.message) == (status, "TheReason", "the message")
    assert (error.details, error.retry_after_s) == ({"name": "web"}, 3.0)


def test_an_error_that_is_no_object_still_says_what_came(api: ApiStub, client: Client) -> None:
    api.replies = [Reply(raw=b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\n<no html>")]
    with pytest.raises(ServerError, match="<no html>"):
        client.get(NODES, "lb-1")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nno json",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + b"[" * 400_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["nothing", "no http", "torn", "no json", "no object", "too deep", "no chunk"],
)
def test_what_no_api_server_says_is_unreachable(api: ApiStub, client: Client, raw: bytes) -> None:
    api.replies = [Reply(raw=raw)]
    with pytest.raises(Unreachable):
        client.get(NODES, "lb-1")


def test_nobody_there_is_unreachable(connect: Connect) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Unreachable):
        connect(address).get(NODES, "lb-1")


def test_a_reply_that_never_comes_ends_with_the_time_limit(api: ApiStub, connect: Connect) -> None:
    forever = threading.Event()
    api.replies = [Reply({}, before=lambda: bool(forever.wait(30)) and None)]
    with pytest.raises(Unreachable):
        connect(timeout_s=0.2).get(NODES, "lb-1")
    forever.set()


def test_a_reply_that_drips_ends_with_the_time_limit(connect: Connect) -> None:
    over = threading.Event()
    piece = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connected, _ = server.accept()
            with connected:
                connected.sendall(piece)
                while not over.wait(0.02):
                    connected.sendall(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with pytest.raises(Unreachable, match="too slow"):
                connect(f"http://127.0.0.1:{server.getsockname()[1]}", timeout_s=0.5).get(NODES, "lb-1")
        finally:
            over.set()
            thread.join()


def test_a_reply_beyond_what_is_allowed_is_not_read_to_its_end(api: ApiStub, connect: Connect) -> None:
    client = connect(largest_reply=100_000)
    for size, status in ((200_000, 200), (200_000, 403)):
        api.replies = [Reply({"x": "y" * size}, status)]
        with pytest.raises(Unreachable, match="too long"):
            client.get(NODES, "lb-1")
    api.replies = [Reply({"x": "y" * 50_000})]
    assert len(client.get(NODES, "lb-1")["x"]) == 50_000


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(api: ApiStub, client: Client) -> None:
    closing = Reply({}, headers={"Keep-Alive": "timeout=0"})
    api.replies = [closing, Reply(raw=b""), Reply({"kind": "Node"})]
    client.get(NODES, "lb-1")
    assert client.get(NODES, "lb-1") == {"kind": "Node"}


def test_a_creation_is_never_sent_twice(api: ApiStub, client: Client) -> None:
    api.replies = [Reply({}), Reply(raw=b""), Reply({"kind": "Lease"})]
    client.get(NODES, "lb-1")
    with pytest.raises(Unreachable):
        client.create(LEASES, {"metadata": {"name": "x"}}, "mooring-system")
    assert [asked.method for asked in api.asked] == ["GET", "POST"]


def test_apply_says_who_applies(api: ApiStub, client: Client) -> None:
    api.replies = [Reply({}), Reply({})]
    document = {"metadata": {"name": "lb-1", "resourceVersion": "5"}, "spec": {}}
    client.apply(NODE_CONFIGS, document, manager="mooring-operator", force=True)
    client.apply(NODE_CONFIGS, document, manager="mooring-node", subresource="status")
    first, second = api.asked
    assert first.query == {"fieldManager": "mooring-operator", "force": "true"}
    assert first.headers["Content-Type"] == "application/apply-patch+yaml"
    assert first.body == {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", **document}
    assert second.path.endswith("/nodeconfigs/lb-1/status")
    assert second.query["force"] == "false"


def test_a_status_is_replaced_in_the_version_that_was_seen(api: ApiStub, client: Client) -> None:
    api.replies = [Reply({})]
    client.replace_status(NODE_CONFIGS, "lb-1", "5", {"problems": []}, manager="mooring-node")
    (asked,) = api.asked
    assert (asked.method, asked.query) == ("PATCH", {"fieldManager": "mooring-node"})
    assert asked.path.endswith("/nodeconfigs/lb-1/status")
    assert asked.headers["Content-Type"] == "application/json-patch+json"
    assert asked.body == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "5"},
        {"op": "add", "path": "/status", "value": {"problems": []}},
    ]


def test_a_deletion_can_insist_on_the_object(api: ApiStub, client: Client) -> None:
    api.replies = [Reply({}), Reply({})]
    client.delete(NODE_CONFIGS, "lb-1", uid="u-1")
    client.delete(NODE_CONFIGS, "lb-1")
    assert api.asked[0].body["preconditions"] == {"uid": "u-1"}
    assert api.asked[1].body is None


def test_a_refused_token_is_read_again_from_its_file(api: ApiStub, connect: Connect, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    client = connect(token_file=file)
    api.replies = [Reply(STATUS, 401, before=lambda: bool(file.write_text("new\n")) and None), Reply({}), Reply({})]
    client.get(NODES, "lb-1")
    client.get(NODES, "lb-1")
    assert [asked.headers["Authorization"] for asked in api.asked] == ["Bearer old", "Bearer new", "Bearer new"]


def test_a_refused_token_that_stands_fast_is_not_tried_again(api: ApiStub, client: Client) -> None:
    api.replies = [Reply(STATUS, 401), Reply({})]
    with pytest.raises(Unauthorized):
        client.get(NODES, "lb-1")
    assert len(api.asked) == 1


def test_a_token_file_that_vanishes_leaves_the_last_token(api: ApiStub, connect: Connect, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("known")
    client = connect(token_file=file)
    api.replies = [Reply({}), Reply(STATUS, 401), Reply({})]
    client.get(NODES, "lb-1")
    file.unlink()
    client.get(NODES, "lb-1")
    assert {asked.headers["Authorization"] for asked in api.asked} == {"Bearer known"}


def test_a_token_file_that_was_never_there_is_named(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="token"):
        connect(token_file=tmp_path / "token").get(NODES, "lb-1")


def test_paths_hold_to_the_scope_of_their_resource() -> None:
    assert SECRETS.path("mooring-system", "a/b") == "/api/v1/namespaces/mooring-system/secrets/a%2Fb"
    assert SECRETS.path() == "/api/v1/secrets"
    with pytest.raises(ValueError, match="namespaced"):
        SECRETS.path(name="web")
    with pytest.raises(ValueError, match="cluster-scoped"):
        NODES.path("default", "lb-1")


def test_nothing_secret_is_in_the_text_of_a_connection() -> None:
    assert "secret" not in repr(Connection("https://a", token="secret", client_key="secret"))
