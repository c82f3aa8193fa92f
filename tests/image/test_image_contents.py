"""What is in the images, and what is not."""

import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import stat
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.image.running import Image, chart_security

from mooring_api.version import VERSION

ROOT = Path(__file__).parents[2]
#: Programs that have no business in an image that only runs.
UNWANTED = re.compile(
    r"(pip|uv|uvx|hatch|easy_install|apt|apt-get|dpkg|gcc|cc|c\+\+|ld|as|make|perl|curl|wget|su|sudo|mount|passwd|bash|tclsh|busybox)[\d.-]*"
)
SHELLS = {"mooring-operator": set(), "mooring-node": {"dash", "sh"}}
OWN = {
    "mooring-operator": {"mooring_api", "mooring_pattern", "mooring_kube", "mooring_operator"},
    "mooring-node": {"mooring_api", "mooring_pattern", "mooring_kube", "mooring_node"},
}
UNCHECKED_HASH = 0b01


def site_packages(image: Image) -> Path:
    (found,) = (image.root / "opt/mooring/lib").glob("python3.*/site-packages")
    return found


def installed(image: Image) -> dict[str, str]:
    """Python's distributions: normalised name and version."""
    found = importlib.metadata.distributions(path=[str(site_packages(image))])
    return {normal(each.name): each.version for each in found}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """The lock has every version but our own."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    return {package["name"]: package.get("version", VERSION) for package in lock["package"]}


def programs(image: Image) -> set[str]:
    """Whatever can be executed by its name in the folders for that."""
    folders = ("usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "opt/mooring/bin")
    return {path.name for folder in folders for path in (image.root / folder).glob("*")}


def bill(image: Image) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((image.root / f"usr/share/sbom/{image.program}.cdx.json").read_text())
    return found


def debian(image: Image) -> dict[str, str]:
    text = (image.root / "var/lib/dpkg/status").read_text()
    paragraphs = [dict(re.findall(r"^(\S+): (.*)$", each, re.MULTILINE)) for each in text.split("\n\n") if each.strip()]
    return {each["Package"]: each["Version"] for each in paragraphs}


def test_sizes(images: Mapping[str, Image], figure: Callable[[str], None]) -> None:
    for name, image in images.items():
        size = sum(path.lstat().st_size for path in image.files() if stat.S_ISREG(path.lstat().st_mode))
        figure(f"{name}: {size / 2**20:.1f} MiB, {image.packed_bytes() / 2**20:.1f} MiB to fetch")
        assert size < 120 * 2**20
        assert image.packed_bytes() < 45 * 2**20


def test_it_runs_its_program_and_no_shell(image: Image) -> None:
    config = image.config()
    assert config["Entrypoint"] == [image.program]
    assert "Cmd" not in config
    first = (image.root / "opt/mooring/bin" / image.program).read_bytes().splitlines()[0]
    assert first == b"#!/opt/mooring/bin/python"


def test_its_user_is_the_charts(image: Image) -> None:
    security = chart_security(image.component)
    expected = 65532 if image.component == "operator" else 0
    assert (image.uid, image.gid) == (expected, expected)
    assert security.get("runAsUser", expected) == expected
    accounts = (image.root / "etc/passwd").read_text()
    assert f":{expected}:{expected}:" in accounts


def test_no_program_installs_compiles_or_gives_rights(image: Image) -> None:
    found = programs(image)
    assert image.program in found
    assert {name for name in found if UNWANTED.fullmatch(name)} == set()
    assert found & {"sh", "dash", "bash", "busybox"} == SHELLS[image.program]
    assert not list(image.root.rglob("ensurepip/_bundled/*.whl"))
    for path in image.files():
        mode = path.lstat().st_mode
        assert not (stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)), path
        if not stat.S_ISLNK(mode):
            assert not mode & stat.S_IWOTH or mode & stat.S_ISVTX, f"anybody may change {path}"
        assert "security.capability" not in (os.listxattr(path, follow_symlinks=False)), path


def test_the_node_has_what_the_daemon_calls_and_the_operator_has_not(images: Mapping[str, Image]) -> None:
    assert "nft" in programs(images["mooring-node"])
    assert "nft" not in programs(images["mooring-operator"])


def test_each_image_has_its_own_side_of_the_project(image: Image) -> None:
    folders = {path.name for path in site_packages(image).iterdir() if path.name.startswith("mooring_")}
    assert folders == OWN[image.program]
    assert {path.name for path in (image.root / "opt/mooring/bin").iterdir()} == {
        *("python", "python3", "python3.13"),
        image.program,
    }


def test_the_dependencies_are_those_of_the_lock(image: Image) -> None:
    found, lock = installed(image), locked()
    assert {name: lock.get(name) for name in found} == found
    assert "pydantic" in found
    for name in ("kopf", "prometheus-client"):
        assert (name in found) is (image.component == "operator"), name


def test_all_byte_code_is_there_and_never_goes_stale(image: Image) -> None:
    looked = 0
    (library,) = (image.root / "usr/lib").glob("python3.*")
    version = library.name.removeprefix("python").replace(".", "")
    for folder in (library, site_packages(image)):
        for source in folder.rglob("*.py"):
            compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-{version}.pyc"
            if not compiled.exists():
                assert not compiles(source), f"{source} is compiled at each start"
                continue
            assert int.from_bytes(compiled.read_bytes()[4:8], "little") == UNCHECKED_HASH, compiled
            looked += 1
    assert looked > 600
    assert image.config()["Env"].count("PYTHONDONTWRITEBYTECODE=1") == 1


def compiles(source: Path) -> bool:
    try:
        ast.parse(source.read_bytes())
    except SyntaxError:
        return False  # a template of a package's
    return True


def test_labels(image: Image) -> None:
    prefix = "org.opencontainers.image."
    labels = {key.removeprefix(prefix): value for key, value in image.config()["Labels"].items()}
    assert labels["version"] == VERSION
    assert labels["title"] == image.program
    assert labels["licenses"] == "Apache-2.0"
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", labels["revision"])
    assert labels.keys() >= {"description", "documentation", "source", "vendor"}


def test_the_bill_of_materials_names_what_is_there_and_nothing_else(image: Image) -> None:
    found = bill(image)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    listed: dict[str, dict[str, str]] = {"pypi": {}, "deb": {}}
    for component in found["components"]:
        if kind := re.match(r"pkg:(pypi|deb)/", component.get("purl", "")):
            listed[kind[1]][component["name"]] = component["version"]
    own = found["metadata"]["component"]
    python = {normal(name): version for name, version in listed["pypi"].items()} | {own["name"]: own["version"]}
    assert python == installed(image)
    assert listed["deb"] == debian(image)


def test_every_part_has_a_licence_and_debians_texts_are_there(image: Image) -> None:
    for component in bill(image)["components"]:
        if component["type"] != "operating-system":
            assert component.get("licenses"), component["name"]
    for package in debian(image):
        assert (image.root / "usr/share/doc" / package / "copyright").exists(), package
    for distribution in importlib.metadata.distributions(path=[str(site_packages(image))]):
        files = [str(file) for file in distribution.files or ()]
        said = distribution.metadata.get_all("License-File") or distribution.metadata.get("License")
        assert said or any(re.search(r"licen[sc]e|copying", file, re.IGNORECASE) for file in files), distribution.name


def test_the_packages_of_debian_are_no_more_than_needed(image: Image) -> None:
    unwanted = {"apt", "bash", "coreutils", "debconf", "dpkg", "perl-base", "python3-pip", "python3-venv", "util-linux"}
    assert not unwanted & debian(image).keys()
    assert ("nftables" in debian(image)) is (image.component == "node")


@pytest.mark.parametrize("folder", ["dev", "etc/mooring/scripts", "proc", "sys", "tmp", "var/lib/mooring"])
def test_what_is_mounted_has_a_place(image: Image, folder: str) -> None:
    assert (image.root / folder).is_dir()
    assert list((image.root / folder).iterdir()) == []


def test_every_library_that_is_linked_is_there(image: Image) -> None:
    """The closure of packages left something out on purpose: no program may miss it."""
    (loader,) = (image.root / "usr/lib").glob("*/ld-linux*.so.*")
    asked = [path for path in image.files() if not path.is_symlink() and path.is_file() and _is_elf(path)]
    assert len(asked) > 50
    names = [f"/{path.relative_to(image.root)}" for path in asked]
    command = ["chroot", str(image.root), f"/{loader.relative_to(image.root)}", "--list"]
    for name in names:
        done = subprocess.run([*command, name], capture_output=True, text=True, check=False, timeout=60)
        said = done.stdout + done.stderr
        assert "not found" not in said, f"{name}: {said}"
        assert "cannot open shared object" not in said, f"{name}: {said}"


def _is_elf(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"
