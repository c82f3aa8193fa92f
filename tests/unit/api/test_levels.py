"""Who may run an entry, by the level that it asks for."""

import pytest

from mooring_api.levels import needs_more


@pytest.mark.parametrize(
    "given", [None, 7, [], {}, {"requiredLevel": None}, {"requiredLevel": "2"}, {"requiredLevel": 1}]
)
def test_who_says_no_level_or_ours_may_be_run(given: object) -> None:
    assert needs_more(given) == ""


def test_who_needs_more_is_told_what_to_do() -> None:
    assert "level 2 of the contract" in needs_more({"requiredLevel": 2}, 1)
    assert "upgrade the daemon" in needs_more({"requiredLevel": 2}, 1)
