"""An API server in memory for the operator's tests: versions, generations, conflicts, and whatever goes wrong."""

import copy
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from mooring_kube.client import Listing
from mooring_kube.errors import Conflict, NotFound, Unreachable
from mooring_operator.cluster.view import name_of
from mooring_operator.cluster.writes import Verb, Write

Document = dict[str, Any]


class Killed(BaseException):
    """The operator's process ends at this moment."""


class FakeApi:
    """A Cluster as the operator's threads see one.

    `before` and `after` are called around each write and may raise: Killed before or after it is done, Unreachable
    after it is done for a reply that never comes.
    """

    def __init__(self, documents: list[Document] | None = None) -> None:
        self.objects: dict[tuple[str, str], Document] = {}
        self.log: list[Write] = []
        self.idle: list[Write] = []
        """Those that changed nothing."""
        self.events: list[Mapping[str, Any]] = []
        self.now = 0.0
        """Everybody's clock, in seconds."""
        self.before: Callable[[Write], None] = nothing
        self.after: Callable[[Write], None] = nothing
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)
        for document in documents or ():
            self.add(document)

    # -- what a test does

    def add(self, document: Document) -> Document:
        """Create or overwrite, as another client does."""
        key = document["kind"], name_of(document) or ""
        before = self.objects.get(key)
        changed = before is None or before.get("spec") != document.get("spec")
        generation = (before["metadata"]["generation"] if before else 0) + changed
        uid = before["metadata"]["uid"] if before else f"uid-{next(self._uids)}"
        metadata = {**document["metadata"], "uid": uid, "generation": generation}
        metadata["resourceVersion"] = str(next(self._versions))
        self.objects[key] = copy.deepcopy(document) | {"metadata": metadata}
        return copy.deepcopy(self.objects[key])

    def remove(self, kind: str, name: str) -> None:
        del self.objects[kind, name]
        next(self._versions)

    def get(self, kind: str, name: str) -> Document:
        return copy.deepcopy(self.objects[kind, name])

    def all(self, kind: str) -> dict[str, Document]:
        return {name: copy.deepcopy(d) for (of, name), d in sorted(self.objects.items()) if of == kind}

    def report(self, node: str, interfaces: Mapping[str, list[str]], **more: Any) -> Document:
        """A daemon's word: its interfaces, and that it runs what it was given."""
        document = self.get("NodeConfig", node)
        listed = [
            {"name": name, "mac": "02:00:00:00:00:01", "addresses": own, "carrier": True, "mtu": 1500}
            for name, own in interfaces.items()
        ]
        generation = document["metadata"]["generation"]
        document["status"] = {"observedGeneration": generation, "interfaces": listed, **more}
        return self.add(document)

    # -- what the operator does

    def list(self, kind: str) -> Listing:
        return Listing(tuple(self.all(kind).values()), str(next(self._versions)))

    def read(self, kind: str, name: str) -> Document | None:
        return copy.deepcopy(self.objects.get((kind, name)))

    def write(self, write: Write) -> Document | None:
        self.before(write)
        self.log.append(write)
        reply = self._do(write)
        self.after(write)
        return reply

    def event(self, document: Mapping[str, Any]) -> None:
        self.events.append(document)

    def _do(self, write: Write) -> Document | None:
        stands = self.objects.get((write.kind, write.name))
        if write.verb is Verb.CREATE:
            if stands is not None:
                raise Conflict(409, "AlreadyExists", f"{write.name} already exists")
            return self.add({"apiVersion": "mooring.dev/v1alpha1", "kind": write.kind, **copy.deepcopy(write.document)})
        if stands is None:
            raise NotFound(404, "NotFound", f"{write.name} not found")
        if write.verb is Verb.DELETE:
            if write.uid != stands["metadata"]["uid"]:
                raise Conflict(409, "Conflict", "the UID in the precondition is another")
            self.remove(write.kind, write.name)
            return None
        if write.resource_version != stands["metadata"]["resourceVersion"]:
            raise Conflict(409, "Conflict", "the object has been modified")
        part = "status" if write.verb is Verb.STATUS else "spec"
        document = copy.deepcopy(stands)
        document[part] = copy.deepcopy(write.document[part])
        if part == "spec":
            annotations = write.document["metadata"].get("annotations")
            document["metadata"].pop("annotations", None)
            document["metadata"] |= {"annotations": dict(annotations)} if annotations else {}
        if document == stands:
            self.idle.append(write)
            return copy.deepcopy(stands)
        return self.add(document)


def nothing(_: Write) -> None:
    """For `before` and `after`: all is well."""


def lost_reply(write: Write) -> None:
    """For `after`: it was done, and nobody learns of it."""
    raise Unreachable(f"{write}: timed out")
