"""`python -m benchmarks.neighbour`: what a node's need costs, and what the daemon weighs. Prints; decides nothing."""

import argparse
import os
import platform
import shlex
import sys

from benchmarks.neighbour.memory import INSTANCES, weigh_loaded
from benchmarks.neighbour.scarcity import LOAD, measure

from mooring_lab.lab import Lab, default_daemon_command, remove

_LAB = "benchweight"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbour", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each need lasts (10)")
    parser.add_argument("--only", choices=("memory", "scarcity"), help="one of the two parts")
    parser.add_argument("--daemon", action="append", default=[], help="weigh this command too, as in an image's root")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("makes network namespaces: run it as root", file=sys.stderr)
        return 2
    if options.only != "scarcity":
        print_memory(options.daemon)
    if options.only != "memory":
        print_scarcity(options.seconds)
    return 0


def print_memory(commands: list[str]) -> None:
    print(f"A daemon with {INSTANCES} instances, MiB (a page of a file counts once, whoever else has it):")
    for command in ((*default_daemon_command(),), *(tuple(shlex.split(each)) for each in commands)):
        remove(_LAB)
        lab = Lab(_LAB, nodes=1, daemon_command=command)
        try:
            weight = weigh_loaded(lab.up())
        finally:
            lab.down()
        shares = ", ".join(f"{name} {size:.1f}" for name, size in weight.processes.items())
        print(f"  {weight.whole:5.1f} = {weight.anonymous:.1f} its own + {weight.files:.1f} of files; PSS: {shares}")
        print(f"        {shlex.join(command)} (Python {platform.python_version()} runs this)")


def print_scarcity(seconds: float) -> None:
    print(f"Adverts each {LOAD.interval_ms} ms of holders, {seconds:g} s each, as the other node hears them:")
    head = ("need", "system", "adverts", "of", "longest gap ms", "p99 ms", "by the other", "replaced")
    print("  {:8} {:22} {:>8} {:>5} {:>15} {:>8} {:>13} {:>9}".format(*head))
    for need, name, seen, replaced in measure(seconds):
        print(
            f"  {need:8} {name:22} {seen.adverts:8} {seen.expected:5} {seen.longest_ms:15.1f} {seen.p99_ms:8.1f}"
            f" {seen.by_others:13} {replaced:9}"
        )


if __name__ == "__main__":
    sys.exit(main())
