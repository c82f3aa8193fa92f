"""What a node's daemon says of itself in its NodeConfig."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mooring_api.wire import Flag, HostAddress, Integer, InterfaceAddress, InterfaceName, VirtualRouterID, Wire


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


#: The path of a problem that keeps nothing of the spec from running: it is about the report itself, or a Secret.
REMARK = "status"


class ReportedProblem(Wire):
    """What keeps a part of the configuration from running on this node."""

    instance: str = ""
    """The instance's name; empty: the whole NodeConfig."""
    path: str = ""
    """The field, as `spec.instances[0].interface`."""
    message: str
    """What is wrong and what to do."""


class NodeConfigStatus(Wire):
    observed_generation: int | None = None
    """The generation of the spec that the daemon runs."""
    daemon_version: str | None = None
    """The daemon's version."""
    instances: tuple[InstanceStatus, ...] = ()
    """The state of each instance."""
    interfaces: tuple[InterfaceReport, ...] = ()
    """The node's interfaces, from which the operator plans."""
    foreign_routers: Annotated[tuple[ForeignRouter, ...], Field(max_length=32)] = ()
    """Routers heard on the wire that are none of ours; the least recently heard goes first."""
    credentials: Annotated[tuple[CredentialReport, ...], Field(max_length=64)] = ()
    """The Secrets that the instances name."""
    problems: Annotated[tuple[ReportedProblem, ...], Field(max_length=32)] = ()
    """What of the spec is not in use, and why."""
