"""NodeConfig: what one node runs; the operator writes its spec, the node's daemon its status.

It is also the format of the daemon's file.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer

from mooring_api.authentication import AuthenticationType as AuthenticationType
from mooring_api.authentication import InstanceAuthentication as InstanceAuthentication
from mooring_api.authentication import SecretReference as SecretReference
from mooring_api.duration import Duration
from mooring_api.node_rules import conflicts, repeated_addresses
from mooring_api.node_server import MAX_SERVERS, BackendAddress, ConnectionSync, NodeVirtualServer, PortGuard
from mooring_api.node_server import server_conflicts as server_conflicts
from mooring_api.nodeconfig_status import CredentialReport as CredentialReport
from mooring_api.nodeconfig_status import ForeignRouter as ForeignRouter
from mooring_api.nodeconfig_status import InstanceState as InstanceState
from mooring_api.nodeconfig_status import InstanceStatus as InstanceStatus
from mooring_api.nodeconfig_status import InterfaceReport as InterfaceReport
from mooring_api.nodeconfig_status import NodeConfigStatus as NodeConfigStatus
from mooring_api.nodeconfig_status import ReportedProblem as ReportedProblem
from mooring_api.tracking import Tracking
from mooring_api.transport import Transport as Transport
from mooring_api.transport import Way as Way
from mooring_api.vrrp import (
    INTERVAL_RULE,
    PASSWORD_RULE,
    AdvertisementInterval,
    Announcements,
    Checksum,
    Family,
    FlapDamping,
    OnStop,
    Preemption,
    TransportType,
)
from mooring_api.wire import (
    GROUP,
    Check,
    Flag,
    Integer,
    InterfaceName,
    Level,
    Location,
    Rule,
    VirtualAddress,
    VirtualRouterID,
    Wire,
    duration,
)
from mooring_api.wire import HostAddress as HostAddress

InstanceName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
#: Outside the model, so that both the schema and the daemon can name them.
MAX_INSTANCES = 1024
MAX_ADDRESSES = 1024
#: Of the router whose own the addresses are (RFC 9568 5.2.4).
OWNER_PRIORITY = 255


class HeldAddress(Wire):
    """One address of an instance and where it goes."""

    address: VirtualAddress
    """With its prefix length, `10.0.0.100/24`; without one the host alone (/32, /128)."""
    interface: InterfaceName | None = None
    """Left out: the instance's interface."""
    label: Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[!-.0-~]+$")] | None = None
    """IPv4 only; begins with the interface's name, as `eth0:1`."""
    scope: Literal["Global", "Site", "Link", "Host"] = "Global"
    """The scope of the address in the kernel; keepalived's scope."""
    advertise: Flag = True
    """False: held like the others, but not in the advert; keepalived's virtual_ipaddress_excluded."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.label) || !self.address.contains(':')",
            message="only IPv4 addresses have labels; remove it",
            holds=lambda a: a.label is None or ":" not in a.address,
            path="label",
        ),
    )


def _address_mistakes(instance: "Instance") -> Iterator[tuple[Location, str]]:
    held = ((a.address, a.interface or instance.interface) for a in instance.addresses)
    yield from repeated_addresses(held)
    members = _members_own(instance)
    for index, a in enumerate(instance.addresses):
        place = ("addresses", index, "address")
        if not of_family(a.address, instance.family):
            yield place, f"this instance holds {instance.family}; put the address in an instance of its own family"
        if whose := members.get(a.address.partition("/")[0]):
            yield place, f"{whose}; write the virtual address"


def _members_own(instance: "Instance") -> dict[str, str]:
    """Addresses that members speak VRRP from, and whose they are: none is virtual, but for their owner's."""
    way = instance.transport
    own = {_without_zone(peer): f"{peer} is a peer's own, which adverts are sent to" for peer in way.peers}
    if way.source is not None and instance.priority != OWNER_PRIORITY:
        own[_without_zone(way.source)] = f"{way.source} is this node's own source"
    return own


def _without_zone(address: str) -> str:
    return address.partition("%")[0]


def of_family(address: str, family: Family) -> bool:
    """Whether a canonical address, with prefix or zone or without, is of that family."""
    return (":" in address) == (family is Family.IPV6)


