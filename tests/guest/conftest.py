"""Nodes on a bridge in the guest kernel, and what passes between them, stamped by that kernel.

The guest's clock jumps to the next timer whenever everybody sleeps (`time-travel=inf-cpu`), and computing takes
none of its time. So a sleep here is a sleep of the virtual clock: it costs the host nothing, no load disturbs it,
and what is measured is what the daemon *decided* to wait, not what a machine made of it.
All times are nanoseconds of CLOCK_REALTIME, the clock of the kernel's packet stamps.
"""

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest
import yaml

from mooring_api.nodeconfig import NodeConfig
from mooring_api.wire import parse_object
from mooring_lab import keepalived, namespace
from mooring_lab.lab import Lab
from mooring_lab.node import Node

MS = 1_000_000
DAEMONS = ("n1", "n2")
KEEPALIVED = "ka"

_ETH_P_ALL = 3
_SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 35, 33
_BUFFER = 64 << 20
_TIMESPEC = struct.Struct("@qq")
_NEWLINK, _NEWADDR, _DELADDR = 16, 20, 21
_LOWER_UP = 0x10000
_GROUPS = 1 | 0x10  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR


@dataclass(frozen=True, slots=True)
class Advert:
    """A VRRP advert at the bridge's port of `node`: `sent` by that node, else delivered to it."""

    at: int
    node: str
    sent: bool
    source: str
    virtual_router_id: int
    priority: int
    interval_ms: int


@dataclass(frozen=True, slots=True)
class Arp:
    """A gratuitous ARP that `node` sent."""

    at: int
    node: str
    address: str


@dataclass(frozen=True, slots=True)
class Change:
    """What the kernel told of a node: `what` is added, removed, up or down; the address, for the first two."""

    at: int
    node: str
    what: str
    address: str = ""


class Wire:
    """All frames at all ports of the service bridge. What a filter drops on its way in is seen; on its way out, not."""

    def __init__(self, lab: Lab) -> None:
        self._ports = {node.member.port: node.name for node in lab.nodes}
        self._socket = namespace.call(lab.layout.switch, _packet_socket)
        self._adverts: list[Advert] = []
        self._arps: list[Arp] = []

    def adverts(self, virtual_router_id: int, node: str, *, sent: bool, after: int = 0) -> list[Advert]:
        """Those of one virtual router that a node sent, or that were delivered to it, in order."""
        self._read()
        return [
            each
            for each in self._adverts
            if (each.virtual_router_id, each.node, each.sent) == (virtual_router_id, node, sent) and each.at > after
        ]

    def arps(self, node: str, address: str, *, after: int = 0) -> list[int]:
        """When a node announced an address."""
        self._read()
        return [each.at for each in self._arps if (each.node, each.address) == (node, address) and each.at > after]

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> None:
        while True:
            try:
                frame, ancillary, _, where = self._socket.recvmsg(256, 64)
            except BlockingIOError:
                return
            node = self._ports.get(where[0])
            if node is not None:
                seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
                self._take(frame, seconds * 1_000_000_000 + nanoseconds, node, where[2] != socket.PACKET_OUTGOING)

    def _take(self, frame: bytes, at: int, node: str, sent: bool) -> None:
        kind = frame[12:14]
        if kind == b"\x08\x00" and frame[23] == 112:
            message = frame[14 + (frame[14] & 15) * 4 :]
            version_2 = message[0] >> 4 == 2
            interval_ms = message[5] * 1000 if version_2 else (int.from_bytes(message[4:6]) & 0xFFF) * 10
            source = str(ip_address(frame[26:30]))
            self._adverts.append(Advert(at, node, sent, source, message[1], message[2], interval_ms))
        elif kind == b"\x08\x06" and sent and frame[28:32] == frame[38:42]:
            self._arps.append(Arp(at, node, str(ip_address(frame[28:32]))))


def _packet_socket() -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    made.setblocking(False)
    return made


