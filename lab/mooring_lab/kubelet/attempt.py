"""One run of a container: the folder by which kubelet and the container's shim know of each other.

The shim holds two locks from its birth on, which it inherits: `life` until it ends, `starting` until the container
runs or can't. So whoever gets a lock knows, also a kubelet that was started later, and none is left by a dead one.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from mooring_lab.kubelet.records import (
    EXIT,
    LIFE,
    PROCESS,
    SHIM,
    SPEC,
    STARTING,
    Begun,
    kill_all,
    read_begun,
    read_identity,
)
from mooring_lab.kubelet.runspec import RunSpec
from mooring_lab.kubelet.states import Exit
from mooring_lab.store import write_atomically

LOST = Exit(137, "ContainerStatusUnknown", "the container's process and its keeper are gone; nobody saw its end")


class Attempt:
    """The folder of one run; every method works for a run that another process began."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shim: subprocess.Popen[bytes] | None = None

    @property
    def exists(self) -> bool:
        """Whether it was begun, be it that it has ended since."""
        return self._held(LIFE) or any((self.folder / name).exists() for name in (SHIM, EXIT))

    def begin(self, spec: RunSpec, log: Path) -> None:
        """Start the shim, its container's output goes to `log`; OSError when that fails."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        # The environment may hold passwords.
        write_atomically(self.folder / SPEC, spec.to_json(), 0o600)
        locks = [os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for name in (LIFE, STARTING)]
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            for lock in locks:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._shim = subprocess.Popen(
                [sys.executable, "-m", "mooring_lab.kubelet.shim", str(self.folder), *map(str, locks)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=locks,
                start_new_session=True,
            )
        finally:
            for descriptor in (*locks, output):
                os.close(descriptor)

    def wait_started(self) -> Begun | None:
        """Return when the container runs, or has ended, or never will (None)."""
        self._wait(STARTING)
        return self.begun()

    def wait_exit(self) -> Exit:
        """Return when it has ended and nothing of it is left."""
        self._wait(LIFE)
        if self._shim:
            self._shim.wait()
        try:
            return Exit(**json.loads((self.folder / EXIT).read_text()))
        except FileNotFoundError:
            return self._lost()

    def begun(self) -> Begun | None:
        return read_begun(self.folder)

    def signal(self, number: signal.Signals) -> None:
        """To the container's process; before it has one, only SIGKILL has a meaning: it ends the shim."""
        target = read_identity(self.folder / PROCESS)
        if target is None and number == signal.SIGKILL:
            target = read_identity(self.folder / SHIM)
        if target:
            target.send(number)

    def _lost(self) -> Exit:
        """The shim was killed. The kernel has ended its child with it, but not what that one left behind."""
        if process := read_identity(self.folder / PROCESS):
            process.send(signal.SIGKILL)
        begun = self.begun()
        if begun:
            kill_all(begun.mounts)
        return Exit(**{**asdict(LOST), "started_at": begun.started_at if begun else 0.0, "finished_at": time.time()})

    def _wait(self, name: str) -> None:
        with suppress(FileNotFoundError), open(self.folder / name, encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)

    def _held(self, name: str) -> bool:
        try:
            with open(self.folder / name, encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False
