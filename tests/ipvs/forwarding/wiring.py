"""Nodes on one segment of the guest, what they serve, and what a client of the segment is answered.

Everything is of this process: a socket stays in the network namespace where it was made, and one thread serves all.
"""

import asyncio
import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mooring_lab import namespace
from mooring_lab.wait import wait_until
from mooring_node.balance.config import BalanceConfig
from mooring_node.balance.desired import keys, service
from mooring_node.forwarding.marks import families, marks
from mooring_node.forwarding.node import Forwarding
from mooring_node.forwarding.problem import Problem
from mooring_node.ipvs.diff import diff
from mooring_node.ipvs.kernel import Ipvs
from mooring_node.ipvs.table import Balanced, Destination, DestinationKey, Table
from mooring_node.kernel.rtnetlink import Rtnetlink

SWITCH = "fw-switch"
PATIENCE_S = 3.0
BIG = 1 << 20
_IP_FREEBIND = 15

Value = TypeVar("Value")


@dataclass
class Member:
    """A node of the segment: `number` makes its addresses (10.0.0.N and fd00::N) and its MAC."""

    name: str
    number: int
    folder: Path
    log: list[str] = field(default_factory=list)
    forwarding: Forwarding | None = None
    servers: "Servers | None" = None

    @property
    def namespace(self) -> str:
        return f"fw-{self.name}"

    @property
    def mac(self) -> str:
        return f"02:00:00:00:00:{self.number:02x}"

    def address(self, family: int) -> str:
        return f"10.0.0.{self.number}" if family == 4 else f"fd00::{self.number:x}"

    def hold(self, address: str, device: str = "eth0") -> None:
        """Set a virtual address as VRRP's holder does: the kernel never chooses an IPv6 one as a source."""
        how = "/128 dev {} nodad preferred_lft 0" if ":" in address else "/32 dev {}"
        self.ip(f"address add {address}{how.format(device)}")

    def release(self, address: str, device: str = "eth0") -> None:
        self.ip(f"address del {address}/{128 if ':' in address else 32} dev {device}")

    def call(self, function: Callable[[], Value]) -> Value:
        return namespace.call(self.namespace, function)

    def ip(self, *commands: str) -> None:
        namespace.batch(self.namespace, commands)

    def tool(self, *command: str, text: str = "") -> str:
        return namespace.run(namespace.inside(self.namespace, command), text)

    def set(self, **settings: str) -> None:
        """Write settings; two underscores stand for a slash."""
        namespace.configure(self.namespace, {name.replace("__", "/"): value for name, value in settings.items()})

    def read(self, path: str) -> str:
        return self.call(lambda: Path("/proc/sys", path).read_text().strip())

    def received(self) -> int:
        """How many packets have come in on eth0."""
        return self.call(lambda: int(Path("/proc/thread-self/net/dev").read_text().split("eth0:")[1].split()[1]))

    # What the daemon does on it.

    def balance(self, config: BalanceConfig) -> tuple[Problem, ...]:
        """Set IPVS' table and everything of forwarding, as the checks process does."""

        def table() -> None:
            with Ipvs() as ipvs:
                there = ipvs.read()
                failures = ipvs.apply(diff(desired(config), there, frozenset(there)))
                assert not failures, failures

        self.call(table)
        return self.run(lambda forwarding: forwarding.configure(config))

    def run(self, doing: Callable[[Forwarding], Coroutine[Any, Any, Value]]) -> Value:
        """Do something with this node's Forwarding, inside its namespace."""

        def inside() -> Value:
            if self.forwarding is None:
                self.forwarding = Forwarding(self.folder / f"{self.name}.json", self._write)
            return asyncio.run(doing(self.forwarding))

        return self.call(inside)

    def stop(self) -> None:
        if self.forwarding is not None:
            self.run(lambda forwarding: forwarding.close())
            self.forwarding = None

    def _write(self, level: str, message: str) -> None:
        self.log.append(f"{level}: {message}")

    # What runs on it.

    def serve(self, port: int, *addresses: str) -> None:
        """Answer TCP and UDP on a port of these addresses (all) with this node's name and the client's address."""
        assert self.servers is not None
        for address in addresses or ("", "::"):
            self.servers.add(self, address, port)

    def ask(
        self, address: str, port: int, protocol: int = socket.SOCK_STREAM, source: tuple[str, int] | None = None
    ) -> str:
        """What is answered, "" where nothing is, and the error's name where it is refused."""
        return self.call(lambda: _ask(address, port, protocol, source))

    def ping(self, address: str) -> bool:
        """Whether an echo comes back."""
        return self.call(lambda: _ping(address))

    def download(self, address: str, port: int, size: int = BIG) -> int:
        """How many of so many bytes came."""
        return self.call(lambda: _download(address, port, size))

    def upload(self, address: str, port: int, size: int = BIG) -> int:
        """How many of so many bytes the server says that it got."""
        return self.call(lambda: _upload(address, port, size))


