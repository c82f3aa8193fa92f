"""The folder of one pod: its volumes, made and kept up to date as kubelet's atomic writer does."""

import os
import shutil
import stat
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mooring_lab.kubelet.document import View, spec, volumes
from mooring_lab.kubelet.facts import CannotRun
from mooring_lab.kubelet.payload import NOT_MOUNTED, File
from mooring_lab.kubelet.plan import host_path
from mooring_lab.kubelet.rootfs import lies_within
from mooring_lab.kubelet.runspec import RunSpec

_DATA = "..data"
_CHECKS = {"Directory": stat.S_ISDIR, "File": stat.S_ISREG, "Socket": stat.S_ISSOCK}
_DEVICES = {"CharDevice": stat.S_ISCHR, "BlockDevice": stat.S_ISBLK}


def make_directories(pod: View, pod_folder: Path, disk: str) -> None:
    """What emptyDir and hostPath volumes need; CannotRun where a hostPath is not of the type it should be."""
    group = (spec(pod).get("securityContext") or {}).get("fsGroup")
    for volume in volumes(pod):
        if "emptyDir" in volume:
            folder = pod_folder / "volumes" / volume["name"]
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777 if group is None else 0o2777)
            if group is not None:
                os.chown(folder, -1, int(group))
        elif "hostPath" in volume:
            _host_path(volume["name"], volume["hostPath"], disk)


def make_sources(run: RunSpec) -> None:
    """What else its mounts stand upon: folders for subPath, the file for last words. CannotRun where one is missing."""
    message = Path(run.termination_message)
    message.parent.mkdir(parents=True, exist_ok=True)
    # Last words of the attempt before are not those of the next.
    message.write_bytes(b"")
    message.chmod(0o666)
    for mount in run.mounts:
        if not lies_within(os.path.realpath(mount.source), mount.within):
            raise CannotRun(NOT_MOUNTED, f"{mount.target}: a link in {mount.source} leads out of the lab")
        if os.path.exists(mount.source):
            continue
        if mount.read_only:
            raise CannotRun(NOT_MOUNTED, f"{mount.target}: there is no {mount.source}")
        os.makedirs(mount.source)


def _host_path(name: str, said: View, disk: str) -> None:
    kind = said.get("type") or ""
    source, read_only = host_path(said["path"], disk)
    path = Path(source)
    if not read_only and source.startswith(disk):
        if kind in ("", "DirectoryOrCreate"):
            path.mkdir(parents=True, exist_ok=True)
        elif kind == "FileOrCreate":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(exist_ok=True)
    wanted = _CHECKS | _DEVICES | {"DirectoryOrCreate": stat.S_ISDIR, "FileOrCreate": stat.S_ISREG}
    is_so = path.exists() and (kind not in wanted or wanted[kind](path.stat().st_mode))
    if not is_so:
        raise CannotRun(NOT_MOUNTED, f"hostPath type check failed: {said['path']} of {name} is not a {kind or 'path'}")


class PodFolder:
    """The pod's folder on this machine; its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._removed = False

    def write(self, volume: str, files: Iterable[File]) -> None:
        """The volume's content becomes exactly this, in one step for whoever reads it; nothing after `remove`."""
        with self._lock:
            if self._removed:
                return
            write_payload(self.path / "volumes" / volume, tuple(files))

    def remove(self) -> None:
        """Everything of the pod but its logs."""
        with self._lock:
            self._removed = True
            shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Written:
    content: bytes
    mode: int
    uid: int
    gid: int

    @classmethod
    def of(cls, path: Path) -> "_Written":
        found = path.stat()
        return cls(path.read_bytes(), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)


def write_payload(folder: Path, files: tuple[File, ...]) -> None:
    """Files in a folder of their own, a link `..data` to it, and a link for each name: kubelet's layout.

    A reader sees all old files or all new ones, because `..data` is replaced in one step.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / _DATA
    old = data.resolve() if data.is_symlink() else None
    wanted = {f.path: _Written(f.content, f.mode, f.uid or 0, f.gid or 0) for f in files}
    if old and old.is_dir() and _read(old) == wanted:
        return
    now = time.time()
    stamped = time.strftime("..%Y_%m_%d_%H_%M_%S", time.gmtime(now)) + f".{int(now % 1 * 1e9):09d}"
    fresh = folder / stamped
    fresh.mkdir()
    fresh.chmod(0o755)
    for path, written in wanted.items():
        _write(fresh / path, written)
    beside = folder / "..data_tmp"
    beside.unlink(missing_ok=True)
    beside.symlink_to(stamped)
    beside.replace(data)
    _link(folder, {path.split("/")[0] for path in wanted})
    if old and old != fresh:
        shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, written: _Written) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(written.content)
        os.fchown(descriptor, written.uid, written.gid)
        os.fchmod(descriptor, written.mode)


def _link(folder: Path, names: set[str]) -> None:
    """A link for each name that can be seen, and none for those that are no longer there."""
    for name in names:
        with suppress(FileExistsError):
            (folder / name).symlink_to(f"{_DATA}/{name}")
    for entry in list(folder.iterdir()):
        if entry.is_symlink() and entry.name != _DATA and entry.name not in names:
            entry.unlink()


def _read(folder: Path) -> dict[str, _Written]:
    return {str(path.relative_to(folder)): _Written.of(path) for path in folder.rglob("*") if path.is_file()}
