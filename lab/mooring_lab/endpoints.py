"""Pods for the lab's HTTP servers, and the EndpointSlices of the Services that select them. Pure.

The slices are what Kubernetes' own controller would write; a lab with a real API server has that one.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Document = dict[str, Any]
#: Where the lab's servers are, and their label `app`: those in pods, and those on nodes themselves.
PODS, HOSTS = "web", "edge"
_CONTROLLER = "endpointslice-controller.k8s.io"
_SERVICE_LABEL = "kubernetes.io/service-name"
_MANAGED_LABEL = "endpointslice.kubernetes.io/managed-by"


def namespace(*, on_host: bool) -> str:
    """Where a server's Pod is."""
    return HOSTS if on_host else PODS


def pod(name: str, node: str, addresses: Iterable[str], *, on_host: bool) -> Document:
    """A server's Pod, Running and Ready."""
    place = namespace(on_host=on_host)
    container = {
        "name": "web",
        "image": "mooring-lab/web",
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "low", "containerPort": 80}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": place, "labels": {"app": place}},
        "spec": {
            "nodeName": node,
            "containers": [container],
            "automountServiceAccountToken": False,
            "tolerations": [{"operator": "Exists"}],
            **({"hostNetwork": True} if on_host else {}),
        },
        "status": pod_status(addresses, ready=True),
    }


def pod_status(addresses: Iterable[str], *, ready: bool) -> Document:
    """What its kubelet would say of it."""
    given = [{"ip": address} for address in addresses]
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    container = {"name": "web", "ready": ready, "restartCount": 0, "image": "mooring-lab/web", "imageID": ""}
    return {
        "phase": "Running",
        "podIP": given[0]["ip"],
        "podIPs": given,
        "conditions": [condition],
        "containerStatuses": [{**container, "state": {"running": {}}}],
    }


def is_ours(slice_: Mapping[str, Any]) -> bool:
    """Whether an EndpointSlice is one that the controller keeps; others belong to whoever wrote them."""
    return bool((slice_["metadata"].get("labels") or {}).get(_MANAGED_LABEL) == _CONTROLLER)


def slices_of(service: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> tuple[Document, ...]:
    """A Service's slices, one for each family that it has; none for one without a selector."""
    selector = service["spec"].get("selector")
    if not selector:
        return ()
    space = service["metadata"].get("namespace", "default")
    chosen = sorted(
        (each for each in pods if _selected(each, space, selector)), key=lambda p: str(p["metadata"]["name"])
    )
    return tuple(_slice(service, family, chosen) for family in service["spec"].get("ipFamilies") or ("IPv4",))


def with_families(service: Mapping[str, Any]) -> Document:
    """A Service of a manifest with the families that the API server would give it."""
    both = service["spec"].get("ipFamilyPolicy", "SingleStack") != "SingleStack"
    families = ["IPv4", "IPv6"] if both else ["IPv4"]
    return {**service, "spec": {"ipFamilies": families, **service["spec"]}}


def _selected(pod: Mapping[str, Any], space: str, selector: Mapping[str, str]) -> bool:
    meta = pod["metadata"]
    labels = meta.get("labels") or {}
    phase = pod.get("status", {}).get("phase")
    return (
        meta.get("namespace") == space
        and phase not in ("Succeeded", "Failed")
        and all(labels.get(key) == value for key, value in selector.items())
    )


def _slice(service: Mapping[str, Any], family: str, pods: Iterable[Mapping[str, Any]]) -> Document:
    meta = service["metadata"]
    found = [endpoint for each in pods if (endpoint := _endpoint(each, family))]
    owner = {"apiVersion": "v1", "kind": "Service", "name": meta["name"], "uid": meta.get("uid", "")}
    owned = {"ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}]} if "uid" in meta else {}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{meta['name']}-{family.lower()}",
            "namespace": meta.get("namespace", "default"),
            "labels": {_SERVICE_LABEL: meta["name"], _MANAGED_LABEL: _CONTROLLER},
            **owned,
        },
        "addressType": family,
        "ports": [_port(each, pods) for each in service["spec"].get("ports") or ()],
        "endpoints": found,
    }


def _endpoint(pod: Mapping[str, Any], family: str) -> Document | None:
    status = pod.get("status", {})
    addresses = [each["ip"] for each in status.get("podIPs") or () if (":" in each["ip"]) == (family == "IPv6")]
    if not addresses:
        return None
    serving = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    terminating = "deletionTimestamp" in pod["metadata"]
    return {
        "addresses": addresses[:1],
        "conditions": {"ready": serving and not terminating, "serving": serving, "terminating": terminating},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {"kind": "Pod", "namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"]},
    }


def _port(port: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> Document:
    """A target port by name is that of the containers; all of the lab's pods have the same."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, str):
        named = {
            each["name"]: each["containerPort"]
            for one in pods
            for container in one["spec"]["containers"]
            for each in container.get("ports") or ()
            if "name" in each
        }
        target = named.get(target, port["port"])
    return {"name": port.get("name", ""), "protocol": port.get("protocol", "TCP"), "port": target}
