"""What a lab remembers on disk, so that any later command finds its nodes and processes again."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mooring_lab.layout import Layout
from mooring_lab.processes import Identity
from mooring_lab.rights import LabError

ROOT = Path("/run/mooring-lab")


@dataclass(frozen=True, slots=True)
class Started:
    """A process that the lab started in a node, and how to start it again."""

    identity: Identity
    command: tuple[str, ...]
    log: str


@dataclass(slots=True)
class Record:
    """lab.json: the members, and for each node its processes by role (`daemon`, `keepalived`).

    Under layout.CLUSTER stand those of no node (`operator`, `forwarder`).
    """

    layout: Layout
    daemon_command: tuple[str, ...]
    keepalived: tuple[str, ...] = ()
    """The nodes that run keepalived instead of our daemon."""
    api: str | None = None
    """Which API server the lab has, `embedded` or `real`; None: its daemons read files."""
    host_servers: dict[str, str] = field(default_factory=dict)
    """The HTTP servers that run on nodes themselves, by name: their nodes."""
    processes: dict[str, dict[str, Started]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.layout.lab,
            "nodes": {m.name: {"address": m.ipv4, "management": m.management} for m in self.layout.nodes},
            "clients": {m.name: {"address": m.ipv4} for m in self.layout.clients},
            "servers": {m.name: {"address": m.ipv4} for m in self.layout.servers},
            "pods": {m.name: {"address": m.ipv4, "node": self.layout.nodes[m.host].name} for m in self.layout.pods},
            "hostServers": dict(self.host_servers),
            "daemonCommand": list(self.daemon_command),
            "keepalived": list(self.keepalived),
            "api": self.api,
            "processes": {
                node: {role: asdict(started) for role, started in roles.items()}
                for node, roles in self.processes.items()
            },
        }

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> "Record":
        return cls(
            Layout.named(
                data["name"], list(data["nodes"]), list(data["clients"]), list(data["servers"]), list(data["pods"])
            ),
            tuple(data["daemonCommand"]),
            tuple(data["keepalived"]),
            data.get("api"),
            dict(data["hostServers"]),
            {
                node: {
                    role: Started(Identity(**s["identity"]), tuple(s["command"]), s["log"]) for role, s in roles.items()
                }
                for node, roles in data["processes"].items()
            },
        )


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file's content in one step; a reader sees the old text or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)


class Store:
    """The folder of one lab."""

    def __init__(self, lab: str) -> None:
        self.lab = lab
        self.folder = ROOT / lab
        self._file = self.folder / "lab.json"

    def exists(self) -> bool:
        return self.folder.exists()

    def node_folder(self, node: str) -> Path:
        return self.folder / "nodes" / node

    def create(self, record: Record) -> None:
        """Make the folders and the first lab.json; LabError when the folder is there."""
        try:
            self.folder.mkdir(parents=True, mode=0o700)
        except FileExistsError as error:
            raise LabError(leftover(self.lab)) from error
        for member in record.layout.members:
            (self.node_folder(member.name) / "state").mkdir(parents=True)
        self._write(record)

    def load(self) -> Record:
        try:
            return Record.of_json(json.loads(self._file.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            option = name_option(self.lab)
            message = f"there is no lab called {self.lab}; start it with: mooring lab up{option}{_or_say()}"
            raise LabError(message) from error
        except (ValueError, KeyError, TypeError) as error:
            raise LabError(f"{self._file} is damaged ({error}); remove the lab with: {_down(self.lab)}") from error

    @contextmanager
    def edit(self) -> Iterator[Record]:
        """The record, to be changed; written at the end, under a lock that other commands wait for."""
        with open(self.folder / "lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            record = self.load()
            yield record
            self._write(record)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, record: Record) -> None:
        write_atomically(self._file, json.dumps(record.to_json(), indent=2) + "\n")


def _down(lab: str) -> str:
    return f"mooring lab down{name_option(lab)}"


def name_option(lab: str) -> str:
    """How a command of `mooring lab` says which lab it means."""
    return "" if lab == "default" else f" --name {lab}"


def leftover(lab: str) -> str:
    """What to say when something of this name is already there."""
    return f"a lab called {lab} is up, or something is left of one; remove it with: {_down(lab)}"


def _or_say() -> str:
    up = [f"--name {name}" for name in names()]
    return f", or say which one you mean: {', '.join(up)}" if up else ""


def names() -> list[str]:
    """All labs that have a folder."""
    return sorted(path.name for path in ROOT.iterdir() if path.is_dir()) if ROOT.is_dir() else []
