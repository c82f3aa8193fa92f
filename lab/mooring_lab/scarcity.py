"""What a node may lack, made scarce: CPU by busy loops, memory in a cgroup of its own, disk in a small file system."""

import contextlib
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from mooring_node.kernel.process import EXPENDABLE

CGROUPS = Path("/sys/fs/cgroup")
#: So much is left of memory, and is too little.
MEMORY_LEFT = 350 << 20
_HELD = 24 << 20
#: Of each second, in a cgroup of version 1.
_REAL_TIME_US = 500_000
#: For what is in a group to leave it.
_PATIENCE_S = 10.0
_BURN = "import time\nends = time.monotonic() + {seconds}\nwhile time.monotonic() < ends: pass"
_HOLD = """
import os, sys
score = os.open("/proc/self/oom_score_adj", os.O_RDWR)
os.write(score, str(int(os.read(score, 16)) + {score}).encode())
held = bytearray({size})
for place in range(0, {size}, 4096):
    held[place] = 1
sys.stdin.read()
"""


@contextlib.contextmanager
def busy(processes: int, seconds: float) -> Iterator[None]:
    """So many loops of normal priority that never sleep, for as long as the context lasts or `seconds` at most."""
    command = [sys.executable, "-c", _BURN.format(seconds=seconds)]
    with contextlib.ExitStack() as running:
        for _ in range(processes):
            process = running.enter_context(subprocess.Popen(command))
            running.callback(process.kill)
        yield


class MemoryGroup:
    """A memory cgroup (version 1 or 2) for some processes; used as a context. PermissionError: there can be none."""

    def __init__(self, name: str) -> None:
        unified = (CGROUPS / "cgroup.controllers").exists()
        self._folder = (CGROUPS if unified else CGROUPS / "memory") / name
        self._limit = self._folder / ("memory.max" if unified else "memory.limit_in_bytes")
        self._usage = self._folder / ("memory.current" if unified else "memory.usage_in_bytes")
        self._swap = self._folder / ("memory.swap.max" if unified else "memory.memsw.limit_in_bytes")
        self._unified = unified

    def add(self, pids: Iterable[int]) -> None:
        """What these use from now on counts here, and what their children do."""
        for pid in pids:
            (self._folder / "cgroup.procs").write_text(str(pid))

    def limit(self, size: int) -> None:
        self._limit.write_text(str(size))
        if self._unified and self._swap.exists():
            self._swap.write_text("0")

    @property
    def usage(self) -> int:
        return int(self._usage.read_text())

    def __enter__(self) -> "MemoryGroup":
        if self._unified:
            (CGROUPS / "cgroup.subtree_control").write_text("+memory")
        self._folder.mkdir()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._limit.write_text("max" if self._unified else "-1")
        _empty(self._folder)


class CpuGroup:
    """A cgroup (version 1 or 2) with the least share of the CPU that there is, as of a pod that asks for nothing.

    While others are busy, what has no real-time priority in it gets next to nothing.
    """

    def __init__(self, name: str) -> None:
        self._unified = (CGROUPS / "cgroup.controllers").exists()
        self._folder = (CGROUPS if self._unified else CGROUPS / "cpu") / name

    def add(self, pids: Iterable[int]) -> None:
        for pid in pids:
            (self._folder / "cgroup.procs").write_text(str(pid))

    def __enter__(self) -> "CpuGroup":
        if self._unified:
            (CGROUPS / "cgroup.subtree_control").write_text("+cpu")
        self._folder.mkdir()
        file, least = ("cpu.weight", "1") if self._unified else ("cpu.shares", "2")
        (self._folder / file).write_text(least)
        # Version 1 gives real-time priority a share of its own, which is nothing at first.
        if (real_time := self._folder / "cpu.rt_runtime_us").exists():
            real_time.write_text(str(_REAL_TIME_US))
        return self

    def __exit__(self, *_exception: object) -> None:
        _empty(self._folder)


def _empty(folder: Path) -> None:
    """Remove a cgroup; what is in it goes to where it came from, also what is only born meanwhile."""
    ends = time.monotonic() + _PATIENCE_S
    while True:
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (folder.parent / "cgroup.procs").write_text(pid)
        try:
            return folder.rmdir()
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.01)


@contextlib.contextmanager
def too_little_memory(group: MemoryGroup) -> Iterator[None]:
    """Others in the group want more than there is, as long as the context lasts.

    Each is small, and its score is between what the daemon protects and what it lets go first: on a node it is higher
    than both, but to lower scores takes a right that tests need not have.
    """
    group.limit(group.usage + MEMORY_LEFT)
    command = [sys.executable, "-c", _HOLD.format(size=_HELD, score=EXPENDABLE // 2)]
    processes = 2 * MEMORY_LEFT // _HELD
    with contextlib.ExitStack() as running:
        for _ in range(processes):
            process = running.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE))
            running.callback(process.kill)
            # It has not got far yet.
            group.add([process.pid])
        yield


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator["Disk"]:
    """A file system of `size` bytes at `folder`."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)], check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Disk:
    """A file system that others fill."""

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "of-somebody-else"

    def fill(self) -> None:
        """Until not a byte is left."""
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)


def score(pid: int) -> int:
    """How readily the kernel kills it for memory."""
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def limits(pid: int, kind: int) -> tuple[int, int]:
    return resource.prlimit(pid, kind)
