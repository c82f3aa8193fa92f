"""One node that balances, in the guest: the real supervisor and checks process, HTTP servers, and the kernel's table.

An agent that only notes what it hears stands in for the real one; the configuration is the file that it would write.
The guest's clock jumps to the next timer when everybody sleeps and computing takes none of its time, so what is
measured is what the processes decided to wait. Times are nanoseconds of CLOCK_BOOTTIME, seconds where they say so.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mooring_lab import namespace
from mooring_lab.wait import wait_until
from mooring_node import daemon
from mooring_node.balance.config import BackendConfig, BalanceConfig, ServerConfig
from mooring_node.balance.store import keep
from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.checks.config import CheckConfig, HTTPProbe
from mooring_node.files import StateFolder
from mooring_node.ipvs.kernel import Ipvs
from mooring_node.ipvs.table import DestinationKey, ServiceKey
from mooring_node.kernel.process import now_ns
from mooring_node.log import Log
from mooring_node.supervisor.control import ask

SECOND = 1_000_000_000
MS = 1_000_000
ADDRESS, PORT = "192.0.2.1", 80
WEB = ServiceKey(4, 6, ADDRESS, PORT)
SORRY = "10.9.0.99"
#: How often the table is looked at: what is measured is later than it was by no more.
LOOK_S = 0.005
CHECK = CheckConfig(
    HTTPProbe(),
    interval_ns=SECOND,
    interval_down_ns=SECOND,
    timeout_ns=SECOND // 2,
    retries=1,
    delay_before_retry_ns=SECOND // 4,
    warmup_ns=0,
)


def backend(number: int) -> str:
    return f"10.9.0.{number}"


def web(count: int = 3, **changes: Any) -> ServerConfig:
    """A server of `count` backends; fields as keywords."""
    given: dict[str, Any] = {
        "name": "web",
        "virtual_server": "shop/web",
        "addresses": (ADDRESS,),
        "port": PORT,
        "backends": tuple(BackendConfig(backend(number), PORT) for number in range(1, count + 1)),
        "checks": (("page", CHECK),),
    }
    return ServerConfig(**{**given, **changes})


class Servers:
    """HTTP servers at 10.9.0.x:80, in a process of their own; each can be dead, silent, or good (at first)."""

    def __init__(self, name: str, numbers: range) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            self._ours.close()
            _serve(name, numbers, theirs)
        theirs.close()
        self._ours.recv(1)

    def _tell(self, number: int, word: str) -> None:
        self._ours.send(f"{number} {word}".encode())
        self._ours.recv(1)

    def kill(self, *numbers: int) -> None:
        """Connections to these are refused from now on."""
        for number in numbers:
            self._tell(number, "dead")

    def silence(self, number: int) -> None:
        """Connections are taken, and nothing is answered."""
        self._tell(number, "silent")

    def revive(self, *numbers: int) -> None:
        for number in numbers:
            self._tell(number, "good")

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._ours.close()


class _Hosts:
    """What the servers' process has."""

    def __init__(self) -> None:
        self.listeners: dict[int, socket.socket] = {}
        self._silent: set[int] = set()
        self._kept: list[socket.socket] = []

    def obey(self, number: int, word: str) -> None:
        self._silent.discard(number)
        if word == "dead":
            if number in self.listeners:
                self.listeners.pop(number).close()
            return
        if number not in self.listeners:
            self.listeners[number] = socket.create_server((backend(number), PORT), backlog=128)
        if word == "silent":
            self._silent.add(number)

    def answer(self, number: int) -> None:
        connection, _ = self.listeners[number].accept()
        if number in self._silent:
            self._kept.append(connection)
            return
        body = backend(number).encode()
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def _serve(name: str, numbers: range, orders: socket.socket) -> None:
    """The servers' process; never returns."""
    try:
        _enter(name)
        hosts = _Hosts()
        for number in numbers:
            hosts.obey(number, "good")
        orders.send(b".")
        while True:
            by_listener = {listener: number for number, listener in hosts.listeners.items()}
            ready = select.select([orders, *by_listener], [], [])[0]
            if orders in ready:
                number, word = orders.recv(100).decode().split()
                hosts.obey(int(number), word)
                orders.send(b".")
                continue
            for listener in ready:
                hosts.answer(by_listener[listener])
    finally:
        os._exit(1)


