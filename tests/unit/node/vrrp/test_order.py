"""When it is looked whether an own address of the node came back before ours: by a network that counts the looks."""

import socket
from types import SimpleNamespace

import pytest

from mooring_node.kernel.addresses import AddressKey, KernelAddress
from mooring_node.kernel.rtnetlink import PROTOCOL
from mooring_node.vrrp.order import LOOK_EVERY_NS, LOOK_FOR_NS, Order

NOW = 10**12
OURS = KernelAddress(2, socket.AF_INET, bytes([10, 0, 0, 100]), 32, None, 0, 6, 0, False, PROTOCOL)
OWN = KernelAddress(2, socket.AF_INET, bytes([10, 0, 0, 18]), 24, None, 0, None, 0, True)


class Bench:
    """An order over one group that holds OURS, and what the kernel lists."""

    def __init__(self) -> None:
        self.addresses: tuple[KernelAddress, ...] = (OWN, OURS)
        self.looks = 0
        self.readable = True
        self.moved: list[frozenset[AddressKey]] = []
        self.lines: list[tuple[str, ...]] = []
        self.holdings = SimpleNamespace(held=frozenset({OURS.key}), put_behind=self._put_behind)
        group = SimpleNamespace(holdings=self.holdings, config=SimpleNamespace(name="web"))
        self._groups = (group,)
        report = SimpleNamespace(log=lambda *words: self.lines.append(words))
        self.order = Order(self, report)  # type: ignore[arg-type]

    def read(self) -> bool:
        self.looks += 1
        return self.readable

    def _put_behind(self, keys: frozenset[AddressKey], _now_ns: int) -> bool:
        self.moved.append(keys)
        self.addresses = (OWN, OURS)
        return True

    def turn(self, now_ns: int) -> int:
        """How often it looked in this turn."""
        before = self.looks
        self.order.keep(lambda: self._groups, now_ns)  # type: ignore[arg-type]
        return self.looks - before


@pytest.fixture
def bench() -> Bench:
    """One that has had its look at the beginning."""
    made = Bench()
    assert made.turn(NOW) == 1
    assert made.turn(NOW + LOOK_EVERY_NS) == 0
    return made


def test_it_looks_once_at_the_beginning_and_not_before_something_is_held() -> None:
    bench = Bench()
    held, bench.holdings.held = bench.holdings.held, frozenset()
    assert bench.turn(NOW) == 0
    bench.holdings.held = held
    assert bench.turn(NOW + LOOK_EVERY_NS - 1) == 0
    assert bench.turn(NOW + LOOK_EVERY_NS) == 1
    assert bench.turn(NOW + 2 * LOOK_EVERY_NS) == 0


def test_one_of_ours_that_goes_is_no_reason_to_look(bench: Bench) -> None:
    """Each hand-over takes ours away; no address of the node has moved by that."""
    bench.order.gone(OURS, NOW)
    assert bench.turn(NOW + LOOK_FOR_NS) == 0


def test_after_one_of_the_node_has_gone_it_looks_now_and_then_and_ends(bench: Bench) -> None:
    bench.order.gone(OWN, NOW)
    assert bench.turn(NOW) == 1
    assert bench.turn(NOW + LOOK_EVERY_NS - 1) == 0
    turns = range(NOW + LOOK_EVERY_NS, NOW + 2 * LOOK_FOR_NS, LOOK_EVERY_NS)
    looked = [turn for turn in turns if bench.turn(turn)]
    assert looked[0] == NOW + LOOK_EVERY_NS
    assert looked[-1] == NOW + LOOK_FOR_NS
    # The next one begins it anew.
    bench.order.gone(OWN, NOW + 3 * LOOK_FOR_NS)
    assert bench.turn(NOW + 3 * LOOK_FOR_NS) == 1


def test_where_the_kernel_cannot_be_read_nothing_is_moved_and_it_looks_again(bench: Bench) -> None:
    bench.order.look(NOW)
    bench.addresses, bench.readable = (OURS, OWN), False
    bench.turn(NOW)
    bench.turn(NOW + LOOK_EVERY_NS)
    assert (bench.moved, bench.looks) == ([], 3)
    bench.readable = True
    bench.turn(NOW + 2 * LOOK_EVERY_NS)
    bench.turn(NOW + 3 * LOOK_EVERY_NS)
    assert (bench.moved, bench.looks) == ([frozenset({OURS.key})], 4)


def test_what_came_back_behind_ours_is_put_before_them_and_said(bench: Bench) -> None:
    bench.order.gone(OWN, NOW)
    bench.addresses = (OURS, OWN)
    bench.turn(NOW)
    bench.turn(NOW + LOOK_EVERY_NS)
    assert bench.moved == [frozenset({OURS.key})]
    assert [words[0] for words in bench.lines] == ["info"]
