"""Builders of VirtualServers and of what they balance over, as a cluster would hand them over."""

from collections.abc import Mapping, Sequence
from typing import Any

Document = dict[str, Any]


def virtual_server(key: str, virtual_ip: str = "web", created: int | None = 0, **spec: Any) -> Document:
    """`namespace/name` made `created` minutes after noon; left out: 443/TCP over the Service of its name."""
    namespace, _, name = key.partition("/")
    metadata: Document = {"namespace": namespace, "name": name, "uid": f"uid-{key}", "generation": 1}
    if created is not None:
        metadata["creationTimestamp"] = f"2026-01-01T12:{created:02d}:00Z"
    body: Document = {"virtualIPRef": {"name": virtual_ip}, "backends": {"service": {"name": name}}}
    if "firewallMark" not in spec:
        body["ports"] = [{"name": "https", "port": 443}]
    return {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VirtualServer",
        "metadata": metadata,
        "spec": body | spec,
    }


def endpoint(
    address: str, node: str | None = None, zone: str | None = None, pod: str | None = None, **conditions: bool | None
) -> Document:
    """One endpoint; ready where no condition is given."""
    found: Document = {"addresses": [address], "conditions": conditions or {"ready": True}}
    found |= {"nodeName": node} if node else {}
    found |= {"zone": zone} if zone else {}
    found |= {"targetRef": {"kind": "Pod", "name": pod}} if pod else {}
    return found


def endpoint_slice(
    service: str,
    endpoints: Sequence[str | Document],
    ports: Mapping[str, int | None] | Sequence[Document] | None = None,
    suffix: str = "1",
    **fields: Any,
) -> Document:
    """A slice of `namespace/service`; `ports` name to number, all TCP."""
    namespace, _, name = service.partition("/")
    listed = [endpoint(each) if isinstance(each, str) else each for each in endpoints]
    if ports is None:
        ports = {"https": 8443}
    if isinstance(ports, Mapping):
        ports = [{"name": n, "port": number, "protocol": "TCP"} for n, number in ports.items()]
    six = bool(listed) and ":" in listed[0]["addresses"][0]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": namespace,
            "name": f"{name}-{suffix}",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv6" if six else "IPv4",
        "ports": list(ports),
        "endpoints": listed,
    } | fields


def namespace(name: str, **labels: str) -> Document:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


ALL = {"from": "All"}
EVERYTHING = ["StaticServers", "ConnectAddress", "Script", "FirewallMark"]
