"""What the checks process runs: frozen, complete, standard library only.

The judge compiles a NodeConfig into this form, and the agent accepts it. The same form is the last good configuration
on disk (balance.json). Times in nanoseconds.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeVar

from mooring_node.checks.config import CheckConfig
from mooring_node.ipvs.table import Method, ServiceFlag, TunnelFlag, TunnelKind
from mooring_node.records import from_plain, to_plain

FORMAT = 1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Way:
    """How packets reach a backend."""

    method: Method = Method.MASQUERADE
    tunnel: TunnelKind = TunnelKind.IPIP
    tunnel_port: int = 0
    tunnel_flags: TunnelFlag = TunnelFlag.NONE


@dataclass(frozen=True, slots=True)
class BackendConfig:
    """One server. `inhibit`: weight 0 while it is down, instead of being removed."""

    address: str
    port: int
    weight: int = 1
    upper: int = 0
    lower: int = 0
    inhibit: bool = False
    way: Way = Way()
    host: str | None = None


@dataclass(frozen=True, slots=True)
class SorryConfig:
    """Who answers without a quorum. `inhibit`: weight 0 while there is one, instead of being removed."""

    address: str
    port: int
    way: Way = Way()
    inhibit: bool = False


@dataclass(frozen=True, slots=True)
class NotificationConfig:
    """`on` holds ServerEvent's words; `script` is a name in the daemon's folder of scripts."""

    on: tuple[str, ...]
    script: str
    arguments: tuple[str, ...] = ()
    timeout_ns: int = 30_000_000_000


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """A port of some addresses, or a firewall mark (`mark`, `families`), and the servers behind it.

    `protocol` is IP's number. Its backends of one family are a pool: one quorum, one sorry server.
    """

    name: str
    virtual_server: str | None = None
    addresses: tuple[str, ...] = ()
    port: int = 0
    protocol: int = 6
    mark: int = 0
    families: tuple[int, ...] = (4,)
    scheduler: str = "wlc"
    flags: ServiceFlag = ServiceFlag.NONE
    masquerade: bool = True
    persistence_timeout_s: int = 0
    persistence_bits_ipv4: int = 32
    persistence_bits_ipv6: int = 128
    persistence_engine: str = ""
    """The kernel's name of it; the client's address tells where there is none."""
    backends: tuple[BackendConfig, ...] = ()
    sorry: SorryConfig | None = None
    quorum_up: int = 1
    quorum_hysteresis: int = 0
    checks: tuple[tuple[str, CheckConfig], ...] = ()
    """Name and check."""
    checks_on_holder: bool = False
    starts_down: bool = False
    notify_at_end: bool = False
    drain_ns: int = 0
    notifications: tuple[NotificationConfig, ...] = ()
    other_directors: tuple[str, ...] | None = None
    """MACs whose packets were balanced already, and are this node's own to answer.

    None: no other node balances the same. Else the services of this entry are of a mark, also where there is no MAC,
    because this node is no backend at present.
    """


@dataclass(frozen=True, slots=True)
class BackendAddressConfig:
    """A virtual address that goes on lo; ARP does not speak of it on `interfaces`."""

    address: str
    interfaces: tuple[str, ...]
    tunnel: TunnelKind | None = None
    tunnel_port: int = 0


@dataclass(frozen=True, slots=True)
class PortGuardConfig:
    """`ports` are pairs of IP protocol number and port."""

    addresses: tuple[str, ...]
    enforce: bool
    ports: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """The kernel's sync daemon, both roles."""

    interface: str
    sync_id: int = 0
    group: str = "224.0.0.81"
    port: int = 8848


@dataclass(frozen=True, slots=True)
class BalanceConfig:
    """Everything that one checks process runs; `generation` counts accepted configurations."""

    generation: int
    servers: tuple[ServerConfig, ...] = ()
    backend_addresses: tuple[BackendAddressConfig, ...] = ()
    port_guards: tuple[PortGuardConfig, ...] = ()
    sync: SyncConfig | None = None
    tracked: tuple[str, ...] = ()
    """Whose quorum the VRRP process is told of: names of servers, or of VirtualServers (all entries of it)."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to run."""
        return not (self.servers or self.backend_addresses or self.port_guards or self.sync)


def sound(server: ServerConfig) -> None:
    """ValueError where a server's addresses or ports are none: the kernel has no place for them.

    Whoever compiles configurations lets none of these through; this is for the day on which one does.
    """
    backends = [(each.address, each.port) for each in server.backends]
    sorry = [(server.sorry.address, server.sorry.port)] if server.sorry is not None else []
    for address, port in (*((each, server.port) for each in server.addresses), *backends, *sorry):
        ip_address(address)
        if not 0 <= port <= 65535:
            raise ValueError(f"{port} is no port")


def to_json(config: BalanceConfig) -> str:
    return json.dumps({"format": FORMAT, **to_plain(config)}, separators=(",", ":"))


def from_json(text: str) -> BalanceConfig:
    """Read what `to_json` wrote; ValueError when it is anything else (another format, a torn file).

    An entry with a field or a value that this release does not know is left out, and so is a part of that kind: a newer
    release wrote it because what is balanced needs it.
    """
    raw = json.loads(text)
    if not isinstance(raw, dict) or raw.get("format") != FORMAT or type(raw.get("generation")) is not int:
        raise ValueError("not a configuration of this daemon, or written in another format")
    return BalanceConfig(
        generation=raw["generation"],
        servers=_all(ServerConfig, raw.get("servers")),
        backend_addresses=_all(BackendAddressConfig, raw.get("backend_addresses")),
        port_guards=_all(PortGuardConfig, raw.get("port_guards")),
        sync=next(iter(_all(SyncConfig, [raw["sync"]] if raw.get("sync") else [])), None),
        tracked=tuple(each for each in raw.get("tracked", ()) if isinstance(each, str)),
    )


def _all(kind: type[T], raw: object) -> tuple[T, ...]:
    found = []
    for each in raw if isinstance(raw, list) else ():
        with suppress(ValueError):
            found.append(from_plain(kind, each))
    return tuple(found)
