"""`python -m benchmarks.beside_keepalived`: Mooring and keepalived in turns. Prints; decides nothing.

Exit codes: 0 when all measurements ran, 1 when one could not be made, 2 when rights or tools are missing.
"""

import argparse
import fcntl
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.beside_keepalived import measure
from benchmarks.beside_keepalived.report import HEADINGS, Row, document, text_table
from benchmarks.beside_keepalived.settings import Load
from benchmarks.beside_keepalived.system import Keepalived, Mooring, System
from rich.console import Console
from rich.table import Table

from mooring_lab import rights
from mooring_lab.rights import LabError

INTERVALS_MS = (1000, 100, 10)
MANY = Load(addresses=500, interval_ms=100)
MANY_BOUND_MS = 20
LOST_BOUND = 5
#: What a difference must exceed to be one: the client's packets are so far apart; a wake-up takes about so long.
PACKET_MS, STAMP_MS = 1.0, 0.1
INSTANCES = (50, 200)
COST_SECONDS = 20.0
_LOCK = Path("/run/mooring-bench.lock")


class Run:
    """Both systems, and the rows that fill."""

    def __init__(self, systems: Sequence[System], rounds: int, cost_seconds: float) -> None:
        self.systems = systems
        self.rounds = rounds
        self.cost_seconds = cost_seconds
        self.rows: list[Row] = []

    def section(self, rows: Sequence[Row]) -> None:
        for row in rows:
            row.pressure = cpu_pressure()
        self.rows.extend(rows)
        sys.stderr.write(text_table(rows) + "\n")

    def take_over(self, interval_ms: int) -> None:
        """A cut link, a mended one, a planned stop, a killed process; systems in turns."""
        phased = interval_ms >= measure.PHASED_FROM_MS
        at = f"adverts each {interval_ms / 1000:g} s"
        outage = Row(f"link down, {at}: outage", "ms", compared=phased, resolution=PACKET_MS)
        announced = Row(f"link down, {at}: last advert to announcement", "ms", compared=True, resolution=STAMP_MS)
        replied = Row(f"link down, {at}: last advert to first reply", "ms", compared=True, resolution=PACKET_MS)
        lost = Row(f"link down, {at}: lost", "packets")
        back = Row(f"link up, {at}: fail-back", "ms")
        back_lost = Row(f"link up, {at}: lost", "packets")
        stop = Row(f"planned stop, {at}: lost", "packets", bound=LOST_BOUND, compared=True)
        killed = Row(f"SIGKILL of VRRP, {at}: lost", "packets", bound=0, compared=True)
        with self._loaded(Load(interval_ms=interval_ms)):
            for system in self._turns():
                taken = measure.link_down(system)
                outage.add(system.name, taken.outage.milliseconds)
                if taken.announced is None:
                    sys.stderr.write(f"{system.name}, {at}: no announcement after the last advert; left out\n")
                else:
                    announced.add(system.name, taken.announced)
                replied.add(system.name, taken.replied)
                lost.add(system.name, taken.outage.lost)
                returned = measure.link_up(system)
                back.add(system.name, returned.milliseconds)
                back_lost.add(system.name, returned.lost)
                stop.add(system.name, measure.planned_stop(system).lost)
                killed.add(system.name, measure.kill(system).lost)
        self.section([outage, announced, replied, lost, back, back_lost, stop, killed])

    def many_addresses(self) -> None:
        """Takeover of 500 addresses by one instance."""
        what = f"{MANY.addresses} addresses, 255 advertised"
        up = Row(f"{what}: first up to last up", "ms", bound=MANY_BOUND_MS, compared=True)
        announced = Row(f"{what}: first up to last announced", "ms", bound=MANY_BOUND_MS, compared=True)
        frames = Row(f"{what}: announcements", "frames")
        with self._loaded(MANY):
            for system in self._turns():
                result = measure.many(system)
                up.add(system.name, result.last_up)
                announced.add(system.name, result.last_announced)
                frames.add(system.name, result.announcements)
        self.section([up, announced, frames])

    def cost(self, instances: int) -> None:
        """CPU and memory at rest; both systems at the same time, so that both have the same neighbours."""
        rows = []
        with self._loaded(Load(instances=instances)):
            time.sleep(self.cost_seconds / 2)
            nodes = [(system, node) for system in self.systems for node in (system.holder, system.other)]
            before = [system.cost(node) for system, node in nodes]
            time.sleep(self.cost_seconds)
            after = [system.cost(node) for system, node in nodes]
        for place, role in enumerate(("holder", "backup")):
            cpu = Row(f"{instances} instances at 1 s, {role}: CPU", "s/min")
            memory = Row(f"{instances} instances at 1 s, {role}: memory (PSS)", "MiB")
            for (system, node), first, last in zip(nodes, before, after, strict=True):
                if node is system.lab.nodes[place]:
                    cpu.add(system.name, last.cpu_a_minute_since(first))
                    memory.add(system.name, last.pss_mib)
            rows += [cpu, memory]
        self.section(rows)

    def _turns(self) -> Iterator[System]:
        for _ in range(self.rounds):
            yield from self.systems

    @contextmanager
    def _loaded(self, load: Load) -> Iterator[None]:
        with ExitStack() as stack:
            for system in self.systems:
                stack.enter_context(system.loaded(load))
            yield


