"""The journal of results: what a process that dies leaves to the next one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node.balance import results as results_module
from mooring_node.balance.results import _SLACK_BYTES, MOST_BYTES, Results


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


@pytest.mark.parametrize("value", ["x", "x" * 20_000])
def test_it_does_not_grow_for_ever_however_long_its_lines_are(tmp_path: Path, value: str) -> None:
    path = tmp_path / "results"
    results = journal(path)
    results.begin({"other": 1})
    largest = 0
    for number in range(3 * _SLACK_BYTES // len(value) if len(value) > 1 else 20_000):
        results.put("a", [number, value])
        results.flush()
        largest = max(largest, path.stat().st_size)
    assert _SLACK_BYTES // 2 < largest <= _SLACK_BYTES + 2 * len(value) + 200
    assert written(path) == {"other": 1, "a": [number, value]}


def test_what_it_holds_may_be_written_as_often_again(tmp_path: Path) -> None:
    """A journal of much is not written anew for little."""
    path = tmp_path / "results"
    results = journal(path)
    results.begin({str(number): "x" * 1000 for number in range(1000)})
    whole = path.stat()
    for number in range(1000):
        results.put(str(number), "y" * 1000)
        results.flush()
    assert path.stat().st_ino == whole.st_ino
    assert path.stat().st_size < 2 * whole.st_size + _SLACK_BYTES
    for number in range(300):
        results.put(str(number), "z" * 1000)
        results.flush()
    assert path.stat().st_size < 1.2 * whole.st_size
    assert len(written(path)) == 1000


BOUNDED = """
import json, sys
from pathlib import Path
from mooring_node.balance.assembly import MOST_MEMORY
from mooring_node.balance.results import Results
from mooring_node.kernel.process import bound_memory

bound_memory(MOST_MEMORY // int(sys.argv[2]))
path, said = Path(sys.argv[1]), []
results = Results(path, said.append)
held = len(results.read())
there = path.exists()
results.begin({"a": 1})
results.put("b", 2)
results.flush()
print(json.dumps([held, there, said, dict(Results(path).read())]))
"""


def bounded(path: Path, part: int = 1) -> Any:
    """What a checks process makes of it, with this part of the memory that it has."""
    command = [sys.executable, "-c", BOUNDED, str(path), str(part)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_one_that_is_too_large_to_be_read_is_nothing_known_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "results"
    journal(path).begin({"old": 1})
    os.truncate(path, 600 * 1024 * 1024)
    held, there, said, after = bounded(path)
    assert (held, there, after) == (0, False, {"a": 1, "b": 2})
    assert [words for words in said if "629145600 bytes" in words and "begin anew" in words] == said != []


def test_one_whose_content_is_too_large_is_nothing_known(tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_text('["old",1]\n["k",[' + "[]," * 2_000_000 + "1]]\n")
    assert path.stat().st_size < MOST_BYTES
    held, _, said, after = bounded(path, 5)
    assert (held, after) == (0, {"a": 1, "b": 2})
    assert [words for words in said if "MemoryError" in words] == said != []


def test_one_that_cannot_be_opened_is_told_of(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "results").mkdir()
    assert Results(tmp_path / "results", said.append).read() == {}
    assert len(said) == 1
    assert Results(tmp_path / "none", said.append).read() == {}
    assert len(said) == 1, "none is none"


def test_as_much_as_may_be_read_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results"
    journal(path).begin({"a": 1})
    monkeypatch.setattr(results_module, "MOST_BYTES", path.stat().st_size)
    assert written(path) == {"a": 1}


KILLED = """
import resource, signal, sys
from pathlib import Path
from mooring_node.balance.results import Results

results = Results(Path(sys.argv[1]))
results.begin({**results.read(), "new": 2})
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
results.begin(results.read())
"""


def test_a_death_in_the_middle_of_a_rewrite_loses_nothing(tmp_path: Path) -> None:
    """The kernel ends it where the new file is half written."""
    path = tmp_path / "results"
    entries = {str(number): "x" * 1000 for number in range(100)}
    journal(path).begin(entries)
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGXFSZ, done.stderr
    assert written(path) == entries | {"new": 2}
    assert path.with_name("results.new").stat().st_size == 50_000
    results = journal(path)
    results.read()
    results.begin({"a": 1})
    assert written(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "{", '["a"]\n', '["a",1,2]\n', "7\n", '{"a":1}\n', "\xff\n", "[" * 100_000]
)
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
    path.with_name("results.new").touch()
    results.remove()
    assert list(tmp_path.iterdir()) == []
    results.remove()
