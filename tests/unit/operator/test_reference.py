"""The page of conditions is what the operator's own words say."""

from pathlib import Path

import pytest

from mooring_operator.reference import PAGES, conditions, main
from mooring_operator.words.reasons import EVENTS, REASONS, Reason
from mooring_operator.words.server_reasons import SERVER_EVENTS, SERVER_REASONS, ServerReason

FOLDER = Path(__file__).parents[3] / "docs" / "reference"
EACH = pytest.mark.parametrize("reason", [*Reason, *ServerReason], ids=lambda r: f"{type(r).__name__}-{r}")


def kind_of(reason):
    return "VirtualIP" if isinstance(reason, Reason) else "VirtualServer"


def sections():
    """The page's parts by their head line."""
    return dict(part.split("\n", 1) for part in conditions().split("\n### ")[1:])


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_says(name):
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert text == PAGES[name](), "run `python -m mooring_operator.reference`"


@EACH
def test_each_reason_has_a_row_in_its_own_section(reason):
    section = sections()[f"{reason.condition} of a {kind_of(reason)}"]
    rows = [row for row in section.splitlines() if row.startswith(f"| `{reason}` |")]
    assert rows == [f"| `{reason}` | {reason.status} | {reason.meaning} | {reason.remedy} |"]


@EACH
def test_each_reason_is_a_word_of_kubernetes_and_says_what_to_do(reason):
    assert reason.isidentifier()
    assert reason[0].isupper()
    assert reason.meaning
    assert reason.remedy
    read_back = REASONS.get(reason) if isinstance(reason, Reason) else SERVER_REASONS[reason.condition, reason]
    assert read_back is reason


@pytest.mark.parametrize(("kind", "events"), [("VirtualIP", EVENTS), ("VirtualServer", SERVER_EVENTS)])
def test_each_event_has_a_row(kind, events):
    section = sections()[f"Events of a {kind}"]
    for reason, type_ in events.items():
        assert section.count(f"| `{reason}` | {type_} |") == 1, reason


def test_writes_into_the_folder_that_is_named(tmp_path):
    assert main([str(tmp_path)]) == 0
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(PAGES)