def cpu_pressure() -> float | None:
    """`some avg10`, in percent; None where the kernel does not tell."""
    try:
        fields = Path("/proc/pressure/cpu").read_text().split()
    except OSError:
        return None
    return float(fields[1].removeprefix("avg10="))


def surroundings() -> dict[str, str]:
    """What the figures depend on."""
    keepalived = subprocess.run(["keepalived", "--version"], capture_output=True, text=True, check=False)
    return {
        "kernel": f"{platform.release()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "keepalived": (keepalived.stderr + keepalived.stdout).partition("\n")[0].strip(),
        "load": Path("/proc/loadavg").read_text().strip(),
        "cpuPressure": Path("/proc/pressure/cpu").read_text().partition("\n")[0]
        if Path("/proc/pressure/cpu").exists()
        else "not known",
    }


SECTIONS: dict[str, Callable[[Run], None]] = {
    **{f"takeover-{ms}ms": lambda run, ms=ms: run.take_over(ms) for ms in INTERVALS_MS},  # type: ignore[misc]
    "addresses": Run.many_addresses,
    **{f"cost-{count}": lambda run, count=count: run.cost(count) for count in INSTANCES},  # type: ignore[misc]
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.beside_keepalived", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each measurement and system (5)")
    parser.add_argument("--quick", action="store_true", help="one round each, to see that all works")
    parser.add_argument("--only", action="append", choices=[*SECTIONS], help="this section (can be repeated)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to a file, too")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    before = surroundings_or_none()
    if before is None:
        return 2
    with open(_LOCK, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("another benchmark runs already; wait for its end\n")
            return 2
        rounds, seconds = (1, 5.0) if options.quick else (options.rounds, COST_SECONDS)
        with System(Mooring()) as ours, System(Keepalived()) as theirs:
            run = Run((ours, theirs), rounds, seconds)
            for name in options.only or SECTIONS:
                SECTIONS[name](run)
    show(run.rows, before, rounds)
    if options.json:
        options.json.write_text(json.dumps(document(run.rows, before), indent=2) + "\n", encoding="utf-8")
    return 0


def surroundings_or_none() -> dict[str, str] | None:
    """None, and said why, where a lab can't be made or keepalived is missing."""
    try:
        rights.require()
        return surroundings()
    except LabError as error:
        sys.stderr.write(f"{error}\n")
    except FileNotFoundError:
        sys.stderr.write("keepalived is not installed (package keepalived)\n")
    return None


def show(rows: Sequence[Row], before: dict[str, str], rounds: int) -> None:
    for name, value in before.items():
        print(f"{name}: {value}")
    print(f"median of {rounds} (range); less is better; systems in turns, in one run")
    if not sys.stdout.isatty():
        print(text_table(rows))
        return
    table = Table(*HEADINGS)
    for row in rows:
        table.add_row(*row.cells())
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
