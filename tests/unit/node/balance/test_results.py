"""The journal of results: what a process that dies leaves to the next one."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node.balance.results import _SLACK_LINES, Results


def journal(path: Path) -> Results:
    return Results(path)


def written(path: Path) -> dict[str, Any]:
    return dict(journal(path).read())


def test_the_last_word_counts_and_none_is_no_word(tmp_path: Path) -> None:
    path = tmp_path / "results"
    results = journal(path)
    results.begin({"a": 1, "b": 2, "c": None})
    results.put("a", {"good": False})
    results.put("b", None)
    results.flush()
    assert written(path) == {"a": {"good": False}}
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_new_is_no_write(tmp_path: Path) -> None:
    path = tmp_path / "results"
    results = journal(path)
    results.begin({"a": 1})
    before = path.stat()
    results.put("a", 1)
    results.put("x", None)
    results.flush()
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    results.put("a", 2)
    results.flush()
    assert len(path.read_text().splitlines()) == 2


def test_what_is_of_an_earlier_life_goes_with_the_first_whole_word(tmp_path: Path) -> None:
    path = tmp_path / "results"
    journal(path).begin({"old": 1, "kept": 2})
    results = journal(path)
    assert results.read() == {"old": 1, "kept": 2}
    results.begin({"kept": 2})
    assert written(path) == {"kept": 2}


def test_it_does_not_grow_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "results"
    results = journal(path)
    results.begin({"other": 1})
    for number in range(3 * _SLACK_LINES):
        results.put("a", number)
        results.flush()
    assert len(path.read_text().splitlines()) <= _SLACK_LINES + 10
    assert written(path) == {"other": 1, "a": 3 * _SLACK_LINES - 1}


@pytest.mark.parametrize("text", ["", "\n\n", "{", '["a"]\n', '["a",1,2]\n', "7\n", '{"a":1}\n', "\xff\n"])
def test_what_is_no_journal_is_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results"
    path.write_text(text, encoding="latin-1")
    assert written(path) == {}


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.text()), st.integers(0, 200))
def test_a_torn_end_loses_no_whole_line(tmp_path_factory: Any, entries: dict[str, Any], cut: int) -> None:
    path = tmp_path_factory.mktemp("journal") / "results"
    journal(path).begin({"first": 1})
    results = journal(path)
    results.read()
    for key, value in entries.items():
        results.put(f"k{key}", value)
    results.flush()
    data = path.read_bytes()
    path.write_bytes(data[: max(len(b'["first",1]\n'), len(data) - cut)])
    found = written(path)
    assert found.pop("first") == 1
    assert all(entries[key[1:]] == value for key, value in found.items())


def test_a_full_disk_is_told_once_and_made_up_for(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "gone" / "results"
    results = Results(path, said.append)
    results.begin({"a": 1})
    results.put("b", 2)
    results.flush()
    assert len(said) == 1
    os.mkdir(path.parent)
    results.flush()
    assert written(path) == {"a": 1, "b": 2}
    path.unlink()
    path.parent.rmdir()
    results.put("b", 3)
    results.flush()
    assert len(said) == 2


def test_a_planned_end_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results"
    results = journal(path)
    results.begin({"a": 1})
    results.remove()
    assert not path.exists()
    results.remove()
