"""Where a NodeConfig is written: its file's text, and where in it a problem is."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from mooring_api.problems import InvalidObject, Problem


def text_of(path: Path) -> str:
    """What stands in a file; InvalidObject where that cannot be read."""
    try:
        return path.read_text()
    except OSError as error:
        raise InvalidObject([Problem(str(path), "", f"cannot be read: {error.strerror or error}")]) from error
    except UnicodeDecodeError as error:
        raise InvalidObject([Problem(str(path), "", f"cannot be read: no UTF-8 text ({error.reason})")]) from error


def in_file(path: Path, problem: Problem) -> str:
    """A problem with the name of its file, once."""
    where = str(path)
    # Of YAML it is the place in the file: `node.yaml, line 2, column 1`.
    named = problem.object == where or problem.object.startswith((f"{where}:", f"{where},"))
    return str(problem) if named else f"{path}: {problem}"


def placed(problems: Iterable[Problem], places: Mapping[tuple[str, str], int]) -> Iterable[Problem]:
    """With the number of the entry where only its name was known; `places`: of each entry, by its list and name."""
    for problem in problems:
        field, unplaced, _ = problem.path.removeprefix("spec.").partition("[]")
        place = places.get((field, problem.instance))
        if place is not None and unplaced:
            yield replace(problem, path=problem.path.replace("[]", f"[{place}]", 1))
        else:
            yield problem
