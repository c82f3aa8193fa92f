"""A container's root, made in a mount namespace of its own, so that it goes with the container's last process."""

import os
import stat
from pathlib import Path

from mooring_lab.kubelet import syscalls
from mooring_lab.kubelet.runspec import Mount, Root, RunSpec
from mooring_lab.kubelet.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC

_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
_LINKS = {
    "fd": "/proc/self/fd",
    "ptmx": "pts/ptmx",
    "stderr": "/proc/self/fd/2",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
}
_OWN = {*_LINKS, "pts", "shm"}
#: What containerd shows read-only, and not at all, to a container that is not privileged.
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list"),
    *("/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"),
)
_OPAQUE = "trusted.overlay.opaque"


def build(spec: RunSpec, scratch: Path) -> None:
    """Make the container's root and enter it; to be called in new mount and network namespaces.

    `scratch` is an empty folder; what is mounted there is seen by this mount namespace alone. OSError names what
    failed.
    """
    syscalls.mount("none", "/", None, MS_REC | MS_PRIVATE)
    # Opened while the host's root can be seen, mounted when it can no longer be.
    sources = [_open(mount) for mount in spec.mounts]
    root = _layers(spec.root, scratch)
    _devices(root, privileged=spec.identity.privileged)
    for folder in spec.root.shared:
        if _must_be_shared(folder, spec.root):
            _make_like(folder, root + folder)
            syscalls.bind(folder, root + folder, read_only=True)
    os.chdir(root)
    syscalls.pivot_here()
    _kernel_files(privileged=spec.identity.privileged)
    for mount, source in zip(spec.mounts, sources, strict=True):
        _mount(mount, source)
    os.makedirs(spec.working_dir, exist_ok=True)
    if spec.root.read_only:
        syscalls.make_read_only("/")
    syscalls.leave_old_root()
    os.chdir(spec.working_dir)


def lies_within(path: str, folder: str) -> bool:
    """Whether a path without links is in a folder (whose own path may have some); an empty folder is everywhere."""
    folder = os.path.realpath(folder) if folder else ""
    return not folder or path == folder or path.startswith(f"{folder}/")


def _open(mount: Mount) -> int:
    """What is asked where it was found: nobody can put a link there between the question and the mount."""
    descriptor = os.open(mount.source, os.O_PATH | os.O_CLOEXEC)
    if not lies_within(os.readlink(f"/proc/self/fd/{descriptor}"), mount.within):
        raise PermissionError(f"{mount.target}: a link in {mount.source} leads out of the lab")
    return descriptor


def _layers(root: Root, scratch: Path) -> str:
    """An overlay whose upper layer is memory: the host's files are never changed, and nothing is left."""
    syscalls.mount("tmpfs", str(scratch), "tmpfs", MS_NOSUID, "mode=0755")
    upper, work, merged = (scratch / name for name in ("upper", "work", "merged"))
    for folder in (upper, work, merged):
        folder.mkdir()
    upper.chmod(0o755)
    for hidden in root.hidden:
        empty = Path(f"{upper}{hidden}")
        empty.mkdir(parents=True)
        empty.chmod(stat.S_IMODE(os.stat(hidden).st_mode) | 0o755 if os.path.isdir(hidden) else 0o755)
        os.setxattr(empty, _OPAQUE, b"y")
    options = f"lowerdir={_escaped(root.lower)},upperdir={_escaped(str(upper))},workdir={_escaped(str(work))}"
    syscalls.mount("overlay", str(merged), "overlay", 0, options)
    return str(merged)


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _must_be_shared(folder: str, root: Root) -> bool:
    """Whether it is not in the container's root anyway: hidden there, or on another file system."""
    beneath_hidden = any(folder == hidden or folder.startswith(f"{hidden}/") for hidden in root.hidden)
    return beneath_hidden or os.stat(folder).st_dev != os.stat(root.lower).st_dev


def _devices(root: str, *, privileged: bool) -> None:
    """A /dev of its own; `privileged` sees all devices of the host there."""
    dev = f"{root}/dev"
    os.makedirs(dev, exist_ok=True)
    syscalls.mount("tmpfs", dev, "tmpfs", MS_NOSUID, "mode=0755,size=65536k")
    for entry in os.scandir("/dev"):
        wanted = entry.name in _DEVICES or (privileged and entry.name not in _OWN)
        if wanted and not entry.is_symlink():
            _make_like(entry.path, f"{dev}/{entry.name}")
            syscalls.bind(entry.path, f"{dev}/{entry.name}")
    for name, target in _LINKS.items():
        os.symlink(target, f"{dev}/{name}")
    os.mkdir(f"{dev}/shm")
    syscalls.mount("tmpfs", f"{dev}/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=65536k")
    os.mkdir(f"{dev}/pts")
    syscalls.mount("devpts", f"{dev}/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")


def _kernel_files(*, privileged: bool) -> None:
    """/proc of this pid namespace and /sys of this network namespace."""
    quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC
    os.makedirs("/proc", exist_ok=True)
    os.makedirs("/sys", exist_ok=True)
    syscalls.mount("proc", "/proc", "proc", quiet)
    syscalls.mount("sysfs", "/sys", "sysfs", quiet | (0 if privileged else MS_RDONLY))
    if privileged:
        return
    for path in filter(os.path.exists, _READ_ONLY):
        syscalls.bind(path, path)
        syscalls.make_read_only(path, quiet)
    for path in filter(os.path.exists, _MASKED):
        if os.path.isdir(path):
            syscalls.mount("tmpfs", path, "tmpfs", MS_RDONLY)
        else:
            syscalls.bind("/dev/null", path)


def _mount(mount: Mount, source: int) -> None:
    """`source` is a descriptor; through /proc it leads to what it was opened on, behind the old root."""
    path = f"/proc/self/fd/{source}"
    _make_like(path, mount.target)
    syscalls.bind(path, mount.target, read_only=mount.read_only)
    os.close(source)


def _make_like(source: str, target: str) -> None:
    """An empty folder or file to mount upon, where there is none."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if not os.path.lexists(target):
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
