"""VirtualServer: connections to a VirtualIP, balanced over backends that are healthy."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mooring_api.balancing import (
    MARK_IS_FREE,
    MARK_IS_NOT_FREE,
    ChecksOn,
    ConnectionLimits,
    FirewallMark,
    Forwarding,
    InitialState,
    Masquerade,
    OnEnd,
    OnFailure,
    Persistence,
    Protocol,
    Quorum,
    Scheduler,
    SchedulerFlag,
    ServerNotification,
    SorryServer,
    Tunnel,
    Weight,
    is_free,
)
from mooring_api.duration import Duration
from mooring_api.health_check import MAX_CHECKS, HealthCheck, Port
from mooring_api.nodeconfig import Metadata
from mooring_api.virtualserver_status import VirtualServerStatus
from mooring_api.wire import Check, Flag, Location, PlainAddress, Rule, Wire, duration, keyed_by

PortName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
MAX_PORTS = 64
MAX_STATIC_SERVERS = 256


class VirtualIPReference(Wire):
    """The VirtualIP whose addresses are used; it must allow this namespace."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Its name."""


class ServerPort(Wire):
    """A port of the addresses."""

    name: PortName
    """Unique here; where backends.service names no port, the Service's port of this name is used."""
    port: Port
    """What clients connect to."""
    protocol: Protocol = Protocol.TCP
    """What is balanced."""
    target_port: Port | None = None
    """The port of static servers that name none; left out: port. A Service's endpoints have their own."""


class Zones(StrEnum):
    """PreferSame: a node balances over the endpoints of its own zone while there are any."""

    ANY = "Any"
    PREFER_SAME = "PreferSame"


class ServiceBackends(Wire):
    """A Service of the same namespace; its EndpointSlices are followed."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Its name."""
    port: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """The name of its port; left out: the one of the same name as the port here, or the only one."""
    weight: Weight = 1
    """Of each endpoint."""
    zones: Zones = Zones.ANY


class StaticServer(Wire):
    """A server that is no endpoint of a Service."""

    address: PlainAddress
    """Its address."""
    port: Port | None = None
    """Left out: targetPort."""
    weight: Weight = 1
    """0: it gets no new connections."""
    connection_limits: ConnectionLimits | None = None
    on_failure: OnFailure | None = None
    """Left out: that of backends."""
    forwarding: Forwarding | None = None
    """Left out: the VirtualServer's; keepalived's lvs_method."""


