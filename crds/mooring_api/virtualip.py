"""VirtualIP: addresses that move together or are spread, and who may hold them."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mooring_api.access import AllowedNamespaces, PortGuardMode, TenantFeature
from mooring_api.duration import Duration
from mooring_api.node_rules import repeated_addresses
from mooring_api.nodeconfig import (
    MAX_ADDRESSES,
    AuthenticationType,
    HeldAddress,
    Metadata,
    SecretReference,
)
from mooring_api.selectors import LabelSelector as LabelSelector
from mooring_api.selectors import LabelSelectorOperator as LabelSelectorOperator
from mooring_api.selectors import LabelSelectorRequirement as LabelSelectorRequirement
from mooring_api.tracking import Tracking
from mooring_api.virtualip_status import Condition as Condition
from mooring_api.virtualip_status import ConditionStatus as ConditionStatus
from mooring_api.virtualip_status import GroupStatus as GroupStatus
from mooring_api.virtualip_status import NodeName as NodeName
from mooring_api.virtualip_status import PlacedNode as PlacedNode
from mooring_api.virtualip_status import VirtualIPStatus as VirtualIPStatus
from mooring_api.vrrp import (
    INTERVAL_RULE,
    PASSWORD_RULE,
    AdvertisementInterval,
    Announcements,
    Checksum,
    FlapDamping,
    OnStop,
    Preemption,
    TransportType,
)
from mooring_api.wire import (
    GROUP,
    Check,
    GroupAddress,
    Integer,
    InterfaceName,
    Location,
    Rule,
    UnicastAddress,
    VirtualRouterID,
    Wire,
    duration,
    keyed_by,
)


class Distribution(StrEnum):
    """How the addresses are laid on groups."""

    FAILOVER = "Failover"
    BALANCED = "Balanced"


class PreferredNode(Wire):
    """A node's place in the order of preference, and, where given, its exact priority."""

    node: NodeName
    """The node's name."""
    priority: Annotated[Integer, Field(ge=1, le=254)] | None = None
    """Left out: 250, 240, 230, ... by its place."""


class NodeOverride(Wire):
    """Where one node differs from the others."""

    node: NodeName
    """The node's name."""
    interface: InterfaceName | None = None
    """The interface there."""
    source: UnicastAddress | None = None
    """Where its adverts come from, and what its peers are told."""


def _nodes_that_repeat(nodes: "Nodes") -> Iterator[tuple[Location, str]]:
    entries: dict[str, tuple[PreferredNode | NodeOverride, ...]] = {
        "preferred": nodes.preferred,
        "overrides": nodes.overrides,
    }
    for field, listed in entries.items():
        seen: set[str] = set()
        for index, entry in enumerate(listed):
            if entry.node in seen:
                yield (field, index, "node"), f"{entry.node} stands twice; remove one of them"
            seen.add(entry.node)


class Pods(Wire):
    """Pods that a node must run to be of use, such as an ingress controller's."""

    namespace: Annotated[str, Field(min_length=1, max_length=63)]
    """Where they are."""
    selector: LabelSelector
    """Which of that namespace."""


class ExclusionLabel(StrEnum):
    """What Kubernetes' label of nodes that external load balancers leave out means."""

    HONOUR = "Honour"
    IGNORE = "Ignore"


#: On a Node, with any value: no external load balancer should send to it. kubeadm sets it on control-plane nodes.
EXCLUSION_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"


class Nodes(Wire):
    """Who may hold the addresses, and in which order."""

    selector: LabelSelector = LabelSelector()
    """Which nodes may join; left out: all."""
    preferred: Annotated[tuple[PreferredNode, ...], Field(max_length=24)] = ()
    """First choice first; a priority left out is 250, 240, 230, ... by its place."""
    max_candidates: Annotated[Integer, Field(ge=1, le=24)] = 8
    """How many nodes join each group at most."""
    overrides: Annotated[tuple[NodeOverride, ...], keyed_by("node"), Field(max_length=256)] = ()
    """Where nodes differ in interface or source."""
    pods: Pods | None = None
    """Nodes without a Ready one of these pods let go and stay Backup; where no node has one, all take part."""
    exclusion_label: ExclusionLabel = ExclusionLabel.HONOUR
    """Honour: nodes with the label `node.kubernetes.io/exclude-from-external-load-balancers` join only where no other
    node can. Ignore: they join like any other. kubeadm sets it on control-plane nodes."""

    checks: ClassVar[tuple[Check, ...]] = (_nodes_that_repeat,)


class VirtualIPTransport(Wire):
    """How adverts travel; for Unicast the peers are filled in from the nodes' addresses on the segment."""

    type: TransportType = TransportType.UNICAST
    """Unicast: to each peer. Multicast: to the group."""
    group: GroupAddress | None = None
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
    """Password: the eight bytes of VRRP version 2."""
    secret_ref: SecretReference
    """Where the password is."""


