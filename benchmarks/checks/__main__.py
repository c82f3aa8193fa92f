"""`python -m benchmarks.checks`: our TCP checks on this host, and beside keepalived's in the guest. Prints, no more.

keepalived checks nothing without IPVS in the kernel, so the two are side by side in the guest, which has one CPU (the
server that is checked shares it) and where a system call costs a multiple. Exit code 0 when all was measured.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.checks.load import Load
from benchmarks.checks.measure import Measured, measure
from rich.console import Console
from rich.table import Table

from mooring_lab.guest import KERNEL_VARIABLE

_HOST = Load(targets=5000, interval_ms=1000, seconds=20)
_GUEST = (Load(targets=500, interval_ms=1000, seconds=15), Load(targets=1000, interval_ms=1000, seconds=15))
_GUEST_LIMIT_S = 300


def table(where: str, rows: Sequence[Measured]) -> Table:
    """As people read it."""
    found = Table(title=f"TCP checks, {where}")
    for heading in (
        "",
        "backends",
        "interval",
        "done of those due",
        "longest pause",
        "CPU",
        "for each check",
        "memory",
    ):
        found.add_column(heading, justify="left" if not heading else "right")
    for row in rows:
        found.add_row(
            row.system,
            str(row.load.targets),
            f"{row.load.interval_ms / 1000:g} s",
            f"{row.done:.1%}",
            f"{row.worst_gap_s * 1000:.0f} ms",
            f"{row.cpu:.1%}",
            f"{row.cpu / row.rate * 1e6:.0f} us" if row.rate else "",
            f"{row.memory_mib:.1f} MiB",
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checks")
    parser.add_argument("--seconds", type=float, help="how long each measurement takes")
    parser.add_argument("--kernel", type=Path, default=os.environ.get(KERNEL_VARIABLE), help="the guest kernel")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    console = Console(width=120)
    if options.inside:
        loads = [Load(each.targets, each.interval_ms, options.seconds or each.seconds) for each in _GUEST]
        rows = [measure(system, load, warmup_s=8) for load in loads for system in ("ours", "keepalived")]
        console.print(table("in the guest, in turns", rows))
        return 0
    host = Load(_HOST.targets, _HOST.interval_ms, options.seconds or _HOST.seconds)
    console.print(table("this host", [measure("ours", host, warmup_s=3)]))
    if options.kernel is None or shutil.which("keepalived") is None:
        print("keepalived is left out: it needs its program, and --kernel (make guest-kernel)", file=sys.stderr)
        return 1
    return _in_the_guest(options.kernel, options.seconds)


def _in_the_guest(kernel: Path, seconds: float | None) -> int:
    guest = [sys.executable, "-m", "mooring_lab.guest", "--kernel", str(kernel), "--time-limit", str(_GUEST_LIMIT_S)]
    inside = [sys.executable, "-m", "benchmarks.checks", "--inside"]
    more = [] if seconds is None else ["--seconds", str(seconds)]
    return subprocess.run([*guest, "--", *inside, *more], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
