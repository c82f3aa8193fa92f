"""Counting refusals: by reason and peer, bounded, logged at most once a minute."""

import pytest

from mooring_node.vrrp.refusals import LOG_EVERY_NS, OTHER_PEERS, Refusal, Refusals, Refused

PEER, OTHER = b"\x0a\0\0\x12", b"\x0a\0\0\x13"


@pytest.mark.parametrize("reason", Refusal)
def test_each_reason_tells_an_operator_what_it_means_and_what_to_do(reason: Refusal) -> None:
    assert Refusal(str(reason)) is reason  # type: ignore[call-arg]
    assert str(reason).isalnum()
    assert len(reason.meaning) > 20
    assert len(reason.remedy) > 20
    assert str(Refused(reason)) == f"{reason}: {reason.meaning}"


def test_reasons_are_told_apart() -> None:
    assert len({reason.meaning for reason in Refusal}) == len(Refusal)


def test_a_reason_is_logged_once_a_minute_for_each_peer() -> None:
    refusals = Refusals()
    assert refusals.record(Refusal.WRONG_PASSWORD, PEER, 5)
    assert not refusals.record(Refusal.WRONG_PASSWORD, PEER, 5 + LOG_EVERY_NS - 1)
    assert refusals.record(Refusal.WRONG_PASSWORD, OTHER, 6)
    assert refusals.record(Refusal.TTL_TOO_LOW, PEER, 6)
    assert refusals.record(Refusal.WRONG_PASSWORD, PEER, 5 + LOG_EVERY_NS)
    assert refusals.counts() == {
        (Refusal.WRONG_PASSWORD, PEER): 3,
        (Refusal.WRONG_PASSWORD, OTHER): 1,
        (Refusal.TTL_TOO_LOW, PEER): 1,
    }
    assert refusals.by_reason() == {Refusal.WRONG_PASSWORD: 4, Refusal.TTL_TOO_LOW: 1}
    assert refusals.last_ns(Refusal.WRONG_PASSWORD, PEER) == 5 + LOG_EVERY_NS
    assert refusals.last_ns(Refusal.WRONG_PASSWORD, OTHER) == 6


def test_a_flood_of_invented_sources_is_bounded_and_loses_no_count() -> None:
    refusals = Refusals()
    logged = [refusals.record(Refusal.UNKNOWN_PEER, n.to_bytes(4, "big"), 0) for n in range(1000)]
    counts = refusals.counts()
    assert len(counts) == 65
    assert counts[Refusal.UNKNOWN_PEER, OTHER_PEERS] == 1000 - 64
    assert refusals.by_reason() == {Refusal.UNKNOWN_PEER: 1000}
    assert sum(logged) == 65


def test_a_peer_that_was_seen_keeps_its_own_count_in_a_flood() -> None:
    refusals = Refusals(limit=2)
    for source in (PEER, b"1111", b"2222", PEER):
        refusals.record(Refusal.WRONG_PASSWORD, source, 0)
    assert refusals.counts()[Refusal.WRONG_PASSWORD, PEER] == 2
    assert refusals.counts()[Refusal.WRONG_PASSWORD, OTHER_PEERS] == 1


def test_a_copy_is_handed_out() -> None:
    refusals = Refusals()
    refusals.counts()[Refusal.FRAGMENT, PEER] = 1
    assert refusals.by_reason() == {}
