"""Volumes on disk."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.unit.lab.kubelet.pods import container, pod

from mooring_lab.kubelet.facts import CannotRun
from mooring_lab.kubelet.payload import File
from mooring_lab.kubelet.rootfs import lies_within
from mooring_lab.kubelet.runspec import Identity, Mount, Root, RunSpec
from mooring_lab.kubelet.volumes import PodFolder, make_directories, make_sources, write_payload


def seen(folder: Path) -> dict[str, bytes]:
    """What a container sees that reads names without dots."""
    found = {}
    for name in os.listdir(folder):
        if not name.startswith(".."):
            path = folder / name
            files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
            found |= {str(each.relative_to(folder)): each.read_bytes() for each in files}
    return found


def test_files_are_links_into_a_folder_that_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    write_payload(folder, (File("a", b"1", 0o600), File("deep/b", b"2", 0o440)))
    assert seen(folder) == {"a": b"1", "deep/b": b"2"}
    assert os.readlink(folder / "a") == "..data/a"
    assert os.readlink(folder / "deep") == "..data/deep"
    assert (folder / "a").stat().st_mode & 0o777 == 0o600
    first = os.readlink(folder / "..data")
    inode = (folder / "a").stat().st_ino

    write_payload(folder, (File("a", b"1", 0o600), File("deep/b", b"2", 0o440)))
    assert (os.readlink(folder / "..data"), (folder / "a").stat().st_ino) == (first, inode)

    write_payload(folder, (File("a", b"3", 0o644), File("c", b"4", 0o644)))
    assert seen(folder) == {"a": b"3", "c": b"4"}
    assert not (folder / first).exists()
    assert sorted(os.listdir(folder)) == sorted(["..data", os.readlink(folder / "..data"), "a", "c"])


def test_another_mode_is_another_content(tmp_path: Path) -> None:
    write_payload(tmp_path, (File("a", b"1", 0o644),))
    write_payload(tmp_path, (File("a", b"1", 0o400),))
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o400


def test_what_a_writer_left_half_done_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "..data_tmp").symlink_to("nowhere")
    (tmp_path / "..data").symlink_to("..2020")
    write_payload(tmp_path, (File("a", b"1", 0o644),))
    assert seen(tmp_path) == {"a": b"1"}


def test_nothing_is_written_into_a_pod_that_has_gone(tmp_path: Path) -> None:
    folder = PodFolder(tmp_path / "pod")
    folder.write("v", [File("a", b"1", 0o644)])
    folder.remove()
    folder.write("v", [File("a", b"1", 0o644)])
    assert not folder.path.exists()
    folder.remove()


def test_an_empty_dir_is_for_all_or_for_its_group(tmp_path: Path) -> None:
    make_directories(pod(volumes=[{"name": "e", "emptyDir": {}}]), tmp_path, "")
    assert (tmp_path / "volumes/e").stat().st_mode & 0o7777 == 0o777
    group = os.getgid()
    shared = pod(volumes=[{"name": "g", "emptyDir": {}}], securityContext={"fsGroup": group})
    make_directories(shared, tmp_path, "")
    assert (tmp_path / "volumes/g").stat().st_mode & 0o7777 == 0o2777
    assert (tmp_path / "volumes/g").stat().st_gid == group


def host_path(path: str, kind: str | None) -> dict[str, Any]:
    return pod(container(), volumes=[{"name": "h", "hostPath": {"path": path} | ({"type": kind} if kind else {})}])


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *(("/new", None), ("/new", "DirectoryOrCreate"), ("/is/dir", "Directory"), ("/is/file", "File")),
        *(("/s", "Socket"), ("/x/file", "FileOrCreate"), ("/is/dir", ""), ("/usr", "Directory")),
        ("/dev/null", "CharDevice"),
    ],
)
def test_host_paths_that_are_as_they_should(tmp_path: Path, path: str, kind: str | None) -> None:
    (tmp_path / "is/dir").mkdir(parents=True)
    (tmp_path / "is/file").touch()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        make_directories(host_path(path, kind), tmp_path / "pod", str(tmp_path))
    found = Path(path) if path.startswith(("/usr", "/dev")) else tmp_path / path[1:]
    assert found.exists()
    assert found.is_file() == (kind in ("File", "FileOrCreate"))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *(("/no", "Directory"), ("/no", "File"), ("/file", "Directory"), ("/dir", "File"), ("/dir", "BlockDevice")),
        *(("/usr/no/such", None), ("/etc/passwd", "Directory"), ("/dir", "FileOrCreate"), ("/file", "Socket")),
    ],
)
def test_host_paths_that_are_not(tmp_path: Path, path: str, kind: str | None) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(CannotRun, match="hostPath type check failed") as error:
        make_directories(host_path(path, kind), tmp_path / "pod", str(tmp_path))
    assert error.value.reason == "FailedMount"
    assert not Path("/usr/no").exists()


def run_spec(message: Path, *mounts: Mount) -> RunSpec:
    return RunSpec(("x",), (), "/", Root("/"), mounts, Identity(), "n", "h", termination_message=str(message))


def test_what_mounts_stand_upon(tmp_path: Path) -> None:
    message = tmp_path / "messages/main"
    make_sources(run_spec(message, Mount(str(tmp_path / "sub/path"), "/x")))
    assert (tmp_path / "sub/path").is_dir()
    message.write_text("last words of the first")
    make_sources(run_spec(message))
    assert message.read_text() == ""
    with pytest.raises(CannotRun, match="/y: there is no"):
        make_sources(run_spec(message, Mount(str(tmp_path / "key"), "/y", read_only=True)))


def test_no_link_leads_out(tmp_path: Path) -> None:
    """A container may put any link into its volume."""
    disk, elsewhere = tmp_path / "disk", tmp_path / "elsewhere"
    disk.mkdir()
    elsewhere.mkdir()
    (disk / "out").symlink_to(elsewhere)
    (disk / "inside").mkdir()
    (disk / "in").symlink_to("inside")
    make_sources(run_spec(tmp_path / "m", Mount(str(disk / "in/x"), "/x", within=str(disk))))
    assert (disk / "inside/x").is_dir()
    for source in (disk / "out", disk / "out/new"):
        with pytest.raises(CannotRun, match="leads out of the lab"):
            make_sources(run_spec(tmp_path / "m", Mount(str(source), "/x", within=str(disk))))
    assert list(elsewhere.iterdir()) == []
    assert lies_within(str(elsewhere), "")
    assert lies_within(str(disk), str(disk))
    assert not lies_within(f"{disk}s", str(disk))
