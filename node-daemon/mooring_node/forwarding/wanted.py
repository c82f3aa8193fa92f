"""What a configuration needs of this node beside rules (pure)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mooring_node.balance.config import BalanceConfig, ServerConfig
from mooring_node.forwarding.masquerade import masquerades
from mooring_node.forwarding.text import family_of as family_of
from mooring_node.ipvs.table import Method, TunnelKind

#: ARP answers only for addresses of the interface that is asked, and asks only in the name of such (direct routing).
ARP = {"arp_ignore": 1, "arp_announce": 2}
#: Loose: what comes out of a tunnel has a client's source, and the way back to it is another interface.
LOOSE = 2

#: The address of a node that needs one and has none (RFC 7600): on an interface that unwraps, see host.py.
DUMMY = "192.0.0.8"

CONNTRACK = "net/ipv4/vs/conntrack"
EXPIRE_REMOVED = "net/ipv4/vs/expire_nodest_conn"
EXPIRE_DRAINED = "net/ipv4/vs/expire_quiescent_template"
#: What kube-proxy's IPVS mode sets too, to the same values.
OF_KUBE_PROXY = frozenset({CONNTRACK, EXPIRE_REMOVED, EXPIRE_DRAINED})
SYNC_THRESHOLD = "net/ipv4/vs/sync_threshold"
SYNC_REFRESH = "net/ipv4/vs/sync_refresh_period"
FORWARD = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}

#: The kernel's own interfaces that unwrap what no other tunnel claims, with the kind that brings them.
FALLBACKS: Mapping[tuple[TunnelKind, int], tuple[str, str]] = {
    (TunnelKind.IPIP, 4): ("tunl0", "ipip"),
    (TunnelKind.IPIP, 6): ("ip6tnl0", "ip6tnl"),
    (TunnelKind.GRE, 4): ("gre0", "gre"),
    (TunnelKind.GRE, 6): ("ip6gre0", "ip6gre"),
    (TunnelKind.GUE, 4): ("tunl0", "ipip"),
    (TunnelKind.GUE, 6): ("ip6tnl0", "ip6tnl"),
}


@dataclass(frozen=True, slots=True, order=True)
class Unwrapping:
    """An interface that unwraps packets, and the kind of link that it is."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True, order=True)
class GuePort:
    """A UDP port at which the kernel unwraps GUE; `family` is 4 or 6."""

    family: int
    port: int


@dataclass(frozen=True, slots=True)
class SysctlNeed:
    """A kernel setting by its path under /proc/sys, and what it is for."""

    path: str
    value: str
    purpose: str


_NEEDS = (
    SysctlNeed(CONNTRACK, "1", "masquerade"),
    SysctlNeed(EXPIRE_REMOVED, "1", "connections to a removed backend to end at once"),
    SysctlNeed(EXPIRE_DRAINED, "1", "persistent clients to leave a backend that gets no new connections"),
)

#: By default the kernel counts packets: it tells of a connection at the third one from the client, and many a client
#: sends two and waits. With a period of time and no counts (0 0) it tells of one as soon as it is established, and
#: again after so many seconds in which it had a packet: before the other nodes forget it, and for those that did not
#: hear. linux/Documentation/networking/ipvs-sysctl.rst; ip_vs_sync_conn_needed.
_NEEDS_OF_SYNC = (
    SysctlNeed(SYNC_THRESHOLD, "0 0", "the other nodes to be told of a connection as soon as it is established"),
    SysctlNeed(SYNC_REFRESH, "10", "the other nodes to be told of a connection for as long as it lasts"),
)


def sysctls(config: BalanceConfig) -> tuple[SysctlNeed, ...]:
    """IPVS' settings that these servers and connection sync need, each for one reason."""
    of_servers = tuple(need for need in _NEEDS if users(config, need.path))
    return of_servers if config.sync is None else (*of_servers, *_NEEDS_OF_SYNC)


def users(config: BalanceConfig, path: str) -> tuple[str, ...]:
    """The names of the servers that need a setting; none where connection sync needs it."""
    return tuple(server.name for server in config.servers if _needs(server, path))


def forwarding(config: BalanceConfig) -> Mapping[int, tuple[str, ...]]:
    """The families in which this node must route, with the names of the servers for which it must."""
    found: dict[int, list[str]] = {}
    for server in config.servers:
        for family in sorted(_nat_families(server)):
            found.setdefault(family, []).append(server.name)
    return {family: tuple(names) for family, names in found.items()}


def unwrappings(config: BalanceConfig) -> frozenset[Unwrapping]:
    """The interfaces that must be up so that the kernel unwraps what comes for these addresses."""
    return frozenset(
        Unwrapping(*FALLBACKS[each.tunnel, family_of(each.address)])
        for each in config.backend_addresses
        if each.tunnel is not None
    )


def gue_ports(config: BalanceConfig) -> frozenset[GuePort]:
    """Where the kernel must unwrap GUE."""
    return frozenset(
        GuePort(family_of(each.address), each.tunnel_port)
        for each in config.backend_addresses
        if each.tunnel is TunnelKind.GUE
    )


def silent_interfaces(config: BalanceConfig) -> Mapping[str, int]:
    """The interfaces on which ARP must not speak of addresses on lo, with the place of the first that needs it."""
    found: dict[str, int] = {}
    for place, each in enumerate(config.backend_addresses):
        if family_of(each.address) == 4:
            for name in each.interfaces:
                found.setdefault(name, place)
    return found


def _needs(server: ServerConfig, path: str) -> bool:
    if path == CONNTRACK:
        return masquerades(server)
    return path == EXPIRE_REMOVED or (path == EXPIRE_DRAINED and server.persistence_timeout_s > 0)


def _nat_families(server: ServerConfig) -> Iterator[int]:
    backends = [(each.address, each.way) for each in server.backends]
    if server.sorry is not None:
        backends.append((server.sorry.address, server.sorry.way))
    yield from {family_of(address) for address, way in backends if way.method is Method.MASQUERADE}
