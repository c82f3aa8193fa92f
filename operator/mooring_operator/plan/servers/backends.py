"""Which backends a port has: endpoints of its Service and static servers, and why others are left out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from pydantic import ValidationError

from mooring_api.balancing import ConnectionLimits, Forwarding, OnFailure, Protocol, SorryServer
from mooring_api.node_server import MAX_BACKENDS, NodeBackend
from mooring_api.virtualserver import StaticServer, VirtualServer
from mooring_api.vrrp import Family
from mooring_operator.plan.endpoints import Endpoint, EndpointSlice, EndpointState
from mooring_operator.plan.servers.plans import LeftOut, ServerReason
from mooring_operator.plan.servers.reach import Reach


class Wanted(NamedTuple):
    """A port that backends are sought for. `port` and `target_port` are None for a firewall mark."""

    port: int | None
    target_port: int | None
    protocol: Protocol
    addresses: tuple[str, ...]
    service_port: str | None
    """The name of the Service's port; None: whichever (a firewall mark), or there is none."""
    beside: frozenset[Family] = frozenset()
    """Families that have an entry of their own (a firewall mark)."""

    @property
    def families(self) -> frozenset[Family]:
        return frozenset(map(family_of, self.addresses))


class Candidate(NamedTuple):
    """A backend, with what decides on which nodes it counts."""

    backend: NodeBackend
    zone: str | None = None
    """That of an endpoint; of a static server: none, so that it counts in all."""
    endpoint: bool = False
    homes: tuple[str, ...] = ()
    """Without NAT: the node whose own address it is, which must answer for the virtual one; two that both claim it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is for a port, static servers first, then endpoints, those that drain last."""

    candidates: tuple[Candidate, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    not_ready: tuple[Candidate, ...] = ()
    """Without NAT: endpoints that get nothing now; their nodes answer on for the connections that they have."""


def family_of(address: str) -> Family:
    return Family.IPV6 if ":" in address else Family.IPV4


def find(server: VirtualServer, wanted: Wanted, slices: Sequence[EndpointSlice], reach: Reach) -> Found:
    """The backends of a port; `slices` are those of its Service, in any order."""
    candidates: dict[tuple[str, int | None], Candidate] = {}
    left_out: list[LeftOut] = []
    endpoints = _endpoints(wanted, slices)
    for index, static in enumerate(server.spec.backends.servers):
        made = _static(server, static, index, wanted, reach)
        if isinstance(made, Candidate) and (key := _key(made.backend, wanted)) in candidates:
            made = LeftOut(static.address, f"stands twice with port {key[1]}", ServerReason.BACKENDS_LEFT_OUT)
        if isinstance(made, LeftOut):
            left_out.append(made)
        else:
            candidates[_key(made.backend, wanted)] = made
    for endpoint, port in endpoints:
        made = _endpoint(server, endpoint, port, wanted, reach)
        if isinstance(made, Candidate) and _key(made.backend, wanted) in candidates:
            made = LeftOut(endpoint.address, "is a static server already, which counts", None)
        if isinstance(made, LeftOut):
            left_out.append(made)
        else:
            candidates[_key(made.backend, wanted)] = made
    return Found(tuple(candidates.values()), tuple(left_out), tuple(_not_ready(server, endpoints, wanted, reach)))


def _not_ready(
    server: VirtualServer, endpoints: Iterable[tuple[Endpoint, int | None]], wanted: Wanted, reach: Reach
) -> Iterator[Candidate]:
    """As they were when they ended: what is refused of a ready one is refused of them."""
    if server.spec.forwarding is Forwarding.NAT:
        return
    for endpoint, port in endpoints:
        if endpoint.state is EndpointState.NOT_READY:
            made = _endpoint(server, endpoint._replace(state=EndpointState.DRAINING), port, wanted, reach)
            if isinstance(made, Candidate) and made.homes:
                yield made


def _key(backend: NodeBackend, wanted: Wanted) -> tuple[str, int | None]:
    return backend.address, backend.port or wanted.port


def _endpoints(wanted: Wanted, slices: Iterable[EndpointSlice]) -> list[tuple[Endpoint, int | None]]:
    """Each endpoint once with its port, by state and then by address: while slices change it may be in two."""
    best: dict[tuple[str, int | None], Endpoint] = {}
    for each in slices:
        for port in _ports(wanted, each):
            for endpoint in each.endpoints:
                key = endpoint.address, port
                known = best.get(key)
                if known is None or _rank(endpoint) > _rank(known):
                    best[key] = endpoint
    found = ((endpoint, port) for (_, port), endpoint in best.items())
    return sorted(found, key=lambda pair: (-pair[0].state, _order(pair[0].address), pair[1] or 0))


def _ports(wanted: Wanted, each: EndpointSlice) -> Iterator[int | None]:
    if wanted.port is None:
        if wanted.service_port is None or any(port.name == wanted.service_port for port in each.ports):
            yield None
        return
    numbers = (p.port for p in each.ports if p.name == wanted.service_port and p.protocol is wanted.protocol)
    yield from dict.fromkeys(wanted.port if number is None else number for number in numbers)


def _rank(endpoint: Endpoint) -> tuple[int, str, str, str]:
    return endpoint.state, endpoint.node or "", endpoint.zone or "", endpoint.host or ""


@lru_cache(maxsize=65536)
def _order(address: str) -> tuple[int, int, str]:
    """By family, then by number; what is no address comes last."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return 9, 0, address
    return parsed.version, int(parsed), address


def _static(
    server: VirtualServer, static: StaticServer, index: int, wanted: Wanted, reach: Reach
) -> Candidate | LeftOut:
    backends, forwarding = server.spec.backends, static.forwarding or server.spec.forwarding
    port = None if wanted.port is None else static.port or wanted.target_port or wanted.port
    # A tunnel may lead through the other family.
    if forwarding is not Forwarding.TUNNEL and (family := family_of(static.address)) not in wanted.families:
        if family in wanted.beside:
            return LeftOut(static.address, "stands in the entry of its own family")
        why = f"no virtual address is of its family; remove spec.backends.servers[{index}]"
        return LeftOut(static.address, why, ServerReason.BACKENDS_LEFT_OUT)
    if static.address in wanted.addresses:
        return LeftOut(static.address, "is the virtual address itself", ServerReason.BACKENDS_LEFT_OUT)
    if refused := reach.of(static.address):
        return refused
    if wanted.port is None and static.port is not None:
        why = f"a firewall mark leaves ports as they are; remove spec.backends.servers[{index}].port"
        return LeftOut(static.address, why, ServerReason.BACKENDS_LEFT_OUT)
    if refusal := _other_port(server, forwarding, port, wanted):
        return LeftOut(static.address, refusal, ServerReason.FORWARDING_CONFLICT)
    backend = _backend(
        static.address,
        port if forwarding is Forwarding.NAT else None,
        static.weight,
        static.connection_limits or backends.connection_limits,
        static.on_failure or backends.on_failure,
        static.forwarding,
        None,
    )
    homes = () if forwarding is Forwarding.NAT else reach.hosts.homes(static.address)
    return Candidate(backend, homes=homes)


_NEAR = "use pods with hostNetwork: true, or forwarding: NAT"


def _endpoint(
    server: VirtualServer, endpoint: Endpoint, port: int | None, wanted: Wanted, reach: Reach
) -> Candidate | LeftOut:
    backends, forwarding = server.spec.backends, server.spec.forwarding
    address, service = endpoint.address, server.spec.backends.service
    assert service is not None, "endpoints come from a Service"
    if family_of(address) not in wanted.families:
        return LeftOut(address, "no virtual address is of its family", None)
    if endpoint.state is EndpointState.NOT_READY:
        return LeftOut(address, "is not ready", None)
    if address in wanted.addresses:
        return LeftOut(address, "is the virtual address itself", ServerReason.BACKENDS_LEFT_OUT)
    if refused := reach.of_endpoint(address, endpoint.node):
        return refused
    direct = forwarding is not Forwarding.NAT
    # Before the port: another port would not mend it.
    if direct and endpoint.node is not None and not reach.hosts.has(endpoint.node, address):
        why = f"is on the pod network of {endpoint.node}, where {forwarding} can't reach it: {_NEAR}"
        return LeftOut(
            address, why, ServerReason.FORWARDING_CONFLICT, f"endpoints are on the pod network ({{}}): {_NEAR}"
        )
    if refusal := _other_port(server, forwarding, port, wanted):
        return LeftOut(address, refusal, ServerReason.FORWARDING_CONFLICT)
    try:
        backend = _backend(
            address,
            None if direct else port,
            service.weight if endpoint.state is EndpointState.READY else 0,
            backends.connection_limits,
            backends.on_failure,
            None,
            endpoint.host,
        )
    except ValidationError:
        return LeftOut(address, "is no address that packets can be sent to", ServerReason.BACKENDS_LEFT_OUT)
    homes: tuple[str, ...] = ()
    if direct:
        homes = reach.hosts.homes(address) if endpoint.node is None else (endpoint.node,)
    return Candidate(backend, endpoint.zone, True, homes)


def _other_port(server: VirtualServer, forwarding: Forwarding, port: int | None, wanted: Wanted) -> str | None:
    """Why packets can't come to that port: what is handed on as it is keeps its own.

    So does with persistence what the kernel has a service of a mark for, by NAT too (ip_vs_sched_persist).
    """
    if port == wanted.port:
        return None
    beside = _handed_on(server)
    marked = wanted.port is None or beside is not None
    if forwarding is Forwarding.NAT and not (marked and server.spec.persistence is not None):
        return None
    if wanted.port is None:
        return f"listens on {port}, and a firewall mark leaves ports as they are: remove the port"
    if forwarding is Forwarding.NAT:
        return (
            f"listens on {port}, and beside {beside} persistence leaves {wanted.port} as it is: let it listen on"
            f" {wanted.port}, or remove spec.persistence"
        )
    return (
        f"listens on {port}, and {forwarding} leaves {wanted.port} as it is: let it listen on {wanted.port}, or set"
        " forwarding: NAT"
    )


def _handed_on(server: VirtualServer) -> Forwarding | None:
    """How packets leave for any of its servers but by NAT: its services are then of a mark on every node.

    Nodes tell it from their NodeConfigs in the same way (judge/balance.py).
    """
    spec = server.spec
    ways = [spec.forwarding, *(static.forwarding for static in spec.backends.servers)]
    if spec.sorry_server is not None:
        ways.append(spec.sorry_server.forwarding)
    return next((way for way in ways if way not in (None, Forwarding.NAT)), None)


@lru_cache(maxsize=65536)
def _backend(
    address: str,
    port: int | None,
    weight: int,
    limits: ConnectionLimits | None,
    on_failure: OnFailure,
    forwarding: Forwarding | None,
    host: str | None,
) -> NodeBackend:
    """The same few are asked for again whenever one of their Service changes."""
    return NodeBackend(
        address=address,
        port=port,
        weight=weight,
        connection_limits=limits,
        on_failure=on_failure,
        forwarding=forwarding,
        host=host,
    )


def sorry_of(server: VirtualServer, wanted: Wanted, reach: Reach) -> SorryServer | LeftOut | None:
    """The sorry server as this port can use it, or why it can't."""
    sorry = server.spec.sorry_server
    if sorry is None:
        return None
    if refused := reach.of(sorry.address):
        return refused._replace(why=f"the sorry server {refused.why}")
    forwarding = sorry.forwarding or server.spec.forwarding
    if forwarding is not Forwarding.TUNNEL and (family := family_of(sorry.address)) not in wanted.families:
        if family in wanted.beside:
            return None
        why = "no virtual address is of the sorry server's family"
        return LeftOut(sorry.address, why, ServerReason.BACKENDS_LEFT_OUT)
    if refusal := _other_port(server, forwarding, sorry.port or wanted.port, wanted):
        return LeftOut(sorry.address, f"the sorry server {refusal}", ServerReason.FORWARDING_CONFLICT)
    return sorry


def of_zone(candidates: Sequence[Candidate], zone: str | None) -> tuple[NodeBackend, ...]:
    """Those that a node of that zone balances over: its own zone's endpoints while one of them is ready; at most 1,024.

    `zone` None: all.
    """
    near = zone is not None and any(c.endpoint and c.zone == zone and c.backend.weight for c in candidates)
    chosen = (c.backend for c in candidates if not (near and c.endpoint and c.zone != zone))
    return tuple(chosen)[:MAX_BACKENDS]


def beyond(candidates: Sequence[Candidate], zones: Iterable[str | None]) -> int:
    """How many backends at most are left out on a node, because one service takes no more."""
    if len(candidates) <= MAX_BACKENDS:
        return 0
    counts: Mapping[str | None, int] = {
        zone: sum(not (c.endpoint and zone is not None and c.zone != zone) for c in candidates) for zone in zones
    }
    return max(0, max(counts.values(), default=0) - MAX_BACKENDS)
