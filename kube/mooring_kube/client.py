"""Requests to the Kubernetes API server: get, list, write, server-side apply, watch."""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from mooring_kube.connection import Connection
from mooring_kube.errors import ApiError, Gone, StaleConnection, Unauthorized, Unreachable, api_error
from mooring_kube.resources import Resource
from mooring_kube.transport import Token, Transport
from mooring_kube.watch import Watch

Document = dict[str, Any]
ReplyT = TypeVar("ReplyT")
Query = Mapping[str, str | int | bool]

APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
#: etcd takes no object over 1.5 MB; a page of a list holds some hundreds.
LARGEST_REPLY = 512 * 1024 * 1024
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a list, and the version that a watch goes on from."""

    items: tuple[Document, ...]
    resource_version: str


class Client:
    """One API server as one identity. Thread-safe; each call blocks for `timeout_s` seconds at most.

    Every call raises Unreachable (also where the reply has more than `largest_reply` bytes) or a kind of ApiError
    (mooring_kube.errors).
    """

    def __init__(
        self,
        connection: Connection,
        *,
        agent: str = "mooring",
        timeout_s: float = 10.0,
        largest_reply: int = LARGEST_REPLY,
    ) -> None:
        self.server = connection.server
        self._agent = agent
        self._timeout_s = timeout_s
        self._largest_reply = largest_reply
        self._token = Token(connection)
        self._transport = Transport(connection, timeout_s)

    # -- reading

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Document:
        return self.request("GET", resource.path(namespace, name))

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        page: int = 500,
        keep: Callable[[Document], Document] = lambda item: item,
    ) -> Listing:
        """All objects, read in pages of `page`; items bear apiVersion and kind, which the server leaves out.

        `keep` gives what is kept of each, so that large objects of which little is read are not all there at once.
        """
        asked = _selectors(label_selector, field_selector) | {"limit": page}
        items: list[Document] = []
        proceed = ""
        while True:
            try:
                reply = self.request("GET", resource.path(namespace), query=asked | _continued(proceed))
            except Gone:
                if not proceed:
                    raise
                # The pages read so far are of a version that the server has forgotten.
                items, proceed = [], ""
                continue
            head = {"apiVersion": resource.api_version, "kind": resource.kind}
            items += [keep(head | item) for item in reply.get("items") or ()]
            metadata = reply.get("metadata") or {}
            proceed = metadata.get("continue") or ""
            if not proceed:
                return Listing(tuple(items), str(metadata.get("resourceVersion") or ""))

    def watch(
        self,
        resource: Resource,
        *,
        resource_version: str,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        timeout_s: int = 300,
    ) -> Watch:
        """What happens after `resource_version`, bookmarks too; the server ends it after `timeout_s`."""
        query = _selectors(label_selector, field_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": timeout_s,
        }
        path = resource.path(namespace)
        return self._with_token(lambda: self._stream(path, query, timeout_s + self._timeout_s))

    # -- writing

    def create(self, resource: Resource, document: Mapping[str, Any], namespace: str | None = None) -> Document:
        return self.request("POST", resource.path(namespace), body=document)

    def replace(
        self,
        resource: Resource,
        document: Mapping[str, Any],
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> Document:
        """Write the whole object; Conflict when its resourceVersion is no longer the present one."""
        name = document["metadata"]["name"]
        return self.request("PUT", resource.path(namespace, name, subresource), body=document)

    def apply(
        self,
        resource: Resource,
        document: Mapping[str, Any],
        *,
        manager: str,
        force: bool = False,
        subresource: str | None = None,
        namespace: str | None = None,
    ) -> Document:
        """Server-side apply: the fields of `document` become the manager's, those that he no longer names go.

        With metadata.resourceVersion in it, Conflict when the object has changed since; without `force`, Conflict
        when another manager owns one of the fields.
        """
        head = {"apiVersion": resource.api_version, "kind": resource.kind}
        query: Query = {"fieldManager": manager, "force": force}
        path = resource.path(namespace, document["metadata"]["name"], subresource)
        return self.request("PATCH", path, query=query, body=head | dict(document), content_type=APPLY)

    def merge_patch(
        self,
        resource: Resource,
        name: str,
        patch: Mapping[str, Any],
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> Document:
        """RFC 7386."""
        path = resource.path(namespace, name, subresource)
        return self.request("PATCH", path, body=patch, content_type=MERGE_PATCH)

    def replace_status(
        self, resource: Resource, name: str, version: str, status: Mapping[str, Any], *, manager: str
    ) -> Document:
        """The status is this one then and has nothing else, whoever wrote what was there.

        Fields that the server's schema does not know are dropped. Conflict when the object is no longer of that
        resourceVersion, NotFound when it is gone.
        """
        # A merge patch (RFC 7386) would leave in its objects what is not named; RFC 6902 replaces.
        patch = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
            {"op": "add", "path": "/status", "value": status},
        ]
        path = resource.path(None, name, "status")
        return self.request("PATCH", path, query={"fieldManager": manager}, body=patch, content_type=JSON_PATCH)

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> Document:
        """Conflict when it is no longer the object with that uid or resourceVersion."""
        wanted = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {key: value for key, value in wanted.items() if value is not None}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions} if preconditions else None
        return self.request("DELETE", resource.path(namespace, name), body=body)

    # -- the way there

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        content_type: str = "application/json",
    ) -> Document:
        """One request to its end; the reply's object."""
        content = None if body is None else json.dumps(body).encode()
        return self._with_token(lambda: self._once(method, path, query, content, content_type))

    def close(self) -> None:
        """Close what is idle; requests that are under way end by themselves."""
        self._transport.close()

    def _with_token(self, ask: Callable[[], ReplyT]) -> ReplyT:
        """Ask; once more where the token was refused and its file may hold another."""
        try:
            return ask()
        except Unauthorized:
            if not self._token.refused():
                raise
            return ask()

    def _stream(self, path: str, query: Query, silence_s: float) -> Watch:
        connection = self._transport.open()
        connected = connection.sock
        assert connected is not None
        try:
            response = self._ask(connection, "GET", path, query, None, "")
            if response.status != http.client.OK:
                self._read(response)  # raises
        except BaseException:
            connection.close()
            raise
        # A silent server is as good as a gone one only when its own limit has passed.
        connected.settimeout(silence_s)
        return Watch(connected, response)

    def _once(self, method: str, path: str, query: Query | None, content: bytes | None, content_type: str) -> Document:
        connection, used = self._transport.borrow()
        try:
            try:
                response = self._ask(connection, method, path, query, content, content_type)
            except StaleConnection:
                # The server may close an idle connection at any time; what it has not read can be sent again.
                if not used or method == "POST":
                    raise
                connection.close()
                connection = self._transport.open()
                response = self._ask(connection, method, path, query, content, content_type)
            document = self._read(response)
        except ApiError:
            self._transport.give_back(connection)
            raise
        except BaseException:
            connection.close()
            raise
        self._transport.give_back(connection)
        return document

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        query: Query | None,
        content: bytes | None,
        content_type: str,
    ) -> http.client.HTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": self._agent}
        if content is not None:
            headers["Content-Type"] = content_type
        if token := self._token.text():
            headers["Authorization"] = f"Bearer {token}"
        target = self._transport.prefix + path + (f"?{urlencode(_plain(query))}" if query else "")
        try:
            connection.request(method, target, body=content, headers=headers)
            return connection.getresponse()
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            raise StaleConnection(f"{method} {path}: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{method} {path}: {error or type(error).__name__}") from error

    def _read(self, response: http.client.HTTPResponse) -> Document:
        return _read(response, self._timeout_s, self._largest_reply)


