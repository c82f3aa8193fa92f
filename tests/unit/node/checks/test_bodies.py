"""What is kept of replies: who fills the room loses his own, and a digest needs none."""

import hashlib
import select
import socket
import threading
import time
import tracemalloc
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.checks.trying import LONG_S, head, serving, target, tried

from mooring_node.checks.attempt import Attempt, Driver
from mooring_node.checks.bodies import MOST_SEARCHED_BYTES, Body, Kept, Room
from mooring_node.checks.config import HTTPProbe, RequestConfig
from mooring_node.checks.http import http
from mooring_node.checks.http_reply import Reply
from mooring_node.checks.verdict import GOOD, Failed, Outcome, Reason, Withheld

KIB = 1024


def filled(room: Room, size: int) -> Kept:
    kept = room.enter()
    kept.add(bytearray(size))
    return kept


def is_gone(kept: Kept) -> bool:
    return kept.size_bytes == 0


def looking(text: str) -> Generator[None, None, bool]:
    yield
    return "x" in text


def test_size_digest_and_beginning() -> None:
    kept = Room().enter()
    body = Body("sha256", kept)
    for _ in range(10):
        body.take(bytearray(b"x" * 50_000))
    assert (body.size_bytes, body.digest()) == (500_000, hashlib.sha256(b"x" * 500_000).hexdigest())
    assert kept.size_bytes == MOST_SEARCHED_BYTES
    assert Body().digest() == ""


def test_the_first_of_the_large_ones_goes_and_no_small_one() -> None:
    room = Room(100 * KIB)
    small, first, second = (filled(room, size * KIB) for size in (10, 40, 45))
    kept = filled(room, 20 * KIB)
    assert [is_gone(each) for each in (small, first, second, kept)] == [False, True, False, False]
    with pytest.raises(Failed, match="no more room") as raised:
        first.add(bytearray(1))
    assert raised.value.outcome.reason is Reason.REPLY_TOO_LARGE
    with pytest.raises(Failed, match="no more room"):
        first.search(looking)
    filled(room, 60 * KIB)
    assert is_gone(second)
    assert not is_gone(small)
    assert room.used_bytes == 90 * KIB


def test_a_room_of_small_ones_alone_loses_the_first() -> None:
    room = Room(100, 50)
    first, second, _ = (filled(room, 40) for _ in range(3))
    assert (is_gone(first), is_gone(second)) == (True, False)


def test_who_needs_more_than_there_is_loses_that() -> None:
    room = Room(100 * KIB)
    small = filled(room, 10 * KIB)
    with pytest.raises(Failed, match="no more room"):
        filled(room, 101 * KIB)
    assert room.used_bytes == small.size_bytes == 10 * KIB


def test_a_search_counts_by_its_text_and_tells_nothing_of_the_backend_where_it_goes() -> None:
    room = Room(100 * KIB)
    kept = room.enter()
    kept.add(bytearray("x\N{GRINNING FACE}".encode() * KIB))
    kept.search(looking)
    assert kept.size_bytes > 2 * 2 * KIB * 4
    assert kept.step() is None
    assert kept.step() is True
    kept.leave()
    other = filled(room, 30 * KIB)
    other.search(looking)
    filled(room, 50 * KIB)
    assert is_gone(other), "of 60 KiB with its text"
    with pytest.raises(Withheld, match="no more room"):
        other.step()


def test_what_is_let_go_is_gone_at_once() -> None:
    """Not when its try goes on: it may wait for an hour."""
    ended: list[bool] = []

    def search(_text: str) -> Generator[None, None, bool]:
        try:
            yield
        finally:
            ended.append(True)
        return True

    room = Room(100 * KIB)
    kept = filled(room, 20 * KIB)
    kept.search(search)
    kept.step()
    filled(room, 70 * KIB)
    assert ended == [True]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40), st.booleans()), max_size=60))
def test_the_room_is_never_exceeded(steps: list[tuple[int, int, bool]]) -> None:
    room = Room(100, 20)
    all_kept = [room.enter() for _ in range(10)]
    for number, size, leaves in steps:
        kept = all_kept[number]
        if leaves:
            kept.leave()
            kept = all_kept[number] = room.enter()
        try:
            kept.add(bytearray(size))
        except Failed:
            assert is_gone(kept)
        assert room.used_bytes == sum(each.size_bytes for each in all_kept) <= 100
    for kept in all_kept:
        kept.leave()
        kept.leave()
    assert room.used_bytes == 0


