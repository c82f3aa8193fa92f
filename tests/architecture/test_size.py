"""Modules and functions stay small enough to be read at one sitting."""

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("crds", "operator", "node-daemon", "cli", "lab")
WISHED_MODULE_LINES, MODULE_LINES = 300, 400
FUNCTION_LINES = 60


def _sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_there_is_something_to_measure() -> None:
    assert len(_sources()) > 20


@pytest.mark.filterwarnings("default:modules beyond")
def test_no_module_is_too_long() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in _sources()}
    long = {name: count for name, count in lines.items() if count > WISHED_MODULE_LINES}
    if long:
        warnings.warn(f"modules beyond {WISHED_MODULE_LINES} lines: {long}", stacklevel=1)
    assert {name: count for name, count in long.items() if count > MODULE_LINES} == {}


def test_no_function_is_too_long() -> None:
    counts = {name: count for path in _sources() for name, count in _functions(path)}
    assert {name: count for name, count in counts.items() if count > FUNCTION_LINES} == {}
