"""Reads what is judged (shell): the kernel, files, one run of nft. Nothing is changed."""

import contextlib
import json
import os
import resource
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from configparser import ConfigParser, Error
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mooring_node.kernel.addresses import KernelAddress
from mooring_node.kernel.links import Link
from mooring_node.kernel.rtnetlink import Rtnetlink, is_ours
from mooring_node.preflight import legacy_reading
from mooring_node.preflight.facts import Facts, Interface, Rights, Wanted
from mooring_node.preflight.listening import listen
from mooring_node.vrrp.config import DEFAULT_GROUPS, GroupConfig
from mooring_node.vrrp.text import address_text

NFT_TIME_LIMIT_S = 15.0
#: Tables that are known, and may be large.
KNOWN_TABLES = frozenset({"kube-proxy", "mooring"})
NODE_IP_VARIABLE = "MOORING_HOST_IP"
_IPV4 = Path("/proc/sys/net/ipv4/conf")
_IPV6 = Path("/proc/sys/net/ipv6/conf")
_CONNTRACK = Path("/proc/sys/net/netfilter")
_A_SETTING = "ipv4/conf/all/forwarding"
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look: `host_root` is the node's own root, as far as it is visible here."""

    host_root: Path = Path("/")
    sys_net: Path = Path("/proc/sys/net")
    listen_s: float = 0.0
    scripts: Path = Path("/etc/mooring/scripts")
    real_time: bool = True
    """Real-time priority is wanted, and so tried."""


def wanted_of(groups: Iterable[GroupConfig]) -> tuple[Wanted, ...]:
    """What of a configuration concerns the network."""
    return tuple(
        Wanted(
            member.name,
            member.interface,
            member.family,
            member.virtual_router_id,
            member.source and _bare(member.source),
            tuple(_bare(peer) for peer in member.peers or ()),
            (member.group or DEFAULT_GROUPS[member.family]) if member.peers is None else "",
            tuple((each.address, each.prefix_length) for each in member.addresses),
        )
        for group in groups
        for member in group.members
    )


def _bare(address: str) -> str:
    """Without its zone, which packets do not have."""
    return address.partition("%")[0]


def _sourced(wanted: Iterable[Wanted], own: Mapping[tuple[str, int], str]) -> tuple[Wanted, ...]:
    """Where the configuration leaves the sender open, it is the interface's own address, as the daemon takes it."""
    return tuple(
        each if each.source else replace(each, source=own.get((each.interface, each.family))) for each in wanted
    )


def _own(addresses: Iterable[KernelAddress], names: Mapping[int, str]) -> Mapping[tuple[str, int], str]:
    """For each interface and family the first address of the node itself: for IPv6 the link's."""
    found: dict[tuple[str, int], str] = {}
    for each in addresses:
        text, family = address_text(each.address), 4 if each.family == socket.AF_INET else 6
        if not is_ours(each) and (family == 4 or text.startswith("fe80:")):
            found.setdefault((names.get(each.interface_index, ""), family), text)
    return found


