"""What a lab needs of the machine, asked before anything is changed."""

import os
import shutil
from pathlib import Path

#: Bits of linux/capability.h.
_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_ADMIN": 21}
_TOOLS = {"ip": "iproute2", "nft": "nftables"}


class LabError(Exception):
    """The lab cannot do what it was asked; the message says what to do about it."""


def missing(effective: int, uid: int, tools: frozenset[str]) -> tuple[str, ...]:
    """What is missing, in words; `effective` is the process's set of effective capabilities as a bit mask."""
    lacking = [] if uid == 0 else ["root (uid 0)"]
    lacking += [name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1]
    lacking += [f"the tool {tool} (package {package})" for tool, package in _TOOLS.items() if tool not in tools]
    return tuple(lacking)


def require() -> None:
    """Raise LabError naming every right and tool that is missing; changes nothing."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    tools = frozenset(tool for tool in _TOOLS if shutil.which(tool))
    lacking = missing(int(status["CapEff"], 16), os.geteuid(), tools)
    if lacking:
        raise LabError(f"a lab makes network namespaces and needs {', '.join(lacking)}; run it as root, with sudo")
