"""What comes out for a VirtualServer and for a node: values."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from mooring_api.balancing import Protocol
from mooring_api.node_server import BackendAddress, ConnectionSync, NodeBackend, NodeVirtualServer, PortGuard
from mooring_api.nodeconfig import Instance, NodeConfigSpec
from mooring_api.problems import Problem
from mooring_operator.words.server_reasons import ServerReason as ServerReason


class ServerFinding(NamedTuple):
    """What is to be said of a VirtualServer: a problem, and the reason that its condition gives."""

    reason: ServerReason
    problem: Problem


class LeftOut(NamedTuple):
    """A backend or a virtual address that is not used, and why; without a reason nothing is wrong with that."""

    address: str
    why: str
    reason: ServerReason | None = None
    several: str = ""
    """The same of several, with a place for their addresses; empty: `why` is."""


@dataclass(frozen=True, slots=True)
class PortPlan:
    """One port, or the firewall mark in one family, as the nodes are to run it.

    `name` is the port's; `entry` what it is called on a node. `port` is 0 for a mark. `backends` are those of all
    zones.
    """

    name: str
    entry: str
    port: int
    protocol: Protocol
    mark: int | None
    addresses: tuple[str, ...]
    """For a mark: the addresses whose nodes run it."""
    backends: tuple[NodeBackend, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """One VirtualServer. `ports` is empty where nothing of it is programmed.

    `kept`: it or its VirtualIP can't be read, or its endpoints are being listed, so nodes keep what they run of it.
    """

    virtual_ip: str
    findings: tuple[ServerFinding, ...] = ()
    ports: tuple[PortPlan, ...] = ()
    nodes: tuple[str, ...] = ()
    """Those that are to run any of its ports."""
    kept: bool = False


@dataclass(frozen=True, slots=True)
class NodeServices:
    """What a node runs beside its instances; the fields are those of a NodeConfig's spec."""

    virtual_servers: tuple[NodeVirtualServer, ...] = ()
    backend_addresses: tuple[BackendAddress, ...] = ()
    port_guards: tuple[PortGuard, ...] = ()
    connection_sync: ConnectionSync | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """As a NodeConfigSpec takes them."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def __bool__(self) -> bool:
        return bool(self.virtual_servers or self.backend_addresses or self.port_guards or self.connection_sync)


NOTHING = NodeServices()


def services_in(spec: NodeConfigSpec) -> NodeServices:
    """What stands in a spec beside its instances."""
    return NodeServices(spec.virtual_servers, spec.backend_addresses, spec.port_guards, spec.connection_sync)


def spec_of(instances: tuple[Instance, ...], services: NodeServices) -> NodeConfigSpec:
    """A spec of both; ValidationError where the instances contradict each other. Services are valid as they come.

    To hold each server's rules again would cost more than to plan it.
    """
    spec = NodeConfigSpec(instances=instances)
    return spec.model_copy(update=services.fields) if services else spec


#: `namespace/name` to its plan.
ServerPlans = Mapping[str, ServerPlan]
