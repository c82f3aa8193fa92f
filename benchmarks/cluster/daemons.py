"""Nodes that are not there: each confirms what it is told and elects by priority, as a daemon's status would say."""

import queue
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from mooring_kube.client import Client
from mooring_kube.connection import Connection
from mooring_kube.errors import Conflict, KubeError, NotFound
from mooring_kube.follow import Follower
from mooring_kube.resources import NODE_CONFIGS

Document = dict[str, Any]
WORKERS = 6


class FakeDaemons:
    """Follows all NodeConfigs and answers each generation with a status; `interfaces` by node."""

    def __init__(self, connection: Connection, interfaces: Mapping[str, list[Document]]) -> None:
        self._interfaces = interfaces
        self._client = Client(connection, agent="fake-daemons", timeout_s=60.0)
        self._answered: dict[str, int] = {}
        self._best: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()
        self._todo: queue.SimpleQueue[Document | None] = queue.SimpleQueue()
        self._workers = [threading.Thread(target=self._work, daemon=True) for _ in range(WORKERS)]
        self._follower = Follower(self._client, NODE_CONFIGS, self)

    def start(self) -> None:
        for worker in self._workers:
            worker.start()
        self._follower.start()

    def stop(self) -> None:
        self._follower.stop()
        for _ in self._workers:
            self._todo.put(None)
        for worker in self._workers:
            worker.join()
        self._client.close()

    # -- the follower's handler

    def listed(self, items: Iterable[Document]) -> None:
        for item in items:
            self.changed(item)

    def changed(self, item: Document) -> None:
        name, generation = item["metadata"]["name"], item["metadata"]["generation"]
        with self._lock:
            if name not in self._interfaces or self._answered.get(name, 0) >= generation:
                return
            self._answered[name] = generation
        self._todo.put(item)

    def deleted(self, item: Document) -> None:
        with self._lock:
            self._answered.pop(item["metadata"]["name"], None)

    def failed(self, error: KubeError) -> None:
        """The follower goes on by itself."""

    # -- answering

    def _work(self) -> None:
        while (item := self._todo.get()) is not None:
            try:
                self._client.apply(
                    NODE_CONFIGS, self._status(item), manager="mooring-node", subresource="status", force=True
                )
            except (NotFound, Conflict):
                continue

    def _status(self, item: Document) -> Document:
        name, generation = item["metadata"]["name"], item["metadata"]["generation"]
        instances = (item.get("spec") or {}).get("instances") or []
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        states = [
            {
                "name": instance["name"],
                "state": "Active" if self._leads(name, instance) else "Backup",
                "sinceTime": now,
                "priority": instance["priority"],
                "transitions": 1,
            }
            for instance in instances
        ]
        status = {
            "observedGeneration": generation,
            "daemonVersion": "fake",
            "instances": states,
            "interfaces": self._interfaces[name],
        }
        return {"metadata": {"name": name}, "status": status}

    def _leads(self, node: str, instance: Document) -> bool:
        """Whether nobody with a higher priority has answered for this instance; the first choice always leads."""
        with self._lock:
            members = self._best.setdefault(instance["name"], {})
            members[node] = instance["priority"] if instance.get("eligible", True) else 0
            return members[node] == max(members.values()) > 0
