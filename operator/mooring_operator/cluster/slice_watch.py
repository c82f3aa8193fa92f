"""Endpoints of the Services that VirtualServers name: one watch for all of them, and nothing is kept of any other.

While no VirtualServer names a Service nothing is followed. A cluster's other EndpointSlices, of which there may be
thousands, neither come here (a label selector keeps them at the server while the names are few) nor are they kept.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mooring_kube.client import Client
from mooring_kube.errors import KubeError
from mooring_kube.follow import Follower
from mooring_kube.resources import ENDPOINT_SLICES
from mooring_operator.clock import Clock, boottime_s
from mooring_operator.cluster.pace import Pace
from mooring_operator.cluster.view import Endpoints
from mooring_operator.plan.endpoints import SERVICE_NAME, EndpointSlice, endpoint_slice, service_of

Document = dict[str, Any]

#: A selector is part of the request's address, which proxies bound; beyond so many names all slices are told of.
MOST_NAMES = 100
#: What changes is passed on four times 0.2 s apart at most, then once a second: a Service that flaps costs each
#: NodeConfig one write a second, and the first change of a quiet one waits for nothing.
EVERY_S, BURST, LEAST_S = 1.0, 4, 0.2
#: Slices of one Service change together.
SETTLE_S = 0.05
#: After so many failures (some seconds) it is said that nobody can tell what a Service's endpoints are.
MOST_FAILURES = 5
#: A slice of a hundred endpoints has some 40 KiB.
_PAGE = 100

#: Beside what is kept of a slice's metadata while a list is read: the slice itself, read.
_READ = "mooring.dev/read"

log = logging.getLogger(__name__)


def scope_of(services: Iterable[str]) -> tuple[str | None, str]:
    """Namespace, None for all, and label selector of a watch that tells of all these (`namespace/service`)."""
    wanted = frozenset(services)
    namespaces = {service.partition("/")[0] for service in wanted}
    names = sorted({service.partition("/")[2] for service in wanted})
    selector = f"{SERVICE_NAME} in ({','.join(names)})" if len(names) <= MOST_NAMES else SERVICE_NAME
    return (next(iter(namespaces)) if len(namespaces) == 1 else None), selector


class _Followed:
    """The slices of some Services by name; a Follower's handler."""

    def __init__(
        self, services: frozenset[str], lock: threading.Lock, told: Callable[["_Followed", frozenset[str]], None]
    ) -> None:
        """What others read changes under `lock`; `told` is called without it: of these Services something changed."""
        self.services, self._lock, self._told = services, lock, told
        self.listed_once = False
        self.failures = 0
        self.trouble = ""
        self.slices: dict[str, dict[str, EndpointSlice]] = {}
        self._service_of: dict[str, str] = {}
        self.follower: Follower | None = None

    def keep(self, document: Document) -> Document:
        """What a list keeps of a slice while its other pages are read."""
        found = endpoint_slice(document) if service_of(document) in self.services else None
        metadata = document.get("metadata") or {}
        return {"metadata": {key: metadata.get(key) for key in ("name", "namespace", "labels")}, _READ: found}

    def listed(self, items: Iterable[Document]) -> None:
        with self._lock:
            before = self.slices
            self.slices, self._service_of = {}, {}
            for item in items:
                self._put(item)
            self.listed_once, self.failures, self.trouble = True, 0, ""
            changed = frozenset(s for s in self.services if before.get(s, {}) != self.slices.get(s, {}))
        self._told(self, changed)

    def changed(self, item: Document) -> None:
        with self._lock:
            services = self._drop(item, but=service_of(item)) | self._put(item)
        self._tell(services)

    def deleted(self, item: Document) -> None:
        with self._lock:
            services = self._drop(item)
        self._tell(services)

    def failed(self, error: KubeError) -> None:
        with self._lock:
            self.failures += 1
            new, self.trouble = str(error) != self.trouble, str(error)
            hopeless = not self.listed_once and self.failures == MOST_FAILURES
        if new:
            log.warning("EndpointSlices cannot be followed: %s", error)
        if hopeless:
            self._told(self, frozenset())

    def _tell(self, services: set[str]) -> None:
        if services:
            self._told(self, frozenset(services))

    def _put(self, item: Document) -> set[str]:
        """The Service that the slice belongs to, where that makes a difference."""
        service, name = service_of(item), _name(item)
        if service is None or service not in self.services:
            return set()
        found = item[_READ] if _READ in item else endpoint_slice(item)
        own = self.slices.setdefault(service, {})
        if found is None or own.get(name) == found:
            return set()
        own[name] = found
        self._service_of[name] = service
        return {service}

    def _drop(self, item: Document, but: str | None = None) -> set[str]:
        """The Service that the slice belonged to, unless it is `but`."""
        name = _name(item)
        service = self._service_of.get(name)
        if service is None or service == but:
            return set()
        del self._service_of[name]
        self.slices[service].pop(name, None)
        return {service}


