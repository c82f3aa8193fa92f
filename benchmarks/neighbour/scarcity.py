"""Adverts of holders on a node that lacks something: a disturbed one, an undisturbed one and keepalived at once."""

import os
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import pairwise

from benchmarks.beside_keepalived.settings import Load
from benchmarks.beside_keepalived.system import Keepalived, Mooring, System

from mooring_lab.scarcity import CpuGroup, MemoryGroup, busy, small_disk, too_little_memory

LOAD = Load(addresses=10, interval_ms=100)
DISK_BYTES = 256 * 1024


class Undisturbed(Mooring):
    """Our daemon in a lab of its own, which nothing is taken from."""

    name, lab = "Mooring, undisturbed", "benchundisturbed"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the other node saw of a holder's adverts; gaps in milliseconds."""

    adverts: int
    expected: int
    longest_ms: float
    p99_ms: float
    by_others: int
    """Adverts of the other node itself: it took the role."""


def watch(systems: Sequence[System], seconds: float) -> list[Seen]:
    """Count for so long what each system's second node sees and says."""
    captures = [system.capture(system.other) for system in systems]
    ends = time.monotonic() + seconds
    arrived: list[list[int]] = [[] for _ in systems]
    others = [0 for _ in systems]
    try:
        while (left := ends - time.monotonic()) > 0:
            select.select(captures, [], [], left)
            for number, (capture, system) in enumerate(zip(captures, systems, strict=True)):
                for frame in capture.read():
                    if frame.advertiser == ip_address(system.holder.address).packed:
                        arrived[number].append(frame.time)
                    elif frame.advertiser is not None:
                        others[number] += 1
    finally:
        for capture in captures:
            capture.close()
    expected = int(seconds * 1000 / LOAD.interval_ms)
    return [_seen(times, expected, other) for times, other in zip(arrived, others, strict=True)]


def _seen(times: Sequence[int], expected: int, by_others: int) -> Seen:
    gaps = sorted((after - before) / 1e6 for before, after in pairwise(times))
    if not gaps:
        return Seen(len(times), expected, float("inf"), float("inf"), by_others)
    return Seen(len(times), expected, gaps[-1], gaps[len(gaps) * 99 // 100], by_others)


@contextmanager
def scarce_cpu(systems: Sequence[System], seconds: float) -> Iterator[None]:
    """Busy loops on every core, and the disturbed holders in a cgroup with the least share of them."""
    with CpuGroup("mooring-bench") as group:
        group.add(identity.pid for system in _disturbed(systems) for identity in system.holder.processes())
        with busy(4 * (os.cpu_count() or 1), seconds):
            yield


@contextmanager
def scarce_memory(systems: Sequence[System], _seconds: float) -> Iterator[None]:
    """The disturbed holders, each in a memory cgroup with others who want more than there is."""
    with ExitStack() as groups:
        for system in _disturbed(systems):
            group = groups.enter_context(MemoryGroup(f"mooring-bench-{system.daemon.lab}"))
            group.add(identity.pid for identity in system.holder.processes())
            groups.enter_context(too_little_memory(group))
        yield


@contextmanager
def scarce_disk(systems: Sequence[System], _seconds: float) -> Iterator[None]:
    """The state folder of the first one is full; its configuration is read again, which would be written there."""
    node = systems[0].holder
    with small_disk(node.state_dir, DISK_BYTES) as disk:
        disk.fill()
        node.reload_daemon()
        yield


def _disturbed(systems: Sequence[System]) -> list[System]:
    return [system for system in systems if not isinstance(system.daemon, Undisturbed)]


@contextmanager
def nothing_scarce(_systems: Sequence[System], _seconds: float) -> Iterator[None]:
    yield


Scarce = Callable[[Sequence[System], float], AbstractContextManager[None]]
NEEDS: dict[str, Scarce] = {
    "nothing": nothing_scarce,
    "CPU": scarce_cpu,
    "memory": scarce_memory,
    "disk": scarce_disk,
}


def measure(seconds: float) -> Iterator[tuple[str, str, Seen, int]]:
    """Need, system, what was seen, and how many of the daemon's processes were replaced."""
    with ExitStack() as stack:
        systems = [stack.enter_context(System(daemon())) for daemon in (Mooring, Undisturbed, Keepalived)]
        for need, scarce in NEEDS.items():
            with ExitStack() as loaded:
                for system in systems:
                    loaded.enter_context(system.loaded(LOAD))
                with scarce(systems, seconds + 5):
                    seen = watch(systems, seconds)
                for system, each in zip(systems, seen, strict=True):
                    yield need, system.name, each, _replaced(system)


def _replaced(system: System) -> int:
    status = system.holder.daemon_status() if system.daemon.role == "daemon" else None
    return sum(each["restarts"] for each in status["processes"]) if status else 0
