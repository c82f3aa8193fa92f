"""Where a NodeConfig is written."""

from pathlib import Path

import pytest

from mooring_api.problems import InvalidObject, Problem
from mooring_node.judge.source import in_file, text_of

FILE = Path("node.yaml")


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ("node.yaml", "node.yaml: wrong"),
        ("node.yaml, line 2, column 1", "node.yaml, line 2, column 1: wrong"),
        ("NodeConfig lb-1", "node.yaml: NodeConfig lb-1: wrong"),
        ("node.yaml-2", "node.yaml: node.yaml-2: wrong"),
    ],
)
def test_a_problem_names_its_file_once(about: str, said: str) -> None:
    assert in_file(FILE, Problem(about, "", "wrong")) == said


def test_why_a_file_cannot_be_read_is_said_in_words(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(InvalidObject) as error:
            text_of(path)
        assert str(error.value.problems[0]) == f"{path}: cannot be read: {why}"
    (tmp_path / "latin").write_bytes(b"\xe4")
    with pytest.raises(InvalidObject) as error:
        text_of(tmp_path / "latin")
    assert "cannot be read: no UTF-8 text (" in str(error.value.problems[0])
