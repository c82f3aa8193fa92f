"""What a node runs of a VirtualServer: one entry for each of its ports, with its backends resolved."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
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
    TunnelType,
    Weight,
    is_free,
)
from mooring_api.duration import Duration
from mooring_api.health_check import MAX_CHECKS, HealthCheck, Port
from mooring_api.nodeconfig_status import MAX_SERVERS as MAX_SERVERS
from mooring_api.vrrp import Family
from mooring_api.wire import (
    Check,
    Flag,
    GroupAddress,
    Integer,
    InterfaceName,
    Level,
    Location,
    PlainAddress,
    Rule,
    Wire,
    duration,
)

MAX_BACKENDS = 1024
#: The interfaces of all candidates of a VirtualIP but one.
MAX_DIRECTORS = 1024
#: `shop/shop:https`, or any name in a file.
ServerName = Annotated[str, Field(min_length=1, max_length=400, pattern=r"^[!-~]+$")]
MACAddress = Annotated[str, Field(min_length=17, max_length=17, pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]


class NodeBackend(Wire):
    """One server that gets connections."""

    address: PlainAddress
    """Its address."""
    port: Port | None = None
    """Left out: the port of the virtual server; so it must be with a firewall mark, DirectRoute and Tunnel."""
    weight: Weight = 1
    """0: it keeps the connections that it has and gets no new ones."""
    connection_limits: ConnectionLimits | None = None
    on_failure: OnFailure = OnFailure.REMOVE
    forwarding: Forwarding | None = None
    """Left out: the virtual server's; keepalived's lvs_method."""
    host: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """What it is, for logs and status: a pod, a node."""


def _server_mistakes(server: "NodeVirtualServer") -> Iterator[tuple[Location, str]]:
    families = {":" in address for address in server.addresses}
    seen: set[tuple[str, int | None]] = set()
    for index, backend in enumerate(server.backends):
        key = (backend.address, backend.port or server.port)
        if key in seen:
            yield ("backends", index), f"{backend.address} stands twice with this port; remove one of them"
        seen.add(key)
        forwarding = backend.forwarding or server.forwarding
        if forwarding is not Forwarding.NAT and backend.port not in (None, server.port):
            yield (
                ("backends", index, "port"),
                f"{forwarding} leaves the port as it is, {server.port}; remove port, or set forwarding: NAT",
            )
        if families and (":" in backend.address) not in families and forwarding is not Forwarding.TUNNEL:
            yield ("backends", index, "address"), "no address is of this backend's family; remove it"
        if wrong := _no_server(server, backend.address, backend.port):
            yield ("backends", index, "address"), wrong


def _no_server(server: "NodeVirtualServer", address: str, port: int | None) -> str:
    """Why nobody else answers there; empty: somebody may."""
    if ip_address(address).is_loopback:
        return f"{address} is a loopback address, where each node meets itself; write the server's own"
    if address in server.addresses and port in (None, server.port):
        return f"{address} is what is balanced itself; write the server's own address"
    return ""


def _sorry_mistakes(server: "NodeVirtualServer") -> Iterator[tuple[Location, str]]:
    """The same as of a backend, for it is one while there is no quorum."""
    sorry = server.sorry_server
    if sorry is None:
        return
    forwarding = sorry.forwarding or server.forwarding
    if forwarding is not Forwarding.NAT and sorry.port not in (None, server.port):
        message = f"{forwarding} leaves the port as it is, {server.port}; remove port, or set forwarding: NAT"
        yield ("sorryServer", "port"), message
    families = {":" in address for address in server.addresses}
    if families and (":" in sorry.address) not in families and forwarding is not Forwarding.TUNNEL:
        yield ("sorryServer", "address"), "no address is of the sorry server's family; remove it"
    if wrong := _no_server(server, sorry.address, sorry.port):
        yield ("sorryServer", "address"), wrong


class NodeVirtualServer(Wire):
    """A port of some addresses, or a firewall mark, and the servers behind it."""

    name: ServerName
    """Unique on the node; what logs, metrics and status call it."""
    virtual_server: Annotated[str, Field(min_length=1, max_length=317)] | None = None
    """The VirtualServer that it comes from, as `namespace/name`."""
    addresses: Annotated[tuple[PlainAddress, ...], Field(max_length=64)] = ()
    """The virtual addresses; they may be a VirtualIP's or any other's."""
    port: Port | None = None
    """Their port."""
    protocol: Protocol = Protocol.TCP
    """What is balanced on that port."""
    firewall_mark: FirewallMark | None = None
    """Instead of addresses and port: packets with this mark."""
    family: Family | None = None
    """With a firewall mark: which packets; left out: IPv4."""
    scheduler: Scheduler = Scheduler.WLC
    scheduler_flags: Annotated[tuple[SchedulerFlag, ...], Field(max_length=2)] = ()
    """Of sh and mh."""
    one_packet: Flag = False
    """True: each datagram is scheduled by itself; UDP alone. keepalived's ops."""
    forwarding: Forwarding = Forwarding.NAT
    tunnel: Tunnel | None = None
    masquerade: Masquerade = Masquerade.ALWAYS
    persistence: Persistence | None = None
    backends: Annotated[tuple[NodeBackend, ...], Field(max_length=MAX_BACKENDS)] = ()
    """Who gets the connections; each address with its port stands once."""
    sorry_server: SorryServer | None = None
    quorum: Quorum = Quorum()
    health_checks: Annotated[tuple[HealthCheck, ...], Field(max_length=MAX_CHECKS)] = ()
    """Each backend must pass all of them; without any it is always up."""
    checks_on: ChecksOn = ChecksOn.ALL_CANDIDATES
    initial_state: InitialState = InitialState.UP
    on_end: OnEnd = OnEnd.QUIET
    drain_timeout: Annotated[Duration, duration("0s", "24h")] = Duration(0)
    """A backend that is no longer listed keeps its connections for so long, with weight 0."""
    notifications: Annotated[tuple[ServerNotification, ...], Field(max_length=8)] = ()
    """Programs that are run for what happens to its backends."""
    other_directors: Annotated[tuple[MACAddress, ...], Field(max_length=MAX_DIRECTORS)] = ()
    """This node is a backend too: packets from these MACs were balanced already, and are its own to answer."""
    required_level: Level | None = None
    """A daemon whose contractLevel is lower must not run this, and keeps what it ran. Left out: all may."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="(has(self.addresses) && self.addresses.size() > 0) != has(self.firewallMark)"
            " && has(self.port) != has(self.firewallMark)",
            message="write addresses and port, or firewallMark alone",
            holds=lambda s: (
                (not s.addresses and s.port is None) if s.firewall_mark else bool(s.addresses and s.port is not None)
            ),
        ),
        Rule(
            cel=MARK_IS_FREE,
            message=MARK_IS_NOT_FREE,
            holds=lambda s: is_free(s.firewall_mark),
            path="firewallMark",
        ),
        Rule(
            cel="!self.onePacket || self.protocol == 'UDP' || has(self.firewallMark)",
            message="only UDP is scheduled by the packet; remove onePacket",
            holds=lambda s: not s.one_packet or s.protocol is Protocol.UDP or s.firewall_mark is not None,
            path="onePacket",
        ),
        Rule(
            cel="!has(self.persistence) || !has(self.persistence.engine) || self.protocol == 'UDP'"
            " || has(self.firewallMark)",
            message="the kernel knows SIP's calls in UDP alone; remove persistence.engine",
            holds=lambda s: (
                s.persistence is None
                or s.persistence.engine is None
                or s.protocol is Protocol.UDP
                or s.firewall_mark is not None
            ),
            path="persistence",
        ),
        Rule(
            cel="!has(self.family) || has(self.firewallMark)",
            message="the family follows from the addresses; remove it",
            holds=lambda s: s.family is None or s.firewall_mark is not None,
            path="family",
        ),
    )
    checks: ClassVar[tuple[Check, ...]] = (_server_mistakes, _sorry_mistakes)


class BackendAddress(Wire):
    """A virtual address that this node's servers answer for, while another node holds it (direct routing, tunnels)."""

    address: PlainAddress
    """It goes on lo, as /32 or /128; the node's other interfaces do not speak of it."""
    interfaces: Annotated[tuple[InterfaceName, ...], Field(max_length=16)] = ()
    """Where ARP must not speak of it; left out: the interface of its subnet, else that of the default route."""
    tunnel: TunnelType | None = None
    """What packets come wrapped in; the daemon sets up what unwraps them."""
    tunnel_port: Port | None = None
    """GUE's UDP port."""