class Director:
    """The daemon in its namespace, its table, and what it says."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.state = StateFolder(folder / "state")
        self.scripts = folder / "scripts"
        self.told_file = folder / "told.jsonl"
        self.log_file = folder / "daemon.log"
        self.ipvs = namespace.call(name, _opened)
        self._generation = 0
        self._orders: socket.socket | None = None
        self.pid = 0

    # Its life.

    def start(self, *servers: ServerConfig, **more: Any) -> None:
        """With this configuration, or the one that is there."""
        self.state.create()
        if servers or more:
            self.put(*servers, **more)
        self._forget()
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            _be_daemon(self, theirs)
        theirs.close()

    def _forget(self) -> None:
        if self._orders is not None:
            self._orders.close()

    def put(self, *servers: ServerConfig, **more: Any) -> None:
        """Put a configuration on disk; the process looks there each second."""
        self._generation += 1
        keep(self.state.balance, BalanceConfig(self._generation, servers, **more))

    def configure(self, *servers: ServerConfig, **more: Any) -> None:
        """Put a configuration on disk, tell the process, and wait until it runs."""
        self.put(*servers, **more)
        self.tell({"do": "configure"})
        self.wait(lambda: {"configured": self._generation} in self.told(), "the configuration to run")

    def tell(self, message: dict[str, Any]) -> None:
        """As the agent would."""
        assert self._orders is not None
        self._orders.send(json.dumps(message).encode())

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self.reap()

    def reap(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def checks_pid(self) -> int:
        """Of the checks process; 0 while there is none."""
        try:
            reply = ask(self.state.control, {"do": "status"})
        except OSError:
            return 0
        return next((int(each["pid"]) for each in reply["processes"] if each["name"] == "checks"), 0)

    def kill_checks(self) -> None:
        """SIGKILL, and wait until its successor is there."""
        before = self.checks_pid()
        os.kill(before, signal.SIGKILL)
        self.wait(lambda: self.checks_pid() not in (0, before), "a successor")

    def close(self) -> None:
        if self.pid:
            with ExitStack() as stack:
                stack.callback(self.reap)
                namespace.kill_all(self.name)
        self._forget()
        self.ipvs.close()

    # What the kernel has, and what was said.

    def weights(self, key: ServiceKey = WEB) -> dict[str, int] | None:
        """The last number of each destination's address, and its weight; None: no such service."""
        if not self.ipvs.find([key]):
            return None
        found: dict[DestinationKey, Any] = dict(self.ipvs.destinations(key))
        return {each.address.rpartition(".")[2]: entry.destination.weight for each, entry in sorted(found.items())}

    def services(self) -> set[ServiceKey]:
        return set(self.ipvs.services())

    def told(self) -> list[dict[str, Any]]:
        """All messages to the agent so far."""
        text = self.told_file.read_text() if self.told_file.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def happened(self) -> list[str]:
        """`BackendDown 1`, `QuorumUp`, ..., in order."""
        told = [each["happened"] for each in self.told() if "happened" in each]
        return [f"{each['event']} {(each['address'] or '').rpartition('.')[2]}".strip() for each in told]

    def report(self) -> dict[str, Any]:
        """The newest one's server `web`."""
        reports = [each["report"] for each in self.told() if "report" in each]
        return next((server for server in reports[-1]["servers"] if server["name"] == "web"), {}) if reports else {}

    def problems(self) -> list[str]:
        reports = [each["report"] for each in self.told() if "report" in each]
        return [each["message"] for each in reports[-1]["problems"]] if reports else []

    # Waiting.

    def wait(self, happened: Callable[[], Any], what: str, within: float = 20.0) -> Any:
        try:
            return wait_until(happened, within, what, every=0.02)
        except TimeoutError:
            log = self.log_file.read_text()[-3000:] if self.log_file.exists() else ""
            pytest.fail(f"not within {within:g} s: {what}; {self.weights()}\n{self.told()[-8:]}\n{log}", pytrace=False)

    def wait_weights(self, expected: dict[str, int] | None, key: ServiceKey = WEB, within: float = 20.0) -> None:
        self.wait(lambda: self.weights(key) == expected, f"weights {expected}", within)

    def time_to(self, expected: dict[str, int] | None, within: float = 20.0) -> float:
        """Seconds until the table is so."""
        began = now_ns()
        while self.weights() != expected:
            if now_ns() - began > within * SECOND:
                self.wait(lambda: False, f"weights {expected}", 0.0)
            time.sleep(LOOK_S)
        return (now_ns() - began) / SECOND

    def stays(self, expected: dict[str, int] | None, seconds: float) -> None:
        """So long the table is never another."""
        until = now_ns() + int(seconds * SECOND)
        while now_ns() < until:
            assert self.weights() == expected
            time.sleep(LOOK_S)


