"""The operator's process: its threads, in the order in which they begin and end."""

import logging
import os
import threading
from enum import IntEnum

from mooring_kube.client import Client
from mooring_kube.connection import Connection
from mooring_kube.errors import KubeError
from mooring_operator.cluster import handlers, rights
from mooring_operator.cluster.api import ApiCluster, ApiLease
from mooring_operator.cluster.events import EventPoster
from mooring_operator.cluster.intake import Intake
from mooring_operator.cluster.leader import Leader, Role, Terms
from mooring_operator.cluster.listing import Lister
from mooring_operator.cluster.pod_watch import PodWatch
from mooring_operator.cluster.slice_watch import SliceWatch
from mooring_operator.cluster.store import Replaced, Store
from mooring_operator.cluster.watches import Watches
from mooring_operator.cluster.writer import Writer
from mooring_operator.cluster.writes import Write
from mooring_operator.ending import ends_by_signal
from mooring_operator.health import HealthServer
from mooring_operator.logs import object_fields
from mooring_operator.loop import Loop
from mooring_operator.metrics import Metrics, Readings
from mooring_operator.reconcile import Reconciler, Result
from mooring_operator.settings import Settings

_LOOK_AGAIN_S, _LOOK_S = 5.0, 0.05
#: SIGTERM to the end: what is under way may finish, and if it is known what came of it the lease is given back.
_WRITES_END_S, _RELEASE_S = 0.8, 0.8
#: A thread that has not come round for so long does not come any more.
_LATE_S = 60.0

log = logging.getLogger(__name__)


class Exit(IntEnum):
    """Exit codes."""

    ASKED = 0
    FAILED = 1
    USAGE = 2
    NO_CONNECTION = 3
    LEASE_LOST = 7


