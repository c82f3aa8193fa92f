"""Registers the node, says that it is Ready, and renews its Lease."""

import os
import platform
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mooring_kube.client import Client
from mooring_kube.errors import KubeError, NotFound
from mooring_kube.follow import pause_s
from mooring_kube.resources import LEASES, NODES
from mooring_lab.kubelet import node_object
from mooring_lab.kubelet.facts import NodeFacts
from mooring_lab.kubelet.node_object import LEASE_NAMESPACE, Machine
from mooring_lab.kubelet.reporter import MANAGER

#: kubelet's own periods: the Lease, and the status where nothing in it has changed.
LEASE_PERIOD_S = 10.0
STATUS_PERIOD_S = 300.0


class Heartbeat(threading.Thread):
    """A thread that does so until `stop`."""

    def __init__(self, client: Client, node: NodeFacts, log: Callable[[str], None]) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._client = client
        self._node = node
        self._log = log
        self._machine = read_machine()
        self._stopping = threading.Event()

    def run(self) -> None:
        failures = 0
        said_at = -STATUS_PERIOD_S
        while not self._stopping.is_set():
            try:
                found = self._registered()
                if time.monotonic() >= said_at + STATUS_PERIOD_S or not _is_ready(found):
                    self._say(found, ready=True)
                    said_at = time.monotonic()
                self._renew(found["metadata"]["uid"])
                failures = 0
            except KubeError as error:
                failures += 1
                self._log(f"heartbeat: {error}")
            pause = pause_s(failures, random.random()) if failures else LEASE_PERIOD_S
            self._stopping.wait(pause)

    def stop(self) -> None:
        """Say that the node is not Ready any more, if the API server hears it, and end."""
        self._stopping.set()
        self.join()
        try:
            self._say(self._client.get(NODES, self._node.name), ready=False)
        except KubeError as error:
            self._log(f"heartbeat: {error}")

    def _registered(self) -> dict[str, Any]:
        """The Node, with kubelet's labels; made where there is none."""
        wanted = node_object.labels(self._node.name, self._machine)
        try:
            found = self._client.get(NODES, self._node.name)
        except NotFound:
            return self._client.create(NODES, node_object.node(self._node.name, self._machine))
        if wanted.items() <= (found["metadata"].get("labels") or {}).items():
            return found
        return self._client.merge_patch(NODES, self._node.name, {"metadata": {"labels": wanted}})

    def _say(self, found: dict[str, Any], *, ready: bool) -> None:
        """A patch, not server-side apply: that takes two addresses of one type for one and refuses them."""
        name, version = self._node.name, found["metadata"]["resourceVersion"]
        conditions = (found.get("status") or {}).get("conditions") or ()
        before = {said["type"]: said for said in conditions}
        status = node_object.status(name, self._node.addresses, self._machine, before, time.time(), ready=ready)
        ours = {said["type"] for said in status["conditions"]}
        status["conditions"] = [said for said in conditions if said["type"] not in ours] + status["conditions"]
        patch = {"metadata": {"resourceVersion": version}, "status": status}
        self._client.merge_patch(NODES, name, patch, subresource="status")

    def _renew(self, uid: str) -> None:
        document = node_object.lease(self._node.name, uid, time.time())
        self._client.apply(LEASES, document, manager=MANAGER, force=True, namespace=LEASE_NAMESPACE)


def _is_ready(found: dict[str, Any]) -> bool:
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any(said["type"] == "Ready" and said["status"] == "True" for said in conditions)


def read_machine() -> Machine:
    """This machine, as far as it says."""
    system = os.uname()
    try:
        image = platform.freedesktop_os_release().get("PRETTY_NAME", system.sysname)
    except OSError:
        image = system.sysname
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    boot, machine = _line("/proc/sys/kernel/random/boot_id"), _line("/etc/machine-id")
    return Machine(system.release, system.machine, image, boot, machine, os.cpu_count() or 1, memory)


def _line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
