"""`python -m benchmarks.ipvs --kernel FILE`: an IPVS table of 1,000 services with 10 backends each, from empty.

Prints; decides nothing. Exit codes: 0 when all measurements ran, 1 when one could not be made.
"""

import argparse
import io
import json
import os
import sys
from pathlib import Path
from statistics import median

from benchmarks.ipvs.inside import BACKENDS, CHANGES, SERVICES, SYSTEMS

from mooring_lab.guest import KERNEL_VARIABLE, Guest, run

NAMES = {"ours": "Mooring", "keepalived": "keepalived", "ipvsadm": "ipvsadm --restore"}
#: What a hand-written sender of packed messages took, alone and on a quiet machine.
BOUND_S = 0.6
CHANGE_BOUND_MS = 50


def measure(kernel: Path, system: str) -> dict[str, float]:
    """One system in a fresh boot; its figures, or an exception with what the guest said."""
    out, err = io.BytesIO(), io.BytesIO()
    command = (sys.executable, "-m", "benchmarks.ipvs.inside", system)
    status = run(Guest(kernel, command, (Path.cwd(),), time_limit=240), out, err)
    if status:
        raise RuntimeError(f"{system}: exit code {status}: {err.getvalue().decode(errors='replace')[-1000:]}")
    found: dict[str, float] = json.loads(out.getvalue())
    return found


def pressure() -> str:
    """The share of the last ten seconds in which something waited for a CPU."""
    path = Path("/proc/pressure/cpu")
    return path.read_text().split()[1].removeprefix("avg10=") + " %" if path.exists() else "not known"


def spread(values: list[float], unit: str) -> str:
    return f"{median(values):8.2f} {unit} ({min(values):.2f} to {max(values):.2f})"


def report(samples: dict[str, list[dict[str, float]]]) -> None:
    print(f"{SERVICES:,} services x {BACKENDS} backends from an empty kernel, median (range):")
    for system, found in samples.items():
        if found:
            print(f"  {NAMES[system]:20}{spread([each['table_s'] for each in found], 's ')}")
    ours = samples.get("ours")
    if not ours:
        return
    within = "yes" if median(each["table_s"] for each in ours) < BOUND_S else "NO"
    print(f"  under {BOUND_S} s: {within}; {ours[0]['table_writes']:.0f} calls of sendmsg")
    worst = max(each["change_worst_ms"] for each in ours)
    print(f"a change of one backend among {SERVICES * BACKENDS:,} ({CHANGES} changes in each round):")
    print(f"  {'':20}{spread([each['change_ms'] for each in ours], 'ms')}, worst {worst:.2f} ms", end="; ")
    print(f"bound {CHANGE_BOUND_MS} ms: {'kept' if worst < CHANGE_BOUND_MS else 'MISSED'}")
    print(f"  {ours[0]['change_writes']:g} write of {ours[0]['change_messages']:g} message; bound 1 of 1")
    print("an audit of all of it, each 30 s:")
    print(f"  {'':20}{spread([each['audit_s'] for each in ours], 's ')}, in turns of at most", end=" ")
    print(f"{max(each['audit_turn_ms'] for each in ours):.0f} ms")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ipvs", description=__doc__)
    parser.add_argument("--kernel", type=Path, default=os.environ.get(KERNEL_VARIABLE), help="the guest kernel")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=tuple(SYSTEMS), action="append")
    options = parser.parse_args()
    if options.kernel is None:
        parser.error(f"name a kernel by --kernel or {KERNEL_VARIABLE}; `make guest-kernel` builds one")
    samples: dict[str, list[dict[str, float]]] = {system: [] for system in options.only or SYSTEMS}
    print(f"CPU pressure before: {pressure()}")
    failed = False
    for _ in range(options.rounds):
        for system, found in samples.items():
            try:
                found.append(measure(options.kernel.resolve(), system))
            except (RuntimeError, ValueError) as error:
                print(error, file=sys.stderr)
                failed = True
    report(samples)
    print(f"CPU pressure after: {pressure()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
