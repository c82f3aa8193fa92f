"""What a reader of an older release is given, with a level that does not exist yet."""

from typing import Any

import pytest

from mooring_api.levels import FIRST_LEVEL, LEVEL
from mooring_api.nodeconfig import Instance
from mooring_api.novelties import NOVELTIES, Novelties, Novelty, required_level, without_later
from mooring_api.vrrp import FlapDamping, OnStop

#: As if level 2 had brought these.
LATER: Novelties = (
    Novelty(2, FlapDamping, "transitions", critical=False),
    Novelty(2, Instance, "on_stop", critical=True, values=frozenset({"Keep"})),
    Novelty(3, Instance, "priority", critical=True),
)


@pytest.fixture
def made(instance: Any) -> Any:
    return lambda **fields: Instance.model_validate(instance(**fields), by_alias=True)


def test_the_level_is_that_of_the_latest_novelty() -> None:
    assert max((each.level for each in NOVELTIES), default=FIRST_LEVEL) == LEVEL


def test_what_all_understand_needs_no_level(made: Any) -> None:
    plain = made()
    assert required_level(plain) == FIRST_LEVEL
    assert without_later(plain, FIRST_LEVEL) is plain


def test_what_can_be_left_out_is_at_its_default_for_who_does_not_know_it(made: Any) -> None:
    given = made(flapDamping={"transitions": 9, "window": "30s"})
    fitted = without_later(given, 1, LATER)
    assert fitted == made(flapDamping={"window": "30s"})
    assert without_later(given, 2, LATER) is given
    assert required_level(given, LATER) == 1


def test_a_critical_field_or_value_stays_and_says_its_level(made: Any) -> None:
    given = made(onStop="Keep", flapDamping={"transitions": 9})
    assert given.on_stop is OnStop.KEEP
    assert required_level(given, LATER) == 2
    assert without_later(given, 1, LATER) == made(onStop="Keep")
    assert required_level(made(onStop="Release", priority=100), LATER) == 1
    assert required_level(made(onStop="Keep", priority=7), LATER) == 3
