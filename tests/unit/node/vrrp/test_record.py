"""What a group leaves its successor on the board."""

from collections.abc import Iterator

import pytest

from mooring_node.board import Board, Standing
from mooring_node.vrrp.record import Record

S = 1_000_000_000
NOW = 77 * S


@pytest.fixture
def board() -> Iterator[Board]:
    with Board() as made:
        yield made


def test_who_spoke_not_long_ago_and_whose_lease_runs_is_adopted(board: Board) -> None:
    holder = Record(board.slot("web"))
    holder.speak(NOW)
    holder.hold(NOW + 6 * S)
    successor = Record(board.slot("web"))
    assert successor.lease_to_adopt(NOW + 3 * S - 1, 3 * S) == NOW + 6 * S
    assert successor.lease_to_adopt(NOW + 3 * S, 3 * S) is None
    assert successor.lease_to_adopt(NOW + 6 * S, 30 * S) is None
    assert successor.inherited()


def test_who_took_and_never_spoke_leaves_what_is_to_be_cleared_away(board: Board) -> None:
    Record(board.slot("web")).take()
    successor = Record(board.slot("web"))
    assert successor.lease_to_adopt(NOW, 3 * S) is None
    assert successor.inherited()


def test_who_holds_nothing_leaves_nothing(board: Board) -> None:
    holder = Record(board.slot("web"))
    assert not holder.inherited()
    holder.take()
    holder.clear()
    assert not Record(board.slot("web")).inherited()


def test_under_another_name_it_says_the_same(board: Board) -> None:
    record = Record(board.slot("web"))
    record.speak(NOW)
    record.hold(NOW + 6 * S)
    record.move(board.slot("shop"))
    assert board.slot("shop").read() == Standing(NOW, NOW + 6 * S)
    record.hold(NOW + 8 * S)
    assert board.slot("web").read() == Standing(NOW, NOW + 6 * S)
    assert board.slot("shop").read() == Standing(NOW, NOW + 8 * S)
