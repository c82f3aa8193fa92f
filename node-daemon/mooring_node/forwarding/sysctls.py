"""Kernel settings of the network (shell).

A container reads them in its own /proc/sys, and writes them elsewhere: runtimes mount that read-only, and refuse a
mount of the node's at a place below /proc.
"""

from dataclasses import dataclass
from pathlib import Path

from mooring_node.forwarding.ledger import LedgerSysctl

PROC_SYS = Path("/proc/sys")
PROC_SYS_NET = PROC_SYS / "net"


@dataclass(frozen=True, slots=True)
class Refused:
    """A setting that could not be read or written: it is not there, or /proc/sys is read-only."""

    path: str
    missing: bool
    words: str


def dotted(path: str) -> str:
    """A setting as `sysctl` names it."""
    return path.replace("/", ".")


def read(path: str, sys_net: Path = PROC_SYS_NET) -> str | None:
    """Its value, of several numbers with a space between them; None where the kernel has no such setting (now)."""
    try:
        return " ".join(_file(path, sys_net).read_text().split())
    except OSError:
        return None


def write(path: str, value: str, sys_net: Path = PROC_SYS_NET) -> Refused | None:
    """None when it is written."""
    try:
        _file(path, sys_net).write_text(value)
    except FileNotFoundError:
        return Refused(path, missing=True, words="there is no such setting")
    except OSError as error:
        return Refused(path, missing=False, words=error.strerror or str(error))
    return None


def undo(sysctls: frozenset[LedgerSysctl], sys_net: Path = PROC_SYS_NET) -> frozenset[LedgerSysctl]:
    """Put settings back that still have our value; those that were refused."""
    refused = [
        each
        for each in sysctls
        if read(each.path, sys_net) == each.ours and each.before != each.ours and write(each.path, each.before, sys_net)
    ]
    return frozenset(refused)


def _file(path: str, sys_net: Path) -> Path:
    """Where it is; the paths of ours, as below /proc/sys, all begin with `net/`."""
    return sys_net / path.removeprefix("net/")
