"""image/root.py: which packages an image gets, and which of their files."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("image_root", Path(__file__).parents[3] / "image" / "root.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["image_root"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


root = _load()


def package(name: str, depends: str = "", provides: frozenset[str] = frozenset()) -> tuple[str, object]:
    return name, root.Package(name, provides, tuple(root.parse(depends)))


def test_relations_are_read_without_versions_and_architectures() -> None:
    said = "libc6 (>= 2.38), media-types | mime-support (>= 3), python3:any,  zlib1g"
    assert list(root.parse(said)) == [("libc6",), ("media-types", "mime-support"), ("python3",), ("zlib1g",)]
    assert list(root.parse("")) == []


def test_the_closure_follows_alternatives_and_what_is_provided() -> None:
    packages = dict(
        [
            package("python3", "libc6, mime-support | media-types, awk, virtual"),
            package("libc6", "libgcc"),
            package("libgcc", "libc6"),
            package("media-types"),
            package("real", provides=frozenset({"virtual"})),
            package("perl-base", "libc6"),
            package("apt"),
        ]
    )
    assert root.closure(["python3"], packages) == ["libc6", "libgcc", "media-types", "python3", "real"]


def test_a_dependency_that_is_not_installed_is_an_error_that_names_it() -> None:
    with pytest.raises(KeyError, match="one or two"):
        root.closure(["python3"], dict([package("python3", "one | two")]))


def test_documentation_stays_out_and_licences_stay_in() -> None:
    paths = ["/.", "/usr", "/usr/share/doc/x/changelog.gz", "/usr/share/doc/x/copyright", "/usr/share/man/man1/x.1.gz"]
    assert list(root.kept([*paths, "package diverts others to: /x"])) == ["/usr", "/usr/share/doc/x/copyright"]


def test_a_copy_has_the_mode_but_gives_no_rights(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "root"
    source.mkdir()
    target.mkdir()
    (source / "program").write_text("x")
    (source / "program").chmod(0o6755)
    (source / "link").symlink_to("program")
    for name in ("", "program", "link", "gone"):
        root.copy(os.path.join(source, name).rstrip("/"), target)
    copied = target / str(source / "program").lstrip("/")
    assert copied.stat().st_mode & 0o7777 == 0o755
    assert os.readlink(target / str(source / "link").lstrip("/")) == "program"


def test_what_a_package_says_to_be_below_a_link_lands_where_the_link_leads(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "usr/lib/libc.so").write_text("x")
    root.copy(str(tmp_path / "lib/libc.so"), tmp_path / "root")
    assert (tmp_path / "root" / str(tmp_path / "usr/lib/libc.so").lstrip("/")).exists()
    assert not (tmp_path / "root" / str(tmp_path / "lib").lstrip("/")).exists()
