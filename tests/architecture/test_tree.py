"""The tree as it is published: no trace of the machine it was written on, a whole wheel, a helpful Makefile."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mooring_api.version import VERSION

ROOT = Path(__file__).parents[2]
HOME = re.compile(r"(?<![\w.$}<>-])/(?:home|root|Users|work|workspace)/[\w.]")


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize(
    ("text", "found"),
    [("see /home/me/x", True), ('"/Users/me/x"', True), ("a/home/b", False), ("http://x/root/a", False)],
)
def test_the_pattern_tells_a_private_path(text: str, found: bool) -> None:
    assert bool(HOME.search(text)) == found


def test_no_file_names_a_private_path() -> None:
    files = _tracked()
    assert ROOT / "pyproject.toml" in files
    here = Path(__file__).resolve()
    # A checkout right under / has a name so short that it says nothing.
    own = str(ROOT) + "/" if len(ROOT.parts) > 2 else None
    guilty = []
    for path in files:
        text = path.read_text(encoding="utf-8", errors="ignore")
        if path.resolve() != here and (HOME.search(text) or (own and own in text)):
            guilty.append(str(path.relative_to(ROOT)))
    assert guilty == []


def test_the_wheel_holds_every_package(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"mooring-{VERSION}-")
    names = set(zipfile.ZipFile(wheel).namelist())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert len(packages) == 7
    for package in map(Path, packages):
        modules = {str(path.relative_to(ROOT / package.parent)) for path in (ROOT / package).rglob("*.py")}
        assert modules
        assert modules <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    rules = re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE)
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert sorted(rules) == sorted(phony.split())
    for target in rules:
        assert re.search(rf"^  make {target} +\S", shown, re.MULTILINE), target


def test_the_scripts_are_clean(require_tool: Callable[[str], str]) -> None:
    scripts = [path for path in [*(ROOT / "scripts").iterdir(), ROOT / ".ci/run"] if path.is_file()]
    assert all(os.access(path, os.X_OK) for path in scripts)
    shells = [path for path in scripts if path.read_text().startswith("#!/bin/sh")]
    assert shells
    done = subprocess.run([require_tool("shellcheck"), *map(str, shells)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
