"""Who gets on with what it is told is not late, however much there is."""

from datetime import UTC, datetime, timedelta

from mooring_api.nodeconfig import NodeConfigStatus
from mooring_operator.stage.standing import Standing
from mooring_operator.tell.servers.lateness import GRACE_S, Lateness

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def standing(generation: int, observed: int | None) -> dict[str, Standing]:
    status = NodeConfigStatus(observed_generation=observed) if observed is not None else None
    return {"n1": Standing("n1", generation=generation, status=status)}


def test_one_that_stands_still_is_late_after_a_while() -> None:
    lateness = Lateness()
    assert lateness.hear(["n1"], standing(2, 1), NOON) == frozenset()
    assert lateness.again_after_s(at(1.0)) == [GRACE_S - 1.0]
    assert lateness.hear(["n1"], standing(3, 1), at(GRACE_S - 0.1)) == frozenset()
    assert lateness.hear(["n1"], standing(3, 1), at(GRACE_S)) == {"n1"}
    assert lateness.again_after_s(at(GRACE_S)) == []
    assert lateness.hear(["n1"], standing(3, 3), at(GRACE_S + 1)) == frozenset()


def test_one_that_confirms_one_after_the_other_never_is() -> None:
    lateness = Lateness()
    for second in range(60):
        assert lateness.hear(["n1"], standing(second + 1, second), at(float(second))) == frozenset()


def test_one_that_has_never_said_anything_is_late_too() -> None:
    lateness = Lateness()
    lateness.hear(["n1"], standing(1, None), NOON)
    assert lateness.hear(["n1"], standing(1, None), at(GRACE_S)) == {"n1"}


def test_a_clock_that_is_set_back_begins_anew() -> None:
    lateness = Lateness()
    lateness.hear(["n1"], standing(2, 1), at(3600.0))
    assert lateness.hear(["n1"], standing(2, 1), NOON) == frozenset()
    assert lateness.hear(["n1"], standing(2, 1), at(GRACE_S)) == {"n1"}


def test_who_balances_nothing_and_who_is_gone_is_forgotten() -> None:
    lateness = Lateness()
    lateness.hear(["n1"], standing(2, 1), NOON)
    assert lateness.hear([], standing(2, 1), at(GRACE_S)) == frozenset()
    assert lateness.hear(["n1"], standing(2, 1), at(GRACE_S)) == frozenset()
    assert lateness.hear(["n1"], {}, at(99.0)) == frozenset()
