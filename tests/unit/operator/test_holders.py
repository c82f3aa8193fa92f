"""Who holds a group by what the nodes said last, in whatever order it came."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring_api.virtualip_status import MAX_SUPERSEDED, GroupStatus, PastClaim
from mooring_operator.tell.held import with_holder
from mooring_operator.tell.holders import Holding, verdict_on
from mooring_operator.tell.reports import AT_START, Claim

ALL = frozenset({"a", "b", "c"})
GROUP = GroupStatus(name="web-0", family="IPv4", virtual_router_id=1)


def claim(node, claimed, heard=None, since="t"):
    return Claim(node, since, claimed, claimed if heard is None else heard)


def known(holder, since="t", superseded=()):
    past = tuple(PastClaim(node=n, since_time=s) for n, s in superseded)
    return GROUP.model_copy(update={"holder": holder, "held_since_time": since, "superseded": past})


LISTED = AT_START

CASES = {
    "nobody": ([], ALL, None, Holding.NOBODY, None, ()),
    "one": ([claim("a", 3)], ALL, None, Holding.ONE, "a", ()),
    "one, of whom nothing was known": ([claim("a", LISTED)], ALL, None, Holding.ONE, "a", ()),
    "the newer of two": ([claim("a", 1), claim("b", 2)], ALL, None, Holding.ONE, "b", ("a",)),
    "the newest of three": ([claim("a", 1), claim("b", 3), claim("c", 2)], ALL, None, Holding.ONE, "b", ("a", "c")),
    "the older says so again": ([claim("a", 1, 3), claim("b", 2)], ALL, None, Holding.SEVERAL, None, ()),
    "the older says so again and is lost": ([claim("a", 1, 3), claim("b", 2)], {"b"}, None, Holding.ONE, "b", ("a",)),
    "the newer is lost, the older spoke": ([claim("a", 1, 3), claim("b", 2)], {"a"}, None, Holding.ONE, "a", ("b",)),
    "the newer is lost, the older is mute": (
        [claim("a", 1), claim("b", 2)],
        {"a"},
        None,
        Holding.UNREACHABLE,
        "b",
        ("a",),
    ),
    "lost, and nobody else": ([claim("a", 1)], {"b"}, None, Holding.UNREACHABLE, "a", ()),
    "a list after an outage shows two new ones": (
        [claim("a", 5), claim("b", 5)],
        ALL,
        known("c"),
        Holding.SEVERAL,
        None,
        (),
    ),
    "at the start: the known holder": (
        [claim("a", LISTED), claim("b", LISTED)],
        ALL,
        known("b", superseded=[("a", "t")]),
        Holding.ONE,
        "b",
        ("a",),
    ),
    "at the start: who took over while nobody looked": (
        [claim("a", LISTED), claim("b", LISTED)],
        ALL,
        known("a"),
        Holding.ONE,
        "b",
        ("a",),
    ),
    "at the start: who was superseded took it again": (
        [claim("a", LISTED, since="later"), claim("b", LISTED)],
        ALL,
        known("b", superseded=[("a", "t")]),
        Holding.ONE,
        "a",
        ("b",),
    ),
    "at the start: the holder has let go, the dead one's word stays": (
        [claim("a", LISTED)],
        {"b"},
        known("b", superseded=[("a", "t")]),
        Holding.UNREACHABLE,
        "a",
        (),
    ),
    "at the start: a dispute stays one": (
        [claim("a", LISTED), claim("b", LISTED)],
        ALL,
        known(None, None),
        Holding.SEVERAL,
        None,
        (),
    ),
    "after the start the superseded says so again": (
        [claim("a", LISTED, 4), claim("b", LISTED)],
        ALL,
        known("b", superseded=[("a", "t")]),
        Holding.SEVERAL,
        None,
        (),
    ),
    "after the start somebody takes it": (
        [claim("a", LISTED), claim("b", 1)],
        ALL,
        known("a"),
        Holding.ONE,
        "b",
        ("a",),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_newest_claim_is_right_unless_an_older_one_is_renewed(case):
    claims, ready, before, holding, holder, superseded = CASES[case]
    for order in (claims, claims[::-1]):
        verdict = verdict_on(order, ready, before)
        assert verdict.holding is holding
        assert (verdict.holder.node if verdict.holder else None) == holder
        assert tuple(past.node for past in verdict.superseded) == superseded


def test_a_dispute_names_all_that_live():
    verdict = verdict_on([claim("c", 1, 4), claim("a", 2, 4), claim("b", 3)], {"a", "b"}, None)
    assert verdict.claimants == ("a", "b")


def test_what_is_remembered_of_the_past_is_bounded():
    claims = [claim(f"n-{number:02d}", number) for number in range(1, 40)]
    verdict = verdict_on(claims, frozenset(c.node for c in claims), None)
    assert verdict.holder.node == "n-39"
    assert len(verdict.superseded) == MAX_SUPERSEDED
    with_holder(GROUP, verdict, None)


def test_only_another_holder_counts_as_a_change():
    first = with_holder(GROUP, verdict_on([claim("a", 1)], ALL, None), None)
    assert (first.holder, first.held_since_time, first.transitions) == ("a", "t", 1)
    later = with_holder(GROUP, verdict_on([claim("a", 2, since="u")], ALL, first), first)
    assert (later.holder, later.held_since_time, later.transitions) == ("a", "u", 1)
    gone = with_holder(GROUP, verdict_on([], ALL, later), later)
    assert (gone.holder, gone.held_since_time, gone.transitions) == (None, None, 1)
    other = with_holder(GROUP, verdict_on([claim("b", 3)], ALL, gone), gone)
    assert (other.holder, other.transitions) == ("b", 2)


@st.composite
def _claims(draw):
    nodes = draw(st.lists(st.sampled_from("abcde"), unique=True, max_size=5))
    found = []
    for node in nodes:
        claimed = draw(st.integers(AT_START, 4))
        found.append(Claim(node, draw(st.sampled_from("tu")), claimed, draw(st.integers(claimed, 6))))
    return found


_BEFORE = st.none() | st.builds(
    known,
    st.none() | st.sampled_from("abcde"),
    st.sampled_from("tu"),
    st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("tu")), max_size=3, unique=True),
)


@settings(max_examples=300, deadline=None)
@given(_claims(), st.frozensets(st.sampled_from("abcde")), _BEFORE)
def test_a_verdict_stands_by_itself(claims, ready, before):
    """Judged again with what it says as the past, it says the same; and it names nobody who does not claim."""
    verdict = verdict_on(claims, ready, before)
    group = with_holder(GROUP, verdict, before)
    again = verdict_on(claims, ready, group)
    assert again == verdict
    assert with_holder(GROUP, again, group) == group
    nodes = {c.node for c in claims}
    assert {*verdict.claimants, *(p.node for p in verdict.superseded)} <= nodes
    match verdict.holding:
        case Holding.ONE:
            assert verdict.holder.node in ready
        case Holding.UNREACHABLE:
            assert verdict.holder.node in nodes - ready
        case Holding.SEVERAL:
            assert verdict.holder is None
            assert len(verdict.claimants) > 1
            assert set(verdict.claimants) <= ready
        case Holding.NOBODY:
            assert not nodes
