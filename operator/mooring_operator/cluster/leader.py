"""One operator at a time writes: election by a Lease of coordination.k8s.io, as Kubernetes' own components do it.

No clock of another machine is ever compared with ours: a lease counts as held until we have seen it unchanged for
its duration, by our own clock. A leader that could not renew stops before that, by its own clock too.
"""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any, Protocol

from mooring_kube.errors import Conflict, KubeError, NotFound
from mooring_operator.clock import Clock, boottime_s, now_utc

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds. `lease`: others wait so long; `renew`: the leader gives up after; `retry`: between two renewals."""

    lease_s: float = 15.0
    renew_s: float = 10.0
    retry_s: float = 2.0
    standby_s: float = 1.0
    """Between two looks of one who waits; a lease that is given back is taken within that."""


class Role(Enum):
    STANDBY = auto()
    LEADER = auto()
    LOST = auto()
    """Was the leader and is no longer: writes nothing, and does not become it again."""
    RELEASED = auto()


class LeaseKeeper(Protocol):
    """Where the Lease is kept. Each call raises a KubeError when it fails."""

    def read(self) -> Document:
        """The Lease; NotFound when there is none."""

    def create(self, document: Document) -> Document:
        """Conflict when somebody was faster."""

    def replace(self, document: Document) -> Document:
        """Conflict when it is no longer the version that `document` was made from."""


def lease_document(
    name: str, namespace: str, identity: str, duration_s: float, now: datetime, before: Mapping[str, Any] | None
) -> Document:
    """The Lease as its holder writes it; `before` is what it replaces, and an empty identity gives it back."""
    old = _spec(before)
    metadata: Document = {"name": name, "namespace": namespace}
    if before is not None:
        metadata["resourceVersion"] = before["metadata"]["resourceVersion"]
    same = old.get("holderIdentity") == identity
    time = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    transitions = int(old.get("leaseTransitions") or 0)
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": round(duration_s),
            "acquireTime": old.get("acquireTime") or time if same else time,
            "renewTime": time,
            "leaseTransitions": transitions if same or not identity else transitions + 1,
        },
    }


class Election:
    """The state of one candidate; no clock, no network. Times are seconds of the candidate's own clock."""

    def __init__(self, identity: str, terms: Terms) -> None:
        self.role = Role.STANDBY
        self.holder = ""
        """Who holds the lease, as last seen."""
        self._identity = identity
        self._terms = terms
        self._seen: str | None = None
        self._seen_at = 0.0
        self._patience_s = terms.lease_s
        """How long others are to wait, by the holder's own word."""
        self._until = 0.0

    def may_take(self, lease: Mapping[str, Any] | None, now: float) -> bool:
        """Whether the lease that was just read (None: there is none) is free."""
        spec = _spec(lease)
        self.holder = str(spec.get("holderIdentity") or "")
        if not self.holder and (lease is not None or self._seen is None):
            return True
        # By its version: a holder whose calendar stands still writes the same time again, and lives. A Lease that was
        # deleted has none: its holder may have renewed it after our last look, and knows nothing before its next one.
        version = str(_mapping(_mapping(lease).get("metadata")).get("resourceVersion"))
        if self._seen != version:
            self._seen, self._seen_at = version, now
            self._patience_s = float(spec.get("leaseDurationSeconds") or self._patience_s)
            return False
        if self.holder == self._identity:
            # Our own from before a new start, unless another was given our name: then it renews it soon.
            return now - self._seen_at >= 2 * self._terms.retry_s
        return now - self._seen_at >= self._patience_s

    def taken(self, asked_at: float) -> None:
        """The lease was written in our name; `asked_at` is when the request was sent, never when it was answered."""
        if self.role in (Role.STANDBY, Role.LEADER):
            self.role = Role.LEADER
            self.holder = self._identity
            self._until = asked_at + self._terms.renew_s

    def holds(self, now: float) -> bool:
        """Whether we may write at this moment. Once False for a leader, it never becomes True again."""
        if self.role is Role.LEADER and now >= self._until:
            self.role = Role.LOST
        return self.role is Role.LEADER

    def lost(self) -> None:
        """Somebody else holds it."""
        if self.role is Role.LEADER:
            self.role = Role.LOST

    def released(self) -> None:
        """We write nothing any more."""
        self.role = Role.RELEASED


