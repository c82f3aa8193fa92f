"""One system under one load: what the server counted, and what the system cost."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.checks.load import Load, keepalived_text

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Measured:
    """`done` of the checks that were due, `rate` of them a second; the longest time that a backend was left alone;
    CPU seconds a second; MiB.
    """

    system: str
    load: Load
    done: float
    rate: float
    worst_gap_s: float
    cpu: float
    memory_mib: float


def measure(system: str, load: Load, warmup_s: float) -> Measured:
    """Run `ours` or `keepalived` under a load and measure after a while."""
    with _server() as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with _ours(load, port) if system == "ours" else _keepalived(load, port) as process:
            time.sleep(warmup_s)
            _counted(server)
            before, began = cpu_s(process), time.monotonic()
            time.sleep(load.seconds)
            counted = _counted(server)
            cpu = (cpu_s(process) - before) / (time.monotonic() - began)
            memory = sum(_memory_mib(each) for each in family(process))
    rate = counted["connections"] / counted["seconds"]
    done = rate * load.interval_ms / 1000 / load.targets
    return Measured(system, load, done, rate, counted["worstGapSeconds"], cpu, memory)


def _counted(server: "subprocess.Popen[str]") -> dict[str, Any]:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write("\n")
    server.stdin.flush()
    counted: dict[str, Any] = json.loads(server.stdout.readline())
    return counted


@contextlib.contextmanager
def _running(*command: str, pipes: bool = False) -> "Iterator[subprocess.Popen[str]]":
    pipe = subprocess.PIPE if pipes else subprocess.DEVNULL
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, start_new_session=True) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _server() -> "contextlib.AbstractContextManager[subprocess.Popen[str]]":
    return _running(sys.executable, "-m", "benchmarks.checks.server", pipes=True)


@contextlib.contextmanager
def _ours(load: Load, port: int) -> Iterator[int]:
    numbers = (str(port), str(load.targets), str(load.interval_ms))
    with _running(sys.executable, "-m", "benchmarks.checks.ours", *numbers) as process:
        yield process.pid


@contextlib.contextmanager
def _keepalived(load: Load, port: int) -> Iterator[int]:
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "keepalived.conf")
        text.write_text(keepalived_text(load, port))
        files = [f"--{kind}={folder}/{kind}" for kind in ("pid", "checkers_pid")]
        with _running("keepalived", "--dont-fork", "--check", f"--use-file={text}", *files) as process:
            yield process.pid


def family(pid: int) -> Iterator[int]:
    """A process and those that came from it."""
    parents = {int(each.name): _parent(each) for each in Path("/proc").iterdir() if each.name.isdecimal()}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    yield from found


def _parent(process: Path) -> int:
    try:
        return int(_fields(process)[1])
    except OSError:
        return 0


def _fields(process: Path) -> list[str]:
    """Of /proc/PID/stat, behind the name: state, parent, ..."""
    return (process / "stat").read_text().rpartition(")")[2].split()


def cpu_s(pid: int) -> float:
    """User and system time of a process and those that came from it, in seconds."""
    total = 0
    for each in family(pid):
        fields = _fields(Path(f"/proc/{each}"))
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def _memory_mib(pid: int) -> float:
    """Proportional share (PSS); where the kernel does not count it (the guest), all that is resident."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except FileNotFoundError:
        lines = [line.replace("VmRSS", "Pss") for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