def desired(config: BalanceConfig) -> Table:
    """What balancing makes of a configuration whose backends are all up."""
    allotted = marks(config)
    found = {}
    for server in config.servers:
        for family in families(server) or server.families:
            destinations = {
                DestinationKey(each.address, each.port): Destination(
                    each.weight,
                    each.way.method,
                    tunnel=each.way.tunnel,
                    tunnel_port=each.way.tunnel_port,
                    tunnel_flags=each.way.tunnel_flags,
                )
                for each in server.backends
                if (6 if ":" in each.address else 4) == family
            }
            for key in keys(server, family, allotted):
                found[key] = Balanced(service(server, family), destinations)
    return found


class Servers:
    """One thread that answers on all sockets that are added."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def add(self, member: Member, address: str, port: int) -> None:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            made = member.call(partial(_listening, kind, address, port))
            self._selector.register(made, selectors.EVENT_READ, member.name)
        self._wake.send(b".")

    def close(self) -> None:
        self._wake.send(b"!")
        self._thread.join()
        for key in tuple(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._wake.close()
        self._selector.close()

    def _serve(self) -> None:
        while True:
            for key, _events in self._selector.select():
                opened: socket.socket = key.fileobj  # type: ignore[assignment]
                if opened is self._woken:
                    if b"!" in opened.recv(16):
                        return
                elif opened.type == socket.SOCK_DGRAM:
                    _data, client = opened.recvfrom(2048)
                    opened.sendto(f"{key.data} {_plain(client[0])}".encode(), client)
                else:
                    _answer(opened, key.data)


def _answer(opened: socket.socket, text: str) -> None:
    """A connection at a time: `N` asks for N bytes, `+` counts all that comes, anything else asks for the name."""
    connection, client = opened.accept()
    with connection, contextlib.suppress(OSError):
        connection.settimeout(PATIENCE_S)
        asked = connection.recv(64)
        if asked.isdigit():
            connection.sendall(bytes(int(asked)))
        elif asked.startswith(b"+"):
            got = len(asked)
            while data := connection.recv(1 << 16):
                got += len(data)
            connection.sendall(str(got).encode())
        else:
            connection.sendall(f"{text} {_plain(client[0])}".encode())


def _plain(address: str) -> str:
    return address.partition("%")[0]


def _listening(kind: int, address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    # Where the address comes and goes; on such a socket UDP answers from the address that was asked.
    made.setsockopt(socket.SOL_IP, _IP_FREEBIND, 1)
    made.bind((address, port))
    if kind == socket.SOCK_STREAM:
        made.listen(64)
    return made


def _connect(address: str, port: int, protocol: int, source: tuple[str, int] | None) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, protocol)
    try:
        made.settimeout(PATIENCE_S)
        if source:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(source)
        made.connect((address, port))
    except OSError:
        made.close()
        raise
    return made


def _ask(address: str, port: int, protocol: int, source: tuple[str, int] | None) -> str:
    try:
        with _connect(address, port, protocol, source) as made:
            made.send(b"who?")
            return made.recv(256).decode()
    except TimeoutError:
        return ""
    except OSError as error:
        return type(error).__name__


def _ping(address: str) -> bool:
    family, protocol, kind = (
        (socket.AF_INET6, socket.IPPROTO_ICMPV6, 128) if ":" in address else (socket.AF_INET, socket.IPPROTO_ICMP, 8)
    )
    head = bytes((kind, 0))
    checksum = 0xFFFF - kind * 256  # of this header alone; the kernel writes ICMPv6's itself
    with socket.socket(family, socket.SOCK_RAW, protocol) as made:
        made.settimeout(PATIENCE_S)
        made.connect((address, 0))
        made.send(head + checksum.to_bytes(2, "big") + bytes(4))
        try:
            while True:
                answer = made.recv(256)[-8:]
                if answer[0] in (0, 129):
                    return True
        except TimeoutError:
            return False


def _download(address: str, port: int, size: int) -> int:
    got = 0
    with contextlib.suppress(OSError), _connect(address, port, socket.SOCK_STREAM, None) as made:
        made.send(str(size).encode())
        while data := made.recv(1 << 16):
            got += len(data)
    return got


def _upload(address: str, port: int, size: int) -> int:
    with contextlib.suppress(OSError), _connect(address, port, socket.SOCK_STREAM, None) as made:
        made.sendall(b"+" * size)
        made.shutdown(socket.SHUT_WR)
        return int(made.recv(64))
    return 0


@contextlib.contextmanager
def segment(folder: Path, members: Mapping[str, int]) -> Iterator[dict[str, Member]]:
    """A bridge with these nodes, by name and number."""
    nodes = {name: Member(name, number, folder) for name, number in members.items()}
    servers = Servers()
    try:
        _connect_all(nodes.values())
        for node in nodes.values():
            node.servers = servers
            node.set(net__ipv6__conf__eth0__accept_dad="0", net__ipv4__conf__all__send_redirects="0")
            # A router that sends back where a packet came from says so, and IPv6 cannot be told not to.
            node.set(net__ipv6__conf__eth0__accept_redirects="0")
            node.ip(
                "link set lo up",
                "link set eth0 up",
                f"address add {node.address(4)}/24 dev eth0",
                f"address add {node.address(6)}/64 dev eth0 nodad",
            )
        for node in nodes.values():
            wait_until(partial(node.call, _has_carrier), 10.0, f"{node.name}'s link to be up", every=0.01)
        yield nodes
    finally:
        try:
            for node in nodes.values():
                node.stop()
        finally:
            servers.close()
            _remove(SWITCH, *(node.namespace for node in nodes.values()))


def _connect_all(nodes: Iterable[Member]) -> None:
    """Few processes for all: to start one is what takes time in the guest."""
    commands = [f"netns add {SWITCH}"]
    ports = ["link add br0 type bridge forward_delay 0", "link set br0 up"]
    for node in nodes:
        peer = f"peer name {node.name} netns {SWITCH}"
        commands.append(f"netns add {node.namespace}")
        commands.append(f"link add eth0 netns {node.namespace} address {node.mac} type veth {peer}")
        ports += [f"link set {node.name} master br0", f"link set {node.name} up"]
    _ip(commands)
    namespace.batch(SWITCH, ports)


def _has_carrier() -> bool:
    with Rtnetlink() as rtnetlink:
        return any(link.name == "eth0" and link.up for link in rtnetlink.links())


def _remove(*namespaces: str) -> None:
    there = [each for each in namespaces if namespace.exists(each)]
    for each in there:
        namespace.kill_all(each)
    _ip([f"netns del {each}" for each in there])


def _ip(commands: Iterable[str]) -> None:
    namespace.run(["ip", "-batch", "-"], "".join(f"{command}\n" for command in commands))
