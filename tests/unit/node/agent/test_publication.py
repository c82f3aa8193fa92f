"""When a status is written: seldom, never for nothing, and until the server has it. The clock is the test's own."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node.agent.publication import (
    CONFIRM_NS,
    EVERY_NS,
    FIRST_PAUSE_NS,
    LONGEST_PAUSE_NS,
    SECOND_NS,
    SPREAD_NS,
    Publication,
)

A, B, C = {"daemonVersion": "a"}, {"daemonVersion": "b"}, {"daemonVersion": "c"}


class Server:
    """An object whose status is written as a publication says; knows only the fields that it keeps."""

    def __init__(self, status: dict[str, Any] | None = None, keeps: frozenset[str] | None = None) -> None:
        self.publication = Publication()
        self.status = status
        self.version = 10
        self.writes: list[tuple[int, Any]] = []
        self._keeps = keeps
        self.publication.connected(0, 1.0)
        self.publication.observed("u1", "10", status, newest=True)

    def turn(self, now: int) -> bool:
        """Write what is due, with a reply at once; whether something was."""
        taken = self.publication.take(now)
        if taken is None:
            return False
        self.put(now, taken)
        self.publication.written(str(self.version), self.status)
        return True

    def put(self, now: int, status: Any) -> None:
        self.writes.append((now, status))
        kept = {key: value for key, value in status.items() if self._keeps is None or key in self._keeps}
        if kept != self.status:
            self.status, self.version = kept, self.version + 1

    def overwrite(self, status: dict[str, Any] | None) -> bool:
        self.status, self.version = status, self.version + 1
        return self.publication.observed("u1", str(self.version), status)


def test_the_first_change_is_written_at_once_and_the_next_a_second_later() -> None:
    server = Server()
    server.publication.wanted = A
    assert server.turn(5)
    server.publication.wanted = B
    assert not server.turn(6)
    assert server.publication.due_ns() == 5 + EVERY_NS
    server.publication.wanted = C
    assert server.turn(5 + EVERY_NS)
    assert [status for _, status in server.writes] == [A, C]


def test_that_another_generation_runs_is_said_soon() -> None:
    server = Server()
    server.publication.wanted = A | {"observedGeneration": 1}
    assert server.turn(5)
    server.publication.wanted = B | {"observedGeneration": 2}
    assert not server.turn(5 + CONFIRM_NS - 1)
    assert server.turn(5 + CONFIRM_NS)
    # Said once: other changes beside it wait for their turn.
    server.publication.wanted = C | {"observedGeneration": 2}
    assert not server.turn(5 + 2 * CONFIRM_NS)
    assert server.turn(5 + CONFIRM_NS + EVERY_NS)
    # Nor does it hurry a server that is in trouble.
    server.publication.wanted = A | {"observedGeneration": 3}
    at = 5 + 2 * (CONFIRM_NS + EVERY_NS)
    assert server.publication.take(at) is not None
    server.publication.failed(at, 1.0)
    assert server.publication.due_ns() == at + FIRST_PAUSE_NS


def test_what_the_server_has_already_is_never_written() -> None:
    server = Server(status=dict(A))
    server.publication.wanted = A
    assert not server.turn(5)
    assert server.publication.due_ns() is None
    server.publication.wanted = B
    server.publication.wanted = A
    assert not server.turn(10 * SECOND_NS)


def test_nothing_is_written_without_an_object_or_a_server() -> None:
    publication = Publication()
    publication.wanted = A
    assert publication.take(5) is None
    publication.observed("u1", "7", None, newest=True)
    assert publication.take(5) is None
    publication.connected(5, 1.0)
    publication.absent()
    assert publication.take(5) is None
    publication.observed("u1", "7", None)
    assert publication.take(5) == A


def test_one_write_at_a_time() -> None:
    server = Server()
    server.publication.wanted = A
    assert server.publication.take(5) == A
    server.publication.wanted = B
    # The reply never comes: the client's own time limit ends it, not a second write beside the first.
    assert server.publication.take(100 * SECOND_NS) is None
    server.publication.failed(100 * SECOND_NS, 1.0)
    assert server.publication.take(100 * SECOND_NS + FIRST_PAUSE_NS) == B


def test_a_server_that_drops_fields_is_written_to_once() -> None:
    server = Server(keeps=frozenset({"daemonVersion"}))
    server.publication.wanted = A | {"telepathy": True}
    assert server.turn(5)
    for second in range(1, 20):
        assert not server.turn(second * SECOND_NS)
    # Its own event comes round.
    assert not server.publication.observed("u1", str(server.version), server.status)
    assert not server.turn(30 * SECOND_NS)
    server.publication.wanted = B | {"telepathy": True}
    assert server.turn(31 * SECOND_NS)


def test_who_overwrites_it_is_overwritten() -> None:
    server = Server()
    server.publication.wanted = A
    assert server.turn(5)
    assert server.overwrite(dict(C))
    assert not server.turn(6)
    assert server.turn(5 + EVERY_NS)
    assert server.status == A
    assert server.overwrite(None)
    assert server.turn(5 + 2 * EVERY_NS)


def test_who_overwrites_it_on_a_server_that_drops_fields_is_overwritten() -> None:
    server = Server(keeps=frozenset({"daemonVersion"}))
    server.publication.wanted = A | {"telepathy": True}
    assert server.turn(5)
    assert server.overwrite(dict(C))
    assert server.turn(5 + EVERY_NS)
    assert not server.turn(5 + 2 * EVERY_NS)


def test_what_comes_late_or_twice_is_no_overwriting() -> None:
    server = Server()
    server.publication.wanted = A
    server.turn(5)
    server.publication.wanted = B
    server.turn(5 + EVERY_NS)
    assert not server.publication.observed("u1", "11", A)
    assert not server.publication.observed("u1", "12", B)
    assert not server.publication.observed("u1", "12", B)
    assert server.publication.due_ns() is None


def test_an_event_that_overtakes_the_reply() -> None:
    server = Server()
    server.publication.wanted = A
    taken = server.publication.take(5)
    server.put(5, taken)
    # Our own write comes round first, then that of another, and then the reply.
    assert not server.publication.observed("u1", "11", dict(A))
    server.overwrite(dict(C))
    server.publication.written("11", dict(A))
    assert server.publication.due_ns() == 5 + EVERY_NS


def test_a_write_whose_reply_was_lost_is_found_in_the_watch() -> None:
    server = Server()
    server.publication.wanted = A
    server.put(5, server.publication.take(5))
    server.publication.failed(6, 1.0)
    assert server.publication.due_ns() is not None
    server.publication.observed("u1", "11", dict(A))
    assert server.publication.due_ns() is None


def test_pauses_grow_and_have_a_bound() -> None:
    server = Server()
    server.publication.wanted = A
    now, pauses = 0, []
    for _ in range(12):
        due = server.publication.due_ns()
        assert due is not None
        pauses.append(due - now)
        now = due
        assert server.publication.take(now) == A
        server.publication.failed(now, 1.0)
    assert pauses[1:4] == [FIRST_PAUSE_NS, 2 * FIRST_PAUSE_NS, 4 * FIRST_PAUSE_NS]
    assert max(pauses) == LONGEST_PAUSE_NS
    # Another wish is no reason to hurry.
    server.publication.wanted = B
    assert server.publication.take(now + 1) is None
    # It works again: the next change goes at the usual pace.
    server.put(now, server.publication.take(now + LONGEST_PAUSE_NS))
    server.publication.written("11", dict(B))
    server.publication.wanted = C
    assert server.turn(now + LONGEST_PAUSE_NS + EVERY_NS)


def test_a_conflict_waits_for_what_has_changed_and_not_for_ever() -> None:
    server = Server()
    server.publication.wanted = A
    assert server.publication.take(5) == A
    server.publication.conflicted(6, 1.0)
    assert server.publication.take(7) is None
    # The other's write comes round: it may go on at once, at its usual pace.
    server.overwrite(dict(C))
    assert server.publication.due_ns() == 5 + EVERY_NS
    assert server.publication.take(5 + EVERY_NS) == A
    server.publication.conflicted(6 + EVERY_NS, 1.0)
    assert server.publication.due_ns() == 6 + EVERY_NS + FIRST_PAUSE_NS


def test_a_conflict_over_what_was_heard_meanwhile_waits_for_nothing() -> None:
    server = Server()
    server.publication.wanted = A | {"observedGeneration": 1}
    assert server.publication.take(5)
    server.overwrite(dict(C))
    server.publication.conflicted(6, 1.0)
    assert server.publication.due_ns() == 5 + CONFIRM_NS


def test_who_fights_over_the_generation_does_not_set_the_pace() -> None:
    server = Server()
    server.publication.wanted = A | {"observedGeneration": 1}
    assert server.turn(5)
    server.overwrite({"observedGeneration": 9})
    assert server.publication.due_ns() == 5 + EVERY_NS


def test_a_server_that_asks_for_patience_gets_it() -> None:
    server = Server()
    server.publication.wanted = A
    server.publication.take(5)
    server.publication.failed(5, 0.0, retry_after_ns=30 * SECOND_NS)
    assert server.publication.due_ns() == 5 + 30 * SECOND_NS


def test_after_an_outage_the_nodes_do_not_all_write_at_once() -> None:
    server = Server()
    server.publication.lost()
    server.publication.wanted = A
    assert not server.turn(SECOND_NS)
    server.publication.connected(10 * SECOND_NS, 0.5)
    assert server.publication.due_ns() == 10 * SECOND_NS + SPREAD_NS // 2
    # Said twice, meant once.
    server.publication.connected(11 * SECOND_NS, 1.0)
    assert server.turn(10 * SECOND_NS + SPREAD_NS // 2)


def test_last_words_do_not_wait_for_their_turn() -> None:
    server = Server()
    server.publication.wanted = A
    server.turn(5)
    server.publication.wanted = B
    assert server.publication.take(6, at_once=True) == B


def test_an_object_that_was_made_anew_gets_everything_again() -> None:
    server = Server()
    server.publication.wanted = A
    server.turn(5)
    # Its versions may be whatever they are.
    assert not server.publication.observed("u2", "3", None)
    assert server.publication.take(5 + EVERY_NS) == A


def test_a_list_is_the_present_also_after_a_backup_was_restored() -> None:
    server = Server()
    server.publication.wanted = A
    server.turn(5)
    assert server.publication.observed("u1", "2", dict(C), newest=True)
    assert server.publication.take(5 + EVERY_NS) == A


@pytest.mark.parametrize("version", ["", "x", "7.1"])
def test_versions_that_are_no_numbers_are_taken_as_they_come(version: str) -> None:
    server = Server()
    server.publication.wanted = A
    assert server.publication.take(5) == A
    server.publication.written(version, dict(A))
    assert server.publication.due_ns() is None


_STEPS = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=3 * SECOND_NS),
        st.sampled_from(["want", "overwrite", "lost", "connected", "reply lost", "conflict", "turn"]),
        st.sampled_from([A, B, C]),
    ),
    max_size=60,
)


@given(_STEPS)
def test_whatever_happens_it_writes_seldom_and_ends_where_it_should(steps: Any) -> None:
    server = Server()
    now = 0
    for pause, step, status in steps:
        now += pause
        if step == "want":
            server.publication.wanted = status
        elif step == "overwrite":
            server.overwrite(dict(status))
        elif step == "lost":
            server.publication.lost()
        elif step == "connected":
            server.publication.connected(now, 0.3)
        elif step == "reply lost" and (taken := server.publication.take(now)) is not None:
            server.put(now, taken)
            server.publication.failed(now, 0.3)
        elif step == "conflict" and server.publication.take(now) is not None:
            server.publication.conflicted(now, 0.3)
        else:
            server.turn(now)
    times = [at for at, _ in server.writes]
    assert all(later - earlier >= EVERY_NS for earlier, later in pairwise(times))
    server.publication.connected(now, 0.3)
    server.publication.observed("u1", str(server.version), server.status)
    server.turn(now + LONGEST_PAUSE_NS + SPREAD_NS)
    assert server.publication.wanted is None or server.status == server.publication.wanted
    assert server.publication.due_ns() is None
