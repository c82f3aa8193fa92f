"""The pages of faults, refusals and metrics are what the daemon's own words say."""

from pathlib import Path

import pytest

from mooring_node.reference import PAGES, main
from mooring_node.vrrp.faults import FaultReason
from mooring_node.vrrp.refusals import Refusal

FOLDER = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_are_what_the_code_says(name: str) -> None:
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert text == PAGES[name](), "run `python -m mooring_node.reference`"


@pytest.mark.parametrize("name", PAGES)
def test_each_row_is_whole(name: str) -> None:
    head, _, *rows = (line for line in PAGES[name]().splitlines() if line.startswith("|"))
    assert rows
    for row in rows:
        cells = row.replace("\\|", "").split("|")[1:-1]
        assert len(cells) == head.count("|") - 1, row
        assert cells[0].strip(), row
        assert cells[-1].strip(), row


def test_each_reason_has_a_row() -> None:
    for page, reasons in (("faults", FaultReason), ("refusals", Refusal)):
        text = PAGES[page]()
        for reason in reasons:
            assert text.count(f"| `{reason}` |") == 1, reason


def test_writes_into_the_folder_that_is_named(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faults.md", "metrics.md", "refusals.md"]
