"""The lease: one leader at a time, by each one's own clock alone."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_kube.errors import Conflict, NotFound, Unreachable
from mooring_operator.cluster.leader import Election, Leader, Role, Terms

Document = dict[str, Any]
TERMS = Terms(lease_s=15.0, renew_s=10.0, retry_s=2.0, standby_s=1.0)


class FakeLease:
    """A Lease in an API server that can be out of reach, or lose its replies."""

    def __init__(self) -> None:
        self.stored: Document | None = None
        self.away = False
        self.replies_are_lost = False
        self.writers: list[str] = []
        self._versions = itertools.count(1)

    def read(self) -> Document:
        self._answer()
        if self.stored is None:
            raise NotFound(404, "NotFound", "no such lease")
        return self.stored

    def create(self, document: Document) -> Document:
        self._answer()
        if self.stored is not None:
            raise Conflict(409, "AlreadyExists", "it exists")
        return self._store(document)

    def replace(self, document: Document) -> Document:
        self._answer()
        if self.stored is None:
            raise NotFound(404, "NotFound", "no such lease")
        if document["metadata"]["resourceVersion"] != self.stored["metadata"]["resourceVersion"]:
            raise Conflict(409, "Conflict", "the object has been modified")
        return self._store(document)

    def _answer(self) -> None:
        if self.away:
            raise Unreachable("refused")

    def _store(self, document: Document) -> Document:
        metadata = {**document["metadata"], "resourceVersion": str(next(self._versions))}
        self.stored = {**document, "metadata": metadata}
        self.writers.append(document["spec"]["holderIdentity"])
        if self.replies_are_lost:
            raise Unreachable("timed out")
        return self.stored


class Machine:
    """A candidate with a clock of its own, which the test moves."""

    def __init__(
        self, lease: FakeLease, name: str, *, clock_s: float = 0.0, wall: int = 2026, terms: Terms = TERMS
    ) -> None:
        self.now = clock_s
        self.lost: list[str] = []
        self.elected = 0
        self.leader = Leader(
            lease,
            "mooring-operator",
            "mooring-system",
            name,
            terms,
            elected=self._count,
            lost=self.lost.append,
            clock=lambda: self.now,
            wall_clock=lambda: datetime(wall, 1, 1, tzinfo=UTC),
        )

    def _count(self) -> None:
        self.elected += 1

    def step(self, later_s: float = 0.0) -> "Machine":
        self.now += later_s
        self.leader.step()
        return self


@pytest.fixture
def lease() -> FakeLease:
    return FakeLease()


def spec_of(lease: FakeLease) -> Document:
    assert lease.stored is not None
    spec: Document = lease.stored["spec"]
    return spec


def test_the_first_one_leads_at_once_and_the_second_stands_by(lease: FakeLease) -> None:
    one, two = Machine(lease, "one").step(), Machine(lease, "two").step()
    assert (one.leader.holds(), one.elected) == (True, 1)
    assert (two.leader.holds(), two.leader.holder) == (False, "one")
    assert spec_of(lease)["leaseDurationSeconds"] == 15
    assert spec_of(lease)["renewTime"].endswith("Z")


def test_a_leader_that_renews_stays_and_one_that_is_silent_is_replaced_after_the_lease(lease: FakeLease) -> None:
    # Their clocks have nothing in common, and the second's calendar is wrong by years.
    one, two = Machine(lease, "one", clock_s=5_000.0), Machine(lease, "two", wall=1999)
    one.step()
    for _ in range(20):
        one.step(2.0)
        assert not two.step(2.0).leader.holds()
    # The last renewal was seen at the last look; from then on nothing.
    for _ in range(14):
        assert not two.step(1.0).leader.holds()
    assert two.step(1.0).leader.holds()
    assert spec_of(lease)["leaseTransitions"] == 2
    one.now += 40.0
    assert not one.leader.holds()


def test_a_lease_that_is_given_back_is_taken_at_the_next_look(lease: FakeLease) -> None:
    one, two = Machine(lease, "one").step(), Machine(lease, "two").step()
    one.leader.stop()
    assert not one.leader.holds()
    one.leader.release()
    assert spec_of(lease)["holderIdentity"] == ""
    assert two.step(1.0).leader.holds()


def test_a_lease_is_given_back_though_the_last_reply_was_lost(lease: FakeLease) -> None:
    one = Machine(lease, "one").step()
    lease.replies_are_lost = True
    one.step(2.0)
    lease.replies_are_lost = False
    one.leader.stop()
    one.leader.release()
    assert spec_of(lease)["holderIdentity"] == ""


def test_nobody_gives_back_what_is_another_ones(lease: FakeLease) -> None:
    one, two = Machine(lease, "one").step(), Machine(lease, "two").step()
    two.step(15.0)
    one.leader.stop()
    one.leader.release()
    assert spec_of(lease)["holderIdentity"] == "two"


def test_a_leader_that_cannot_renew_stops_before_another_may_begin(lease: FakeLease) -> None:
    one, two = Machine(lease, "one").step(), Machine(lease, "two").step()
    lease.away = True
    for _ in range(4):
        assert one.step(2.0).leader.holds()
    one.now += 1.9
    assert one.leader.holds()
    one.now += 0.1
    assert not one.leader.holds()
    assert one.leader.role is Role.LOST
    lease.away = False
    # Not even when the way is free again: its plan is old.
    assert not one.step().leader.holds()
    two.step(14.9)
    assert not two.leader.holds()
    assert two.step(0.2).leader.holds()


def test_the_lease_counts_from_before_the_request(lease: FakeLease) -> None:
    """A slow reply tells of a renewal that others saw long ago."""
    one = Machine(lease, "one").step()
    replace: Callable[[Document], Document] = lease.replace

    def slowly(document: Document) -> Document:
        one.now += 9.0
        return replace(document)

    lease.replace = slowly  # type: ignore[method-assign]
    one.step(1.0)
    one.now += 1.1
    assert not one.leader.holds()


def test_a_renewal_whose_reply_was_lost_is_no_loss(lease: FakeLease) -> None:
    one = Machine(lease, "one").step()
    lease.replies_are_lost = True
    one.step(2.0)
    lease.replies_are_lost = False
    # Our version is old: the server says Conflict, and the Lease itself says that it is ours.
    one.step(2.0)
    one.now += 9.0
    assert one.leader.holds()


def test_a_lease_that_another_has_taken_is_lost_at_the_next_renewal(lease: FakeLease) -> None:
    one, two = Machine(lease, "one").step(), Machine(lease, "two").step()
    two.step(15.0)
    one.step()
    assert one.leader.role is Role.LOST
    assert one.leader.holder == "two"
    assert lease.writers[-1] == "two"


def test_a_taking_whose_reply_was_lost_is_found_at_the_next_look(lease: FakeLease) -> None:
    lease.replies_are_lost = True
    one = Machine(lease, "one").step()
    assert not one.leader.holds()
    lease.replies_are_lost = False
    one.step(1.0)
    assert one.step(2 * TERMS.retry_s).leader.holds()


def test_the_same_name_after_a_restart_leads_as_soon_as_nobody_renews_it(lease: FakeLease) -> None:
    Machine(lease, "pod-1").step()
    again = Machine(lease, "pod-1").step()
    assert not again.leader.holds()
    assert again.step(2 * TERMS.retry_s).leader.holds()


def test_two_that_were_given_one_name_do_not_both_lead(lease: FakeLease) -> None:
    one, two = Machine(lease, "mooring").step(), Machine(lease, "mooring").step()
    for _ in range(20):
        one.step(TERMS.retry_s)
        two.step(TERMS.retry_s)
        assert (one.leader.holds(), two.leader.holds()) == (True, False)


def test_a_lease_that_is_deleted_is_made_anew_by_who_leads(lease: FakeLease) -> None:
    one, two = Machine(lease, "one").step(), Machine(lease, "two").step()
    lease.stored = None
    assert not two.step(1.0).leader.holds()
    assert one.step(2.0).leader.holds()
    assert spec_of(lease)["holderIdentity"] == "one"
    for _ in range(20):
        one.step(2.0)
        assert not two.step(2.0).leader.holds()
    assert one.leader.holds()


def test_a_leader_that_does_not_hear_of_the_deletion_has_ended_before_another_begins(lease: FakeLease) -> None:
    """Its lease counts from its last renewal, which the other need not have seen."""
    one, two = Machine(lease, "one").step(), Machine(lease, "two").step()
    for _ in range(8):
        one.step(2.0)
    lease.stored = None
    # It has not looked for longer than a lease.
    two.step(16.0)
    for _ in range(14):
        assert not two.step(1.0).leader.holds()
    one.now += 14.0
    assert not one.leader.holds()
    assert two.step(1.0).leader.holds()


def test_after_a_deletion_others_wait_as_long_as_its_holder_said(lease: FakeLease) -> None:
    """Also those whose own settings are shorter."""
    Machine(lease, "one", terms=Terms(lease_s=60.0, renew_s=50.0)).step()
    two = Machine(lease, "two").step()
    lease.stored = None
    two.step(1.0)
    assert not two.step(59.0).leader.holds()
    assert two.step(1.0).leader.holds()


def test_a_lease_that_is_deleted_and_taken_by_a_new_process_is_lost_at_the_next_renewal(lease: FakeLease) -> None:
    one = Machine(lease, "one").step()
    lease.stored = None
    Machine(lease, "new").step()
    one.step(2.0)
    assert one.leader.role is Role.LOST


def test_of_two_that_see_it_free_one_gets_it(lease: FakeLease) -> None:
    one, two = Machine(lease, "one").step(), Machine(lease, "two").step()
    three = Machine(lease, "three").step()
    read = lease.read
    stale = read()
    lease.read = lambda: stale  # type: ignore[method-assign]
    two.step(15.0)
    three.step(15.0)
    assert (two.leader.holds(), three.leader.holds()) == (True, False)
    assert one.leader.role is Role.LEADER


def test_when_it_is_lost_the_thread_says_so_and_ends(lease: FakeLease) -> None:
    one = Machine(lease, "one").step()
    one.now += 20.0
    one.leader.start()
    one.leader.join(10.0)
    assert not one.leader.is_alive()
    assert len(one.lost) == 1


def test_rubbish_in_the_lease_is_read_as_free(lease: FakeLease) -> None:
    lease.stored = {"metadata": {"resourceVersion": "1"}, "spec": None}
    lease._versions = itertools.count(2)
    assert Machine(lease, "one").step().leader.holds()


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from([0.5, 1.0, 3.0, 11.0, 16.0]),
            st.sampled_from(["", "", "away", "away", "deleted"]),
        ),
        max_size=60,
    )
)
def test_never_two_hold_it_at_one_moment(steps: list[tuple[int, float, str]]) -> None:
    """Any interleaving of three machines, whose clocks run equally fast, of losses of the way, and of deletions.

    The Lease is not deleted before all have looked once: who finds none at its start takes it for the first one.
    """
    lease = FakeLease()
    machines = [Machine(lease, str(i), clock_s=100.0 * i) for i in range(3)]
    looked: set[int] = set()
    for index, later_s, fault in steps:
        for machine in machines:
            machine.now += later_s
        lease.away = fault == "away"
        if fault == "deleted" and len(looked) == len(machines):
            lease.stored = None
        machines[index].step()
        looked |= set() if lease.away else {index}
        assert sum(machine.leader.holds() for machine in machines) <= 1


def test_an_election_that_was_never_won_cannot_be_lost() -> None:
    election = Election("one", TERMS)
    election.lost()
    assert election.role is Role.STANDBY
    assert not election.holds(0.0)
