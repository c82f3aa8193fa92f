"""The page of pains is whole: all of them, each with who told of it, an answer, and tests that are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/pains.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/.]+::\w+)`", PAGE)))


def rows(section: str) -> list[list[str]]:
    """The cells of each row of a section's table."""
    body = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@cache
def names_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_all_twenty_five_are_there_in_order() -> None:
    assert [row[0].strip("| ") for row in rows("The table")] == [str(number) for number in range(1, 26)]


@pytest.mark.parametrize("row", [*rows("The table"), *rows("And besides")], ids=lambda row: row[-3][:40])
def test_each_says_who_told_of_it_and_what_shows_the_answer(row: list[str]) -> None:
    *_, pain, answer, shown = row
    assert re.search(r"\]\(https://github\.com/[\w.-]+/[\w.-]+/issues/\d+\)", pain)
    assert len(answer) > 20
    assert re.fullmatch(r"(`tests/[\w/.]+::\w+`(<br>)?)+", shown)


@pytest.mark.parametrize("named", NAMED, ids=lambda named: named.partition("::")[2])
def test_the_tests_that_it_names_are_there(named: str) -> None:
    path, _, name = named.partition("::")
    assert name.startswith("test_")
    assert name in names_in(ROOT / path)
