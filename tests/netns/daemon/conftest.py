"""Daemons on a bridge: a lab of its own for each test, and what the daemons in it say."""

import contextlib
import itertools
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from typing import Any

import pytest
import yaml

from mooring_api.nodeconfig import NodeConfig
from mooring_api.wire import parse_object
from mooring_lab import keepalived, namespace
from mooring_lab.kernel import KernelAddresses
from mooring_lab.lab import Lab, default_daemon_command
from mooring_lab.machine import Machine
from mooring_lab.node import Node
from mooring_lab.wait import wait_until
from mooring_node.kernel.rtnetlink import AddressGone, Monitor
from mooring_node.status import transitions
from mooring_node.supervisor.control import ask

_LABS = itertools.count()
#: For what must happen, on a machine that stalls: generous, since a wait ends with its event.
SOON_S = 15.0
GROUP = "web"
ADDRESS = "10.0.0.100"
Document = dict[str, Any]


def instance(name: str = GROUP, /, **changes: Any) -> Document:
    """An instance at 100 ms adverts with one address; fields of the wire as keywords."""
    fields: Document = {
        "interface": "eth0",
        "virtualRouterID": 51,
        "priority": 100,
        "advertisementInterval": "100ms",
        "addresses": [{"address": f"{ADDRESS}/24"}],
    }
    return {"name": name, **fields, **changes}


def link_local(node: Node) -> str:
    """The address that the kernel makes of the node's MAC (RFC 4291, appendix A), with zone."""
    return f"fe80::ff:fe00:{node.member.index + 1:x}%eth0"


