"""What a recording says, with made-up recordings."""

import json
from array import array

from mooring_lab.probe import UNANSWERED, Claim, Recording, analyse

MS = 1_000_000
A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"


def recording(answers: str, times: list[int] | None = None, claims: list[Claim] | None = None) -> Recording:
    """One address; a letter for each request: a or b answered, - nobody. One request each millisecond from 1000 ms."""
    row = bytearray({"a": 0, "b": 1, "-": UNANSWERED}[letter] for letter in answers)
    sent = array("q", [(1000 + k) * MS for k in range(len(row))] if times is None else [t * MS for t in times])
    return Recording(("10.0.0.100",), [A, B], sent, [row], claims or [])


def test_a_quiet_time_has_no_outage() -> None:
    result = analyse(recording("aaaaa"))["10.0.0.100"]
    assert (result.sent, result.lost, result.longest_gap, result.outages) == (5, 0, 0.0, ())
    assert [(h.start, h.mac) for h in result.held] == [(1000 * MS, A)]


def test_an_outage_lasts_from_the_first_lost_request_to_the_next_answered() -> None:
    result = analyse(recording("aa---bb-b"))["10.0.0.100"]
    assert [(o.start, o.end, o.lost) for o in result.outages] == [
        (1002 * MS, 1005 * MS, 3),
        (1007 * MS, 1008 * MS, 1),
    ]
    assert (result.lost, result.longest_gap) == (4, 3.0)
    assert [(h.start, h.mac) for h in result.held] == [(1000 * MS, A), (1005 * MS, B)]
    assert result.last_holder == B


def test_an_outage_that_does_not_end_is_counted() -> None:
    result = analyse(recording("aa--"))["10.0.0.100"]
    assert (result.lost, result.longest_gap) == (2, 1.0)


def test_nobody_ever() -> None:
    result = analyse(recording("---"))["10.0.0.100"]
    assert (result.lost, result.held, result.last_holder) == (3, (), None)


def test_a_sender_that_fell_behind_has_lost_nothing() -> None:
    result = analyse(recording("aaaa", times=[0, 1, 400, 401]))
    assert result["10.0.0.100"].lost == 0
    assert result["10.0.0.100"].longest_gap == 0.0
    assert result.longest_pause == 399.0


def test_a_window_counts_only_its_own_requests() -> None:
    whole = recording("a-a--b")
    result = analyse(whole, 1002 * MS, 1005 * MS)
    assert (result.requests, result["10.0.0.100"].lost) == (3, 2)
    assert analyse(whole, 2000 * MS).requests == 0


def test_the_holder_going_back_and_forth_is_seen() -> None:
    held = analyse(recording("ab-a"))["10.0.0.100"].held
    assert [h.mac for h in held] == [A, B, A]


def claims(*given: tuple[int, int]) -> list[Claim]:
    return [Claim(time * MS, 0, holder) for time, holder in given]


def test_two_machines_that_claim_an_address_at_once_are_a_contest() -> None:
    contests = analyse(
        recording("a" * 1000, claims=claims((1000, 0), (1010, 0), (1010, 1), (1020, 0), (1020, 1), (1030, 1)))
    )["10.0.0.100"].contests
    assert [(c.start, c.end, c.macs) for c in contests] == [(1010 * MS, 1020 * MS, (A, B))]


def test_a_change_of_holder_is_no_contest() -> None:
    found = analyse(recording("a" * 1000, claims=claims((1000, 0), (1010, 0), (1020, 1), (1030, 1))))
    assert found["10.0.0.100"].contests == ()


def test_contests_far_apart_are_two() -> None:
    found = analyse(recording("a" * 1000, claims=claims((1000, 0), (1000, 1), (1500, 0), (1500, 1))))["10.0.0.100"]
    assert len(found.contests) == 2


def test_a_recording_survives_its_file() -> None:
    before = recording("a-b", claims=claims((1000, 0)))
    after = Recording.of_json(json.loads(json.dumps(before.to_json())))
    assert after == before
