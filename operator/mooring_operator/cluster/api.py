"""The only place that writes to the API server."""

from collections.abc import Mapping
from typing import Any, Protocol, assert_never

from mooring_kube.client import Client, Listing
from mooring_kube.errors import NotFound
from mooring_kube.resources import (
    EVENTS,
    LEASES,
    NAMESPACES,
    NODE_CONFIGS,
    NODES,
    VIRTUAL_IPS,
    VIRTUAL_SERVERS,
    Resource,
)
from mooring_operator.cluster.slim import MANAGER, lean
from mooring_operator.cluster.view import parts_of
from mooring_operator.cluster.writes import Verb, Write

Document = dict[str, Any]

#: What is followed, by kind.
RESOURCES: Mapping[str, Resource] = {
    each.kind: each for each in (VIRTUAL_IPS, VIRTUAL_SERVERS, NODE_CONFIGS, NODES, NAMESPACES)
}
#: A Node with all its images is 20 KiB and more.
_PAGE = 100


class Cluster(Protocol):
    """What the operator asks of the API server; every call may raise a KubeError."""

    def list(self, kind: str) -> Listing:
        """All objects of a kind as they are at this moment."""

    def read(self, kind: str, name: str) -> Document | None:
        """One object as it is at this moment, a namespaced one by `namespace/name`; None when there is none."""

    def write(self, write: Write) -> Document | None:
        """Do it and give the object as it now is, None for a deleted one.

        Conflict: the object is no longer the one that the write was worked out from.
        """

    def event(self, document: Mapping[str, Any]) -> None:
        """Create or add to an event, in the namespace that it names."""


class ApiCluster:
    """A Cluster that is one."""

    def __init__(self, lister: Client, writer: Client) -> None:
        """Two clients, as lists and writes may take times of their own."""
        self._lister, self._client = lister, writer

    def list(self, kind: str) -> Listing:
        return self._lister.list(RESOURCES[kind], page=_PAGE, keep=lean)

    def read(self, kind: str, name: str) -> Document | None:
        namespace, own = parts_of(name)
        try:
            return self._client.get(RESOURCES[kind], own, namespace)
        except NotFound:
            return None

    def write(self, write: Write) -> Document | None:
        resource, (namespace, name) = RESOURCES[write.kind], parts_of(write.name)
        match write.verb:
            case Verb.CREATE:
                # Not an apply, which would write over what another leader has created meanwhile.
                head = {"apiVersion": resource.api_version, "kind": resource.kind}
                query = {"fieldManager": MANAGER}
                path = resource.path(namespace)
                return self._client.request("POST", path, query=query, body=head | dict(write.document))
            case Verb.APPLY | Verb.STATUS:
                subresource = "status" if write.verb is Verb.STATUS else None
                # By force: who else owns the field was told before, and the version keeps us from what is newer.
                document = _versioned(write)
                return self._client.apply(
                    resource, document, manager=MANAGER, force=True, subresource=subresource, namespace=namespace
                )
            case Verb.DELETE:
                self._client.delete(resource, name, namespace, uid=write.uid)
                return None
            case Verb.LOOK:
                return self.read(write.kind, write.name)
            case _:
                assert_never(write.verb)

    def event(self, document: Mapping[str, Any]) -> None:
        namespace = document["metadata"]["namespace"]
        self._client.apply(EVENTS, document, manager=MANAGER, force=True, namespace=namespace)


class ApiLease:
    """A LeaseKeeper in the cluster."""

    def __init__(self, client: Client, name: str, namespace: str) -> None:
        self._client, self._name, self._namespace = client, name, namespace

    def read(self) -> Document:
        return self._client.get(LEASES, self._name, self._namespace)

    def create(self, document: Document) -> Document:
        return self._client.create(LEASES, document, self._namespace)

    def replace(self, document: Document) -> Document:
        return self._client.replace(LEASES, document, self._namespace)


def _versioned(write: Write) -> Document:
    metadata = {**write.document["metadata"], "resourceVersion": write.resource_version}
    return {**write.document, "metadata": metadata}
