"""NodeConfig: what one node runs. The operator writes its spec, that node's daemon its status; also the daemon's file format."""

from enum import StrEnum
from ipaddress import ip_address, ip_interface
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from mooring_api.duration import Duration
from mooring_api.vrrp import (
    INTERVAL_RULE,
    AdvertisementInterval,
    Announcements,
    Checksum,
    Family,
    FlapDamping,
    OnStop,
    Preemption,
    TransportType,
)
from mooring_api.wire import API_VERSION, InterfaceAddress, InterfaceName, Rule, VirtualRouterID, Wire, duration

InstanceName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
#: Outside the model, so that both the schema and the daemon can name them.
MAX_INSTANCES = 1024
MAX_ADDRESSES = 1024


def _host_address(text: str) -> str:
    """A bare address, canonical; IPv6 link-local may name its zone (`fe80::1%eth0`)."""
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an address; write 10.0.0.28 or fe80::28") from error


HostAddress = Annotated[str, AfterValidator(_host_address), Field(min_length=2, max_length=62)]


class Transport(Wire):
    """How adverts travel: to each peer, or to a group."""

    type: TransportType = TransportType.UNICAST
    source: HostAddress | None = None
    """Where adverts come from; left out: the interface's first IPv4 or its link-local IPv6 address."""
    peers: Annotated[tuple[HostAddress, ...], Field(max_length=24)] = ()
    """The other members, for Unicast. An empty list is a fault: this daemon never turns to multicast by itself."""
    alone: bool = False
    """True: this node is the only member, so an empty list of peers is meant."""
    group: HostAddress | None = None
    """The group, for Multicast; left out: 224.0.0.18 or ff02::12."""
    minimum_ttl: Annotated[int, Field(ge=1, le=255)] = 255
    """The least TTL or hop limit of an accepted advert; below 255 only for peers behind a router."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.type != 'Multicast' || !has(self.peers) || self.peers.size() == 0",
            message="peers belong to Unicast; remove them, or set type: Unicast",
            holds=lambda t: t.type is TransportType.UNICAST or not t.peers,
            path="peers",
        ),
        Rule(
            cel="self.type == 'Multicast' || !has(self.group)",
            message="group belongs to Multicast; remove it, or set type: Multicast",
            holds=lambda t: t.type is TransportType.MULTICAST or t.group is None,
            path="group",
        ),
        Rule(
            cel="!self.alone || (self.type == 'Unicast' && (!has(self.peers) || self.peers.size() == 0))",
            message="alone says that there are no peers; remove the peers, or set alone: false",
            holds=lambda t: not t.alone or (t.type is TransportType.UNICAST and not t.peers),
            path="alone",
        ),
    )


class AuthenticationType(StrEnum):
    PASSWORD = "Password"  # noqa: S105 - the name of a method


class SecretReference(Wire):
    """A Secret of type mooring.dev/credentials in Mooring's own namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]


def file_only(*, default: Any = None, **constraints: Any) -> Any:
    """A field of the daemon's file that the CRD does not have (nothing secret goes through the API in NodeConfig)."""
    return Field(default=default, json_schema_extra={"x-mooring-file-only": True}, **constraints)


class InstanceAuthentication(Wire):
    """VRRP version 2's simple password: a guard against mistakes, not against an enemy (RFC 2338 10.2)."""

    type: AuthenticationType
    secret_ref: SecretReference | None = None
    password: Annotated[str, Field(min_length=1, max_length=8, pattern=r"^[\x21-\x7e]+$")] | None = file_only()


class HeldAddress(Wire):
    """One address of an instance and where it goes."""

    address: InterfaceAddress
    interface: InterfaceName | None = None
    """Left out: the instance's interface."""
    label: Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[^\s/]+$")] | None = None
    """IPv4 only; begins with the interface's name, as `eth0:1`."""
    scope: Literal["Global", "Site", "Link", "Host"] = "Global"
    advertise: bool = True
    """False: held and moved like the others, but not listed in the advert (keepalived's virtual_ipaddress_excluded)."""


