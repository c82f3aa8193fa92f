"""The files of one run of a container, as its keeper writes them and others read them (see `attempt`)."""

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mooring_lab.processes import Identity

SHIM, PROCESS, STARTED, EXIT = "shim.json", "process.json", "started.json", "exit.json"
SPEC, LIFE, STARTING = "spec.json", "life", "starting"


@dataclass(frozen=True, slots=True)
class Begun:
    """A container that runs, or ran. `started_at`: seconds since the epoch; `mounts`: its mount namespace's inode."""

    process: Identity
    started_at: float
    mounts: int


def read_begun(folder: Path) -> Begun | None:
    """None when it never started."""
    try:
        said = json.loads((folder / STARTED).read_text())
    except FileNotFoundError:
        return None
    return Begun(Identity(said["pid"], said["start"]), said["started_at"], said["mounts"])


def read_identity(path: Path) -> Identity | None:
    try:
        return Identity(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None


def kill_all(mounts: int, spare: int = 0) -> None:
    """SIGKILL every process in a mount namespace (told by its inode), until none is left."""
    while found := [process for process in _members(mounts) if process.pid != spare]:
        for process in found:
            process.send(signal.SIGKILL)
        time.sleep(0.01)


def _members(mounts: int) -> list[Identity]:
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        identity = Identity.of(int(entry.name))
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if identity and os.stat(f"/proc/{entry.name}/ns/mnt").st_ino == mounts:
                found.append(identity)
    return found
