"""The API server as the agent uses it: two watches, each a thread, and one write, which blocks (shell)."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from mooring_api.secret import PASSWORD_KEY, SECRET_TYPE
from mooring_kube.client import Client
from mooring_kube.connection import Connection, find
from mooring_kube.errors import KubeError
from mooring_kube.follow import Follower, Handler
from mooring_kube.resources import NODE_CONFIGS, SECRETS
from mooring_node.agent.writer import Document

MANAGER = "mooring-node"
#: Some objects of the largest size (etcd takes 1.5 MB), as many as a page of a list has.
LARGEST_REPLY = 16 * 1024 * 1024
_PAGE = 8
#: Encoded, and far more than one may have: what is cut is told as too long still.
_LONGEST_PASSWORD = 64


class Followed(Protocol):
    """A watch that goes on by itself."""

    connected: bool
    restarts: int

    def is_alive(self) -> bool: ...

    def stop(self) -> None: ...


class Server(Protocol):
    """One API server as one identity; calls come from any thread and block."""

    connection: Connection

    def follow_node_config(self, handler: Handler) -> Followed: ...

    def follow_secrets(self, handler: Handler) -> Followed: ...

    def write_status(self, version: str, status: Mapping[str, Any]) -> Document:
        """The object as it is then. Conflict when it is no longer of that resourceVersion; other kinds of KubeError."""


class KubeServer:
    """The real one. NoConnection or Unreachable when it cannot even be tried."""

    def __init__(self, kubeconfig: Path | None, node: str, namespace: str) -> None:
        self.connection = find(kubeconfig)
        self._client = Client(self.connection, agent=MANAGER, largest_reply=LARGEST_REPLY)
        self._node = node
        self._namespace = namespace

    def follow_node_config(self, handler: Handler) -> Followed:
        return _started(Follower(self._client, NODE_CONFIGS, handler, field_selector=f"metadata.name={self._node}"))

    def follow_secrets(self, handler: Handler) -> Followed:
        selector = f"type={SECRET_TYPE}"
        return _started(
            Follower(
                self._client,
                SECRETS,
                handler,
                namespace=self._namespace,
                field_selector=selector,
                page=_PAGE,
                keep=lean,
            )
        )

    def write_status(self, version: str, status: Mapping[str, Any]) -> Document:
        # Of that version alone: what was made anew under the same name has not been read yet, and must not get what is
        # said of another. Not by server-side apply: it refuses everything for one field that an older CRD does not
        # know, and what another manager owns, it leaves.
        return self._client.replace_status(NODE_CONFIGS, self._node, version, status, manager=MANAGER)


def lean(secret: Document) -> Document:
    """What is read of a Secret, that the memory needed does not depend on what else somebody puts into it."""
    metadata, data = secret.get("metadata"), secret.get("data")
    named = {key: metadata.get(key) for key in ("name", "resourceVersion")} if isinstance(metadata, Mapping) else {}
    encoded = data.get(PASSWORD_KEY) if isinstance(data, Mapping) else None
    password = {PASSWORD_KEY: encoded[:_LONGEST_PASSWORD]} if isinstance(encoded, str) else {}
    return {"metadata": named, "type": secret.get("type"), "data": password}


def _started(follower: Follower) -> Follower:
    follower.start()
    return follower


class Posted:
    """A follower's handler that hands everything to the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: Handler) -> None:
        self._loop = loop
        self._target = target

    def listed(self, items: Iterable[Document]) -> None:
        self._post(self._target.listed, tuple(items))

    def changed(self, item: Document) -> None:
        self._post(self._target.changed, item)

    def deleted(self, item: Document) -> None:
        self._post(self._target.deleted, item)

    def failed(self, error: KubeError) -> None:
        self._post(self._target.failed, error)

    def _post(self, call: Callable[..., None], argument: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it the agent
            self._loop.call_soon_threadsafe(call, argument)
