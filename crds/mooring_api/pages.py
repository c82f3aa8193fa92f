"""What all writers of the reference's pages share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

_REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table, Markdown."""
    return [_row(head), _row(["---"] * len(head)), *(_row([c.replace("|", "\\|") for c in row]) for row in rows)]


def write(pages: Mapping[str, Callable[[], str]], arguments: Sequence[str]) -> int:
    """Write all pages, by name, into the folder that is named, by default docs/reference."""
    folder = Path(arguments[0]) if arguments else _REFERENCE
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text(), encoding="utf-8")
    return 0


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