class Backends(Wire):
    """Who gets the connections."""

    service: ServiceBackends | None = None
    servers: Annotated[tuple[StaticServer, ...], Field(max_length=MAX_STATIC_SERVERS)] = ()
    """Beside the Service's endpoints, or instead of a Service."""
    on_failure: OnFailure = OnFailure.REMOVE
    connection_limits: ConnectionLimits | None = None
    """Of each backend that has none of its own."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.service) || (has(self.servers) && self.servers.size() > 0)",
            message="name a service, or list servers",
            holds=lambda b: b.service is not None or bool(b.servers),
        ),
    )


class ConnectionSyncMode(StrEnum):
    """Whether other nodes are told of established connections, so that they outlive their director."""

    DISABLED = "Disabled"
    ENABLED = "Enabled"


def _twice(spec: "VirtualServerSpec") -> Iterator[tuple[Location, str]]:
    seen: set[tuple[int, Protocol]] = set()
    for index, each in enumerate(spec.ports):
        if (each.port, each.protocol) in seen:
            yield ("ports", index, "port"), f"{each.port}/{each.protocol} stands twice; remove one of them"
        seen.add((each.port, each.protocol))
    for index, address in enumerate(spec.addresses):
        if address in spec.addresses[:index]:
            yield ("addresses", index), f"{address} stands twice; remove one of them"


_KEEPS_PORT = (
    "!has(self.ports) || self.forwarding == 'NAT' || self.ports.all(p, !has(p.targetPort) || p.targetPort == p.port)"
)
_FOR_SERVERS = (
    "!has(self.ports) || (has(self.backends.servers) && self.backends.servers.size() > 0)"
    " || self.ports.all(p, !has(p.targetPort))"
)


class VirtualServerSpec(Wire):
    """What is balanced, how, and over whom."""

    virtual_ip_ref: VirtualIPReference = Field(alias="virtualIPRef")
    addresses: Annotated[tuple[PlainAddress, ...], Field(max_length=64)] = ()
    """Which of the VirtualIP's addresses; left out: all of them."""
    ports: Annotated[tuple[ServerPort, ...], keyed_by("name"), Field(max_length=MAX_PORTS)] = ()
    """Each becomes an IPVS service for each address."""
    firewall_mark: FirewallMark | None = None
    """Instead of ports: packets that bear this mark, of the addresses' families."""
    scheduler: Scheduler = Scheduler.WLC
    scheduler_flags: Annotated[tuple[SchedulerFlag, ...], Field(max_length=2)] = ()
    """Of sh and mh."""
    one_packet: Flag = False
    """True: each datagram is scheduled by itself; UDP alone. keepalived's ops."""
    forwarding: Forwarding = Forwarding.NAT
    """NAT: through this node both ways. DirectRoute, Tunnel: backends answer clients themselves."""
    tunnel: Tunnel | None = None
    masquerade: Masquerade = Masquerade.ALWAYS
    """With NAT. Never: for backends whose way back leads through the address's holder."""
    persistence: Persistence | None = None
    backends: Backends
    sorry_server: SorryServer | None = None
    quorum: Quorum = Quorum()
    health_checks: Annotated[tuple[HealthCheck, ...], keyed_by("name"), Field(max_length=MAX_CHECKS)] = ()
    """Each backend must pass all of them; without any it is always up."""
    checks_on: ChecksOn = ChecksOn.ALL_CANDIDATES
    """Which nodes check; AllCandidates: who takes over knows already."""
    initial_state: InitialState = InitialState.UP
    on_end: OnEnd = OnEnd.QUIET
    drain_timeout: Annotated[Duration, duration("0s", "24h")] = Duration.of(s=30)
    """A backend that is gone keeps its connections for so long, with weight 0; 0s: it is removed at once."""
    connection_sync: ConnectionSyncMode = ConnectionSyncMode.DISABLED
    notifications: Annotated[tuple[ServerNotification, ...], Field(max_length=8)] = ()
    """Programs that are run on the nodes that check."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.firewallMark) != (has(self.ports) && self.ports.size() > 0)",
            message="write ports, or firewallMark alone",
            holds=lambda s: (s.firewall_mark is not None) != bool(s.ports),
        ),
        Rule(
            cel=MARK_IS_FREE,
            message=MARK_IS_NOT_FREE,
            holds=lambda s: is_free(s.firewall_mark),
            path="firewallMark",
        ),
        Rule(
            cel=_KEEPS_PORT,
            message="DirectRoute and Tunnel hand packets on as they are, so a backend answers on the same port; remove"
            " targetPort, or set forwarding: NAT",
            holds=lambda s: s.forwarding is Forwarding.NAT or all(p.target_port in (None, p.port) for p in s.ports),
            path="ports",
        ),
        Rule(
            cel=_FOR_SERVERS,
            message="targetPort is for backends.servers; a Service's endpoints have their own port; remove it",
            holds=lambda s: bool(s.backends.servers) or all(p.target_port is None for p in s.ports),
            path="ports",
        ),
        Rule(
            cel="!has(self.firewallMark) || !has(self.healthChecks)"
            " || self.healthChecks.all(c, has(c.connectPort) || has(c.ping) || has(c.script))",
            message="behind a firewall mark a backend has no port; write connectPort in each check but ping and script",
            holds=lambda s: (
                s.firewall_mark is None
                or all(c.connect_port is not None or c.kind in ("ping", "script") for c in s.health_checks)
            ),
            path="healthChecks",
        ),
        Rule(
            cel="self.forwarding == 'Tunnel' || !has(self.tunnel)",
            message="tunnel belongs to forwarding: Tunnel; set it, or remove tunnel",
            holds=lambda s: s.forwarding is Forwarding.TUNNEL or s.tunnel is None,
            path="tunnel",
        ),
        Rule(
            cel="!self.onePacket || has(self.firewallMark) || !has(self.ports)"
            " || self.ports.all(p, p.protocol == 'UDP')",
            message="only UDP is scheduled by the packet; remove onePacket",
            holds=lambda s: (
                not s.one_packet or s.firewall_mark is not None or all(p.protocol is Protocol.UDP for p in s.ports)
            ),
            path="onePacket",
        ),
        Rule(
            cel="!has(self.persistence) || !has(self.persistence.engine) || has(self.firewallMark) || !has(self.ports)"
            " || self.ports.all(p, p.protocol == 'UDP')",
            message="the kernel knows SIP's calls in UDP alone; remove persistence.engine",
            holds=lambda s: (
                s.persistence is None
                or s.persistence.engine is None
                or s.firewall_mark is not None
                or all(p.protocol is Protocol.UDP for p in s.ports)
            ),
            path="persistence",
        ),
        Rule(
            cel="self.connectionSync == 'Disabled' || self.forwarding != 'NAT' || self.masquerade == 'Never'",
            message="connections that are masqueraded do not outlive their node, whoever is told of them; use"
            " DirectRoute or Tunnel, or remove connectionSync",
            holds=lambda s: (
                s.connection_sync is ConnectionSyncMode.DISABLED
                or s.forwarding is not Forwarding.NAT
                or s.masquerade is Masquerade.NEVER
            ),
            path="connectionSync",
        ),
    )
    checks: ClassVar[tuple[Check, ...]] = (_twice,)


class VirtualServer(Wire):
    """Connections to ports of a VirtualIP, balanced over healthy backends by the kernel of the node that holds it."""

    api_version: Literal["mooring.dev/v1alpha1"] = "mooring.dev/v1alpha1"
    kind: Literal["VirtualServer"] = "VirtualServer"
    metadata: Metadata
    spec: VirtualServerSpec
    status: VirtualServerStatus | None = None
    """Written by the operator."""

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.metadata.namespace}/{self.metadata.name}"
