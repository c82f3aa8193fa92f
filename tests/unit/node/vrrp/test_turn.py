"""The order within a turn, where the kernel keeps the process waiting: whoever was held up listens before it speaks."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.node.vrrp.test_group import CONFIG, HERE, LISTED, MS, NOW, PEER, Wire

from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.kernel.netlink import Batch
from mooring_node.kernel.rtnetlink import Failure
from mooring_node.vrrp import process as the_process
from mooring_node.vrrp.group import Group
from mooring_node.vrrp.packet import Advert, encode, ipv4_packet
from mooring_node.vrrp.process import Process
from mooring_node.vrrp.receive import Datagram, parse_ipv4
from mooring_node.vrrp.states import Active, Backup

EACH_NS = 100 * MS
HOLDER = replace(CONFIG, priority=200, interval_ns=EACH_NS)
HELD_UP_NS = 5 * EACH_NS


class Node(Wire):
    """The wire and the kernel of one process, whose time passes where it waits: in `read` and in `apply`."""

    interface, family = "eth0", 4

    def __init__(self, kernel: Any) -> None:
        self.now = NOW
        self.waits_ns = 0
        """So long the kernel keeps the next one waiting who asks it for something; meanwhile the peer speaks."""
        self.waiting: list[int] = []
        self.said: list[tuple[int, int, int]] = []
        """When, with which priority, and how many of the others' adverts nobody had read then."""
        super().__init__(kernel)

    def _wait(self) -> None:
        if self.waits_ns:
            self.now += self.waits_ns
            self.waits_ns = 0
            self.waiting.append(100)

    # As Network.

    addresses = ()

    def read(self) -> None:
        self._wait()

    def ports(self) -> Iterator[Any]:
        return iter((self,))

    def keep_only(self, _used: Any) -> None:
        """It has one port."""

    # As Rtnetlink.

    def apply(self, batch: Batch) -> tuple[Failure, ...]:
        self._wait()
        answer: tuple[Failure, ...] = self.kernel.apply(batch)
        return answer

    # As Port.

    def send(self, packet: bytes, source: bytes, destination: bytes) -> None:
        super().send(packet, source, destination)
        self.said.append((self.now, self.sent[-1], len(self.waiting)))

    def receive(self, _limit: int) -> Iterator[Datagram]:
        while self.waiting:
            advert = Advert(3, 66, self.waiting.pop(0), EACH_NS, LISTED)
            message = encode(advert, source=PEER, destination=HERE)
            yield parse_ipv4(ipv4_packet(message, source=PEER, destination=HERE))


class Bench:
    """A process with one group."""

    def __init__(self, kernel: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.node = Node(kernel)
        monkeypatch.setattr(the_process, "Rtnetlink", lambda: self.node)
        monkeypatch.setattr(the_process, "News", lambda *_: SimpleNamespace(fileno=lambda: -1, overdue=False))
        monkeypatch.setattr(the_process, "Network", lambda _: self.node)
        monkeypatch.setattr(the_process, "now_ns", lambda: self.node.now)
        self.board = Board()
        self.channels = [Channel.pair() for _ in range(3)]
        ends = [end for end, _ in self.channels]
        self.process = Process(self.board, 0, ends[0], ends[1], ends[2], folder / "accepted", folder / "balance")
        self.group = Group(HOLDER, self.process._services, self.board.slot("web-0"), maintenance=False)
        self.process.groups["web-0"] = self.group
        self.process._route()
        self.group.start(NOW)
        self.process._timers.plan(self.group)
        while not isinstance(self.group.router.state, Active):
            self.turn()
        self.node.said.clear()

    def turn(self) -> None:
        """As `run` does it: it wakes when a timer is due, and reads every port then."""
        due = self.process._timers.earliest_ns
        assert due is not None
        self.node.now = max(self.node.now, due)
        self.process._turn(self.node.now, [self.node], set())  # type: ignore[list-item]

    def until(self, end_ns: int) -> None:
        while (due := self.process._timers.earliest_ns) is not None and max(due, self.node.now) < end_ns:
            self.turn()


@pytest.fixture
def bench(kernel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(kernel, tmp_path, monkeypatch)
    yield made
    made.node.close()
    made.board.close()
    for pair in made.channels:
        for end in pair:
            end.close()


def check_that_it_listened(bench: Bench, held_up_at: int) -> None:
    """Nobody spoke who had been held up and had not read what was said meanwhile; and the other has the role."""
    bench.until(held_up_at + HELD_UP_NS + 2 * EACH_NS)
    assert [said for said in bench.node.said if said[2]] == []
    assert isinstance(bench.group.router.state, Backup)
    assert bench.node.kernel.addresses == {}


def test_who_waited_for_a_renewal_listens_before_it_speaks(bench: Bench) -> None:
    bench.until(bench.group.holdings.renew_at_ns)
    bench.node.waits_ns, at = HELD_UP_NS, bench.node.now
    check_that_it_listened(bench, at)


def test_who_waited_for_a_look_at_the_addresses_listens_before_it_speaks(bench: Bench) -> None:
    bench.process._order._look_at_ns = bench.process._timers.earliest_ns
    bench.node.waits_ns, at = HELD_UP_NS, bench.node.now
    check_that_it_listened(bench, at)


def test_who_waited_while_it_was_configured_listens_before_it_speaks(bench: Bench) -> None:
    at = bench.node.now
    bench.node.waits_ns = HELD_UP_NS
    bench.node.read()
    bench.group.reconfigure(replace(HOLDER, priority=210), at, maintenance=False)
    bench.process._timers.plan(bench.group)
    check_that_it_listened(bench, at)


def test_who_waited_in_doubt_listens_once_more(bench: Bench) -> None:
    """Late, nothing waits; then the renewal of the lease keeps it waiting, while another takes the role."""
    late = bench.group.holdings.renew_at_ns + 3 * EACH_NS
    bench.until(bench.group.holdings.renew_at_ns)
    bench.node.now, bench.node.waits_ns = late, HELD_UP_NS
    check_that_it_listened(bench, late)


def test_who_waited_and_heard_nobody_goes_on(bench: Bench) -> None:
    bench.until(bench.group.holdings.renew_at_ns)
    bench.node.waits_ns = HELD_UP_NS
    bench.turn()
    bench.node.waiting.clear()
    bench.turn()
    assert isinstance(bench.group.router.state, Active)
    assert bench.node.said[-1] == (bench.node.now, 200, 0)


def test_each_turn_that_waits_ends_and_the_adverts_go_on(bench: Bench) -> None:
    """The kernel keeps every turn waiting, for less than makes anybody late."""
    begun = bench.node.now
    for _ in range(40):
        bench.process._order._look_at_ns = bench.process._timers.earliest_ns
        bench.node.waits_ns = EACH_NS
        bench.turn()
        bench.node.waiting.clear()
    assert isinstance(bench.group.router.state, Active)
    times = [at for at, _, _ in bench.node.said]
    assert all(later - earlier < 3 * EACH_NS for earlier, later in zip([begun, *times], times, strict=False))