class AcceptedForm(Wire):
    """Another form of this instance's adverts that counts like its own, while a change goes round the members."""

    virtual_router_id: VirtualRouterID
    """Its virtual router ID; the instance's own where that does not change."""
    version: Literal[2, 3] = 3
    """Its version of VRRP."""
    advertisement_interval: AdvertisementInterval = Duration.of(s=1)
    """Its interval; version 2 accepts no other."""
    authentication: InstanceAuthentication | None = None
    checksum: Checksum = Checksum.WITH_PSEUDO_HEADER
    transport: Way | None = None
    """Which way its adverts come; left out: the instance's own."""

    rules: ClassVar[tuple[Rule, ...]] = (INTERVAL_RULE, PASSWORD_RULE)


def _form_mistakes(instance: "Instance") -> Iterator[tuple[Location, str]]:
    for index, form in enumerate(instance.also_accept):
        place = ("alsoAccept", index)
        if form.version == 2 and instance.family is Family.IPV6:
            yield (*place, "version"), "version 2 is for IPv4 only; set version: 3"
        way = form.transport
        if way is None:
            continue
        if way.type is TransportType.UNICAST and not way.peers:
            yield (
                (*place, "transport", "peers"),
                "list the peers whose adverts are accepted, or leave transport out",
            )
        for each in (*way.peers, *([way.group] if way.group else [])):
            if not of_family(each, instance.family):
                yield (*place, "transport"), f"{each} is not of the instance's family; correct it or the family"


class Instance(Wire):
    """One VRRP instance: one family, one VRID on one interface."""

    name: InstanceName
    """Unique on the node; what logs, metrics and status call it."""
    virtual_ip: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(default=None, alias="virtualIP")
    """The VirtualIP that it comes from."""
    sync_group: InstanceName | None = None
    """Instances with one sync group share a state and a timer. Left out: the instance's own name."""
    interface: InterfaceName | None = None
    """Left out: the interface whose subnet holds the first address, else that of the default route."""
    family: Family = Family.IPV4
    virtual_router_id: VirtualRouterID
    """Unique on its interface and segment for its family."""
    version: Literal[2, 3] = 3
    """3, or 2 for peers that speak nothing else and for passwords."""
    priority: Annotated[Integer, Field(ge=1, le=255)] = 100
    """255 for the owner of the addresses alone (RFC 9568 5.2.4)."""
    advertisement_interval: AdvertisementInterval = Duration.of(s=1)
    """Between two adverts; version 3: 10ms to 40950ms, version 2: whole seconds to 255s."""
    active_down_factor: Annotated[Integer, Field(ge=1, le=100)] = 3
    """So many intervals without an advert mean that the Active router is gone; keepalived's down_timer_adverts."""
    preemption: Preemption = Preemption()
    transport: Transport = Transport()
    eligible: Flag = True
    """False: listens and never takes the role (a member that joins, until all have its configuration)."""
    authentication: InstanceAuthentication | None = None
    checksum: Checksum = Checksum.WITH_PSEUDO_HEADER
    also_accept: Annotated[tuple[AcceptedForm, ...], Field(max_length=4)] = ()
    """Forms of a change that is under way: what members send that have not heard of it yet, or have heard first.

    The instance itself sends only what its own fields say, at the shortest interval of all forms.
    """
    announcements: Announcements = Announcements()
    flap_damping: FlapDamping = FlapDamping()
    lease: Annotated[Duration, duration("1s", "3600s", step="1s")] | None = None
    """The addresses' lifetime in the kernel. Left out: activeDownFactor intervals in whole seconds, at least 2s."""
    on_stop: OnStop = OnStop.RELEASE
    """Keep: a stop is a restart; the addresses stay until their lease ends, and the next start adopts them."""
    tracking: Annotated[tuple[Tracking, ...], Field(max_length=16)] = ()
    """What the role depends on beside the links."""
    required_level: Level | None = None
    """A daemon whose contractLevel is lower must not run this, and keeps what it ran. Left out: all may."""
    addresses: Annotated[tuple[HeldAddress, ...], Field(min_length=1, max_length=MAX_ADDRESSES)]
    """What the instance holds while it is Active; each stands once on the node."""

    rules: ClassVar[tuple[Rule, ...]] = (
        INTERVAL_RULE,
        Rule(
            cel="self.version == 3 || self.family == 'IPv4'",
            message="version 2 is for IPv4 only; set version: 3",
            holds=lambda i: i.version == 3 or i.family is Family.IPV4,
            path="version",
        ),
        PASSWORD_RULE,
        Rule(
            cel="!has(self.transport.source) || self.transport.source.contains(':') == (self.family == 'IPv6')",
            message="adverts leave from an address of the instance's family; correct source or family",
            holds=lambda i: i.transport.source is None or of_family(i.transport.source, i.family),
            path="transport.source",
        ),
        Rule(
            cel="!has(self.transport.peers) || self.transport.peers.all(p, p.contains(':') == (self.family == 'IPv6'))",
            message="peers have addresses of the instance's family; correct peers or family",
            holds=lambda i: all(of_family(peer, i.family) for peer in i.transport.peers),
            path="transport.peers",
        ),
        Rule(
            cel="!has(self.transport.group) || self.transport.group.contains(':') == (self.family == 'IPv6')",
            message="the group is an address of the instance's family; correct group or family",
            holds=lambda i: i.transport.group is None or of_family(i.transport.group, i.family),
            path="transport.group",
        ),
    )
    checks: ClassVar[tuple[Check, ...]] = (_address_mistakes, _form_mistakes)

    @property
    def group_name(self) -> str:
        return self.sync_group or self.name


