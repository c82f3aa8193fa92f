"""Runs a command in a guest kernel, on top of this host's files: `python -m mooring_lab.guest -- COMMAND`.

The guest is user-mode Linux: one process of the host, no KVM, one CPU. Its kernel (`make guest-kernel`) has
IPVS, which a host's may lack, and can tell its own time: with `--time-travel` a guest that sleeps jumps to the
end of its sleep, so seconds of waiting cost nothing, and no load of the host disturbs a timer.

The command sees the host's files under a throw-away layer; only the folders named by `--share` are written
through. Output and exit status come back; 124 says that the time limit ran out, 125 that the guest died.
"""

import argparse
import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mooring_lab import guest_init

TIME_LIMIT_STATUS = 124
DEAD_STATUS = 125
KERNEL_VARIABLE = "MOORING_GUEST_KERNEL"
SHARE_VARIABLE = "MOORING_GUEST_SHARE"
"""Set inside the guest alone: a folder of the host, writable."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PASSED = ("PATH", "HOME", "LANG", "CI", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTEST_ADDOPTS")
_C = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Guest:
    """What to boot. `memory` is in MiB, `time_limit` in seconds of the host."""

    kernel: Path
    command: tuple[str, ...]
    shared: tuple[Path, ...] = ()
    time_travel: bool = False
    time_limit: float = 300.0
    memory: int = 1024

    def order(self, job: Path) -> guest_init.Order:
        """What process 1 of the guest is told."""
        environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
        environment[SHARE_VARIABLE] = str(job)
        return {
            "command": list(self.command),
            "folder": os.getcwd(),
            "environment": environment,
            "shared": [str(folder.resolve()) for folder in self.shared],
        }

    def command_line(self, job: Path) -> list[str]:
        """The kernel as a program, with its arguments."""
        travel = ["time-travel=inf-cpu"] if self.time_travel else []
        # A process namespace of its own dies as a whole, even where this process is killed without a word.
        fence = ["unshare", "--pid", "--fork", "--kill-child=KILL"] if os.geteuid() == 0 else []
        return [
            *fence,
            str(self.kernel),
            f"uml_dir={job}/",
            f"mem={self.memory}M",
            *("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"),
            *("con=null", "con0=null,fd:1", "quiet", "panic=-1"),
            *travel,
            f"init={sys.executable}",
            *("--", "-I", "-S", str(Path(guest_init.__file__).resolve()), str(job)),
        ]


def run(guest: Guest, out: BinaryIO, err: BinaryIO) -> int:
    """Boot, copy the command's output as it comes, and return its exit status. Nothing of the guest is left."""
    _C.prctl(_PR_SET_CHILD_SUBREAPER, 1)  # the kernel's own children become ours to collect when it dies
    job = Path(tempfile.mkdtemp(prefix="mooring-guest-"))
    try:
        (job / "job.json").write_text(json.dumps(guest.order(job)), encoding="utf-8")
        for name in ("out", "err"):
            (job / name).touch()
        with (job / "out").open("rb") as guest_out, (job / "err").open("rb") as guest_err:
            pipes = ((guest_out, out), (guest_err, err))
            status = _boot(guest, job, pipes)
            _copy(pipes)
        if status in (TIME_LIMIT_STATUS, DEAD_STATUS) and not (job / "status").exists():
            why = "time limit" if status == TIME_LIMIT_STATUS else "the guest died"
            console = (job / "console").read_text(encoding="utf-8", errors="replace")
            err.write(f"{console[-3000:]}\nguest: {why}\n".encode())
            err.flush()
        return status
    finally:
        shutil.rmtree(job)


def _boot(guest: Guest, job: Path, pipes: Sequence[tuple[BinaryIO, BinaryIO]]) -> int:
    done = job / "status"
    with (job / "console").open("wb") as console, _kernel(guest.command_line(job), console) as kernel:
        end = time.monotonic() + guest.time_limit
        while kernel.poll() is None and not done.exists():
            if time.monotonic() > end:
                return TIME_LIMIT_STATUS
            _copy(pipes)
            time.sleep(0.02)
        with contextlib.suppress(subprocess.TimeoutExpired):
            kernel.wait(5)
    return int(done.read_text()) if done.exists() else DEAD_STATUS


@contextlib.contextmanager
def _kernel(command_line: list[str], console: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    kernel = subprocess.Popen(
        command_line,
        stdin=subprocess.DEVNULL,
        stdout=console,
        stderr=console,
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )
    try:
        yield kernel
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(kernel.pid, signal.SIGKILL)
        kernel.wait()
        _collect(kernel.pid)


def _die_with_parent() -> None:
    _C.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _collect(group: int) -> None:
    """Wait for the guest's processes, each a process of the host in the kernel's group."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            ended, _ = os.waitpid(-group, os.WNOHANG)
        except ChildProcessError:
            return
        if ended == 0:
            time.sleep(0.01)


def _copy(pipes: Sequence[tuple[BinaryIO, BinaryIO]]) -> None:
    for source, target in pipes:
        if data := source.read():
            target.write(data)
            target.flush()


def _options(arguments: Sequence[str] | None) -> Guest:
    parser = argparse.ArgumentParser(prog="python -m mooring_lab.guest", description="run a command in a guest kernel")
    parser.add_argument("--kernel", type=Path, default=os.environ.get(KERNEL_VARIABLE), metavar="FILE")
    parser.add_argument(
        "--share", type=Path, action="append", default=[], metavar="FOLDER", help="writable in the guest"
    )
    parser.add_argument("--time-travel", action="store_true", help="sleeps take no time, timing is exact")
    parser.add_argument("--time-limit", type=float, default=300.0, metavar="SECONDS")
    parser.add_argument("--memory", type=int, default=1024, metavar="MIB")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    if options.kernel is None:
        parser.error(f"name a kernel by --kernel or {KERNEL_VARIABLE}; `make guest-kernel` builds one")
    for path in (sys.executable, guest_init.__file__):
        if any(letter.isspace() for letter in path):
            parser.error(f"{path}: a kernel's command line knows no spaces; work in a folder without one")
    return Guest(
        kernel=options.kernel.resolve(),
        command=tuple(options.command),
        shared=tuple(options.share),
        time_travel=options.time_travel,
        time_limit=options.time_limit,
        memory=options.memory,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is the command's."""
    guest = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return run(guest, sys.stdout.buffer, sys.stderr.buffer)


if __name__ == "__main__":
    sys.exit(main())
