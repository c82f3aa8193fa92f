"""A Service's endpoints as its EndpointSlices tell them: compact, and by Kubernetes' rules for what is left out."""

from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NamedTuple

from mooring_api.balancing import Protocol
from mooring_api.vrrp import Family

#: The label of a slice that names its Service.
SERVICE_NAME = "kubernetes.io/service-name"
_FAMILIES = {"IPv4": Family.IPV4, "IPv6": Family.IPV6}


class EndpointState(IntEnum):
    """What is to be sent to an endpoint; of several words about one the greatest counts."""

    NOT_READY = 0
    """Nothing."""
    DRAINING = 1
    """It ends, and serves the connections that it has."""
    READY = 2
    """Whatever comes."""


class Endpoint(NamedTuple):
    """One address behind a Service."""

    address: str
    state: EndpointState = EndpointState.READY
    node: str | None = None
    """The Node that it runs on."""
    zone: str | None = None
    host: str | None = None
    """What it is: the name of a pod."""


class SlicePort(NamedTuple):
    """A port of all endpoints of a slice; `port` None: whichever the client names."""

    name: str
    protocol: Protocol
    port: int | None


class EndpointSlice(NamedTuple):
    """One slice of a Service's endpoints, all of one family and with the same ports."""

    family: Family
    ports: tuple[SlicePort, ...]
    endpoints: tuple[Endpoint, ...]


def service_of(document: Mapping[str, Any]) -> str | None:
    """`namespace/service` of an EndpointSlice's document; None for a slice of no Service."""
    metadata = _mapping(document.get("metadata"))
    name = _mapping(metadata.get("labels")).get(SERVICE_NAME)
    return f"{metadata.get('namespace', 'default')}/{name}" if name else None


def endpoint_slice(document: Mapping[str, Any]) -> EndpointSlice | None:
    """Read an EndpointSlice (discovery.k8s.io/v1); never raises. None: its addresses are names (FQDN).

    Of an endpoint's addresses the first counts: the others mean nothing, says Kubernetes.
    """
    family = _FAMILIES.get(str(document.get("addressType")))
    if family is None:
        return None
    ports = (_port(_mapping(each)) for each in _list(document.get("ports")))
    endpoints = (_endpoint(_mapping(each)) for each in _list(document.get("endpoints")))
    return EndpointSlice(
        family, tuple(port for port in ports if port), tuple(endpoint for endpoint in endpoints if endpoint)
    )


def _port(port: Mapping[str, Any]) -> SlicePort | None:
    """A null name is "", a null protocol TCP; a protocol that is not balanced makes no port."""
    protocol, number = port.get("protocol") or "TCP", port.get("port")
    if protocol not in Protocol.__members__ or not isinstance(number, int | None):
        return None
    return SlicePort(str(port.get("name") or ""), Protocol(protocol), number)


def _endpoint(endpoint: Mapping[str, Any]) -> Endpoint | None:
    addresses = _list(endpoint.get("addresses"))
    if not addresses:
        return None
    node, zone, host = endpoint.get("nodeName"), endpoint.get("zone"), _mapping(endpoint.get("targetRef")).get("name")
    return Endpoint(
        _canonical(str(addresses[0])),
        _state(_mapping(endpoint.get("conditions"))),
        str(node) if node else None,
        str(zone) if zone else None,
        str(host) if host else None,
    )


@lru_cache(maxsize=65536)
def _canonical(address: str) -> str:
    """As everybody else writes it, so that equal addresses are equal texts; what is no address stays as it is."""
    try:
        return str(ip_address(address))
    except ValueError:
        return address


def _state(conditions: Mapping[str, Any]) -> EndpointState:
    """Kubernetes' meaning of null: `ready` is true, `serving` is what ready is, `terminating` is false."""
    if conditions.get("ready") is not False:
        return EndpointState.READY
    draining = conditions.get("terminating") is True and conditions.get("serving") is True
    return EndpointState.DRAINING if draining else EndpointState.NOT_READY


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
