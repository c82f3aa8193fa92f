"""The page of conditions is what the operator's own words say."""

from pathlib import Path

import pytest

from mooring_operator.reference import PAGES, conditions, main, operator
from mooring_operator.tell.reasons import EVENTS, REASONS, EventReason, Reason

FOLDER = Path(__file__).parents[3] / "docs" / "reference"
EACH = pytest.mark.parametrize("reason", Reason, ids=str)


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_says(name):
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert text == PAGES[name](), "run `python -m mooring_operator.reference`"


@EACH
def test_each_reason_has_a_row_in_its_own_section(reason):
    sections = dict(part.split("\n", 1) for part in conditions().split("\n## ")[1:])
    rows = [row for row in sections[reason.condition].splitlines() if row.startswith(f"| `{reason}` |")]
    assert rows == [f"| `{reason}` | {reason.status} | {reason.meaning} | {reason.remedy} |"]


@EACH
def test_each_reason_is_a_word_of_kubernetes_and_says_what_to_do(reason):
    assert reason.isidentifier()
    assert reason[0].isupper()
    assert reason.meaning
    assert reason.remedy
    assert REASONS[str(reason)] is reason


@pytest.mark.parametrize("reason", EVENTS, ids=str)
def test_each_event_has_a_row(reason):
    events = conditions().split("\n## Events")[1]
    assert events.count(f"| `{reason}` | {EVENTS[reason]} |") == 1
    assert isinstance(reason, Reason | EventReason)


def test_writes_into_the_folder_that_is_named(tmp_path):
    assert main([str(tmp_path)]) == 0
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(PAGES)


def test_each_metric_of_the_operator_has_a_row_with_its_labels():
    rows = {line.split("`")[1]: line for line in operator().splitlines() if line.startswith("| `mooring_operator")}
    assert len(rows) > 10
    assert "`kind`, `result`, `verb`" in rows["mooring_operator_writes_total"]
