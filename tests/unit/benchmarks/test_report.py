"""How figures become rows: medians, verdicts, tables."""

import pytest
from benchmarks.beside_keepalived.report import OURS, THEIRS, Row, document, summary, text_table


def _row(ours: list[float], theirs: list[float], bound: float | None = None, *, compared: bool = True) -> Row:
    row = Row("a figure", "ms", bound=bound, compared=compared)
    for value in ours:
        row.add(OURS, value)
    for value in theirs:
        row.add(THEIRS, value)
    return row


def test_the_median_is_compared_and_not_the_mean() -> None:
    assert _row([10, 11, 900], [12, 12, 12]).verdict == "no slower: yes"


def test_a_slower_median_says_by_how_much() -> None:
    assert _row([13, 14, 15], [12, 12, 12]).verdict == "no slower: NO, by 2"


def test_a_difference_that_cannot_be_told_is_none_and_is_named() -> None:
    row = _row([12.1], [12.0])
    row.resolution = 1.0
    assert row.verdict == "no slower: yes (the same within 1)"
    row.add(OURS, 15.0)
    assert row.verdict == "no slower: NO, by 1.55"


@pytest.mark.parametrize(("ours", "said"), [([19, 20, 21], "within 20: yes"), ([19, 20.5, 21], "within 20: NO")])
def test_a_promise_is_held_against_the_median(ours: list[float], said: str) -> None:
    assert _row(ours, [1], 20, compared=False).verdict == said


def test_promise_and_comparison_stand_side_by_side() -> None:
    assert _row([6], [600], 5).verdict == "within 5: NO; no slower: yes"


def test_nothing_is_said_of_a_figure_that_neither_promises_nor_compares() -> None:
    assert _row([6], [600], compared=False).verdict == ""


def test_nothing_is_compared_with_what_was_not_measured() -> None:
    assert _row([6], []).verdict == ""


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], "-"),
        ([3.25], "3.25"),
        ([3225.4, 3300, 3100], "3225 (3100 to 3300)"),
        ([0, 0, 0], "0 (0 to 0)"),
        ([36.75, 36.71, 38.12], "36.8 (36.7 to 38.1)"),
    ],
)
def test_a_cell_holds_the_median_and_the_range(values: list[float], text: str) -> None:
    assert summary(values) == text


def test_columns_stand_one_below_the_other() -> None:
    row = _row([1], [2])
    row.pressure = 12.4
    heading, line = text_table([row]).splitlines()
    assert line.index("12 %") == heading.index("CPU pressure")
    assert line.startswith("a figure  ms")


def test_every_sample_is_kept_for_machines() -> None:
    told = document([_row([1, 2], [3])], {"kernel": "6.18"})
    assert told["surroundings"] == {"kernel": "6.18"}
    assert told["rows"][0]["samples"] == {OURS: [1, 2], THEIRS: [3]}
    assert told["rows"][0]["median"] == {OURS: 1.5, THEIRS: 3}
