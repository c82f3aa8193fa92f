"""What is known of a node before it is judged: plain values, None where somebody's hands or eyes do not reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Wanted:
    """One instance that this node is to run, as far as the network concerns it. No peers: multicast."""

    name: str
    interface: str
    family: int
    virtual_router_id: int
    source: str | None
    peers: tuple[str, ...] = ()
    group: str = ""
    addresses: tuple[tuple[str, int], ...] = ()
    """With their prefix lengths."""


@dataclass(frozen=True, slots=True)
class Interface:
    """`settings` are the kernel's for it, `overall` those for all, by names as in `net.ipv4.conf`."""

    name: str
    mtu: int = 1500
    default_route: bool = False
    rp_filter: int = 0
    arp_ignore: int = 0
    """Each the larger one of the interface's and that for all, as the kernel takes it."""
    ipv6_off: bool = False
    forwards_ipv6: bool = False
    accept_ra: int | None = None
    networkd_file: str | None = None
    """The .network file by which systemd-networkd manages it; None: it does not, or that cannot be seen."""
    networkd_keeps: bool = False
    """Whether that file leaves others' addresses alone."""
    network_manager: bool = False


@dataclass(frozen=True, slots=True)
class Rights:
    """What this process may do. `real_time`: None where it was not tried."""

    capabilities: int = -1
    """The effective ones, a bit each."""
    memlock_unlimited: bool = True
    real_time: bool | None = None
    sys_net: str = "/proc/sys/net"
    sys_net_writable: bool = True
    cpu_limited: bool = False
    memory_limited: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """An advert's sender on an interface: at the wire, and by a socket behind the firewall."""

    interface: str
    family: int
    virtual_router_id: int
    source: str
    on_the_wire: int = 0
    received: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it."""

    wanted: Sequence[Wanted] = ()
    balances: bool = False
    scripts: bool = False
    """Whether there are programs of checks and notifications."""
    rights: Rights = Rights()
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    set_by_others: frozenset[tuple[str, str]] = frozenset()
    """Addresses that never end and are not ours, with their interface."""
    ways_back: Mapping[str, str] = field(default_factory=dict)
    """By which interface the kernel answers a peer."""
    node_ip: str | None = None
    """The node's own address as kubelet tells it."""
    kubelet: Sequence[str] | None = None
    """Its command line; None: it cannot be seen from here."""
    tables: Sequence[Mapping[str, Any]] = ()
    """The rules of nftables, and those of iptables-legacy, as `nft -j` lists them."""
    nft_trouble: str = ""
    """Why nftables could not be asked; empty: it was."""
    unread_tables: tuple[str, ...] = ()
    """Tables of iptables-legacy that could not be read, with the reason."""
    ipvs: bool = True
    modules_disabled: bool = False
    clock_source: str = "tsc"
    conntrack: tuple[int, int] | None = None
    """Entries of connection tracking, and how many there may be."""
    heard: Sequence[Heard] | None = None
    """None: nobody listened."""
