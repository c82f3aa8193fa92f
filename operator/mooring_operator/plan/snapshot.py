"""What the cluster looks like at one moment, typed and immutable, with what is wrong beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from mooring_api.nodeconfig import ForeignRouter, Instance, InterfaceReport
from mooring_api.problems import Problem
from mooring_api.virtualip import VirtualIP
from mooring_api.virtualserver import VirtualServer
from mooring_operator.plan.endpoints import EndpointSlice
from mooring_operator.plan.pods import PodNodes

ZONE = "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True)
class Link:
    """An interface of a node with its addresses by family, in the order of the report."""

    name: str
    ipv4: tuple[IPv4Interface, ...] = ()
    ipv6: tuple[IPv6Interface, ...] = ()
    """Global and unique local ones."""
    link_local: tuple[IPv6Interface, ...] = ()
    networks: frozenset[str] = frozenset()
    """Of `ipv4` and `ipv6`; empty: nothing says which segment this is."""

    @property
    def addresses(self) -> tuple[IPv4Interface | IPv6Interface, ...]:
        return (*self.ipv4, *self.ipv6, *self.link_local)


def link_of(report: InterfaceReport) -> Link:
    """The report's addresses parsed and sorted by family."""
    parsed = [ip_interface(text) for text in report.addresses]
    ipv4 = tuple(a for a in parsed if isinstance(a, IPv4Interface))
    ipv6 = tuple(a for a in parsed if isinstance(a, IPv6Interface) and not a.is_link_local)
    local = tuple(a for a in parsed if isinstance(a, IPv6Interface) and a.is_link_local)
    networks = {str(a.network) for a in ipv4} | {str(a.network) for a in ipv6}
    return Link(report.name, ipv4, ipv6, local, frozenset(networks))


@dataclass(frozen=True)
class Node:
    """A node as the planner needs it: what Kubernetes says of it, and what its daemon reports.

    `interfaces` is None until its daemon has reported; `unread`: something of its interfaces can't be read.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    uid: str = ""
    ready: bool = True
    cordoned: bool = False
    internal_addresses: tuple[str, ...] = ()
    interfaces: tuple[InterfaceReport, ...] | None = None
    foreign_routers: tuple[ForeignRouter, ...] = ()
    unread: bool = False
    created: str = ""
    """When its Node object was made, as the API writes it; empty: nobody knows."""

    def __hash__(self) -> int:
        """Equal nodes have one name; labels could not be hashed."""
        return hash(self.name)

    @cached_property
    def links(self) -> Mapping[str, Link]:
        """The reported interfaces by name, without loopback; empty when nothing is reported."""
        return {r.name: link_of(r) for r in self.interfaces or () if r.name != "lo"}

    @cached_property
    def reported(self) -> tuple[str, ...]:
        """All addresses of its interfaces, each once, without prefix and zone."""
        return tuple(dict.fromkeys(str(own.ip) for link in self.links.values() for own in link.addresses))

    @property
    def known(self) -> bool:
        """Whether all of its interfaces are known."""
        return self.interfaces is not None and not self.unread

    @property
    def age(self) -> tuple[bool, str, str]:
        """A sorting key, oldest first; ties by name. What has no timestamp is the youngest."""
        return (not self.created, self.created, self.name)

    @property
    def zone(self) -> str | None:
        return self.labels.get(ZONE)


@dataclass(frozen=True)
class Snapshot:
    """All objects that a plan is made from, each name once.

    `unreadable` names VirtualIPs that are there and can't be used: their allocations stay theirs.
    `configured` is what stands in the NodeConfigs' specs, for adoption alone. `pod_nodes` says where the pods that
    VirtualIPs ask for are Ready. `unreadable_servers` names VirtualServers, as `namespace/name`, that are there and
    can't be used. `endpoints` is `namespace/service` to its slices; of a Service that is not in it nobody knows
    yet. `namespaces` is a namespace to its labels. `standing` is a node to the instances that it is told to run
    now: where reports contradict each other, whoever has a part already keeps it. `hosting` is a node to the
    virtual addresses that it is told to answer for now, beside those that it may hold.
    """

    virtual_ips: tuple[VirtualIP, ...] = ()
    nodes: tuple[Node, ...] = ()
    problems: tuple[Problem, ...] = ()
    unreadable: frozenset[str] = frozenset()
    configured: Mapping[str, tuple[Instance, ...]] = field(default_factory=dict)
    pod_nodes: PodNodes = field(default_factory=dict)
    virtual_servers: tuple[VirtualServer, ...] = ()
    unreadable_servers: frozenset[str] = frozenset()
    endpoints: Mapping[str, tuple[EndpointSlice, ...]] = field(default_factory=dict)
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    standing: Mapping[str, tuple[Instance, ...]] = field(default_factory=dict)
    hosting: Mapping[str, frozenset[str]] = field(default_factory=dict)


def age(virtual_ip: VirtualIP) -> tuple[bool, str, str, str]:
    """A sorting key, oldest first; ties by UID, then name. What has no timestamp yet is the youngest."""
    metadata = virtual_ip.metadata
    created = metadata.creation_timestamp
    return (created is None, created or "", metadata.uid or "", metadata.name)


def server_age(server: VirtualServer) -> tuple[bool, str, str]:
    """A sorting key, oldest first; ties by namespace and name. What has no timestamp yet is the youngest."""
    created = server.metadata.creation_timestamp
    return (created is None, created or "", server.key)


def virtual_ip_name(name: str) -> str:
    """How problems call a VirtualIP."""
    return f"VirtualIP/{name}"


def named_service(server: VirtualServer) -> str | None:
    """`namespace/name` of the Service whose endpoints are its backends."""
    service = server.spec.backends.service
    return f"{server.metadata.namespace}/{service.name}" if service else None


def virtual_server_name(key: str) -> str:
    """How problems call a VirtualServer."""
    return f"VirtualServer/{key}"


def by_name(virtual_ips: Iterable[VirtualIP]) -> tuple[VirtualIP, ...]:
    return tuple(sorted(virtual_ips, key=lambda v: v.metadata.name))
