"""A program that needs IPVS runs itself again in the guest kernel where this one has none."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mooring_lab import guest
from mooring_lab.rights import LabError

_ROOT = Path(__file__).parents[2]
_TIME_LIMIT_SECONDS = 1800.0


def has_ipvs() -> bool:
    """Whether this kernel balances."""
    return Path("/proc/net/ip_vs").exists()


def run_again(module: str, arguments: Sequence[str], *, time_travel: bool) -> int:
    """Run a module with these arguments in the guest kernel, which is built where it is not there; its exit status.

    LabError where there is none, or where this is a guest already.
    """
    if guest.SHARE_VARIABLE in os.environ:
        raise LabError("the guest kernel has no IPVS; build it anew: make guest-kernel")
    found = subprocess.run([_ROOT / "scripts" / "guest-kernel"], stdout=subprocess.PIPE, text=True, check=False)
    if found.returncode:
        raise LabError("there is no guest kernel; see above")
    booted = guest.Guest(
        kernel=Path(found.stdout.strip()),
        command=(sys.executable, "-m", module, *arguments),
        shared=(_ROOT,),
        time_travel=time_travel,
        time_limit=_TIME_LIMIT_SECONDS,
    )
    return guest.run(booted, sys.stdout.buffer, sys.stderr.buffer)