class Vrrp(Wire):
    """How the members speak; every field has keepalived's default where keepalived has one."""

    version: Literal[2, 3] = 3
    """3, or 2 for peers that speak nothing else and for passwords."""
    virtual_router_ids: Annotated[tuple[VirtualRouterID, ...], Field(max_length=64)] = Field(
        default=(), alias="virtualRouterIDs"
    )
    """One for each group, in order; left out: allocated."""
    advertisement_interval: AdvertisementInterval = Duration.of(s=1)
    """The time between two adverts; version 3: 10ms to 40950ms, version 2: whole seconds to 255s."""
    active_down_factor: Annotated[Integer, Field(ge=1, le=100)] = 3
    """So many intervals without an advert mean that the Active router is gone; keepalived's down_timer_adverts."""
    transport: VirtualIPTransport = VirtualIPTransport()
    authentication: Authentication | None = None
    preemption: Preemption = Preemption()
    checksum: Checksum = Checksum.WITH_PSEUDO_HEADER
    announcements: Announcements = Announcements()
    flap_damping: FlapDamping = FlapDamping()
    lease: Annotated[Duration, duration("1s", "3600s", step="1s")] | None = None
    """The addresses' lifetime in the kernel. Left out: activeDownFactor intervals in whole seconds, at least 2s."""
    on_stop: OnStop = OnStop.RELEASE
    """Keep: a stop of the daemon is a restart; the addresses stay until their lease ends."""

    rules: ClassVar[tuple[Rule, ...]] = (
        INTERVAL_RULE,
        PASSWORD_RULE,
        Rule(
            cel="!has(self.virtualRouterIDs)"
            " || self.virtualRouterIDs.all(id, self.virtualRouterIDs.exists_one(other, other == id))",
            message="each group needs a virtual router ID of its own; remove the one that stands twice",
            holds=lambda v: len(set(v.virtual_router_ids)) == len(v.virtual_router_ids),
            path="virtualRouterIDs",
        ),
    )


def _addresses_that_repeat(spec: "VirtualIPSpec") -> Iterator[tuple[Location, str]]:
    yield from repeated_addresses((a.address, a.interface or spec.interface) for a in spec.addresses)


class VirtualIPSpec(Wire):
    """What is to be held, by whom and how."""

    addresses: Annotated[tuple[HeldAddress, ...], keyed_by("address"), Field(min_length=1, max_length=MAX_ADDRESSES)]
    """The virtual addresses, in the order in which Balanced lays them on groups."""
    interface: InterfaceName | None = None
    """Left out: the interface whose subnet holds the address, else that of the default route."""
    nodes: Nodes = Nodes()
    distribution: Distribution = Distribution.FAILOVER
    """Failover: one group, one holder. Balanced: groups with rotated preference, so that all nodes carry some."""
    vrrp: Vrrp = Vrrp()
    tracking: Annotated[tuple[Tracking, ...], keyed_by("name"), Field(max_length=16)] = ()
    """What a node's right to the addresses depends on beside its links."""
    allowed_namespaces: AllowedNamespaces = AllowedNamespaces()
    """Whose VirtualServers may use the addresses; left out: nobody's."""
    tenant_features: Annotated[tuple[TenantFeature, ...], Field(max_length=4)] = ()
    """What those VirtualServers may use beyond their own Services.

    StaticServers: addresses as backends or sorry server. ConnectAddress: checks that connect elsewhere, or from an
    address or interface of their choice. Script: programs as checks and notifications. FirewallMark: marks instead of
    ports, and on checks."""
    port_guard: PortGuardMode = PortGuardMode.OFF
    """Off: every port of the node answers. Enforce: only those of VirtualServers. Monitor: others are counted."""

    checks: ClassVar[tuple[Check, ...]] = (_addresses_that_repeat,)
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.distribution == 'Balanced' || !has(self.vrrp) || !has(self.vrrp.virtualRouterIDs)"
            " || self.vrrp.virtualRouterIDs.size() <= 1",
            message="Failover has one group and takes one virtual router ID; remove the others, or set"
            " distribution: Balanced",
            holds=lambda s: s.distribution is Distribution.BALANCED or len(s.vrrp.virtual_router_ids) <= 1,
            path="vrrp.virtualRouterIDs",
        ),
        Rule(
            cel="!has(self.vrrp) || self.vrrp.version == 3 || self.addresses.all(a, !a.address.contains(':'))",
            message="VRRP version 2 carries IPv4 only; set version: 3",
            holds=lambda s: s.vrrp.version == 3 or all(":" not in a.address for a in s.addresses),
            path="vrrp.version",
        ),
        Rule(
            cel="!has(self.vrrp) || !has(self.vrrp.transport) || !has(self.vrrp.transport.group)"
            " || self.addresses.all(a, a.address.contains(':') == self.vrrp.transport.group.contains(':'))",
            message="the group is of one family and the addresses are not all of it; leave group out for the"
            " standard groups of both",
            holds=lambda s: (
                s.vrrp.transport.group is None
                or all((":" in a.address) == (":" in s.vrrp.transport.group) for a in s.addresses)
            ),
            path="vrrp.transport.group",
        ),
    )


#: On a VirtualIP, with any value but "false": what its nodes run stays as it is until the annotation is gone.
PAUSED = f"{GROUP}/paused"


class VirtualIP(Wire):
    """Addresses that move together or are spread over nodes, and who may hold them."""

    api_version: Literal["mooring.dev/v1alpha1"] = "mooring.dev/v1alpha1"
    kind: Literal["VirtualIP"] = "VirtualIP"
    metadata: Metadata
    spec: VirtualIPSpec
    status: VirtualIPStatus | None = None
    """Written by the operator."""

    @property
    def paused(self) -> bool:
        return self.metadata.annotations.get(PAUSED, "false") != "false"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.metadata.name.size() <= 63",
            message="the name is the beginning of its instances' names and has at most 63 characters; shorten it",
            holds=lambda v: len(v.metadata.name) <= 63,
            path="metadata.name",
        ),
    )
