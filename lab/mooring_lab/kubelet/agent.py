"""All parts of one kubelet, started and ended together."""

import threading
from pathlib import Path

from mooring_kube.follow import Follower
from mooring_kube.resources import NODES, PODS
from mooring_lab.kubelet.binder import Binder, NodeWatch
from mooring_lab.kubelet.bound import Bound
from mooring_lab.kubelet.heartbeat import Heartbeat
from mooring_lab.kubelet.manifests import Manifests
from mooring_lab.kubelet.services import Services

#: How often volumes are brought up to date with what they show, and the binder looks again.
RENEW_S = 10.0


class Agent:
    """The stand-in: it follows the pods of its node, runs them, and binds those that belong here."""

    def __init__(
        self, services: Services, *, bind_all: bool, renew_s: float = RENEW_S, manifests: Path | None = None
    ) -> None:
        self._services = services
        self._renew_s = renew_s
        self._bound = Bound(services)
        self._binder = Binder(services, self._bound, all_pods=bind_all)
        self._heartbeat = Heartbeat(services.client, services.node, services.log)
        watch = NodeWatch(services, self._binder)
        name = services.node.name
        client = services.client
        self._followers = (
            Follower(client, NODES, watch, field_selector=f"metadata.name={name}"),
            Follower(client, PODS, self._bound, field_selector=f"spec.nodeName={name}"),
            Follower(client, PODS, self._binder, field_selector="spec.nodeName="),
        )
        self._manifests = Manifests(manifests, services, self._bound) if manifests else None
        self._stopping = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="renewing", daemon=True)

    def start(self) -> None:
        self._services.reporter.start()
        self._services.teller.start()
        self._bound.adopt()
        for thread in (self._heartbeat, *self._followers, self._renewing):
            thread.start()
        if self._manifests:
            self._manifests.start()

    def stop(self, within_s: float) -> None:
        """End all containers within so many seconds, and say so where somebody hears it."""
        self._stopping.set()
        if self._manifests:
            self._manifests.stop()
        for follower in self._followers:
            follower.stop()
        self._bound.stop(within_s)
        self._services.reporter.stop(within_s=2.0)
        self._heartbeat.stop()

    def _renew(self) -> None:
        while not self._stopping.wait(self._renew_s):
            self._binder.look()
            for worker in self._bound.workers():
                worker.renew()
