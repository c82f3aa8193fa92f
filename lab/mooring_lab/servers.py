"""The lab's HTTP servers: in pods, on nodes themselves, and on machines beside the cluster."""

import http.client
import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from mooring_lab import visits
from mooring_lab.layout import Role
from mooring_lab.machine import Machine
from mooring_lab.processes import Identity
from mooring_lab.rights import LabError
from mooring_lab.wait import wait_until
from mooring_lab.web_server import DEFAULT_PORTS

_ROLE = "web"
_START_SECONDS = 30.0
_ASK_SECONDS = 5.0


class Place(StrEnum):
    """Where a server runs."""

    POD = "pod"
    """Behind a node, in its network of pods."""
    NODE = "node"
    """On a node itself, as a pod with hostNetwork does."""
    SEGMENT = "segment"
    """On a machine of its own that is no part of the cluster."""


@dataclass(frozen=True, slots=True)
class WebServer:
    """One HTTP server. It answers on ports 80 and 8080 of its machine."""

    name: str
    machine: Machine
    place: Place

    @property
    def address(self) -> str:
        return self.machine.address

    @property
    def node(self) -> str:
        """The node that it is on; for one on a machine beside the cluster that machine."""
        return self.machine.host

    @property
    def process(self) -> Identity | None:
        """None when it does not run."""
        return self.machine.running(_ROLE)

    @property
    def log_file(self) -> Path:
        return self.machine.folder / f"{self.name}.log"

    def start(self) -> None:
        """Start it and wait until it answers; LabError when it runs already."""
        if self.process:
            raise LabError(f"{self.name} runs already")
        command = [sys.executable, "-m", "mooring_lab.web_server", self.name]
        identity = self.machine.start_program(_ROLE, command, self.log_file)

        def settled() -> bool:
            return not identity.alive() or self.told() is not None

        wait_until(settled, _START_SECONDS, f"{self.name} to answer; see {self.log_file}", every=0.05)
        if not identity.alive():
            last = "\n".join(self.log_file.read_text(errors="replace").splitlines()[-5:])
            raise LabError(f"{self.name} ended at once; {self.log_file} says:\n{last}")

    def kill(self) -> None:
        """SIGKILL: its connections are reset, and new ones refused. LabError when it does not run."""
        if not self.process:
            raise LabError(f"{self.name} does not run; start it with: mooring lab server start {self.name}")
        self.machine.stop_program(_ROLE, signal.SIGKILL, forget=False)

    def behave(self, status: int = 200, delay: float = 0.0) -> None:
        """How it answers `/` and `/healthz` from now on: with this status, after so many seconds."""
        self._ask("PUT", "/behave", json.dumps({"status": status, "delay": delay}))

    def told(self) -> Mapping[str, Any] | None:
        """What it was asked: `connections`, and `requests` by path; None when it does not answer."""
        try:
            found: Mapping[str, Any] = json.loads(self._ask("GET", "/told"))
        except LabError:
            return None
        return found

    def requests(self, path: str = "/") -> int:
        """How often this path was asked for; 0 when it does not answer."""
        return int((self.told() or {"requests": {}})["requests"].get(path, 0))

    def _ask(self, method: str, path: str, body: str = "") -> bytes:
        """From its own machine, so that nothing on the way is in the way."""
        try:
            opened = visits.connect(self.machine.namespace, "127.0.0.1", DEFAULT_PORTS[-1], _ASK_SECONDS)
            connection = http.client.HTTPConnection("127.0.0.1", timeout=_ASK_SECONDS)
            connection.sock = opened
            try:
                connection.request(method, path, body, {"Connection": "close"})
                return connection.getresponse().read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"{self.name} does not answer: {error}") from error


def place_of(machine: Machine) -> Place:
    """Where a server of this machine is."""
    return {Role.POD: Place.POD, Role.NODE: Place.NODE}.get(machine.member.role, Place.SEGMENT)
