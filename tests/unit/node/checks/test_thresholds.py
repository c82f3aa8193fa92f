"""Tries make checks, checks in a row make a state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node.checks.config import CheckConfig, TCPProbe
from mooring_node.checks.thresholds import Standing, forgotten, tried


def after(word: str, *, up: bool, retries: int = 0, rise: int = 1, fall: int = 1) -> str:
    """The standing after each try (`+` good, `-` bad): U or D, small while no check has decided, ' while retrying."""
    check = CheckConfig(TCPProbe(), retries=retries, rise=rise, fall=fall)
    standing, told = Standing(up), ""
    for each in word:
        standing = tried(standing, check, each == "+")
        letter = "U" if standing.up else "D"
        told += (letter if standing.known else letter.lower()) + ("'" if standing.retrying else "")
    return told


@pytest.mark.parametrize(
    ("word", "options", "told"),
    [
        ("+", {"up": True}, "U"),
        ("-", {"up": True}, "D"),
        ("+-+-", {"up": False}, "UDUD"),
        ("--+", {"up": True, "retries": 1}, "u'DU"),
        ("-+--", {"up": True, "retries": 1}, "u'UU'D"),
        ("---", {"up": False, "retries": 2}, "d'd'D"),
        ("---", {"up": True, "fall": 3}, "uuD"),
        ("--+---", {"up": True, "fall": 3}, "uuUUUD"),
        ("+-++", {"up": False, "rise": 2}, "dDDU"),
        ("-++-+", {"up": False, "rise": 3}, "DDDDD"),
        ("+--+--+", {"up": True, "retries": 1, "fall": 2}, "UU'UUU'UU"),
        ("----+++", {"up": True, "retries": 1, "fall": 2, "rise": 2}, "u'uu'DDUU"),
    ],
)
def test_cases(word: str, options: dict[str, int], told: str) -> None:
    assert after(word, **options) == told  # type: ignore[arg-type]


@given(st.booleans(), st.text("+-", min_size=1, max_size=40), st.integers(0, 3), st.integers(1, 4), st.integers(1, 4))
def test_the_state_is_what_the_last_full_row_says(up: bool, word: str, retries: int, rise: int, fall: int) -> None:
    """Against an account that looks back over the whole history instead of counting."""
    checks, failed = "", 0
    for each in word:
        failed = failed + 1 if each == "-" else 0
        if each == "+" or failed > retries:
            checks, failed = checks + each, 0
    expected = up
    for end in range(1, len(checks) + 1):
        history = checks[:end]
        if history.endswith("+" * rise):
            expected = True
        if history.endswith("-" * fall):
            expected = False
    assert after(word, up=up, retries=retries, rise=rise, fall=fall).rstrip("'")[-1].upper() == "DU"[expected]


def test_a_pause_forgets_what_was_counted_and_keeps_the_state() -> None:
    assert forgotten(Standing(True, True, tries=2, row=1)) == Standing(True, True)
    assert forgotten(Standing(False, False, tries=1)) == Standing(False, False)


def test_nothing_new_costs_nothing() -> None:
    standing = Standing(True, known=True)
    assert tried(standing, CheckConfig(TCPProbe()), True) is standing
