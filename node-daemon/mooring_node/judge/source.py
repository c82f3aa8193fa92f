"""Where a NodeConfig is written: its file's text, and where in it a problem is."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from mooring_api.problems import InvalidObject, Problem


def text_of(path: Path) -> str:
    """What stands in a file; InvalidObject where that cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidObject([Problem(str(path), "", f"cannot be read: {error}")]) from error


def in_file(path: Path, problem: Problem) -> str:
    """A problem with the name of its file, once."""
    return str(problem) if f"{problem.object}:".startswith(f"{path}:") else f"{path}: {problem}"


def placed(problems: Iterable[Problem], places: Mapping[tuple[str, str], int]) -> Iterable[Problem]:
    """With the number of the entry where only its name was known; `places`: of each entry, by its list and name."""
    for problem in problems:
        field, unplaced, _ = problem.path.removeprefix("spec.").partition("[]")
        place = places.get((field, problem.instance))
        if place is not None and unplaced:
            yield replace(problem, path=problem.path.replace("[]", f"[{place}]", 1))
        else:
            yield problem
