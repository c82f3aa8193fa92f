"""A registry in this process, and a server in another."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mooring_lab.api.embedded.documents import Ask
from mooring_lab.api.embedded.kinds import Kind
from mooring_lab.api.embedded.registry import Registry
from mooring_lab.api.embedded.store import Store
from mooring_lab.api.embedded_api import EmbeddedApi

NOW = "2026-01-01T00:00:00Z"
SHIPS = yaml.safe_load("""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ships.harbour.test}
spec:
  group: harbour.test
  scope: Namespaced
  names: {kind: Ship, plural: ships}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              x-kubernetes-validations: [{rule: "!has(self.flag) || self.flag != 'black'", message: no pirates}]
              properties:
                flag: {type: string, maxLength: 9, default: white}
                masts: {type: integer}
                crew:
                  type: array
                  maxItems: 5
                  x-kubernetes-list-type: map
                  x-kubernetes-list-map-keys: [name]
                  items: {type: object, required: [name], properties: {name: {type: string}, age: {type: integer}}}
            status: {type: object, properties: {port: {type: string}}}
""")


class Harbour:
    """A registry with a definition of ships, and short words for what tests do with it."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.create("customresourcedefinitions", SHIPS)

    def kind(self, plural: str) -> Kind:
        return next(kind for kind in self.registry.kinds.values() if kind.plural == plural)

    def create(self, plural: str, document: Any, namespace: str = "default", ask: Ask | None = None) -> Any:
        kind = self.kind(plural)
        where = namespace if kind.namespaced else ""
        return self.registry.create(kind, where, document, ask or Ask("test", NOW)).body

    def ship(self, name: str, namespace: str = "default", **meta: Any) -> Any:
        head = {"apiVersion": "harbour.test/v1", "kind": "Ship", "metadata": {"name": name, **meta}}
        return self.create("ships", head, namespace)

    def get(self, plural: str, name: str, namespace: str = "default") -> Any:
        kind = self.kind(plural)
        found = self.registry.store.get(kind.bucket, (namespace if kind.namespaced else "", name))
        return found.body if found else None

    def delete(self, plural: str, name: str, namespace: str = "default", **options: Any) -> Any:
        kind = self.kind(plural)
        return self.registry.delete(kind, (namespace if kind.namespaced else "", name), options, Ask("test", NOW))


@pytest.fixture
def harbour(tmp_path: Path) -> Harbour:
    return Harbour(Registry(Store(tmp_path, 100), NOW))


@pytest.fixture
def api(tmp_path: Path) -> Iterator[EmbeddedApi]:
    """A server of a test's own."""
    api = EmbeddedApi(tmp_path / "api")
    api.start()
    try:
        yield api
    finally:
        api.stop()