def read(wanted: Sequence[Wanted], places: Places, *, balances: bool) -> Facts:
    """All facts; what cannot be read is as if it were well, and what matters of that is named."""
    with Rtnetlink() as rtnetlink:
        links, addresses = rtnetlink.links(), rtnetlink.addresses()
        defaults = set(rtnetlink.default_interfaces().values())
    names = {link.index: link.name for link in links}
    interfaces = {link.name: _interface(link, places.host_root, default=link.index in defaults) for link in links}
    by_address = {address_text(each.address): names.get(each.interface_index, "") for each in addresses}
    others = frozenset(
        (address_text(each.address), names.get(each.interface_index, ""))
        for each in addresses
        if each.permanent and not is_ours(each) and names.get(each.interface_index) != "lo"
    )
    wanted = _sourced(wanted, _own(addresses, names))
    peers = {peer for each in wanted for peer in each.peers}
    tables, trouble = _tables()
    legacy, unread = legacy_reading.read()
    heard = listen(wanted, places.listen_s) if places.listen_s and wanted else None
    return Facts(
        wanted=wanted,
        balances=balances,
        scripts=_holds_something(places.scripts),
        rights=_rights(places),
        interfaces=interfaces,
        set_by_others=others,
        ways_back={peer: by_address[way] for peer in peers if (way := _answers_from(peer)) in by_address},
        node_ip=os.environ.get(NODE_IP_VARIABLE),
        kubelet=_kubelet(places.host_root),
        tables=(*tables, *legacy),
        nft_trouble=trouble,
        unread_tables=unread,
        ipvs=Path("/proc/net/ip_vs").exists(),
        modules_disabled=_text(Path("/proc/sys/kernel/modules_disabled")) == "1",
        clock_source=_text(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        conntrack=_conntrack(),
        heard=heard,
    )


def _holds_something(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return False


# Rights.


def _rights(places: Places) -> Rights:
    status = dict(line.split(":", 1) for line in _text(Path("/proc/self/status")).splitlines() if ":" in line)
    return Rights(
        capabilities=int(status.get("CapEff", "0").strip(), 16),
        memlock_unlimited=resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY,
        real_time=_real_time() if places.real_time else None,
        sys_net=str(places.sys_net),
        sys_net_writable=_writable(places.sys_net),
        cpu_limited=_limited("cpu.max"),
        memory_limited=_limited("memory.max"),
    )


def _real_time() -> bool:
    """Tried for a moment, and given back: neither a capability nor a limit tells all of it."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


def _writable(folder: Path) -> bool:
    try:
        return not os.statvfs(folder).f_flag & os.ST_RDONLY and os.access(folder / _A_SETTING, os.W_OK)
    except OSError:
        return False


def _limited(name: str) -> bool:
    """By this process's own cgroup, version 2; in a container that is the root that it sees."""
    path = next((line[3:] for line in _text(Path("/proc/self/cgroup")).splitlines() if line.startswith("0::")), "/")
    value = _text(_CGROUPS / path.lstrip("/") / name)
    return bool(value) and not value.startswith("max")


# The network.


def _interface(link: Link, host_root: Path, *, default: bool) -> Interface:
    def taken(name: str) -> int:
        return max(link.settings.get(name, 0), _number(_IPV4 / "all" / name) or 0)

    file, keeps = _networkd(link.index, host_root)
    return Interface(
        link.name,
        link.mtu,
        default_route=default,
        rp_filter=taken("rp_filter"),
        arp_ignore=taken("arp_ignore"),
        ipv6_off=_number(_IPV6 / link.name / "disable_ipv6") == 1,
        forwards_ipv6=_number(_IPV6 / link.name / "forwarding") == 1,
        accept_ra=_number(_IPV6 / link.name / "accept_ra"),
        networkd_file=file,
        networkd_keeps=keeps,
        network_manager=_network_manager(link.index, host_root),
    )


def _networkd(index: int, host_root: Path) -> tuple[str | None, bool]:
    """Its file for the interface, and whether that keeps what others have set."""
    state = dict(
        line.split("=", 1)
        for line in _text(host_root / "run/systemd/netif/links" / str(index)).splitlines()
        if "=" in line
    )
    file = state.get("NETWORK_FILE", "")
    if not file or state.get("ADMIN_STATE") == "unmanaged":
        return None, False
    files = (file, *state.get("NETWORK_FILE_DROPINS", "").replace('"', "").split())
    texts = [_text(host_root / each.lstrip("/")) for each in files]
    said = [line.partition("=")[2].strip() for text in texts for line in text.splitlines() if _is_keeping(line)]
    return file, bool(said) and said[-1] in ("yes", "true", "static", "on", "1")


def _is_keeping(line: str) -> bool:
    return line.partition("=")[0].strip() == "KeepConfiguration"


def _network_manager(index: int, host_root: Path) -> bool:
    state = ConfigParser(interpolation=None, strict=False)
    try:
        state.read_string(_text(host_root / "run/NetworkManager/devices" / str(index)) or "[device]")
    except Error:
        return False
    return state.get("device", "managed", fallback="") == "true"


def _answers_from(peer: str) -> str:
    """The address from which the kernel would answer; no packet is sent."""
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as opened:
        opened.connect((peer, 9))
        name: str = opened.getsockname()[0]
        return name
    return ""


def _kubelet(host_root: Path) -> tuple[str, ...] | None:
    for folder in (host_root / "proc").glob("[0-9]*"):
        if _text(folder / "comm") == "kubelet":
            return tuple(each for each in _text(folder / "cmdline").split("\0") if each)
    return None


def _conntrack() -> tuple[int, int] | None:
    count, most = _number(_CONNTRACK / "nf_conntrack_count"), _number(_CONNTRACK / "nf_conntrack_max")
    return (count, most) if count is not None and most else None


# Rules.


def _tables() -> tuple[tuple[Mapping[str, Any], ...], str]:
    """Those tables that could drop something, and why they could not be read: others are large, with many Services."""
    chains, trouble = _nft("list", "chains")
    if chains is None:
        return (), trouble
    listed: list[Mapping[str, Any]] = []
    for family, table in sorted(set(_of_filters(chains))):
        found, trouble = _nft("list", "table", family, table)
        if found is None:
            return (), trouble
        listed += found
    return tuple(listed), ""


def _of_filters(entries: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        chain = entry.get("chain", {})
        known = chain.get("table") in KNOWN_TABLES or chain.get("family") not in ("ip", "ip6", "inet")
        if chain.get("type") == "filter" and not known:
            yield chain["family"], chain["table"]


def _nft(*arguments: str) -> tuple[Sequence[Mapping[str, Any]] | None, str]:
    try:
        done = subprocess.run(
            ["nft", "-j", *arguments], capture_output=True, text=True, timeout=NFT_TIME_LIMIT_S, check=False
        )
    except FileNotFoundError:
        return None, "there is no program nft"
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"nft: {error}"
    if done.returncode:
        return None, f"nft: {' '.join(done.stderr.split())[:200]}"
    try:
        return json.loads(done.stdout)["nftables"], ""
    except (ValueError, KeyError) as error:
        return None, f"nft's list cannot be read: {error!r}"


# Files.


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdigit() else None
