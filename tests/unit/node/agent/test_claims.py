"""Which interfaces are listened on; what is made of a claim is in test_conflicts.py."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from mooring_node.agent import claims
from mooring_node.agent.claims import ClaimWatch
from mooring_node.vrrp.config import AddressConfig, GroupConfig, MemberConfig, NodeRuntime

FOUR, SIX = AddressConfig("10.0.0.100", 24, "eth0"), AddressConfig("2001:db8::100", 64, "eth1")


def runtime(*addresses: AddressConfig) -> NodeRuntime:
    members = (MemberConfig("web", "eth0", 4, 1, 3, addresses),)
    return NodeRuntime(1, (GroupConfig("web", members),))


class Kernel:
    """Interfaces by name, and the sockets that are open."""

    def __init__(self) -> None:
        self.indexes = {"eth0": 2, "eth1": 3}
        self.opened: list[FakeSocket] = []

    def index(self, name: str) -> int:
        if name not in self.indexes:
            raise OSError(19, "No such device")
        return self.indexes[name]

    def open(self, interface: str, family: int) -> "FakeSocket":
        self.opened.append(FakeSocket(interface, self.index(interface), family))
        return self.opened[-1]

    @property
    def heard(self) -> set[tuple[str, int, int]]:
        return {(each.interface, each.index, each.family) for each in self.opened if each.fileno() >= 0}

    def close(self) -> None:
        for each in self.opened:
            each.close()


class FakeSocket:
    def __init__(self, interface: str, index: int, family: int) -> None:
        self.interface, self.index, self.family = interface, index, family
        self._ends = socket.socketpair()

    def fileno(self) -> int:
        return self._ends[0].fileno()

    def close(self) -> None:
        for end in self._ends:
            end.close()


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    found = Kernel()
    monkeypatch.setattr(claims.socket, "if_nametoindex", found.index)
    monkeypatch.setattr(claims, "ClaimSocket", found.open)
    yield found
    found.close()


def told(kernel: Kernel, *steps: tuple[dict[str, int], NodeRuntime]) -> list[set[tuple[str, int, int]]]:
    """What is heard after each step: how the interfaces are, and what is configured."""
    nothing: Any = None

    async def telling() -> list[set[tuple[str, int, int]]]:
        watch, found = ClaimWatch(nothing), []
        for kernel.indexes, configured in steps:
            watch.configured(configured)
            found.append(kernel.heard)
        return found

    return asyncio.run(telling())


def test_it_listens_where_addresses_are(kernel: Kernel) -> None:
    both = kernel.indexes
    assert told(kernel, (both, runtime(FOUR, SIX)), (both, runtime(FOUR)), (both, runtime())) == [
        {("eth0", 2, 4), ("eth1", 3, 6)},
        {("eth0", 2, 4)},
        set(),
    ]


def test_what_goes_on_is_not_opened_anew(kernel: Kernel) -> None:
    told(kernel, (kernel.indexes, runtime(FOUR)), (kernel.indexes, runtime(FOUR, SIX)))
    assert len(kernel.opened) == 2


def test_an_interface_that_comes_later_is_heard(kernel: Kernel) -> None:
    assert told(kernel, ({}, runtime(FOUR)), ({"eth0": 9}, runtime(FOUR))) == [set(), {("eth0", 9, 4)}]


def test_an_interface_that_was_made_anew_is_heard_though_it_was_never_seen_to_be_gone(kernel: Kernel) -> None:
    assert told(kernel, ({"eth0": 2}, runtime(FOUR)), ({"eth0": 9}, runtime(FOUR)))[1] == {("eth0", 9, 4)}
