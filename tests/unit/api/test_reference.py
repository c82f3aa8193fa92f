"""The reference pages are what the models say."""

from pathlib import Path

import pytest

from mooring_api.crd import RESOURCES, Resource
from mooring_api.reference import main, text_of

PAGES = Path(__file__).parents[3] / "docs" / "reference"

each_resource = pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)


@each_resource
def test_the_pages_are_what_the_models_say(resource: Resource) -> None:
    text = (PAGES / f"{resource.kind.lower()}.md").read_text(encoding="utf-8")
    assert text == text_of(resource), "run `python -m mooring_api.reference`"


@each_resource
def test_each_field_has_a_meaning_and_each_row_four_cells(resource: Resource) -> None:
    rows = [line for line in text_of(resource).splitlines() if line.startswith("| `")]
    assert rows
    for row in rows:
        cells = row.replace("\\|", "").split("|")[1:-1]
        assert len(cells) == 4, row
        assert cells[3].strip(), row


def test_says_what_a_person_needs_of_a_field() -> None:
    text = "\n".join(text_of(resource) for resource in RESOURCES)
    for line in (
        "| `virtualRouterID` | integer, 1 to 255 | required |",
        "| `advertisementInterval` | duration, 10ms to 255s, a multiple of 10ms | `1s` |",
        "| `group` | multicast address |  |",
        "| `mode` | `Always` \\| `Never` | `Always` |",
        "only in a file. Not in the API. |",
        "- `transport.peers`: peers have addresses of the instance's family; correct peers or family.",
    ):
        assert line in text


def test_columns_that_are_wide_alone_are_marked() -> None:
    pages = {resource.kind: text_of(resource) for resource in RESOURCES}
    assert "`AGE`; with `-o wide` also `PROBLEM`." in pages["NodeConfig"]
    assert "`READY`, `ACCEPTED`, `PROGRAMMED`, `AGE`.\n" in pages["VirtualServer"]


def test_writes_into_the_folder_that_is_named(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "nodeconfig.md",
        "virtualip.md",
        "virtualserver.md",
    ]