class Instance(Wire):
    """One VRRP instance: one family, one VRID on one interface."""

    name: InstanceName
    virtual_ip: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(default=None, alias="virtualIP")
    """The VirtualIP that it comes from."""
    sync_group: InstanceName | None = None
    """Instances with one sync group share a state and a timer. Left out: the instance's own name."""
    interface: InterfaceName | None = None
    """Left out: the interface whose subnet holds the first address, else that of the default route."""
    family: Family = Family.IPV4
    virtual_router_id: VirtualRouterID
    version: Literal[2, 3] = 3
    priority: Annotated[int, Field(ge=1, le=255)] = 100
    """255 for the owner of the addresses alone (RFC 9568 5.2.4)."""
    advertisement_interval: AdvertisementInterval = Duration.of(s=1)  # type: ignore[valid-type]
    active_down_factor: Annotated[int, Field(ge=1, le=100)] = 3
    """So many intervals without an advert mean that the Active router is gone; keepalived's down_timer_adverts."""
    preemption: Preemption = Preemption()
    transport: Transport = Transport()
    eligible: bool = True
    """False: listens and never takes the role (a member that joins, until all have its configuration)."""
    authentication: InstanceAuthentication | None = None
    checksum: Checksum = Checksum.WITH_PSEUDO_HEADER
    announcements: Announcements = Announcements()
    flap_damping: FlapDamping = FlapDamping()
    lease: duration("1s", "3600s") | None = None  # type: ignore[valid-type]
    """The kernel lifetime of the addresses. Left out: active_down_factor intervals, at least 2s, in whole seconds."""
    on_stop: OnStop = OnStop.RELEASE
    """Keep: a stop is a restart; the addresses stay until their lease ends, and the next start adopts them."""
    addresses: Annotated[tuple[HeldAddress, ...], Field(min_length=1, max_length=MAX_ADDRESSES)]

    rules: ClassVar[tuple[Rule, ...]] = (
        INTERVAL_RULE,
        Rule(
            cel="self.version == 3 || self.family == 'IPv4'",
            message="version 2 is for IPv4 only; set version: 3",
            holds=lambda i: i.version == 3 or i.family is Family.IPV4,
            path="version",
        ),
        Rule(
            cel="!has(self.authentication) || self.version == 2",
            message="a password needs version 2 (RFC 9568 has none); set version: 2 or remove it",
            holds=lambda i: i.authentication is None or i.version == 2,
            path="authentication",
        ),
        Rule(
            cel="self.addresses.all(a, (self.family == 'IPv6') == a.address.contains(':'))",
            message="an instance holds addresses of its own family; put the others in an instance of theirs",
            holds=lambda i: all((":" in a.address) == (i.family is Family.IPV6) for a in i.addresses),
            path="addresses",
        ),
        Rule(
            cel="!has(self.lease) || duration(self.lease).getMilliseconds() % 1000 == 0",
            message="the kernel counts lifetimes in whole seconds; write 2s, 3s, ...",
            holds=lambda i: i.lease is None or i.lease % Duration.of(s=1) == 0,
            path="lease",
        ),
    )

    @property
    def group_name(self) -> str:
        return self.sync_group or self.name


class NodeConfigSpec(Wire):
    instances: Annotated[tuple[Instance, ...], Field(max_length=MAX_INSTANCES)] = ()


class InstanceState(StrEnum):
    """RFC 9568's states and Mooring's own, as users meet them."""

    INITIALIZE = "Initialize"
    BACKUP = "Backup"
    ACTIVE = "Active"
    FAULT = "Fault"


class InstanceStatus(Wire):
    name: str
    state: InstanceState
    since_time: str
    priority: int
    transitions: int
    reason: str | None = None


class InterfaceReport(Wire):
    """An interface of the node as its daemon sees it; pod interfaces and held addresses are left out."""

    name: InterfaceName
    mac: str
    addresses: tuple[InterfaceAddress, ...] = ()
    carrier: bool
    mtu: int


class ForeignRouter(Wire):
    """A VRRP router heard on the wire whose VRID is nobody's here."""

    interface: InterfaceName
    virtual_router_id: VirtualRouterID
    source: HostAddress
    priority: Annotated[int, Field(ge=0, le=255)]
    version: int


class NodeConfigStatus(Wire):
    observed_generation: int | None = None
    daemon_version: str | None = None
    instances: tuple[InstanceStatus, ...] = ()
    interfaces: tuple[InterfaceReport, ...] = ()
    foreign_routers: Annotated[tuple[ForeignRouter, ...], Field(max_length=32)] = ()


class Metadata(Wire):
    """The part of an object's metadata that Mooring reads."""

    model_config = Wire.model_config | {"extra": "ignore"}

    name: Annotated[str, Field(min_length=1, max_length=253)]
    uid: str | None = None
    generation: int | None = None
    creation_timestamp: str | None = None
    labels: dict[str, str] = {}


class NodeConfig(Wire):
    """What one node runs, and what its daemon says of it."""

    api_version: Literal["mooring.dev/v1alpha1"] = API_VERSION
    kind: Literal["NodeConfig"] = "NodeConfig"
    metadata: Metadata
    spec: NodeConfigSpec = NodeConfigSpec()
    status: NodeConfigStatus | None = None

    def address_interfaces(self) -> frozenset[str]:
        """All canonical addresses that this configuration may hold."""
        return frozenset(str(ip_interface(a.address)) for i in self.spec.instances for a in i.addresses)
