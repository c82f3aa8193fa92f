"""Server processes of a folder, which outlive the command that starts them and are found again by what they run."""

import os
import random
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mooring_lab.machine import spawn
from mooring_lab.processes import Identity
from mooring_lab.rights import LabError
from mooring_lab.wait import wait_until

_END_SECONDS = 10.0
_LOG_LINES = 12
_FIRST_PORT = 15000


@dataclass(frozen=True, slots=True)
class Program:
    """One server of a folder. Its command line holds the folder, so a process is told by it: no record can lie.

    That holds in the very moment after its start, too, when whoever started it was killed before he could
    write anything down.
    """

    name: str
    mark: str
    """One of its arguments, which no process of another folder has."""
    log: Path

    def running(self) -> Identity | None:
        """The process; None when there is none."""
        return next((i for i in map(Identity.of, _pids()) if i and self._is_mine(i.pid)), None)

    def start(self, command: Sequence[str]) -> Identity:
        """Start it in a session of its own; its output is added to the log. It is not yet ready."""
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return spawn(command, descriptor)
        finally:
            os.close(descriptor)

    def send(self, number: signal.Signals) -> Identity:
        """Send it a signal; LabError when it does not run."""
        identity = self.running()
        if identity is None or not identity.send(number):
            raise LabError(f"{self.name} does not run{self.last_words()}")
        return identity

    def end(self) -> None:
        """SIGKILL, and wait until it is gone; nothing happens when it does not run."""
        while identity := self.running():
            identity.send(signal.SIGKILL)
            self.wait_gone(identity)

    def wait_gone(self, identity: Identity) -> None:
        """Until this very process has ended; TimeoutError after ten seconds."""
        wait_until(lambda: not identity.alive(), _END_SECONDS, f"the end of {self.name} (pid {identity.pid})")

    def last_words(self) -> str:
        """The end of its log, to be added to an error."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        except FileNotFoundError:
            return ""
        return "; its log ends with:\n" + "\n".join(lines) if lines else ""

    def _is_mine(self, pid: int) -> bool:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.path.basename(words[0]) == os.fsencode(self.name) and os.fsencode(self.mark) in words


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def free_ports(count: int) -> Sequence[int]:
    """Ports of 127.0.0.1 that nobody listens on.

    They lie below those that the kernel gives to outgoing connections: a server that is away for a moment
    finds its port free when it comes back.
    """
    end = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = list(range(_FIRST_PORT, end)) if end > _FIRST_PORT + 1000 else list(range(_FIRST_PORT, 65536))
    random.shuffle(candidates)
    found = []
    for port in candidates:
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise LabError(f"no {count} free ports from {_FIRST_PORT} on 127.0.0.1")
