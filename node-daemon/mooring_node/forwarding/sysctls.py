"""Kernel settings under /proc/sys (shell)."""

from dataclasses import dataclass
from pathlib import Path

from mooring_node.forwarding.ledger import LedgerSysctl

PROC_SYS = Path("/proc/sys")


@dataclass(frozen=True, slots=True)
class Refused:
    """A setting that could not be read or written: it is not there, or /proc/sys is read-only."""

    path: str
    missing: bool
    words: str


def dotted(path: str) -> str:
    """A setting as `sysctl` names it."""
    return path.replace("/", ".")


def read(path: str, root: Path = PROC_SYS) -> str | None:
    """Its value; None where the kernel has no such setting (now)."""
    try:
        return (root / path).read_text().strip()
    except OSError:
        return None


def write(path: str, value: str, root: Path = PROC_SYS) -> Refused | None:
    """None when it is written."""
    try:
        (root / path).write_text(value)
    except FileNotFoundError:
        return Refused(path, missing=True, words="there is no such setting")
    except OSError as error:
        return Refused(path, missing=False, words=error.strerror or str(error))
    return None


def undo(sysctls: frozenset[LedgerSysctl], root: Path = PROC_SYS) -> frozenset[LedgerSysctl]:
    """Put settings back that still have our value; those that were refused."""
    refused = [
        each
        for each in sysctls
        if read(each.path, root) == each.ours and each.before != each.ours and write(each.path, each.before, root)
    ]
    return frozenset(refused)
