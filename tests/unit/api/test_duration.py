"""Durations: exact, and written so that reading gives the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_api.duration import MILLISECOND_PATTERN, PATTERN, Duration


@given(st.integers(min_value=0, max_value=10**30))
def test_is_read_back_as_it_was_written(nanoseconds: int) -> None:
    text = str(Duration(nanoseconds))
    assert Duration.parse(text) == nanoseconds
    assert re.fullmatch(PATTERN, text)


@given(st.integers(min_value=0, max_value=10**9))
def test_whole_milliseconds_are_written_in_the_narrow_form(milliseconds: int) -> None:
    assert re.fullmatch(MILLISECOND_PATTERN, str(Duration.of(ms=milliseconds)))


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0s", 0),
        ("100ms", 100_000_000),
        ("0.5s", 500_000_000),
        ("1m30s", 90_000_000_000),
        ("1h1m1s1ms1us1ns", 3_661_001_001_001),
        ("9007199254740993ns", 9_007_199_254_740_993),
        ("0.000000001s", 1),
    ],
)
def test_reads_sums_of_decimals(text: str, nanoseconds: int) -> None:
    assert Duration.parse(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "1", "s", "1 s", "-1s", "+1s", "1s\n", "1d", "1S", "1.s", ".5s", "١s", "1s,2s"])
def test_refuses_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write a number and a unit"):
        Duration.parse(text)


@given(st.text(alphabet="0123456789.nusmh ", max_size=12))
def test_reads_exactly_what_the_schema_allows(text: str) -> None:
    try:
        Duration.parse(text)
    except ValueError:
        assert not re.fullmatch(PATTERN, text)
    else:
        assert re.fullmatch(PATTERN, text)


def test_is_written_in_one_unit_without_a_fraction() -> None:
    assert [str(Duration(n)) for n in (0, 1, 1_500, 1_500_000_000, 60_000_000_000)] == [
        "0s",
        "1ns",
        "1500ns",
        "1500ms",
        "1m",
    ]
    assert Duration.parse("1500ms").seconds == 1.5
    assert repr(Duration.of(s=1)) == "Duration(1s)"
