"""From a NodeConfig to what the checks process runs. Pure: what it needs of the node is passed in."""

from collections.abc import Iterator
from ipaddress import ip_address

from mooring_api.balancing import (
    ChecksOn,
    Forwarding,
    InitialState,
    Masquerade,
    OnEnd,
    OnFailure,
    OnQuorum,
    PersistenceEngine,
    Protocol,
    SchedulerFlag,
    ServerNotification,
    Tunnel,
    TunnelChecksum,
    TunnelType,
)
from mooring_api.node_server import BackendAddress, ConnectionSync, NodeBackend, NodeVirtualServer, PortGuard
from mooring_api.nodeconfig import NodeConfigSpec
from mooring_api.problems import CONNECTION_SYNC, Problem
from mooring_api.vrrp import Family
from mooring_node.balance.config import (
    BackendAddressConfig,
    BackendConfig,
    BalanceConfig,
    NotificationConfig,
    PortGuardConfig,
    ServerConfig,
    SorryConfig,
    SyncConfig,
    Way,
)
from mooring_node.ipvs.table import SCTP, TCP, UDP, Method, ServiceFlag, TunnelFlag, TunnelKind
from mooring_node.judge.checks import PORTLESS, compile_check
from mooring_node.judge.facts import NodeFacts
from mooring_node.units import SECOND_NS

PROTOCOLS = {Protocol.TCP: TCP, Protocol.UDP: UDP, Protocol.SCTP: SCTP}
_METHODS = {
    Forwarding.NAT: Method.MASQUERADE,
    Forwarding.DIRECT_ROUTE: Method.DIRECT_ROUTE,
    Forwarding.TUNNEL: Method.TUNNEL,
}
_TUNNELS = {TunnelType.IPIP: TunnelKind.IPIP, TunnelType.GUE: TunnelKind.GUE, TunnelType.GRE: TunnelKind.GRE}
_CHECKSUMS = {
    TunnelChecksum.NONE: TunnelFlag.NONE,
    TunnelChecksum.CHECKSUM: TunnelFlag.CHECKSUM,
    TunnelChecksum.REMOTE: TunnelFlag.REMOTE_CHECKSUM,
}
_ENGINES = {PersistenceEngine.SIP: "sip"}
_FLAGS = {SchedulerFlag.FALLBACK: ServiceFlag.SCHEDULER_1, SchedulerFlag.PORT: ServiceFlag.SCHEDULER_2}
_NO_INTERFACE = "no interface of this node has its subnet, and there is no default route; name one"
_NO_PORT = "behind a firewall mark a backend has no port; write connectPort"


def compile_balance(spec: NodeConfigSpec, facts: NodeFacts, node: str) -> tuple[BalanceConfig, tuple[Problem, ...]]:
    """All that can be run, as generation 0, tracking nothing; an entry that cannot is a problem by its name."""
    named = f"NodeConfig {node}"
    problems: list[Problem] = []
    servers = []
    for server in spec.virtual_servers:
        wrong = tuple(_mistakes(server, named))
        problems += wrong
        if not wrong:
            servers.append(_server(server))
    addresses = []
    for each in spec.backend_addresses:
        interfaces = each.interfaces or _interfaces(each.address, facts)
        if interfaces:
            addresses.append(_backend_address(each, interfaces))
        else:
            problems.append(Problem(named, "spec.backendAddresses[].interfaces", _NO_INTERFACE, instance=each.address))
    sync = spec.connection_sync
    interface = sync and (sync.interface or _default_interface(facts))
    if sync is not None and not interface:
        message = "there is no default route; name the interface"
        problems.append(Problem(named, "spec.connectionSync.interface", message, instance=CONNECTION_SYNC))
    config = BalanceConfig(
        generation=0,
        servers=tuple(servers),
        backend_addresses=tuple(addresses),
        port_guards=tuple(_guard(each) for each in spec.port_guards),
        sync=_sync(sync, interface) if sync and interface else None,
    )
    return config, tuple(problems)


def _mistakes(server: NodeVirtualServer, named: str) -> Iterator[Problem]:
    """What shows only when everything that was left out is filled in."""
    if server.firewall_mark is None:
        return
    portless = any(backend.port is None for backend in server.backends)
    for index, check in enumerate(server.health_checks):
        if portless and check.connect_port is None and check.kind not in PORTLESS:
            path = f"spec.virtualServers[].healthChecks[{index}].connectPort"
            yield Problem(named, path, _NO_PORT, instance=server.name)