def _conflicts(spec: "NodeConfigSpec") -> Iterator[tuple[Location, str]]:
    for place, below, message in conflicts(spec.instances):
        yield ("instances", place, *below), message
    for place, below, message in server_conflicts(spec.virtual_servers):
        yield ("virtualServers", place, *below), message


class NodeConfigSpec(Wire):
    """What the node is to run; an empty list withdraws everything."""

    instances: Annotated[tuple[Instance, ...], Field(max_length=MAX_INSTANCES)] = ()
    """The VRRP instances; names, addresses and (interface, family, virtualRouterID) stand only once."""
    virtual_servers: Annotated[tuple[NodeVirtualServer, ...], Field(max_length=MAX_SERVERS)] = ()
    """What is balanced; names, and an address with its port, stand only once. Their addresses may be any."""
    backend_addresses: Annotated[tuple[BackendAddress, ...], Field(max_length=1024)] = ()
    """Virtual addresses that this node's servers answer for while another node holds them."""
    port_guards: Annotated[tuple[PortGuard, ...], Field(max_length=1024)] = ()
    """Addresses on which only the listed ports answer."""
    connection_sync: ConnectionSync | None = None
    """Left out: the kernel's sync daemon is not run."""

    checks: ClassVar[tuple[Check, ...]] = (_conflicts,)


def _ours(annotations: object) -> object:
    if not isinstance(annotations, Mapping):
        return annotations or {}
    return {key: value for key, value in annotations.items() if str(key).startswith(f"{GROUP}/")}


class Metadata(Wire):
    """The part of an object's metadata that Mooring reads."""

    model_config = Wire.model_config | {"extra": "ignore"}

    name: Annotated[str, Field(min_length=1, max_length=253)]
    namespace: str | None = None
    uid: str | None = None
    generation: int | None = None
    creation_timestamp: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: Annotated[dict[str, str], BeforeValidator(_ours)] = Field(default_factory=dict)
    """Those of Mooring alone; what others note on an object is not read."""

    @model_serializer(mode="wrap")
    def _without_empty_maps(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        wire: dict[str, Any] = handler(self)
        return {key: value for key, value in wire.items() if value != {}}


class NodeConfig(Wire):
    """What one node runs, and what its daemon says of it."""

    api_version: Literal["mooring.dev/v1alpha1"] = "mooring.dev/v1alpha1"
    kind: Literal["NodeConfig"] = "NodeConfig"
    metadata: Metadata
    spec: NodeConfigSpec = NodeConfigSpec()
    status: NodeConfigStatus | None = None
