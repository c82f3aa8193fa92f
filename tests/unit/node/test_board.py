"""The shared memory between the processes."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from mooring_node.board import Board, Standing


def test_progress_is_told_by_child() -> None:
    with Board() as board:
        board.progress(0, 111)
        board.progress(1, 222)
        assert (board.last_progress(0), board.last_progress(1)) == (111, 222)


@contextlib.contextmanager
def hammered(write: Callable[[], None]) -> Iterator[None]:
    """Meanwhile another process writes all the time."""
    us = os.getpid()
    pid = os.fork()
    if pid == 0:
        while os.getppid() == us:
            write()
        os._exit(0)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_nobody_sees_a_number_that_was_never_written() -> None:
    """A zero, or half of another number, would have the supervisor end a process that goes on."""
    values = (0x0102030405060708, 0x1112131415161718)
    with Board() as board:
        slot = board.slot("web-0")

        def write() -> None:
            for value in values:
                board.progress(0, value)
                slot.write(value, value)

        write()
        with hammered(write):
            for _ in range(200_000):
                assert board.last_progress(0) in values
                standing = slot.read()
                assert standing.last_advert_ns in values
                assert standing.lease_end_ns in values


def test_a_slot_is_found_again_by_its_group() -> None:
    with Board() as board:
        board.slot("web-0").write(5, 9)
        board.slot("web-1").write(6, 10)
        assert board.slot("web-0").read() == Standing(5, 9)
        assert board.slot("web-1").read() == Standing(6, 10)
        assert board.slot("web-2").read() == Standing()


def test_all_slots_are_told_with_their_groups() -> None:
    with Board() as board:
        assert list(board.standings()) == []
        board.slot("web-0").write(5, 9)
        board.slot("web-1")
        assert dict(board.standings()) == {"web-0": Standing(5, 9), "web-1": Standing()}


def test_names_of_80_bytes_are_told_apart() -> None:
    with Board() as board:
        long = "a" * 79
        board.slot(long + "b").write(1, 1)
        assert board.slot(long + "c").read() == Standing()
        assert board.slot(long).read() == Standing()


def test_progress_and_slots_do_not_share_memory() -> None:
    with Board() as board:
        board.slot("first").write(-1, -1)
        assert [board.last_progress(child) for child in range(4)] == [0] * 4
        board.progress(3, -1)
        assert board.slot("first").read() == Standing(-1, -1)


def test_slots_of_groups_that_are_gone_are_free_again() -> None:
    with Board() as board:
        for number in range(2048):
            board.slot(f"web-{number}").write(number + 1, 1)
        with pytest.raises(LookupError, match="2048 groups are the limit"):
            board.slot("one-more")
        board.forget_all_but(frozenset({"web-5", "web-7"}))
        assert board.slot("one-more").read() == Standing()
        assert board.slot("web-5").read() == Standing(6, 1)
        assert board.slot("web-6").read() == Standing()


def test_what_a_child_wrote_outlives_it() -> None:
    with Board() as board:
        pid = os.fork()
        if pid == 0:
            board.slot("web-0").write(7, 8)
            os._exit(0)
        os.waitpid(pid, 0)
        assert board.slot("web-0").read() == Standing(7, 8)


def test_until_when_nothing_may_be_held_is_on_the_board() -> None:
    with Board() as board:
        assert board.apart_until_ns() == 0
        board.stay_apart(123)
        board.progress(2, 7)
        board.vouch(8)
        board.slot("web").write(1, 2)
        assert board.apart_until_ns() == 123
        assert board.vouched_ns() == 8
