"""What the images are made from, as far as it can be seen without building them."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
PACKAGES = {package["name"]: package for package in LOCK["package"]}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
#: Debian's names of the architectures that docs/image.md names, and the wheels' ones.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
PYTHON = "cp313"
TARGETS = ("operator", "node")


def needed(target: str) -> set[str]:
    """The names of the packages that a target's extra brings in; without those of other systems and Pythons."""
    (project,) = [package for package in LOCK["package"] if package["name"] == "mooring"]
    waiting = [*project["dependencies"], *project["optional-dependencies"].get(target, [])]
    found: set[str] = set()
    while waiting:
        entry = waiting.pop()
        if entry["name"] not in found and not re.search(
            r"win32|python_full_version < '3\.1[0-3]'", entry.get("marker", "")
        ):
            found.add(entry["name"])
            waiting.extend(PACKAGES[entry["name"]].get("dependencies", ()))
    return found


def wheels(package: dict[str, Any]) -> Iterator[str]:
    for wheel in package["wheels"]:
        yield wheel["url"].rpartition("/")[2]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("architecture", ARCHITECTURES.values())
def test_each_dependency_has_a_wheel_for_each_architecture(target: str, architecture: str) -> None:
    names = needed(target)
    assert "pydantic-core" in names  # else nothing here is binary, and the test shows nothing
    for name in sorted(names):
        fitting = [
            file
            for file in wheels(PACKAGES[name])
            if file.endswith("-none-any.whl")
            or (re.search(rf"-{PYTHON}-(cp313|abi3)-", file) and re.search(rf"manylinux\S*_{architecture}\.", file))
        ]
        assert fitting, f"{name} would have to be compiled for {architecture}: no compiler is in the build stage"


def test_each_file_of_the_lock_has_a_hash() -> None:
    for target in TARGETS:
        for name in needed(target):
            assert all(wheel["hash"].startswith("sha256:") for wheel in PACKAGES[name]["wheels"])


def test_the_build_tools_are_pinned_with_hashes_as_the_list_says() -> None:
    text = (ROOT / "image" / "build.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in lines:
        assert re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
    pinned = {re.split("==", line)[0] for line in lines}
    wanted = [line for line in (ROOT / "image" / "build.in").read_text().splitlines() if not line.startswith("#")]
    assert {re.split("==", line)[0] for line in wanted} <= pinned


def test_uv_is_everywhere_the_same() -> None:
    bootstrap = re.search(r"^UV_VERSION=(\S+)$", (ROOT / "scripts" / "bootstrap").read_text(), re.MULTILINE)
    assert bootstrap
    assert f"uv=={bootstrap[1]}\n" in (ROOT / "image" / "build.in").read_text()
    assert f"uv=={bootstrap[1]} " in (ROOT / "image" / "build.txt").read_text()


def test_the_base_is_named_by_digest_and_nothing_else_is_fetched() -> None:
    assert re.search(r"^ARG BASE=docker\.io/library/debian:\S+-slim@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)
    stages: set[str] = set()
    for image, name in re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE):
        assert image in {"${BASE}", "scratch", *stages}
        stages.add(name)
    assert stages >= set(TARGETS)
    assert not re.search(r"\b(curl|wget|git clone)\b|^ADD ", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("file", ["Dockerfile", "image/root.py", "image/dependencies", "image/sbom.py", "image/finish"])
def test_no_step_knows_an_architecture(file: str) -> None:
    assert not re.search(r"amd64|arm64|x86.64|aarch64|TARGETARCH|TARGETPLATFORM", (ROOT / file).read_text())
