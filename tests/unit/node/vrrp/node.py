"""A whole VRRP process in a test: its kernel, what that tells, its ports and its clock are the test's own."""

import errno
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.kernel.addresses import PROTOCOL, AddressKey, KernelAddress
from mooring_node.kernel.links import Link
from mooring_node.kernel.rtnetlink import AddressGone, Change
from mooring_node.vrrp import network, news, process
from mooring_node.vrrp.config import AddressConfig, AnnouncementConfig, GroupConfig, MemberConfig, NodeRuntime, to_json
from mooring_node.vrrp.group import Group
from mooring_node.vrrp.packet import decode
from mooring_node.vrrp.receive import Datagram, parse_ipv4

S = 1_000_000_000
NOW = 100 * S
ETH0 = Link(2, "eth0", b"\2\0\0\0\0\1", True, 1500, None)


def own(address: str = "10.0.0.18", prefix_length: int = 24) -> KernelAddress:
    """An address of the node itself on eth0."""
    return KernelAddress(2, socket.AF_INET, ip_address(address).packed, prefix_length, None, 0, None, 0, True)


def key(number: int) -> AddressKey:
    return (2, socket.AF_INET, ip_address(f"10.0.0.{number}").packed, 24)


def group(name: str, virtual_router_id: int, *numbers: int, lease_s: int = 3, prefix_length: int = 24) -> GroupConfig:
    """One that holds 10.0.0.NUMBER, at adverts of a second."""
    addresses = tuple(AddressConfig(f"10.0.0.{number}", prefix_length, "eth0") for number in numbers)
    quiet = AnnouncementConfig(count=1, spread_ns=0, delay_ns=0)
    member = MemberConfig(name, "eth0", 4, virtual_router_id, 3, addresses, peers=("10.0.0.28",), announcements=quiet)
    return GroupConfig(name, (member,), priority=128, interval_ns=S, lease_s=lease_s)


class KernelOfNode:
    """As Rtnetlink; `kernel` is conftest's, `own` what others have set."""

    def __init__(self, kernel: Any) -> None:
        self.apply = kernel.apply
        self.own: list[KernelAddress] = [own()]
        self.own_links = [ETH0]
        self.dumps = 0
        self.restless = False
        """Its tables change during each dump."""
        self._kernel = kernel

    def links(self) -> tuple[Link, ...]:
        self._dump()
        return tuple(self.own_links)

    def addresses(self) -> tuple[KernelAddress, ...]:
        self._dump()
        ours = [KernelAddress(*each, None, 0, s, 0, False, PROTOCOL) for each, s in self._kernel.addresses.items()]
        return (*self.own, *ours)

    def _dump(self) -> None:
        self.dumps += 1
        if self.restless:
            raise OSError(errno.EAGAIN, "the kernel's table changed during each of 16 dumps")


class Told:
    """As Monitor: what the kernel tells, by the test."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._end, self._other = socket.socketpair()

    def fileno(self) -> int:
        return self._end.fileno()

    def read(self) -> tuple[Change, ...]:
        changes, self.changes = tuple(self.changes), []
        return changes

    def close(self) -> None:
        self._end.close()
        self._other.close()


class Port:
    """As Port and as FramePort; notes the priorities of what is sent."""

    sent: list[int]

    def __init__(self, interface: str, index: int, family: int = 4) -> None:
        self.interface, self.index, self.family = interface, index, family
        self._end, self._other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._other.setblocking(False)

    def fileno(self) -> int:
        return self._end.fileno()

    def join(self, _group: bytes) -> bool:
        return True

    def send(self, packet: bytes, _source: bytes, _destination: bytes) -> None:
        datagram = parse_ipv4(packet)
        self.sent.append(decode(datagram.message, source=datagram.source, destination=datagram.destination).priority)

    def receive(self, _limit: int) -> Iterator[Datagram]:
        return iter(())

    def close(self) -> None:
        self._end.close()
        self._other.close()


class Node:
    """One whose process turns when the test says so."""

    def __init__(self, kernel: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kernel, self.now, self.board = kernel, NOW, Board()
        self.rtnetlink, self.told = KernelOfNode(kernel), Told()
        self.sent = Port.sent = []
        self._accepted = folder / "accepted.json"
        self._monkeypatch, self._ends = monkeypatch, [end for _ in range(3) for end in Channel.pair()]
        monkeypatch.setattr(process, "Rtnetlink", lambda: self.rtnetlink)
        monkeypatch.setattr(news, "Monitor", lambda: self.told)
        monkeypatch.setattr(process, "now_ns", lambda: self.now)
        monkeypatch.setattr(network, "Port", Port)
        monkeypatch.setattr(network, "FramePort", Port)
        self.process = self._process()

    def _process(self) -> process.Process:
        supervisor, agent, checks = self._ends[::2]
        return process.Process(self.board, 0, supervisor, agent, checks, self._accepted, self._accepted.parent / "no")

    def restart(self, *groups: GroupConfig) -> None:
        """The process is killed; another begins, with the board; `groups` are on disk, or what was."""
        if groups:
            self._accepted.write_text(to_json(NodeRuntime(1, groups)))
        self._close_ports()
        self.process = self._process()
        self.process.configure(self.now)

    def configure(self, *groups: GroupConfig) -> None:
        self._accepted.write_text(to_json(NodeRuntime(1, groups)))
        self.process.configure(self.now)

    def group(self, name: str) -> Group:
        return self.process.groups[name]

    def turn(self, *changes: Change) -> None:
        """One turn, in which the kernel tells of these."""
        self.told.changes.extend(changes)
        self.process._turn(self.now, [], {self.told.fileno()} if changes else set())

    def run(self, until: int) -> None:
        """Turns at each deadline, and at least each quarter of a second."""
        while self.now < until:
            due = self.process._timers.earliest_ns
            self.now = min(until, self.now + S // 4, until if due is None else max(due, self.now))
            self.turn()

    def deleted(self, number: int) -> AddressGone:
        """Somebody deletes one of our addresses."""
        lifetime_s = self.kernel.addresses.pop(key(number))
        return AddressGone(KernelAddress(*key(number), None, 0, lifetime_s, 0, False, PROTOCOL))

    def lines(self) -> list[str]:
        """What the log was told since the last call."""
        said = [message["log"] for message in self._ends[3].receive() if "log" in message]
        return [f"{line['level']}: {line['message']}" for line in said]

    def _close_ports(self) -> None:
        for port in (*self.process.network._ports.values(), *self.process.network._frame_ports.values()):
            port.close()

    def close(self) -> None:
        self._close_ports()
        for end in self._ends:
            end.close()
        self.told.close()
