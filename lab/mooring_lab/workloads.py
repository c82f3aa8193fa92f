"""The lab's HTTP servers as pods of its API server: what kubelets would say of them."""

import json
from contextlib import suppress

from mooring_kube.client import Client
from mooring_kube.errors import NotFound
from mooring_kube.resources import NAMESPACES, PODS, SERVICE_ACCOUNTS
from mooring_lab import endpoints
from mooring_lab.rights import LabError
from mooring_lab.servers import Place, WebServer

NAMESPACE = endpoints.NAMESPACE
_MANAGER = "mooring-lab"
#: As kubectl apply leaves it, so that a person's manifests may hold it too.
_APPLIED = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"annotations": {}, "name": NAMESPACE}}
_ANNOTATIONS = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(_APPLIED) + "\n"}


def prepare(client: Client) -> None:
    """The namespace that they are in."""
    namespace = {"metadata": {"name": NAMESPACE, "annotations": _ANNOTATIONS}}
    client.apply(NAMESPACES, namespace, manager=_MANAGER, force=True)
    account = {"metadata": {"name": "default", "namespace": NAMESPACE}}
    client.apply(SERVICE_ACCOUNTS, account, manager=_MANAGER, force=True, namespace=NAMESPACE)


def register(client: Client, server: WebServer) -> None:
    """A new Pod, Running and Ready; nothing for a server that no cluster knows of."""
    if server.place is Place.SEGMENT:
        return
    remove(client, server)
    document = endpoints.pod(server.name, server.node, server.machine.own_addresses, on_host=server.place is Place.NODE)
    status = document.pop("status")
    client.create(PODS, document, namespace=NAMESPACE)
    client.merge_patch(PODS, server.name, {"status": status}, NAMESPACE, subresource="status")


def set_ready(client: Client, server: WebServer, ready: bool) -> None:
    """Say what its readiness probe found; nothing for a server that no cluster knows of."""
    if server.place is not Place.SEGMENT:
        status = endpoints.pod_status(server.machine.own_addresses, ready=ready)
        client.merge_patch(PODS, server.name, {"status": status}, NAMESPACE, subresource="status")


def drain(client: Client, server: WebServer) -> None:
    """Delete its Pod, as a rollout does: it is Terminating, and still serves. LabError where it has none."""
    if server.place is Place.SEGMENT:
        raise LabError(f"{server.name} is no pod; set its weight to 0 where it is listed")
    client.delete(PODS, server.name, NAMESPACE)


def remove(client: Client, server: WebServer) -> None:
    """Its Pod is gone at once; nothing happens where it has none."""
    with suppress(NotFound):
        client.request("DELETE", PODS.path(NAMESPACE, server.name), body={"gracePeriodSeconds": 0})
