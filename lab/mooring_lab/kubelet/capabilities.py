"""Which capabilities a container has, by its securityContext. Pure."""

from collections.abc import Mapping
from typing import Any

#: Bits of linux/capability.h, in order.
NAMES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)
#: What containerd and CRI-O's ancestors give a container that asks for nothing.
DEFAULT = frozenset(
    {
        *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"),
        *("NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
    }
)


def granted(security: Mapping[str, Any]) -> frozenset[str]:
    """Names without CAP_, for a container's securityContext; ValueError names one that does not exist.

    As containerd: ALL first (added, then dropped), then the single ones; an addition wins over `drop: [ALL]`.
    """
    if security.get("privileged"):
        return frozenset(NAMES)
    said = security.get("capabilities") or {}
    add, drop = _names(said.get("add")), _names(said.get("drop"))
    held = frozenset(NAMES) if "ALL" in add else DEFAULT
    if "ALL" in drop:
        held = frozenset()
    return (held | add - {"ALL"}) - (drop - {"ALL"})


def added(security: Mapping[str, Any]) -> frozenset[str]:
    """Those that it asks for by name."""
    return _names((security.get("capabilities") or {}).get("add")) - {"ALL"}


def mask(names: frozenset[str]) -> int:
    """As /proc/PID/status shows it, a bit for each."""
    return sum(1 << NAMES.index(name) for name in names)


def _names(said: list[str] | None) -> frozenset[str]:
    names = frozenset(name.upper().removeprefix("CAP_") for name in said or ())
    unknown = sorted(names - {*NAMES, "ALL"})
    if unknown:
        raise ValueError(f"unknown capability {unknown[0]!r} to add or drop")
    return names