class Overlap:
    """Watches who has an address, by the kernels of some nodes; used as a context."""

    def __init__(self, nodes: Sequence[Node], address: str) -> None:
        self._kernels = [KernelAddresses(node.namespace) for node in nodes]
        self._address = address
        self._history: list[tuple[float, int]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._ended.is_set():
            for kernel in self._kernels:
                kernel.drain()
            holders = sum(self._address in kernel.read() for kernel in self._kernels)
            self._history.append((time.monotonic(), holders))
            select.select(self._kernels, [], [], 0.05)

    def seconds(self, holders: int) -> float:
        """The longest time without a break in which exactly so many nodes had the address."""
        longest, since = 0.0, None
        for at, found in self._history:
            if found == holders:
                since = at if since is None else since
                longest = max(longest, at - since)
            elif since is not None:
                longest = max(longest, at - since)
                since = None
        return longest

    def most(self) -> int:
        """The most holders that were seen at one time."""
        return max(found for _, found in self._history)

    def __enter__(self) -> "Overlap":
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        self._thread.join()
        for kernel in self._kernels:
            kernel.close()


class Capture:
    """Ethernet frames of one kind at a machine's service link, from when it was made; used as a context."""

    def __init__(self, machine: Machine, protocol: int) -> None:
        def make() -> socket.socket:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            made.bind(("eth0", protocol))
            return made

        self._socket = namespace.call(machine.namespace, make)
        self._socket.setblocking(False)
        self._frames: list[bytes] = []

    def frames(self) -> list[bytes]:
        """All so far, also those that the machine itself sent."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._frames.append(self._socket.recv(4096))
        return self._frames

    def forget(self) -> None:
        """Begin anew."""
        self.frames()
        self._frames = []

    def announced(self, mac: str, address: str) -> int:
        """How many ARP frames say that this MAC has this address."""
        claim = bytes.fromhex(mac.replace(":", "")) + ip_address(address).packed
        return sum(frame[12:14] == b"\x08\x06" and frame[22:32] == claim for frame in self.frames())

    def __enter__(self) -> "Capture":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._socket.close()


class Deletions:
    """Which addresses were deleted at a node since it was made, in order; used as a context."""

    def __init__(self, node: Node) -> None:
        self._monitor = namespace.call(node.namespace, Monitor)
        self._seen: list[str] = []

    def seen(self) -> list[str]:
        while select.select([self._monitor], [], [], 0)[0]:
            gone = [each.address for each in self._monitor.read() if isinstance(each, AddressGone)]
            self._seen += [str(ip_address(each.address)) for each in gone]
        return self._seen

    def __enter__(self) -> "Deletions":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._monitor.close()


class Bench:
    """A lab of its own for one test: nodes a, b, ... with a daemon (or a keepalived) each, and a client."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.client = lab.client

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.lab.nodes

    @property
    def a(self) -> Node:
        return self.nodes[0]

    @property
    def b(self) -> Node:
        return self.nodes[1]

    # Configurations.

    def config(self, node: Node, *instances: Document, **spec: Any) -> str:
        """The text of a NodeConfig; unicast instances that say nothing of peers get all other nodes.

        Other fields of the spec are keywords.
        """
        filled = []
        for given in instances:
            transport = dict(given.get("transport", {}))
            if transport.get("type", "Unicast") == "Unicast" and not transport.keys() & {"peers", "alone"}:
                others = [each for each in self.nodes if each is not node]
                six = given.get("family") == "IPv6"
                transport["peers"] = [link_local(each) if six else each.address for each in others]
                transport["source"] = link_local(node) if six else node.address
            filled.append({**given, "transport": transport})
        document = {
            "apiVersion": "mooring.dev/v1alpha1",
            "kind": "NodeConfig",
            "metadata": {"name": node.name},
            "spec": {"instances": filled, **spec},
        }
        return yaml.safe_dump(document, sort_keys=False)

    def start(self, node: Node, *instances: Document, **spec: Any) -> None:
        node.start_daemon(self.config(node, *instances, **spec))

    def reload(self, node: Node, *instances: Document, **spec: Any) -> None:
        """Hand over a good configuration and wait until it runs."""
        before = self.generation(node)
        node.reload_daemon(self.config(node, *instances, **spec))
        self.wait(lambda: self.generation(node) > before, "the new configuration to run")

    def start_keepalived(self, node: Node, *instances: Document) -> None:
        document = yaml.safe_load(self.config(node, *instances))
        node.start_keepalived(keepalived.configuration(parse_object(NodeConfig, document, node.name)))

    def pair(self, *, high: int = 150, low: int = 100, **changes: Any) -> None:
        """Daemons on a and b, and a holds what the instance has."""
        self.start(self.a, instance(priority=high, **changes))
        self.wait_state(self.a, "Active")
        self.start(self.b, instance(priority=low, **changes))
        self.wait_state(self.b, "Backup")

    def run(self, node: Node, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of `mooring-node` in the node, beside its daemon."""
        return node.exec(*default_daemon_command(), *arguments)

    # What the daemons say.

    def status(self, node: Node) -> Document | None:
        """What `mooring-node status -o json` prints, without the cost of a process; None while nobody answers."""
        try:
            reply = ask(node.state_dir / "control.sock", {"do": "status"})
        except OSError:
            return None
        reply["transitions"] = transitions(node.state_dir / "transitions.json")
        return reply

    def group(self, node: Node, name: str = GROUP) -> Document | None:
        found = [each for each in (self.status(node) or {}).get("groups", ()) if each["name"] == name]
        return found[0] if found else None

    def state(self, node: Node, name: str = GROUP) -> str | None:
        return (self.group(node, name) or {}).get("state")

    def generation(self, node: Node) -> int:
        """Of the configuration that the VRRP process runs; 0 before the first."""
        return ((self.status(node) or {}).get("vrrp") or {}).get("generation", 0)

    def problems(self, node: Node) -> list[str]:
        agent = (self.status(node) or {}).get("agent") or {}
        return agent.get("configuration", {}).get("problems", [])

    def judging(self, node: Node) -> bool:
        agent = (self.status(node) or {}).get("agent") or {}
        return bool(agent.get("configuration", {}).get("judging"))

    def pid(self, node: Node, process: str) -> int:
        """`vrrp`, `agent` or `supervisor`."""
        status = self.status(node)
        assert status is not None
        if process == "supervisor":
            return int(status["pid"])
        return next(int(each["pid"]) for each in status["processes"] if each["name"] == process)

    def restarts(self, node: Node, process: str) -> int:
        status = self.status(node)
        found = [each["restarts"] for each in (status or {}).get("processes", ()) if each["name"] == process]
        return found[0] if found else 0

    def kill(self, node: Node, process: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal one of the daemon's processes; one that is being replaced has no number, and 0 would mean us."""
        os.kill(self.wait(lambda: self.pid(node, process), f"{process} to run"), number)

    # Waiting.

    def wait(self, happened: Callable[[], Any], what: str, within: float = SOON_S) -> Any:
        """Until it has happened; the test fails with what was awaited and the nodes' logs."""
        try:
            return wait_until(happened, within, what)
        except TimeoutError:
            files = [file for node in self.nodes for file in sorted(node.folder.glob("*.log"))]
            logs = "\n".join(f"--- {file.parent.name}/{file.name}\n{file.read_text()[-4000:]}" for file in files)
            pytest.fail(f"not within {within:g} s: {what}; held: {self.lab.holders()}\n{logs}", pytrace=False)

    def wait_state(self, node: Node, state: str, name: str = GROUP, within: float = SOON_S) -> None:
        self.wait(lambda: self.state(node, name) == state, f"{name} on {node.name} to be {state}", within)

    def wait_held(self, node: Node, *addresses: str, within: float = SOON_S) -> None:
        """Until the node's kernel has exactly these addresses beside its own."""
        self.wait(lambda: node.held() == set(addresses), f"{node.name} to hold {addresses}", within)

    def wait_log(self, node: Node, text: str, within: float = SOON_S) -> None:
        self.wait(lambda: text in node.log, f"{text!r} in the log of {node.name}", within)


@contextlib.contextmanager
def _benches() -> Iterator[Callable[..., Bench]]:
    made: list[Lab] = []

    def make(**options: Any) -> Bench:
        lab = Lab(f"t{os.getpid()}x{next(_LABS)}", **options)
        made.append(lab)
        return Bench(lab.up())

    try:
        yield make
    finally:
        for lab in made:
            lab.down()


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    """`make_bench(nodes=3)` builds a lab; it goes with the test."""
    with _benches() as make:
        yield make


@pytest.fixture(scope="module")
def make_shared_bench() -> Iterator[Callable[..., Bench]]:
    """The same; it goes with the module."""
    with _benches() as make:
        yield make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """Two nodes, a and b, and a client; nothing runs yet."""
    return make_bench()


@pytest.fixture
def instance_of() -> Callable[..., Document]:
    """`instance_of(priority=150)`: see `instance`."""
    return instance


@pytest.fixture
def overlap() -> type[Overlap]:
    return Overlap


@pytest.fixture
def capture() -> type[Capture]:
    return Capture


@pytest.fixture
def deletions() -> type[Deletions]:
    return Deletions