def _selectors(label_selector: str, field_selector: str) -> dict[str, str | int | bool]:
    named = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in named.items() if value}


def _continued(token: str) -> dict[str, str | int | bool]:
    return {"continue": token} if token else {}


def _plain(query: Query) -> dict[str, str]:
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in query.items()}


def _read(response: http.client.HTTPResponse, timeout_s: float, largest: int) -> Document:
    """The reply's object, or the error that it is; the whole reply takes no longer than `timeout_s`."""
    pieces: list[bytes] = []
    size = 0
    expected = response.length
    deadline = time.monotonic() + timeout_s
    try:
        while piece := response.read1(_PIECE):
            size += len(piece)
            pieces.append(piece)
            if size > largest or time.monotonic() > deadline:
                raise Unreachable(f"the reply is too long or too slow ({size} bytes so far)")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unreachable(f"the reply broke off: {error or type(error).__name__}") from error
    if expected is not None and size < expected:
        raise Unreachable(f"the reply broke off after {size} of {expected} bytes")
    response.close()
    text = b"".join(pieces)
    try:
        document = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        if response.status < 400:
            raise Unreachable(f"the reply is not JSON: {text[:80]!r}") from error
        document = {"message": text[:200].decode(errors="replace").strip()}
    if response.status >= 400:
        raise api_error(response.status, document, response.headers.get("Retry-After"))
    if not isinstance(document, dict):
        raise Unreachable(f"the reply is no object: {text[:80]!r}")
    return document
