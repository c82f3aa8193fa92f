"""Small files: whole or not at all, and for their owner alone."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from mooring_node import files
from mooring_node.files import StateFolder, boot_id, read_json, write_atomically


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "a long first text")
    write_atomically(path, "short")
    assert path.read_text() == "short"
    assert list(tmp_path.iterdir()) == [path]


def test_it_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_atomically(tmp_path / "file", "x")
        StateFolder(tmp_path / "state").create()
    finally:
        os.umask(before)
    assert mode(tmp_path / "file") == 0o600
    assert mode(tmp_path / "state") == 0o700


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_in_between_leaves_the_old_file_and_nothing_else(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((files.os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_crash_before_the_rename_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    pid = os.fork()
    if pid == 0:
        monkeypatch.setattr(Path, "replace", lambda *_: os._exit(9))
        write_atomically(path, "new")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert path.read_text() == "old"
    write_atomically(path, "newer")
    assert path.read_text() == "newer"


def test_the_content_is_on_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(handle: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "content")
        fsync(handle)

    def noted_replace(self: Path, target: Path) -> Path:
        order.append("name")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    write_atomically(tmp_path / "file", "x")
    assert order == ["content", "name", "folder"]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"null", b"\xff\xfe"])
def test_what_is_no_object_of_ours_is_none(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    assert read_json(path) is None


def test_an_object_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text('{"a": [1]}')
    assert read_json(tmp_path / "file") == {"a": [1]}


def test_a_folder_that_somebody_else_made_becomes_its_owners_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    StateFolder(tmp_path).create()
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_boot_has_one_name() -> None:
    assert boot_id() == boot_id()
    assert len(boot_id()) == 36