def _name(item: Mapping[str, Any]) -> str:
    metadata = item.get("metadata") or {}
    return f"{metadata.get('namespace')}/{metadata.get('name')}"


class SliceWatch:
    """Follows what it is told to. Thread-safe."""

    def __init__(self, client: Client, changed: Callable[[float], None], *, clock: Clock = boottime_s) -> None:
        """`changed` is called, from any thread, with the time from which on `endpoints` gives something else."""
        self._client, self._changed, self._clock = client, changed, clock
        self._lock = threading.Lock()
        self._wanted: frozenset[str] = frozenset()
        self._now: _Followed | None = None
        """Whose words count."""
        self._next: _Followed | None = None
        """Who takes its place when it has listed everything once."""
        self._pending: set[str] = set()
        self._given: dict[str, tuple[EndpointSlice, ...]] = {}
        self._pace = Pace(EVERY_S, BURST, LEAST_S)

    def follow(self, services: Iterable[str]) -> None:
        """From now on these, as `namespace/service`. One list at a time: what comes meanwhile is in the next one."""
        with self._lock:
            self._wanted = frozenset(services)
            ended = self._arrange()
        for each in ended:
            each.stop()

    def stop(self) -> None:
        self.follow(())

    def endpoints(self) -> Endpoints:
        """What is known now. Of a Service that is not in it nothing was heard yet."""
        with self._lock:
            now = self._clock()
            if self._pending and now >= self._pace.next():
                self._pass_on()
                self._pace = self._pace.taken(now)
            listing = self._next or self._now
            hopeless = listing is not None and not listing.listed_once and listing.failures >= MOST_FAILURES
            known = {service: slices for service, slices in self._given.items() if service in self._wanted}
            return Endpoints(known, listing.trouble if listing and hopeless else "")

    def _arrange(self) -> list[Follower]:
        """Begin a watch where some Service is in none; those that are to be stopped."""
        ended: list[Follower] = []
        if not self._wanted:
            ended = [each.follower for each in (self._now, self._next) if each and each.follower]
            self._now = self._next = None
            self._pending.clear()
            self._given.clear()
        elif self._next is None and (self._now is None or not self._wanted <= self._now.services):
            self._begin()
        return ended

    def _begin(self) -> None:
        followed = self._next = _Followed(self._wanted, self._lock, self._told)
        namespace, selector = scope_of(followed.services)
        follower = followed.follower = Follower(
            self._client,
            ENDPOINT_SLICES,
            followed,
            namespace=namespace,
            label_selector=selector,
            page=_PAGE,
            keep=followed.keep,
        )
        follower.start()

    def _told(self, by: _Followed, services: frozenset[str]) -> None:
        ended: list[Follower] = []
        with self._lock:
            if by is self._next and by.listed_once:
                services = self._take_over(by, ended)
            elif by is not self._now and by is not self._next:
                return
            self._pending |= services
            now = self._clock()
            at = max(now + SETTLE_S, self._pace.next()) if self._pending else now
        for each in ended:
            each.stop()
        self._changed(at)

    def _take_over(self, by: _Followed, ended: list[Follower]) -> frozenset[str]:
        """`by` has listed everything: its words count from now on. The Services of which it says something else."""
        before = self._now
        self._now, self._next = by, None
        if before is not None and before.follower is not None:
            ended.append(before.follower)
        ended += self._arrange()
        self._given = {service: slices for service, slices in self._given.items() if service in by.services}
        new = by.services - self._given.keys()
        # Nobody knows anything of these yet, so they are no change that could come too often.
        for service in new:
            self._give(service)
        return frozenset(s for s in self._given if self._given[s] != _in_order(by.slices.get(s, {})))

    def _pass_on(self) -> None:
        for service in self._pending:
            self._give(service)
        self._pending.clear()

    def _give(self, service: str) -> None:
        slices = self._now.slices.get(service, {}) if self._now else {}
        self._given[service] = _in_order(slices)


def _in_order(slices: Mapping[str, EndpointSlice]) -> tuple[EndpointSlice, ...]:
    return tuple(slices[name] for name in sorted(slices))
