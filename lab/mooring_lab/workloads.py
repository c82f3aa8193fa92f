"""The lab's HTTP servers as pods of its API server: what kubelets would say of them."""

import json
from contextlib import suppress

from mooring_kube.client import Client
from mooring_kube.errors import NotFound
from mooring_kube.resources import NAMESPACES, PODS, SERVICE_ACCOUNTS
from mooring_lab import endpoints
from mooring_lab.rights import LabError
from mooring_lab.servers import Place, WebServer

_MANAGER = "mooring-lab"
#: As kubectl apply leaves a namespace, so that a person's manifests may hold it too.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def namespace_of(server: WebServer) -> str:
    """Where its Pod is."""
    return endpoints.namespace(on_host=server.place is Place.NODE)


def prepare(client: Client) -> None:
    """The namespaces that they are in."""
    for name in (endpoints.PODS, endpoints.HOSTS):
        applied = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"annotations": {}, "name": name}}
        namespace = {"metadata": {"name": name, "annotations": {_LAST_APPLIED: json.dumps(applied) + "\n"}}}
        client.apply(NAMESPACES, namespace, manager=_MANAGER, force=True)
        account = {"metadata": {"name": "default", "namespace": name}}
        client.apply(SERVICE_ACCOUNTS, account, manager=_MANAGER, force=True, namespace=name)


def register(client: Client, server: WebServer) -> None:
    """A new Pod, Running and Ready; nothing for a server that no cluster knows of."""
    if server.place is Place.SEGMENT:
        return
    remove(client, server)
    document = endpoints.pod(server.name, server.node, server.machine.own_addresses, on_host=server.place is Place.NODE)
    status = document.pop("status")
    client.create(PODS, document, namespace=namespace_of(server))
    client.merge_patch(PODS, server.name, {"status": status}, namespace_of(server), subresource="status")


def set_ready(client: Client, server: WebServer, ready: bool) -> None:
    """Say what its readiness probe found; nothing for a server that no cluster knows of."""
    if server.place is not Place.SEGMENT:
        status = endpoints.pod_status(server.machine.own_addresses, ready=ready)
        client.merge_patch(PODS, server.name, {"status": status}, namespace_of(server), subresource="status")


def drain(client: Client, server: WebServer) -> None:
    """Delete its Pod, as a rollout does: it is Terminating, and still serves. LabError where it has none."""
    if server.place is Place.SEGMENT:
        raise LabError(f"{server.name} is no pod; set its weight to 0 where it is listed")
    client.delete(PODS, server.name, namespace_of(server))


def remove(client: Client, server: WebServer) -> None:
    """Its Pod is gone at once; nothing happens where it has none."""
    with suppress(NotFound):
        client.request("DELETE", PODS.path(namespace_of(server), server.name), body={"gracePeriodSeconds": 0})