class Operator:
    """One run of `mooring-operator run`."""

    def __init__(self, settings: Settings, connection: Connection, agent: str) -> None:
        self._settings, self._agent = settings, agent
        lease_s, renew_s = settings.lease_duration.seconds, settings.renew_deadline.seconds
        self._client = Client(connection, agent=agent)
        # A renewal gives up while there is time for another one.
        lease_client = Client(connection, agent=agent, timeout_s=renew_s / 2)
        # What is begun while we may write has ended, one way or another, before somebody else may.
        cluster = ApiCluster(self._client, Client(connection, agent=agent, timeout_s=lease_s - renew_s))
        self._ending = threading.Event()
        self._permitted, self._elected = threading.Event(), threading.Event()
        self._code = Exit.ASKED
        self._lacking = "the rights have not been looked at yet"
        self._metrics = Metrics()
        self._store = Store(self._woken)
        self._lease = object_fields("Lease", f"{settings.namespace}/{settings.lease_name}")
        self._leader = Leader(
            ApiLease(lease_client, settings.lease_name, settings.namespace),
            settings.lease_name,
            settings.namespace,
            settings.own_identity,
            Terms(lease_s, renew_s, settings.retry_period.seconds),
            elected=self._elected.set,
            lost=self._lost,
        )
        may_write = self._leader.holds
        self._events = EventPoster(cluster, self._store, self._metrics, self._leader.identity, may_write=may_write)
        self._writer = Writer(cluster, self._store, self, may_write=may_write, again=self._woken, idle=self._idle)
        self._pods = PodWatch(self._client, self._woken)
        self._slices = SliceWatch(self._client, self._woken_at)
        known = (self._pods.nodes, self._slices.endpoints)
        self._loop = Loop(self._store, Reconciler(), self._metrics, self._writer, self._turned, *known)
        self._lister = Lister(cluster, self._store, settings.resync.seconds, self._listed)
        self._intake = Intake(self._store, self._metrics, self._lister.again)
        registry = handlers.registry(self._intake.received, connection)
        self._watches = Watches(registry, handlers.kopf_settings, begun=self._lister.again)
        self._metrics.read_from(Readings(self._leader.holds, lambda: len(self._writer.wanted), self._store.counts))

    # -- its life

    def run(self) -> Exit:
        """Until SIGTERM, SIGINT or the loss of the lease; the exit code."""
        ends_by_signal(self._ending)
        health = self._serve()
        log.info("%s asks %s as %s", self._agent, self._client.server, self._leader.identity)
        threading.Thread(target=self._look_for_rights, name="rights", daemon=True).start()
        self._wait(self._permitted)
        if not self._ending.is_set():
            self._leader.start()
            self._wait(self._elected)
        if not self._ending.is_set():
            log.info("leading as %s", self._leader.holder, extra=self._lease)
            self._lead()
            self._ending.wait()
        self._end()
        if health is not None:
            health.stop()
        return self._code

    def _serve(self) -> HealthServer | None:
        address = self._settings.metrics_address
        if address.port == 0:
            return None
        checks = {"/healthz": self._unhealthy, "/readyz": self._unready}
        server = HealthServer(address.host, address.port, self._metrics.registry, checks)
        server.start()
        return server

    def _look_for_rights(self) -> None:
        """Look until everything is there that the operator needs."""
        while not self._ending.is_set():
            try:
                lacking = rights.lacking(self._client, self._settings.namespace, self._settings.lease_name)
            except KubeError as error:
                lacking = f"the API server does not answer: {error}"
            if lacking and lacking != self._lacking:
                log.warning("%s; it is looked at again every %.0f s", lacking, _LOOK_AGAIN_S)
            self._lacking = lacking
            if not lacking:
                self._permitted.set()
                return
            self._ending.wait(_LOOK_AGAIN_S)

    def _wait(self, event: threading.Event) -> None:
        """For the event, or for the end."""
        told = ""
        while not event.wait(_LOOK_S) and not self._ending.is_set():
            holder = self._leader.holder
            if holder and holder != told:
                told = holder
                log.info("standing by: %s leads", holder, extra=self._lease)

    def _lead(self) -> None:
        self._loop.start()
        self._writer.start()
        self._events.start()
        self._lister.start()
        # kopf reads everything again; the first plan need not wait for that.
        while not self._store.complete and not self._ending.wait(_LOOK_S):
            pass
        self._watches.start()

    def _end(self) -> None:
        self._ending.set()
        settled = self._writer.stop(_WRITES_END_S)
        self._events.stop()
        self._loop.stop()
        self._lister.stop()
        self._watches.stop()
        self._pods.stop()
        self._slices.stop()
        led = self._leader.role is Role.LEADER
        self._leader.stop()
        if led and settled:
            releasing = threading.Thread(target=self._release, daemon=True)
            releasing.start()
            releasing.join(_RELEASE_S)
        elif led:
            # It may still be done, and must not meet what a successor has planned without it.
            what = "it is not known what came of a write, so the lease is not given back; it runs out by itself"
            log.warning(what, extra=self._lease)

    def _release(self) -> None:
        try:
            self._leader.release()
        except KubeError as error:
            log.warning("the lease runs out by itself, it could not be given back: %s", error, extra=self._lease)
        else:
            log.info("the lease is given back", extra=self._lease)

    # -- what the threads say

    def _woken(self) -> None:
        self._loop.wake()

    def _woken_at(self, time: float) -> None:
        self._loop.wake_at(time)

    def _idle(self) -> None:
        self._loop.look()

    def _listed(self, kind: str, replaced: Replaced) -> None:
        self._intake.listed(kind, replaced)
        # The last first list lets the loop begin, also where it brought nothing.
        self._woken()

    def wrote(self, write: Write, result: str) -> None:
        """The writer's word."""
        self._metrics.wrote(write, result)
        if result == "ok":
            self._events.tell(write)

    def _turned(self, result: Result) -> None:
        self._events.report(result.problems)
        if not self._ending.is_set():
            self._pods.follow(result.pods)
            self._slices.follow(result.services)

    def _lost(self, why: str) -> None:
        what = "the lease is lost (%s); nothing more is written, and this process ends"
        log.error(what, why, extra=self._lease)
        self._code = Exit.LEASE_LOST
        self._ending.set()

    # -- what others ask

    def _unhealthy(self) -> str:
        """What a new start may mend. That the API server is away is nothing of that."""
        found = [
            f"{what} has not come round for {late_s:.0f} s" for what, late_s in self._late().items() if late_s > _LATE_S
        ]
        if self._loop.trouble:
            found.append(f"the plan fails: {self._loop.trouble}")
        return "; ".join(found)

    def _late(self) -> dict[str, float]:
        late = {"the lease": 0.0 if self._ending.is_set() else self._leader.late_s}
        if self._store.complete:
            late["the plan"] = self._loop.behind_s
            late["kopf"] = self._watches.failing_s
            late |= {f"the watch of {kind}s": deaf_s for kind, deaf_s in self._intake.deaf_s().items()}
        return late

    def _unready(self) -> str:
        """Why it does not do its work at present, leading or standing by."""
        if self._lacking:
            return self._lacking
        if self._leader.trouble:
            return f"the lease: {self._leader.trouble}"
        if not self._leader.holds():
            return ""
        if trouble := "; ".join(f"{kind}s cannot be listed: {why}" for kind, why in self._lister.trouble.items()):
            return trouble
        return "" if self._store.complete else "the first lists are not complete yet"


def leave(code: Exit) -> None:
    """End the process now: a thread that waits for a reply that never comes must not hold up the end."""
    logging.shutdown()
    os._exit(code)
