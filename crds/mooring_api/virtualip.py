"""VirtualIP: addresses that move together or are spread, and who may hold them."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mooring_api.duration import Duration
from mooring_api.nodeconfig import (
    AuthenticationType,
    HeldAddress,
    HostAddress,
    Metadata,
    SecretReference,
)
from mooring_api.vrrp import (
    INTERVAL_RULE,
    AdvertisementInterval,
    Announcements,
    Checksum,
    FlapDamping,
    OnStop,
    Preemption,
    TransportType,
)
from mooring_api.wire import API_VERSION, InterfaceName, Rule, VirtualRouterID, Wire, duration

NodeName = Annotated[str, Field(min_length=1, max_length=253)]


class Distribution(StrEnum):
    FAILOVER = "Failover"
    BALANCED = "Balanced"


class LabelSelectorOperator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelSelectorRequirement(Wire):
    key: Annotated[str, Field(min_length=1, max_length=317)]
    operator: LabelSelectorOperator
    values: Annotated[tuple[str, ...], Field(max_length=64)] = ()


class LabelSelector(Wire):
    """Kubernetes' label selector; an empty one selects every node."""

    match_labels: dict[str, str] = {}
    match_expressions: Annotated[tuple[LabelSelectorRequirement, ...], Field(max_length=16)] = ()


class PreferredNode(Wire):
    """A node's place in the order of preference, and, where given, its exact priority."""

    node: NodeName
    priority: Annotated[int, Field(ge=1, le=254)] | None = None


class NodeOverride(Wire):
    """Where one node differs from the others."""

    node: NodeName
    interface: InterfaceName | None = None
    source: HostAddress | None = None


class Nodes(Wire):
    """Who may hold the addresses, and in which order."""

    selector: LabelSelector = LabelSelector()
    preferred: Annotated[tuple[PreferredNode, ...], Field(max_length=24)] = ()
    """First choice first; a priority left out is 250, 240, 230, ... by its place."""
    max_candidates: Annotated[int, Field(ge=1, le=24)] = 8
    """How many nodes join each group at most."""
    overrides: Annotated[tuple[NodeOverride, ...], Field(max_length=256)] = ()


class VirtualIPTransport(Wire):
    """How adverts travel; for Unicast the peers are filled in from the nodes' addresses on the segment."""

    type: TransportType = TransportType.UNICAST
    group: HostAddress | None = None
    """For Multicast; left out: 224.0.0.18 or ff02::12."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.type == 'Multicast' || !has(self.group)",
            message="group belongs to Multicast; remove it, or set type: Multicast",
            holds=lambda t: t.type is TransportType.MULTICAST or t.group is None,
            path="group",
        ),
    )


class Authentication(Wire):
    """VRRP version 2's simple password, from a Secret: a guard against mistakes, not against an enemy."""

    type: AuthenticationType
    secret_ref: SecretReference


