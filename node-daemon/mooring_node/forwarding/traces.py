"""What kube-proxy's traces in the kernel say of it (shell; some questions to netlink, one file).

Nothing is started for this: no `iptables-save`, which on a node of many Services takes seconds.
"""

import ctypes
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from mooring_node.forwarding import sysctls
from mooring_node.forwarding.nfnetlink import IPV4, IPV6, NfTables
from mooring_node.forwarding.undo import KUBE_PROXY_INTERFACE
from mooring_node.kernel.addresses import KernelAddress
from mooring_node.kernel.links import Link

Mode: TypeAlias = Literal["IPTables", "IPVS", "NFTables"]

CHAIN = "KUBE-SERVICES"
TABLE = "kube-proxy"
ALL_ARP_IGNORE = "net/ipv4/conf/all/arp_ignore"
#: Nobody asks there for an address of a Service's.
_NO_SEGMENT = ("lo", KUBE_PROXY_INTERFACE)

_LEGACY = {
    socket.AF_INET: ("/proc/thread-self/net/ip_tables_names", socket.SOL_IP),
    socket.AF_INET6: ("/proc/thread-self/net/ip6_tables_names", socket.IPPROTO_IPV6),
}
_GET_INFO, _GET_ENTRIES = 64, 65
_INFO = struct.Struct("@32sI5I5III")
_ENTRIES = struct.Struct("@32sI")


@dataclass(frozen=True, slots=True)
class KubeProxy:
    """`answers_arp`: its interface has addresses, and ARP speaks of them on every link (strictARP is off)."""

    mode: Mode
    answers_arp: bool = False


def look(nftables: NfTables | None, links: Sequence[Link], addresses: Sequence[KernelAddress]) -> KubeProxy | None:
    """kube-proxy on this node; None where it has left no trace.

    Its interface without addresses may be left over from another mode, so it counts last.
    """
    interface = next((link for link in links if link.name == KUBE_PROXY_INTERFACE), None)
    if interface is not None and any(each.interface_index == interface.index for each in addresses):
        return KubeProxy("IPVS", answers_arp=_speaks(links, addresses))
    if nftables is not None and any(nftables.table(family, TABLE) for family in (IPV4, IPV6)):
        return KubeProxy("NFTables")
    if nftables is not None and any(nftables.has_chain(family, "nat", CHAIN) for family in (IPV4, IPV6)):
        return KubeProxy("IPTables")
    if any(_legacy_chain(family) for family in _LEGACY):
        return KubeProxy("IPTables")
    return None if interface is None else KubeProxy("IPVS")


def _speaks(links: Iterable[Link], addresses: Iterable[KernelAddress]) -> bool:
    """Whether ARP answers, on a link where this node has an address, for those of other interfaces.

    The kernel takes the larger of two settings.
    """
    overall = int(sysctls.read(ALL_ARP_IGNORE) or 0)
    segments = {each.interface_index for each in addresses if each.family == socket.AF_INET}
    asked = [link for link in links if link.index in segments and link.name not in _NO_SEGMENT and link.up]
    return any(max(overall, link.settings.get("arp_ignore", 0)) == 0 for link in asked)


def _legacy_chain(family: int) -> bool:
    """Whether iptables' own (not nftables') table `nat` has kube-proxy's chain.

    The table is asked for only where it is in use: the question would bring it to life.
    """
    names, level = _LEGACY[socket.AddressFamily(family)]
    try:
        if "nat" not in Path(names).read_text().split():
            return False
        with socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW) as raw:
            info = ctypes.create_string_buffer(_INFO.pack(b"nat", *[0] * 13), _INFO.size)
            _getsockopt(raw, level, _GET_INFO, info)
            size: int = _INFO.unpack(info.raw)[-1]
            entries = ctypes.create_string_buffer(_ENTRIES.pack(b"nat", size), _room(size))
            _getsockopt(raw, level, _GET_ENTRIES, entries)
    except OSError:
        return False
    return CHAIN.encode() + b"\0" in entries.raw


def _room(size: int) -> int:
    """The head (ipt_get_entries) is aligned to 8 bytes."""
    return (_ENTRIES.size + 7 & ~7) + size


def _getsockopt(opened: socket.socket, level: int, option: int, buffer: "ctypes.Array[ctypes.c_char]") -> None:
    """Python's own cannot: the kernel reads the question from the buffer that it answers into."""
    length = ctypes.c_uint32(len(buffer))
    if _C.getsockopt(opened.fileno(), level, option, buffer, ctypes.byref(length)):
        number = ctypes.get_errno()
        raise OSError(number, f"getsockopt {option}")


_C = ctypes.CDLL(None, use_errno=True)
