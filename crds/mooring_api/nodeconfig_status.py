"""What a node's daemon says of itself in its NodeConfig."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mooring_api.problems import BALANCING
from mooring_api.virtualserver_status import MAX_LISTED_BACKENDS, BackendStatus
from mooring_api.vrrp import Family
from mooring_api.wire import Flag, HostAddress, Integer, InterfaceAddress, InterfaceName, Level, VirtualRouterID, Wire

MAX_SERVERS = 4096


class InstanceState(StrEnum):
    """RFC 9568's states and Mooring's own, as users meet them."""

    INITIALIZE = "Initialize"
    BACKUP = "Backup"
    ACTIVE = "Active"
    FAULT = "Fault"


class InstanceStatus(Wire):
    name: str
    """The instance's name."""
    state: InstanceState
    since_time: str
    """When it entered the state, RFC 3339."""
    priority: int
    """With what trackers add to it or take from it."""
    transitions: int
    """How often it changed its state since the daemon's first start."""
    reason: str | None = None
    """Why it is in this state, in words."""


class InterfaceReport(Wire):
    """An interface of the node as its daemon sees it; pod interfaces and held addresses are left out."""

    name: InterfaceName
    """The interface's name."""
    mac: str
    """Its hardware address, as `02:00:00:00:00:01`."""
    addresses: tuple[InterfaceAddress, ...] = ()
    """Its addresses with prefix length."""
    carrier: Flag
    """Whether its link is up."""
    mtu: int
    """Its largest packet in bytes."""


class ForeignRouter(Wire):
    """A VRRP router heard on the wire whose VRID is nobody's here."""

    interface: InterfaceName
    """Where it was heard."""
    virtual_router_id: VirtualRouterID
    """Its virtual router ID."""
    source: HostAddress
    """Its address."""
    priority: Annotated[Integer, Field(ge=0, le=255)]
    """Its priority."""
    version: int
    """Its version of VRRP."""


class CredentialReport(Wire):
    """Which states of a Secret this daemon has; never what is in it."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """The Secret's name."""
    current: Annotated[str, Field(max_length=64)] | None = None
    """The state that a reference without keyVersion means, by resourceVersion: the one in use, else the newest.

    Left out: there is none."""
    versions: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=8)] = ()
    """The states that are kept, oldest first; the newest and those that the spec names before any other."""


class VirtualServerReport(Wire):
    """A virtual server's backends of one family, as this node finds them."""

    name: str
    """The virtual server's name."""
    family: Family
    """Of its virtual addresses."""
    quorum: Flag
    """Whether there is one."""
    sorry: Flag = False
    """Whether the sorry server answers."""
    up: Annotated[Integer, Field(ge=0)] = 0
    """How many backends are up."""
    down: Annotated[Integer, Field(ge=0)] = 0
    """How many are down."""
    draining: Annotated[Integer, Field(ge=0)] = 0
    """How many keep their connections alone."""
    backends: Annotated[tuple[BackendStatus, ...], Field(max_length=MAX_LISTED_BACKENDS)] = ()
    """All where they are few, else those that are not up; never more than a status can hold."""


class KubeProxyMode(StrEnum):
    """What kube-proxy programs, by its traces in the kernel."""

    IPTABLES = "IPTables"
    IPVS = "IPVS"
    NFTABLES = "NFTables"


class KubeProxyReport(Wire):
    """kube-proxy on this node."""

    mode: KubeProxyMode
    """By its traces in the kernel."""
    removes_services: Flag = False
    """It deleted an IPVS service of ours: it deletes what it does not know."""
    answers_arp: Flag = False
    """Its dummy interface has addresses, and ARP speaks of them on every link (strictARP is off)."""


class ReportedProblem(Wire):
    """What keeps a part of the configuration from running on this node."""

    instance: str = ""
    """The name of the instance or of the virtual server; empty: the whole NodeConfig."""
    path: str = ""
    """The field, as `spec.instances[0].interface`."""
    message: str
    """What is wrong and what to do."""
    module: Annotated[str, Field(max_length=64)] | None = None
    """The kernel module that is missing."""

    @property
    def of_balancing(self) -> bool:
        """Whether it is about what is balanced: it keeps no instance from running, also where it names nothing."""
        return self.path.startswith(BALANCING)

    @property
    def of_all_servers(self) -> bool:
        """Whether it keeps every virtual server of the node from being balanced as it says."""
        return not self.instance and self.path == BALANCING[0]


class NodeConfigStatus(Wire):
    observed_generation: int | None = None
    """The generation of the spec that the daemon runs."""
    daemon_version: str | None = None
    """The daemon's version."""
    contract_level: Level | None = None
    """Up to which level it understands the spec; the operator writes it nothing later. Left out: 1, release 0.1.0."""
    instances: tuple[InstanceStatus, ...] = ()
    """The state of each instance."""
    interfaces: tuple[InterfaceReport, ...] = ()
    """The node's interfaces, from which the operator plans."""
    foreign_routers: Annotated[tuple[ForeignRouter, ...], Field(max_length=32)] = ()
    """Routers heard on the wire that are none of ours; the least recently heard goes first."""
    credentials: Annotated[tuple[CredentialReport, ...], Field(max_length=64)] = ()
    """The Secrets that the instances name."""
    virtual_servers: Annotated[tuple[VirtualServerReport, ...], Field(max_length=2 * MAX_SERVERS)] = ()
    """The state of each virtual server, for each family."""
    kube_proxy: KubeProxyReport | None = None
    """Left out: none was found."""
    problems: Annotated[tuple[ReportedProblem, ...], Field(max_length=32)] = ()
    """What of the spec is not in use, and why."""
