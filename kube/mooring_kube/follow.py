"""Following a resource for ever: list, watch, list again when the server has forgotten where we were."""

import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from mooring_kube.client import Client
from mooring_kube.errors import ApiError, Gone, KubeError, TooManyRequests
from mooring_kube.resources import Resource
from mooring_kube.watch import Watch

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 15.0
#: A watch that ends so soon and told nothing is as good as one that failed.
SHORT_WATCH_S = 1.0
#: The server ends a watch after so long; not all of a cluster's at once.
WATCH_S = (240, 360)

Document = dict[str, Any]


class Handler(Protocol):
    """Who is told; each call comes from the follower's thread."""

    def listed(self, items: Iterable[Document]) -> None:
        """Everything there is; what is not in it is no longer there."""

    def changed(self, item: Document) -> None:
        """One object is new or other than before."""

    def deleted(self, item: Document) -> None:
        """One object is gone; this was its last state."""

    def failed(self, error: KubeError) -> None:
        """Nothing is heard at present; it is tried again by itself."""


def pause_s(failures: int, jitter: float) -> float:
    """How long to wait after so many failures in a row; `jitter` from 0 to 1 spreads many clients."""
    longest = min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16), LONGEST_PAUSE_S)
    return longest * (0.5 + jitter / 2)


class Follower(threading.Thread):
    """A thread that keeps a handler up to date until `stop`.

    A broken watch goes on where it was; only where the server cannot do that is everything listed again.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        handler: Handler,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        page: int = 500,
        keep: Callable[[Document], Document] = lambda item: item,
    ) -> None:
        """`page` and `keep` as in Client.list; what a watch tells of is told as it came."""
        super().__init__(name=f"follow {resource.plural}", daemon=True)
        self.restarts = 0
        """How often a watch was begun again, for whatever reason."""
        self.connected = False
        """Whether a watch is open now; may be read from any thread."""
        self._client = client
        self._resource = resource
        self._handler = handler
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._page = page
        self._keep = keep
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._watch: Watch | None = None

    def stop(self) -> None:
        """Returns at once; the handler may be called until the thread has ended."""
        self._stopping.set()
        with self._lock:
            if self._watch is not None:
                self._watch.close()

    def run(self) -> None:
        version = ""
        failures = 0
        while not self._stopping.is_set():
            try:
                if not version:
                    version = self._list()
                    failures = 0
                began = time.monotonic()
                heard = self._follow(version)
                self.restarts += 1
                idle = heard == version and time.monotonic() - began < SHORT_WATCH_S
                failures = failures + 1 if idle else 0
                version = heard
                if idle:
                    self._pause(failures, 0.0)
            except Gone:
                version = ""
            except _WatchError as broken:
                failures = 1 if broken.version != version else failures + 1
                # What the server says in the stream itself may be about our version: some say 500 for too old.
                version = "" if isinstance(broken.error, ApiError) else broken.version
                self._wait(failures, broken.error)
            except KubeError as error:
                failures += 1
                self._wait(failures, error)

    def _list(self) -> str:
        listing = self._client.list(
            self._resource,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            page=self._page,
            keep=self._keep,
        )
        if not self._stopping.is_set():
            self._handler.listed(listing.items)
        return listing.resource_version

    def _follow(self, version: str) -> str:
        """Watch until the server ends it; the version up to which all has been heard."""
        watch = self._client.watch(
            self._resource,
            resource_version=version,
            namespace=self._namespace,
            timeout_s=random.randint(*WATCH_S),
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )
        with self._lock:
            self._watch = watch
        if self._stopping.is_set():
            watch.close()
        self.connected = True
        try:
            for event in watch:
                if self._stopping.is_set():
                    break
                if _older(event.resource_version, version):
                    # etcd was restored from a backup: what we know is of a future that did not come.
                    return ""
                version = event.resource_version or version
                if event.type in ("ADDED", "MODIFIED"):
                    self._handler.changed(event.object)
                elif event.type == "DELETED":
                    self._handler.deleted(event.object)
        except Gone:
            raise
        except KubeError as error:
            raise _WatchError(version, error) from error
        finally:
            self.connected = False
            with self._lock:
                self._watch = None
        return version

    def _wait(self, failures: int, error: KubeError) -> None:
        if self._stopping.is_set():
            return
        self.restarts += 1
        self._handler.failed(error)
        asked = error.retry_after_s if isinstance(error, TooManyRequests) else None
        self._pause(failures, asked or 0.0)

    def _pause(self, failures: int, least_s: float) -> None:
        self._stopping.wait(max(pause_s(failures, random.random()), least_s))


def _older(version: str, other: str) -> bool:
    return version.isdecimal() and other.isdecimal() and int(version) < int(other)


class _WatchError(KubeError):
    """A watch that failed, and how far it had come."""

    def __init__(self, version: str, error: KubeError) -> None:
        super().__init__(str(error))
        self.version = version
        self.error = error
