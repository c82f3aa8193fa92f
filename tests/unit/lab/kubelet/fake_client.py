"""An API server that a test holds in its hand."""

import threading
from collections.abc import Callable
from typing import Any

from tests.unit.lab.kubelet.pods import Document

from mooring_kube.errors import NotFound
from mooring_kube.resources import Resource


class FakeClient:
    """Remembers what it was asked, and answers with the errors it is given, one by one.

    Reading answers from `objects`, by namespace and name, and is remembered apart.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Document]] = []
        self.errors: list[Exception] = []
        self.meanwhile: list[Callable[[], None]] = []
        """What happens while it is asked."""
        self.objects: dict[tuple[str | None, str], Document] = {}
        self.read: list[str] = []
        self.deaf: Exception | None = None
        """What reading raises."""
        self.heard = threading.Condition()

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Document:
        self.read.append(f"{resource.kind}/{name}")
        if self.deaf:
            raise self.deaf
        if (namespace, name) not in self.objects:
            raise NotFound(404, "NotFound", name)
        return self.objects[namespace, name]

    def request(self, method: str, path: str, *, body: Document) -> Document:
        return self._take(method, path, body)

    def apply(self, _resource: object, document: Document, *, namespace: str | None = None, **_: Any) -> Document:
        return self._take("APPLY", f"{namespace}/{document['metadata']['name']}", document)

    def create(self, resource: Resource, document: Document, _namespace: str | None = None) -> Document:
        self._take("CREATE", resource.kind, document)
        return document | {"metadata": document["metadata"] | {"uid": "u-1", "resourceVersion": "1"}}

    def merge_patch(
        self, resource: Resource, name: str, patch: Document, namespace: str | None = None, **_: Any
    ) -> Document:
        self._take("PATCH", f"{resource.kind}/{name}", patch)
        return self.objects.get((namespace, name), patch)

    def wait(self, count: int) -> list[tuple[str, str]]:
        with self.heard:
            assert self.heard.wait_for(lambda: len(self.asked) >= count, 30)
            return [(method, path) for method, path, _ in self.asked]

    def _take(self, method: str, path: str, body: Document) -> Document:
        if self.meanwhile:
            self.meanwhile.pop()()
        with self.heard:
            self.asked.append((method, path, body))
            self.heard.notify_all()
            if self.errors:
                raise self.errors.pop(0)
        return {}
