"""What a node may lack, made scarce: CPU by busy loops, memory in a cgroup of its own, disk in a small file system."""

import contextlib
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
_BURN = "import time\nends = time.monotonic() + {seconds}\nwhile time.monotonic() < ends: pass"
_HOLD = "import sys\nheld = bytearray({size})\nfor place in range(0, {size}, 4096): held[place] = 1\nsys.stdin.read()"


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
        home = self._folder.parent / "cgroup.procs"
        for pid in (self._folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                home.write_text(pid)
        self._folder.rmdir()


@contextlib.contextmanager
def holding_memory(group: MemoryGroup, processes: int, size: int) -> Iterator[None]:
    """So many processes in the group that hold `size` bytes each as long as the context lasts."""
    command = [sys.executable, "-c", _HOLD.format(size=size)]
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
