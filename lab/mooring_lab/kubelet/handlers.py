"""What probes and hooks do: run a command in the container, ask by HTTP, connect by TCP."""

import http.client
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mooring_lab import namespace
from mooring_lab.kubelet import enter
from mooring_lab.kubelet.document import View
from mooring_lab.kubelet.facts import NodeFacts

_LONGEST_OUTPUT = 10 * 1024
_AGENT = "kube-probe/mooring-lab"
#: Entering a container takes so long at most, beside the time that its command may take.
_ENTER_S = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    passed: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a handler acts: the node, the container as its spec says, and the folder of the attempt that runs."""

    node: NodeFacts
    container: View
    attempt: Path

    def port(self, said: int | str) -> int:
        """A port by number or name; ValueError when the container names none so."""
        if isinstance(said, int) or said.isdecimal():
            return int(said)
        for port in self.container.get("ports") or ():
            if port.get("name") == said:
                return int(port["containerPort"])
        raise ValueError(f"the container has no port called {said!r}")


def handle(said: View, place: Place, timeout_s: float) -> Outcome:
    """Do what a probe or a hook says, within `timeout_s`; it never raises."""
    try:
        if execution := said.get("exec"):
            return run_inside(place.attempt, tuple(execution["command"]), timeout_s)
        if request := said.get("httpGet"):
            return http_get(request, place, timeout_s)
        if connection := said.get("tcpSocket"):
            return tcp_connect(connection, place, timeout_s)
        if pause := said.get("sleep"):
            time.sleep(min(float(pause["seconds"]), timeout_s))
            return Outcome(True)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Outcome(False, str(error) or type(error).__name__)
    return Outcome(False, f"the lab's kubelet does not know {', '.join(said)}")


def http_get(said: View, place: Place, timeout_s: float) -> Outcome:
    """200 to 399 is success. No certificate is verified, as kubelet's doc says."""
    host = said.get("host") or place.node.addresses[0]
    port, path = place.port(said["port"]), said.get("path") or "/"
    headers = {"User-Agent": _AGENT, "Accept": "*/*"}
    headers |= {header["name"]: header["value"] for header in said.get("httpHeaders") or ()}
    connected = _connect(place.node, host, port, timeout_s)
    with _cut_off(connected, timeout_s):
        if (said.get("scheme") or "HTTP") == "HTTPS":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            connected = context.wrap_socket(connected)
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        connection.sock = connected
        connection.request("GET", path if path.startswith("/") else f"/{path}", headers=headers)
        response = connection.getresponse()
        body = response.read(_LONGEST_OUTPUT)
        connection.close()
    if 200 <= response.status < 400:
        return Outcome(True, body.decode(errors="replace"))
    return Outcome(False, f"HTTP probe failed with statuscode: {response.status}")


def tcp_connect(said: View, place: Place, timeout_s: float) -> Outcome:
    _connect(place.node, said.get("host") or place.node.addresses[0], place.port(said["port"]), timeout_s).close()
    return Outcome(True)


def run_inside(attempt: Path, command: tuple[str, ...], timeout_s: float) -> Outcome:
    """Run a command in the container; success is exit code 0. What it writes is the message."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mooring_lab.kubelet.enter", str(attempt), str(timeout_s), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process:
        output = _output(process, timeout_s + _ENTER_S)
        process.kill()
        code = process.wait()
    if code == enter.TIMED_OUT:
        return Outcome(False, f'command "{" ".join(command)}" timed out after {timeout_s:g}s')
    if code == enter.GONE:
        return Outcome(False, "container not running")
    return Outcome(code == 0, output or f"exit code {code}")


def _output(process: "subprocess.Popen[bytes]", timeout_s: float) -> str:
    """The first of what it writes until it ends, whoever else still holds the pipe."""
    assert process.stdout
    pipe, ended = process.stdout.fileno(), os.pidfd_open(process.pid)
    deadline = time.monotonic() + timeout_s
    said = bytearray()
    try:
        while True:
            readable, _, _ = select.select([pipe, ended], [], [], max(deadline - time.monotonic(), 0))
            piece = os.read(pipe, 65536) if pipe in readable else b""
            if not piece:
                select.select([ended], [], [], max(deadline - time.monotonic(), 0))
                return said.decode(errors="replace").strip()
            said += piece[: _LONGEST_OUTPUT - len(said)]
    finally:
        os.close(ended)


def _connect(node: NodeFacts, host: str, port: int, timeout_s: float) -> socket.socket:
    """A connection inside the node's network namespace."""
    return namespace.call(Path(node.network).name, lambda: socket.create_connection((host, port), timeout_s))


@contextmanager
def _cut_off(connected: socket.socket, timeout_s: float) -> Iterator[None]:
    """The connection ends after so long, however slowly the other side goes on talking: then TimeoutError."""
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
        if late.is_set():
            # What was read so far may look like a whole reply.
            raise TimeoutError(f"no whole reply within {timeout_s:g}s")
    finally:
        timer.cancel()
        connected.close()