@contextmanager
def traced() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def test_lengths_that_differ_are_none_however_many() -> None:
    for values in (
        b"10,11",
        b"11,10",
        b"10, 10, 11",
        b"10\r\nContent-Length: 11",
        b",".join(b"%d" % n for n in range(999)),
    ):
        reply = Reply(10, bytearray().extend)
        with pytest.raises(Failed, match="no number"):
            reply.feed(b"HTTP/1.1 200 OK\r\nContent-Length: " + values + b"\r\n\r\n")


@pytest.mark.parametrize("field", [b"Content-Length: ", b"Transfer-Encoding: "])
def test_a_head_is_not_kept(field: bytes) -> None:
    """64 KiB of lengths were 3 MiB as a set of them."""
    lines = [b",".join(b"%d" % (line * 1000 + each) for each in range(10_000, 11_300)) for line in range(8)]
    with traced():
        replies = [Reply(10, bytearray().extend) for _ in range(10)]
        for reply in replies:
            reply.feed(b"HTTP/1.1 200 OK\r\n")
            for line in lines:
                reply.feed(field + line + b"\r\n")
        assert tracemalloc.get_traced_memory()[0] < 10 * 32 * KIB


class Stalling:
    """Replies to many, of a body all but its last bytes; `go_on` is one byte more for each."""

    def __init__(self, body: int) -> None:
        self._begin = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (body + 8000) + b"y" * body
        self._open: list[socket.socket] = []
        self.answered = threading.Semaphore(0)

    def serve(self, connection: socket.socket) -> None:
        head(connection)
        connection.sendall(self._begin)
        self._open.append(connection.dup())
        self.answered.release()

    def go_on(self) -> None:
        for each in self._open:
            each.sendall(b"y")

    def close(self) -> None:
        for each in self._open:
            each.close()


@contextmanager
def stalled(request: RequestConfig, room: Room, count: int, body: int) -> Iterator[tuple[Stalling, dict[int, Outcome]]]:
    """So many tries that wait for the rest of a body, and what becomes of them, by their numbers."""
    server, driver = Stalling(body), Driver()
    outcomes: dict[int, Outcome] = {}
    attempts: list[Attempt] = []

    def ended(attempt: Attempt, outcome: Outcome | None) -> None:
        assert outcome is not None
        outcomes[attempts.index(attempt)] = outcome

    def turn() -> None:
        if driver.busy or select.select([driver], [], [], 0.01)[0]:
            driver.turn()

    with serving(server.serve) as port:
        try:
            for _ in range(count):
                attempt = Attempt(driver, ended)
                attempts.append(attempt)
                attempt.run(http(room, attempt, target(HTTPProbe((request,)), port)))
                until = time.monotonic() + LONG_S
                while not server.answered.acquire(blocking=False):
                    assert time.monotonic() < until
                    turn()
            for _ in range(50):
                turn()
            yield server, outcomes
            server.go_on()
            for _ in range(50):
                turn()
        finally:
            for attempt in attempts:
                attempt.cancel()
            driver.close()
            server.close()


def test_a_digest_of_bodies_that_do_not_end_keeps_nothing_of_them() -> None:
    """560 of these took the memory of the whole process, and no try could say that they are bad."""
    with traced(), stalled(RequestConfig(digest=("md5", "0" * 32)), Room(), 20, 1_040_000) as (_, outcomes):
        assert not outcomes
        assert tracemalloc.get_traced_memory()[0] < 20 * 100 * KIB + 2_000_000


def test_replies_that_do_not_end_fail_themselves_and_no_others() -> None:
    room = Room(1000 * KIB)
    searched = RequestConfig(body_pattern="works")

    def serve(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * 150 * KIB + b"it works")

    with stalled(searched, room, 10, 200 * KIB) as (_, outcomes):
        assert room.used_bytes <= 1000 * KIB
        assert not outcomes
        with serving(serve) as port:
            probe = HTTPProbe((searched,))
            assert tried(target(probe, port), probes=lambda scope, asked: http(room, scope, asked)) == GOOD
    assert outcomes
    assert {outcome.reason for outcome in outcomes.values()} == {Reason.REPLY_TOO_LARGE}
    assert 0 in outcomes, "the first that came"
    assert 9 not in outcomes
    assert room.used_bytes == 0
