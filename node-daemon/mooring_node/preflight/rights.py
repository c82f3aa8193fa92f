"""Rights and what limits this container (pure)."""

from collections.abc import Iterator

from mooring_node.preflight.facts import Facts, Rights
from mooring_node.preflight.finding import Finding, error, warning

NET_ADMIN, NET_RAW, IPC_LOCK, SYS_NICE = 12, 13, 14, 23
SETUID, SETGID, KILL = 7, 6, 5
_OF_SCRIPTS = ((SETUID, "SETUID"), (SETGID, "SETGID"), (KILL, "KILL"))


def judge(facts: Facts) -> Iterator[Finding]:
    """What is missing of capabilities, priority, memory, settings and modules."""
    rights = facts.rights
    for number, name, what in (
        (NET_ADMIN, "NET_ADMIN", "addresses cannot be set"),
        (NET_RAW, "NET_RAW", "VRRP and ARP cannot be spoken"),
    ):
        if not _has(rights, number):
            yield error("MissingCapability", f"CAP_{name} is missing: {what}", f"grant {name}")
    yield from _timely(rights)
    lacking = [name for number, name in _OF_SCRIPTS if not _has(rights, number)]
    if lacking and facts.balances and facts.scripts:
        yield warning(
            "MissingCapability",
            f"{', '.join(f'CAP_{name}' for name in lacking)} missing: scripts, which run as nobody, cannot be run",
            f"grant {', '.join(lacking)}",
        )
    if facts.balances and not rights.sys_net_writable:
        yield warning(
            "SettingsReadOnly",
            f"{rights.sys_net} cannot be written: net.ipv4.vs.* stay as they are",
            "mount the node's /proc/sys/net, say at /host/proc/sys/net, and name it by MOORING_SYS_NET or --sys-net",
        )
    if facts.balances and not facts.ipvs:
        how = "this node loads no modules any more" if facts.modules_disabled else "the kernel has not loaded it"
        remedy = "have ip_vs loaded at boot (/etc/modules-load.d), or run `modprobe ip_vs` on the node"
        yield error("IpvsMissing", f"IPVS is not there: {how}", remedy)


def _timely(rights: Rights) -> Iterator[Finding]:
    """What makes adverts late."""
    if rights.real_time is False:
        capable = _has(rights, SYS_NICE)
        remedy = "give its cgroup real-time time (cpu.rt_runtime_us)" if capable else "grant SYS_NICE"
        yield warning("NoRealTime", "real-time priority is refused: under load adverts may be late", remedy)
    if not (_has(rights, IPC_LOCK) or rights.memlock_unlimited):
        yield warning(
            "MemoryNotLocked",
            "memory cannot be kept from being paged out: under pressure adverts may be late",
            "grant IPC_LOCK, or set the limit memlock to unlimited",
        )
    if rights.cpu_limited:
        message = "a CPU limit is set: a daemon that is throttled speaks late, and the others take its role"
        yield warning("CpuLimit", message, "remove the limit; the request is enough")
    if rights.memory_limited:
        message = "a memory limit is set: a daemon that is killed for its memory takes its addresses along"
        yield warning("MemoryLimit", message, "remove the limit; listening to the API is bounded by itself")


def _has(rights: Rights, number: int) -> bool:
    return bool(rights.capabilities >> number & 1)