class Leader(threading.Thread):
    """Gets the lease and keeps it; `holds` may be asked from any thread before each write."""

    def __init__(
        self,
        keeper: LeaseKeeper,
        name: str,
        namespace: str,
        identity: str,
        terms: Terms,
        *,
        elected: Callable[[], None],
        lost: Callable[[str], None],
        clock: Clock = boottime_s,
        wall_clock: Callable[[], datetime] = now_utc,
    ) -> None:
        super().__init__(name="lease", daemon=True)
        self._keeper = keeper
        self._name, self._namespace = name, namespace
        self.identity = identity
        self._terms = terms
        self._elected, self._lost = elected, lost
        self._clock, self._wall_clock = clock, wall_clock
        self._election = Election(identity, terms)
        self._lease: Document | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._turned_at: float | None = None
        self.trouble = ""
        """Why the lease could not be read or written last time; empty: it could."""

    @property
    def role(self) -> Role:
        with self._lock:
            return self._election.role

    @property
    def holder(self) -> str:
        with self._lock:
            return self._election.holder

    @property
    def late_s(self) -> float:
        """Since the thread last came round, in seconds; 0 before it was started."""
        return 0.0 if self._turned_at is None else self._clock() - self._turned_at

    def holds(self) -> bool:
        """Whether we may write now."""
        with self._lock:
            return self._election.holds(self._clock())

    def run(self) -> None:
        while not self._stopping.is_set():
            pause_s = self.step()
            self._stopping.wait(pause_s)
            if self.role is Role.STANDBY or self.holds():
                continue
            if self.role is Role.LOST:
                self._lost(self.trouble or f"{self.holder or 'somebody else'} holds it")
            return

    def step(self) -> float:
        """One look or one renewal; how long to pause after it, in seconds."""
        leading = self.holds()
        self._turned_at = self._clock()
        try:
            self._renew() if leading else self._look()
            self.trouble = ""
        except KubeError as error:
            self.trouble = str(error)
        if self.holds() and not leading:
            self._elected()
        if leading:
            return self._terms.retry_s
        return self._terms.standby_s * (0.8 + 0.4 * random.random())

    def _look(self) -> None:
        try:
            lease = self._keeper.read()
        except NotFound:
            lease = None
        with self._lock:
            free = self._election.role is Role.STANDBY and self._election.may_take(lease, self._clock())
        if free:
            self._take(lease)

    def _renew(self) -> None:
        try:
            self._take(self._lease)
        except NotFound:
            # Deleted, and ours to make anew: who knew it waits as long as for a silent holder.
            self._take(None)
        except Conflict:
            # Another wrote it, or a reply of ours was lost: only the Lease itself can tell.
            lease = self._keeper.read()
            if _spec(lease).get("holderIdentity") == self.identity:
                self._take(lease)
                return
            with self._lock:
                self._election.holder = str(_spec(lease).get("holderIdentity") or "")
                self._election.lost()

    def _take(self, lease: Document | None) -> None:
        asked_at = self._clock()
        document = self._document(self.identity, self._terms.lease_s, lease)
        if lease is None:
            self._lease = self._keeper.create(document)
        else:
            self._lease = self._keeper.replace(document)
        with self._lock:
            self._election.taken(asked_at)

    def _document(self, identity: str, duration_s: float, before: Document | None) -> Document:
        return lease_document(self._name, self._namespace, identity, duration_s, self._wall_clock(), before)

    def stop(self) -> None:
        """No more renewals; from now on `holds` is False."""
        self._stopping.set()
        with self._lock:
            self._election.released()

    def release(self) -> None:
        """After `stop`: give the lease back, so that a successor need not wait; it runs out by itself otherwise."""
        if self._lease is None:
            return
        try:
            self._keeper.replace(self._document("", 1.0, self._lease))
        except Conflict:
            # A last renewal, whose reply we did not wait for.
            lease = self._keeper.read()
            if _spec(lease).get("holderIdentity") == self.identity:
                self._keeper.replace(self._document("", 1.0, lease))


def _spec(lease: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return _mapping(_mapping(lease).get("spec"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
