"""Selectors, the ladder of priorities, the ring."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_api.virtualip import LabelSelector
from mooring_operator.plan.labels import selects
from mooring_operator.plan.ranking import Ring, decreasing, ladder


@pytest.mark.parametrize(
    ("fixed", "count", "expected"),
    [
        ((), 4, (250, 240, 230, 220)),
        ((100, 80), 4, (100, 80, 70, 60)),
        ((None, None), 2, (250, 240)),
        ((None, 249), 3, (250, 249, 239)),
        ((None, 252), 2, (254, 252)),
        ((None, 254), 2, None),
        ((3,), 4, None),
        ((4,), 4, (4, 3, 2, 1)),
        ((80, 100), 2, None),
        ((200, None, 190), 3, (200, 191, 190)),
    ],
)
def test_ladder(fixed, count, expected):
    assert ladder(fixed, count) == expected


@given(st.lists(st.none() | st.integers(1, 254), max_size=24), st.integers(1, 60))
def test_ladder_is_strictly_decreasing_and_keeps_what_was_written(fixed, count):
    kept, contrary = decreasing(fixed)
    rungs = ladder(kept, count)
    if rungs is None:
        assert any(p is not None for p in kept)
        return
    assert len(rungs) == count
    assert list(rungs) == sorted(set(rungs), reverse=True)
    assert all(1 <= rung <= 254 for rung in rungs)
    for place, (rung, written) in enumerate(zip(rungs, fixed, strict=False)):
        assert written is None or place in contrary or rung == written


def test_24_candidates_have_room_without_smaller_steps():
    assert ladder((), 24) == tuple(250 - 10 * i for i in range(24))


@given(st.sets(st.text("abc", min_size=1), min_size=1), st.data())
def test_a_ring_loses_and_gains_one_member_without_moving_the_others(names, data):
    ring = Ring("web")
    before = list(ring.of(frozenset(names)))
    gone = data.draw(st.sampled_from(sorted(names)))
    after = list(ring.of(frozenset(names - {gone})))
    assert after == [entry for entry in before if entry[1] != gone]
    assert list(ring.of(frozenset(names))) == before


def test_rendezvous_spreads_first_places():
    members = frozenset(f"node-{i}" for i in range(10))
    firsts = [Ring(f"vip-{i}").of(members)[0][1] for i in range(500)]
    assert set(firsts) == members
    assert max(firsts.count(name) for name in members) < 100


@pytest.mark.parametrize(
    ("operator", "values", "chosen"),
    [("In", ["a"], {"a"}), ("NotIn", ["a"], {"b", None}), ("Exists", [], {"a", "b"}), ("DoesNotExist", [], {None})],
)
def test_match_expressions(operator, values, chosen):
    term = {"key": "k", "operator": operator, "values": values}
    selector = LabelSelector.model_validate({"matchExpressions": [term]})
    assert {v for v in ("a", "b", None) if selects(selector, {} if v is None else {"k": v})} == chosen


def test_all_terms_must_hold_and_an_empty_selector_chooses_all():
    selector = LabelSelector.model_validate({"matchLabels": {"a": "1", "b": "2"}})
    assert selects(selector, {"a": "1", "b": "2"})
    assert not selects(selector, {"a": "1"})
    assert selects(LabelSelector(), {})
