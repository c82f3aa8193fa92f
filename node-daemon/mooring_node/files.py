"""Small files of the state folder: written whole or not at all, readable by their owner alone.

Each may have been written by the release before or after this one (docs/upgrades.md): a file that says `format` is read
by whoever knows that number, and in all of them what is not known costs as little as can be.
"""

import contextlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text`, on disk before this returns; a crash leaves the old file or the new one."""
    temporary = path.with_name(path.name + ".new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file of ours; None where there is none or it is not readable as one."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_entries(kind: type[T], raw: object) -> tuple[T, ...]:
    """The entries of a list in a file of ours, each a dataclass, also of a file that another release wrote.

    A field that is not known is passed over; an entry that lacks one, or is none, is left out.
    """
    wanted: Any = kind
    known = {each.name for each in fields(wanted)}
    found = []
    for entry in raw if isinstance(raw, list) else ():
        if isinstance(entry, dict):
            with contextlib.suppress(TypeError, ValueError):
                found.append(kind(**{name: value for name, value in entry.items() if name in known}))
    return tuple(found)


def of_others(raw: Mapping[str, Any] | None, known: Collection[str]) -> dict[str, Any]:
    """What stands in a file of ours beside what this release knows.

    It is written back as it is: the release that knows it finds it again, and can undo it.
    """
    return {name: value for name, value in (raw or {}).items() if name not in known}


class StateFolder:
    """Where each file of the daemon's state is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.accepted = path / "accepted.json"
        self.balance = path / "balance.json"
        self.results = path / "results.jsonl"
        self.balancing = path / "balancing"
        self.ipvs_owned = path / "ipvs-owned.json"
        self.forwarding = path / "forwarding.json"
        self.origin = path / "origin.json"
        self.keys = path / "keys.json"
        self.ledger = path / "ledger.json"
        self.kept = path / "kept.json"
        self.transitions = path / "transitions.json"
        self.maintenance = path / "maintenance"
        self.control = path / "control.sock"
        self.lock = path / "lock"
        self.dump = path / "dump.json"

    def create(self) -> None:
        """Make the folder (mode 0700) where it is not there."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # kubelet makes a hostPath for all to look into.
        self.path.chmod(0o700)


def boot_id() -> str:
    """Names this boot of the kernel: what CLOCK_BOOTTIME and kernel settings mean ends with it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
