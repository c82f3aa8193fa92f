"""Byte code without docstrings does what the source does."""

import dis
import importlib.util
import marshal
import subprocess
import sys
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
COMPILE = ROOT / "image" / "compile"
SOURCE = '''"""Of the module."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Point:
    """Of a class."""

    x: Later
    """Of a field."""


class Later:
    pass


def double(value):
    """Of a function."""
    assert value, "asked for"
    return 2 * value


def nothing():
    """Its docstring is all that it has."""


async def later():
    """Of a coroutine."""
    return double(3)
'''


def run(code: CodeType) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "made"}
    sys.modules["made"] = type(sys)("made")
    try:
        exec(code, names)  # noqa: S102 - it is ours
    finally:
        del sys.modules["made"]
    return names


def compiled(folder: Path, prefix: str = "") -> CodeType:
    subprocess.run([sys.executable, COMPILE, str(folder), *([prefix] if prefix else [])], check=True)
    content = Path(importlib.util.cache_from_source(str(folder / "made.py"))).read_bytes()
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert int.from_bytes(content[4:8], "little") == 1, "known by a hash, which is not looked at"
    assert content[8:16] == importlib.util.source_hash((folder / "made.py").read_bytes())
    code = marshal.loads(content[16:])
    assert isinstance(code, CodeType)
    return code


def test_docstrings_of_modules_and_functions_go_and_all_else_stays(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(SOURCE)
    code = compiled(tmp_path)
    names = run(code)
    assert names.get("__doc__") is None
    assert names["double"].__doc__ is names["nothing"].__doc__ is names["later"].__doc__ is None
    assert names["Point"].__doc__ == "Of a class."
    assert names["Point"].__annotations__ == {"x": "Later"}, "what comes from the future still does"
    assert (names["double"](2), names["nothing"]()) == (4, None)
    with pytest.raises(AssertionError) as caught:
        names["double"](0)
    assert caught.traceback[-1].lineno == SOURCE[: SOURCE.index("assert")].count("\n"), "counted from 0"
    assert "Of a function." not in dis.Bytecode(code).dis()


def test_a_traceback_shows_the_path_in_the_image(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(SOURCE)
    assert compiled(tmp_path, str(tmp_path)).co_filename == "/made.py"


def test_what_is_no_source_of_this_python_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(SOURCE)
    (tmp_path / "template.py").write_text("def {{ name }}:")
    compiled(tmp_path)
    assert [file.name.split(".")[0] for file in (tmp_path / "__pycache__").iterdir()] == ["made"]