def _server(server: NodeVirtualServer) -> ServerConfig:
    persistence, port = server.persistence, server.port or 0
    flags = ServiceFlag.ONE_PACKET if server.one_packet else ServiceFlag.NONE
    for flag in server.scheduler_flags:
        flags |= _FLAGS[flag]
    return ServerConfig(
        name=server.name,
        virtual_server=server.virtual_server,
        addresses=server.addresses,
        port=port,
        protocol=PROTOCOLS[server.protocol],
        mark=server.firewall_mark or 0,
        families=_families(server),
        scheduler=server.scheduler.value,
        flags=flags,
        masquerade=server.masquerade is Masquerade.ALWAYS,
        persistence_timeout_s=int(persistence.timeout) // SECOND_NS if persistence else 0,
        persistence_bits_ipv4=persistence.prefix_length_ipv4 if persistence else 32,
        persistence_bits_ipv6=persistence.prefix_length_ipv6 if persistence else 128,
        persistence_engine=_ENGINES[persistence.engine] if persistence and persistence.engine else "",
        backends=tuple(_backend(each, server) for each in server.backends),
        sorry=_sorry(server),
        quorum_up=server.quorum.up,
        quorum_hysteresis=server.quorum.hysteresis,
        checks=tuple((check.name, compile_check(check)) for check in server.health_checks),
        checks_on_holder=server.checks_on is ChecksOn.HOLDER,
        starts_down=server.initial_state is InitialState.DOWN,
        notify_at_end=server.on_end is OnEnd.NOTIFY,
        drain_ns=int(server.drain_timeout),
        notifications=tuple(_notification(each) for each in server.notifications),
        other_directors=_directors(server),
    )


def _directors(server: NodeVirtualServer) -> tuple[str, ...] | None:
    """Those whose packets are left out; None: its services are of its addresses and port.

    What a VirtualServer hands on as it is, be it to one of its servers alone, other nodes hand on too, and any of them
    may become a backend: an endpoint that is ready for a moment makes it one. So that connections outlive this, and
    are the same service's on every node, it is not asked which are backends now. In a file nobody need balance the
    same, and who names other directors says that they do. The operator has the same rule (plan/servers/backends.py).
    """
    shared = server.virtual_server is not None and _hands_on(server)
    return server.other_directors if shared or server.other_directors else None


def _hands_on(server: NodeVirtualServer) -> bool:
    """Whether any packet leaves for a server as it came: not by NAT."""
    ways = [server.forwarding, *(backend.forwarding for backend in server.backends)]
    if server.sorry_server is not None:
        ways.append(server.sorry_server.forwarding)
    return any(way not in (None, Forwarding.NAT) for way in ways)


def _families(server: NodeVirtualServer) -> tuple[int, ...]:
    """A firewall mark's family is written, IPv4 where it is not; else the addresses tell."""
    if server.firewall_mark is not None:
        return (6,) if server.family is Family.IPV6 else (4,)
    return tuple(sorted({6 if ":" in address else 4 for address in server.addresses}))


def _way(forwarding: Forwarding, tunnel: Tunnel | None) -> Way:
    if forwarding is not Forwarding.TUNNEL:
        return Way(_METHODS[forwarding])
    chosen = tunnel or Tunnel()
    return Way(Method.TUNNEL, _TUNNELS[chosen.type], chosen.port or 0, _CHECKSUMS[chosen.checksum])


def _backend(backend: NodeBackend, server: NodeVirtualServer) -> BackendConfig:
    """Without a port of its own it has the virtual server's; behind a firewall mark that is 0, the client's own."""
    limits = backend.connection_limits
    return BackendConfig(
        address=backend.address,
        port=backend.port or server.port or 0,
        weight=backend.weight,
        upper=limits.upper if limits else 0,
        lower=limits.lower if limits else 0,
        inhibit=backend.on_failure is OnFailure.INHIBIT,
        way=_way(backend.forwarding or server.forwarding, server.tunnel),
        host=backend.host,
    )


def _sorry(server: NodeVirtualServer) -> SorryConfig | None:
    sorry = server.sorry_server
    if sorry is None:
        return None
    return SorryConfig(
        sorry.address,
        sorry.port or server.port or 0,
        _way(sorry.forwarding or server.forwarding, server.tunnel),
        inhibit=sorry.on_quorum is OnQuorum.INHIBIT,
    )


def _notification(chosen: ServerNotification) -> NotificationConfig:
    return NotificationConfig(
        on=tuple(event.value for event in chosen.on),
        script=chosen.script.file,
        arguments=chosen.script.arguments,
        timeout_ns=int(chosen.timeout),
    )


def _interfaces(address: str, facts: NodeFacts) -> tuple[str, ...]:
    """Where an address is at home: the interface of its subnet, else that of the default route."""
    value = ip_address(address)
    for interface, subnet in facts.subnets:
        if value.version == subnet.version and value in subnet:
            return (interface,)
    default = dict(facts.default_interfaces).get(value.version)
    return (default,) if default else ()


def _default_interface(facts: NodeFacts) -> str | None:
    """IPv4's first."""
    defaults = dict(facts.default_interfaces)
    return defaults.get(4) or defaults.get(6)


def _backend_address(each: BackendAddress, interfaces: tuple[str, ...]) -> BackendAddressConfig:
    tunnel = None if each.tunnel is None else _TUNNELS[each.tunnel]
    return BackendAddressConfig(each.address, interfaces, tunnel, each.tunnel_port or 0)


def _guard(guard: PortGuard) -> PortGuardConfig:
    ports = tuple((PROTOCOLS[each.protocol], each.port) for each in guard.ports)
    return PortGuardConfig(guard.addresses, guard.mode == "Enforce", ports)


def _sync(sync: ConnectionSync, interface: str) -> SyncConfig:
    return SyncConfig(interface, sync.sync_id, sync.group, sync.port)