class GuardedPort(Wire):
    """A port that a virtual server answers on."""

    protocol: Protocol = Protocol.TCP
    port: Port
    """Its number."""


class PortGuard(Wire):
    """On these addresses nothing but these ports answers."""

    addresses: Annotated[tuple[PlainAddress, ...], Field(min_length=1, max_length=1024)]
    """The addresses that are guarded."""
    mode: Literal["Enforce", "Monitor"]
    """Enforce: other packets are dropped. Monitor: they are counted."""
    ports: Annotated[tuple[GuardedPort, ...], Field(max_length=1024)] = ()
    """What answers; with an empty list nothing does."""


class ConnectionSync(Wire):
    """The kernel's sync daemon: tells other nodes of established connections, by multicast."""

    interface: InterfaceName | None = None
    """Left out: that of the default route."""
    sync_id: Annotated[Integer, Field(ge=0, le=255)] = 0
    """Nodes of one ID hear each other."""
    group: GroupAddress = "224.0.0.81"
    """Where it is told."""
    port: Port = 8848
    """The UDP port."""


def server_conflicts(servers: Sequence[NodeVirtualServer]) -> Iterator[tuple[int, Location, str]]:
    """What virtual servers contradict each other in; the later one in the list is blamed."""
    names: set[str] = set()
    owners: dict[tuple[object, ...], str] = {}
    for place, server in enumerate(servers):
        if server.name in names:
            yield place, ("name",), f"another virtual server is named {server.name}; give each a name of its own"
        names.add(server.name)
        for key, below, what in _claims(server):
            owner = owners.setdefault(key, server.name)
            if owner != server.name:
                yield place, below, f"{what} already belongs to {owner}; remove one of the two"


def _claims(server: NodeVirtualServer) -> Iterator[tuple[tuple[object, ...], Location, str]]:
    if server.firewall_mark is not None:
        family = server.family or Family.IPV4
        yield (server.firewall_mark, family), ("firewallMark",), f"firewall mark {server.firewall_mark} for {family}"
    for index, address in enumerate(server.addresses):
        key = (address, server.protocol, server.port)
        yield key, ("addresses", index), f"port {server.port}/{server.protocol} of {address}"