class Vrrp(Wire):
    """How the members speak; every field has keepalived's default where keepalived has one."""

    version: Literal[2, 3] = 3
    virtual_router_ids: Annotated[tuple[VirtualRouterID, ...], Field(max_length=64)] = Field(
        default=(), alias="virtualRouterIDs"
    )
    """One for each group, in order; left out: allocated."""
    advertisement_interval: AdvertisementInterval = Duration.of(s=1)  # type: ignore[valid-type]
    active_down_factor: Annotated[int, Field(ge=1, le=100)] = 3
    """So many intervals without an advert mean that the Active router is gone; keepalived's down_timer_adverts."""
    transport: VirtualIPTransport = VirtualIPTransport()
    authentication: Authentication | None = None
    preemption: Preemption = Preemption()
    checksum: Checksum = Checksum.WITH_PSEUDO_HEADER
    announcements: Announcements = Announcements()
    flap_damping: FlapDamping = FlapDamping()
    lease: duration("1s", "3600s") | None = None  # type: ignore[valid-type]
    """The kernel lifetime of the addresses. Left out: active_down_factor intervals, at least 2s, in whole seconds."""
    on_stop: OnStop = OnStop.RELEASE
    """Keep: a stop of the daemon is a restart; the addresses stay until their lease ends."""

    rules: ClassVar[tuple[Rule, ...]] = (
        INTERVAL_RULE,
        Rule(
            cel="!has(self.authentication) || self.version == 2",
            message="a password needs version 2 (RFC 9568 has none); set version: 2 or remove it",
            holds=lambda v: v.authentication is None or v.version == 2,
            path="authentication",
        ),
        Rule(
            cel="!has(self.virtualRouterIDs)"
            " || self.virtualRouterIDs.all(id, self.virtualRouterIDs.exists_one(other, other == id))",
            message="each group needs a virtual router ID of its own; remove the one that stands twice",
            holds=lambda v: len(set(v.virtual_router_ids)) == len(v.virtual_router_ids),
            path="virtualRouterIDs",
        ),
        Rule(
            cel="!has(self.lease) || duration(self.lease).getMilliseconds() % 1000 == 0",
            message="the kernel counts lifetimes in whole seconds; write 2s, 3s, ...",
            holds=lambda v: v.lease is None or v.lease % Duration.of(s=1) == 0,
            path="lease",
        ),
    )


class VirtualIPSpec(Wire):
    addresses: Annotated[tuple[HeldAddress, ...], Field(min_length=1, max_length=1024)]
    interface: InterfaceName | None = None
    """Left out: the interface whose subnet holds the address, else that of the default route."""
    nodes: Nodes = Nodes()
    distribution: Distribution = Distribution.FAILOVER
    """Failover: one group, one holder. Balanced: groups with rotated preference, so that all nodes carry some."""
    vrrp: Vrrp = Vrrp()

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.distribution == 'Balanced' || !has(self.vrrp) || !has(self.vrrp.virtualRouterIDs)"
            " || self.vrrp.virtualRouterIDs.size() <= 1",
            message="Failover has one group and takes one virtual router ID; remove the others, or set distribution: Balanced",
            holds=lambda s: s.distribution is Distribution.BALANCED or len(s.vrrp.virtual_router_ids) <= 1,
            path="vrrp.virtualRouterIDs",
        ),
        Rule(
            cel="!has(self.vrrp) || self.vrrp.version == 3 || self.addresses.all(a, !a.address.contains(':'))",
            message="VRRP version 2 carries IPv4 only; set version: 3",
            holds=lambda s: s.vrrp.version == 3 or all(":" not in a.address for a in s.addresses),
            path="vrrp.version",
        ),
    )


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Wire):
    """Kubernetes' standard condition."""

    type: str
    status: ConditionStatus
    observed_generation: int | None = None
    last_transition_time: str | None = None
    reason: str
    message: str


class PlacedNode(Wire):
    node: NodeName
    priority: int


class GroupStatus(Wire):
    """One group of addresses: where it is on the wire and who should hold it."""

    name: str
    family: Literal["IPv4", "IPv6"]
    virtual_router_id: VirtualRouterID
    addresses: tuple[str, ...] = ()
    order: tuple[PlacedNode, ...] = ()
    home: NodeName | None = None
    """The node that goes first whenever it can; kept while it is cordoned or away, so that its share comes back."""
    holder: str | None = None
    held_since_time: str | None = None
    transitions: int | None = None


class VirtualIPStatus(Wire):
    observed_generation: int | None = None
    conditions: tuple[Condition, ...] = ()
    address_count: int | None = None
    holder_summary: str | None = None
    groups: tuple[GroupStatus, ...] = ()


class VirtualIP(Wire):
    """Addresses that move together or are spread over nodes, and who may hold them."""

    api_version: Literal["mooring.dev/v1alpha1"] = API_VERSION
    kind: Literal["VirtualIP"] = "VirtualIP"
    metadata: Metadata
    spec: VirtualIPSpec
    status: VirtualIPStatus | None = None