class Kernel:
    """The addresses and carriers of all nodes: what their kernels told, and when."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._sockets = {namespace.call(node.namespace, _route_socket): node.name for node in nodes}
        self._changes: list[Change] = []
        self._end, self._ending = os.pipe()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def changes(self, node: str, what: str, address: str = "", *, after: int = 0) -> list[int]:
        """When this happened."""
        return [
            each.at
            for each in tuple(self._changes)
            if (each.node, each.what, each.address) == (node, what, address) and each.at > after
        ]

    def close(self) -> None:
        os.write(self._ending, b".")
        self._thread.join()
        os.close(self._end)
        os.close(self._ending)
        for each in self._sockets:
            each.close()

    def _watch(self) -> None:
        while True:
            watched: list[Any] = [self._end, *self._sockets]
            ready = select.select(watched, [], [])[0]
            at = time.time_ns()
            if self._end in ready:
                return
            for each, node in self._sockets.items():
                data = each.recv(1 << 16) if each in ready else b""
                while len(data) >= 16:
                    length, kind = struct.unpack_from("=IH", data)
                    self._take(at, node, kind, data[16:length])
                    data = data[(length + 3) & ~3 :]

    def _take(self, at: int, node: str, kind: int, body: bytes) -> None:
        if kind in (_NEWADDR, _DELADDR):
            what = "added" if kind == _NEWADDR else "removed"
            self._changes.append(Change(at, node, what, _attribute(body[8:], 2)))
        elif kind == _NEWLINK and struct.unpack_from("=i", body, 4)[0] > 1:
            name = body[16:].partition(b"eth0\0")[1]
            what = "up" if struct.unpack_from("=I", body, 8)[0] & _LOWER_UP else "down"
            before = next((each.what for each in reversed(self._changes) if each.node == node and not each.address), "")
            if name and what != before:
                self._changes.append(Change(at, node, what))


def _attribute(data: bytes, wanted: int) -> str:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if kind == wanted:
            return str(ip_address(data[4:length]))
        data = data[max((length + 3) & ~3, 4) :]
    return ""


def _route_socket() -> socket.socket:
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    made.bind((0, _GROUPS))
    return made


@dataclass(frozen=True, slots=True)
class Router:
    """One virtual router of two nodes: its holder and its backup, with their priorities in this order.

    `changes` are fields of the wire for both.
    """

    virtual_router_id: int
    interval_ms: int
    priorities: tuple[int, int]
    version: int = 3
    factor: int = 3
    holder: str = "n1"
    backup: str = "n2"
    backup_interval_ms: int | None = None
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"10.0.1.{self.virtual_router_id}"

    def __str__(self) -> str:
        return (
            f"{self.holder}-{self.backup}-v{self.version}-{self.interval_ms}ms"
            f"-{self.priorities[0]}-{self.priorities[1]}-x{self.factor}-{self.virtual_router_id}"
        )

    def skew(self, priority: int) -> float:
        """In nanoseconds: version 3 by the interval, version 2 always by a second (RFC 9568 6.1, RFC 3768 6.1)."""
        unit = 1000 if self.version == 2 else self.interval_ms
        return (256 - priority) / 256 * unit * MS

    def down(self, priority: int) -> float:
        """After so many nanoseconds without an advert a backup of this priority takes over."""
        return self.factor * self.interval_ms * MS + self.skew(priority)

    def instance(self, node: Node, nodes: dict[str, Node]) -> dict[str, Any]:
        """This router's instance on one of its two nodes."""
        holding = node.name == self.holder
        other = nodes[self.backup if holding else self.holder]
        interval_ms = self.interval_ms if holding else self.backup_interval_ms or self.interval_ms
        return {
            "name": f"r{self.virtual_router_id}",
            "interface": "eth0",
            "virtualRouterID": self.virtual_router_id,
            "version": self.version,
            "priority": self.priorities[0 if holding else 1],
            "advertisementInterval": f"{interval_ms}ms",
            "activeDownFactor": self.factor,
            "transport": {"type": "Unicast", "source": node.address, "peers": [other.address]},
            "addresses": [{"address": f"{self.address}/32"}],
            **self.changes,
        }


