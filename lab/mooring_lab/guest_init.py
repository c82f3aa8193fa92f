"""Process 1 of the guest: mounts what a program expects, runs one command, switches the guest off.

It is run as a plain file by the kernel (`init=PYTHON -- -I -S THIS-FILE JOB`) on the host's root, which is
read-only there, so it imports the standard library alone. The folder JOB is the host's; the order is in
JOB/job.json, and the command's output and exit status go back as JOB/out, JOB/err and JOB/status.
"""

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from typing import TypedDict

_C = ctypes.CDLL(None, use_errno=True)
_MS_MOVE = 0x2000
_POWER_OFF = 0x4321FEDC  # LINUX_REBOOT_CMD_POWER_OFF, reboot(2)
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_SCRATCH = "/mnt"  # exists on every host; hidden again when the new root is moved over the old one
_NEW_ROOT = _SCRATCH + "/root"
_ALWAYS = (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run"), ("tmpfs", "/tmp"))


class Order(TypedDict):
    """What the runner on the host writes to JOB/job.json."""

    command: list[str]
    folder: str
    environment: dict[str, str]
    shared: list[str]


def mount(kind: str, target: str, options: str = "", *, flags: int = 0, source: str = "none") -> None:
    """Mount; OSError names the target."""
    if _C.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), target)


def throw_away_root() -> None:
    """Lay an overlay in memory over the host's root and make it the root."""
    mount("tmpfs", _SCRATCH)
    for name in ("upper", "work", "root"):
        os.mkdir(f"{_SCRATCH}/{name}")
    mount("overlay", _NEW_ROOT, f"lowerdir=/,upperdir={_SCRATCH}/upper,workdir={_SCRATCH}/work")
    os.chdir(_NEW_ROOT)
    mount("", "/", flags=_MS_MOVE, source=".")
    os.chroot(".")
    os.chdir("/")


def file_systems(shared: list[str]) -> None:
    """Mount what every Linux has, and the host's folders that are shared for writing."""
    for kind, target in _ALWAYS:
        mount(kind, target)
    for kind, target in (("devpts", "/dev/pts"), ("tmpfs", "/dev/shm"), ("tmpfs", "/run/lock")):
        os.makedirs(target, exist_ok=True)
        mount(kind, target)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(target, "/dev/" + name)
    for folder in shared:
        os.makedirs(folder, exist_ok=True)
        mount("hostfs", folder, folder)


def loopback_up() -> None:
    """Bring `lo` up: tests speak to themselves."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("16xh", fcntl.ioctl(control, _SIOCGIFFLAGS, request))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def run(job: str, order: Order) -> int:
    """Run the command, collect every orphan meanwhile, and return its exit status as a shell counts."""
    with open(job + "/out", "ab") as out, open(job + "/err", "ab") as err:
        try:
            child = subprocess.Popen(
                order["command"],
                cwd=order["folder"],
                env=order["environment"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        except OSError as error:
            err.write(f"{error}\n".encode())
            return 127
        while True:
            ended, status = os.wait()
            if ended == child.pid:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code


def main(job: str) -> None:
    """All of it; an exception ends process 1, and the kernel's panic shows it on the console."""
    with open(job + "/job.json", encoding="utf-8") as text:
        order: Order = json.load(text)
    throw_away_root()
    file_systems([job, *order["shared"]])
    socket.sethostname("guest")
    loopback_up()
    status = run(job, order)
    with open(job + "/status.new", "w", encoding="ascii") as result:
        result.write(str(status))
    os.rename(job + "/status.new", job + "/status")
    os.sync()
    _C.reboot(_POWER_OFF)


if __name__ == "__main__":
    main(sys.argv[1])