def _opened() -> Ipvs:
    """It belongs to the namespace in which it is first used."""
    ipvs = Ipvs()
    ipvs.services()
    return ipvs


def _enter(name: str) -> None:
    with open(f"/run/netns/{name}", "rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")


def _be_daemon(director: Director, orders: socket.socket) -> None:
    """The daemon's first process; never returns."""
    code = 99
    try:
        _enter(director.name)
        os.setsid()
        log = os.open(director.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for each in (1, 2):
            os.dup2(log, each)

        def agent(
            _state: StateFolder, board: Board, child: int, _vrrp: Channel, supervisor: Channel, checks: Channel
        ) -> None:
            _note(director.told_file, board, child, supervisor, checks, orders)

        code = daemon.run(
            director.state, agent, Log(as_json=False), priority=0, checks_only=True, scripts=director.scripts
        )
    finally:
        os._exit(code)


def _note(
    told_file: Path, board: Board, child: int, supervisor: Channel, checks: Channel, orders: socket.socket
) -> None:
    """What stands in for the agent: writes down what it hears, and passes orders on."""
    with told_file.open("a") as told:
        while True:
            ready = select.select([supervisor, checks, orders], [], [], 0.5)[0]
            board.progress(child, now_ns())
            if checks in ready:
                for message in checks.receive():
                    told.write(json.dumps(message) + "\n")
                told.flush()
            if supervisor in ready:
                for message in supervisor.receive():
                    if message.get("do") == "snapshot":
                        supervisor.send({"agent": {}, "id": message["id"]})
            if orders in ready:
                data = orders.recv(1 << 16)
                if not data:
                    orders.close()
                    os._exit(0)
                checks.send(json.loads(data))


@pytest.fixture
def place() -> Iterator[str]:
    """A namespace with the addresses of twelve backends, of the sorry server, and of the virtual server."""
    name = f"mooring-t{os.getpid()}-balance"
    namespace.add(name)
    addresses = [*(backend(number) for number in range(1, 13)), SORRY, ADDRESS]
    namespace.batch(name, ["link set lo up", *(f"addr add {each}/32 dev lo" for each in addresses)])
    try:
        yield name
    finally:
        namespace.kill_all(name)
        namespace.remove(name)


@pytest.fixture
def servers(place: str) -> Iterator[Servers]:
    """Twelve of them."""
    made = Servers(place, range(1, 13))
    yield made
    made.close()


@pytest.fixture
def director(place: str, tmp_path: Path) -> Iterator[Director]:
    """Not started yet."""
    made = Director(place, tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def web_of() -> Callable[..., ServerConfig]:
    """`web_of(3, quorum_up=2)`: see `web`."""
    return web


@pytest.fixture(scope="session")
def check_of() -> Callable[..., CheckConfig]:
    """`check_of(retries=0)`: the check of `web`, changed."""
    return lambda **changes: replace(CHECK, **changes)