class Bench:
    """n1 and n2 with a daemon and ka with a keepalived, each with its part of some routers, and all that is seen."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.nodes = {node.name: node for node in lab.nodes}
        self._know_neighbours()
        self.wire = Wire(lab)
        self.kernel = Kernel(lab.nodes)

    def start(self, routers: Sequence[Router], only: Sequence[str] = (*DAEMONS, KEEPALIVED)) -> None:
        """Start the daemons and the keepalived that have a part in any of these; each holder goes first."""
        for name in only:
            text = self.text(name, routers)
            if text is None:
                continue
            if name != KEEPALIVED:
                self.nodes[name].start_daemon(text)
            else:
                config = parse_object(NodeConfig, yaml.safe_load(text), name)
                self.nodes[name].start_keepalived(keepalived.configuration(config))

    def text(self, name: str, routers: Sequence[Router]) -> str | None:
        """The NodeConfig of a node; None when it has no part."""
        node = self.nodes[name]
        mine = [each.instance(node, self.nodes) for each in routers if name in (each.holder, each.backup)]
        document = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": name}}
        return yaml.safe_dump({**document, "spec": {"instances": mine}}) if mine else None

    def _know_neighbours(self) -> None:
        """Nobody asks for a neighbour's MAC.

        After a cut the kernel does, but only once a second, and meanwhile keeps the unicast adverts: that would be
        measured, and not the daemon.
        """
        for node in self.lab.nodes:
            others = [each.member for each in self.lab.nodes if each is not node]
            commands = [f"neigh replace {each.ipv4} lladdr {each.mac} dev eth0 nud permanent" for each in others]
            namespace.batch(node.namespace, commands)

    def close(self) -> None:
        self.wire.close()
        self.kernel.close()


def sleep(seconds: float) -> int:
    """Let the guest's time pass, and say what time it was before: the beginning of what follows."""
    before = time.time_ns()
    time.sleep(seconds)
    return before


@pytest.fixture(scope="module")
def make_bench(require_tool: Callable[[str], str]) -> Iterator[Callable[[], Bench]]:
    """Builds a bench; it goes with the module, or when the next one is made."""
    for tool in ("ip", "nft", "keepalived"):
        require_tool(tool)
    made: list[tuple[Lab, Bench]] = []

    def end() -> None:
        for lab, bench in made:
            bench.close()
            lab.down()
        made.clear()

    def make() -> Bench:
        end()
        lab = Lab(f"t{os.getpid()}", (*DAEMONS, KEEPALIVED)).up()
        made.append((lab, Bench(lab)))
        return made[0][1]

    yield make
    end()


#: The guest's clock moves by microseconds where a program reads it; a quarter of a millisecond is far beyond that.
TOLERANCE = MS // 4


class Figures:
    """Measured beside expected durations, in nanoseconds; used as a context, at whose end they must agree."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._rows: list[tuple[str, float, float, float]] = []

    def add(self, which: object, measured: float, expected: float, tolerance: float = TOLERANCE) -> None:
        self._rows.append((str(which), measured, expected, tolerance))

    def __enter__(self) -> "Figures":
        return self

    def __exit__(self, kind: object, *_error: object) -> None:
        if kind is not None:
            return
        lines = [
            f"{which}: {measured / MS:.3f} ms, expected {expected / MS:.3f} ms"
            + ("" if abs(measured - expected) <= tolerance else "  <-- wrong")
            for which, measured, expected, tolerance in self._rows
        ]
        print(f"{self._what}:", *lines, sep="\n  ")  # shown by pytest -rP
        assert self._rows, f"nothing was measured: {self._what}"
        wrong = [line for line in lines if line.endswith("wrong")]
        assert not wrong, "\n".join([self._what, *wrong])


@pytest.fixture(scope="session")
def figures() -> type[Figures]:
    return Figures


@pytest.fixture(scope="session")
def router() -> type[Router]:
    return Router


@pytest.fixture(scope="session")
def pass_time() -> Callable[[float], int]:
    """`pass_time(3)` lets three seconds of the guest pass and returns the time at which they began."""
    return sleep
