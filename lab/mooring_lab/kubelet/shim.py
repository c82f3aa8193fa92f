"""Keeps one container: makes its namespaces, runs its process, and writes down how it ended.

`python -m mooring_lab.kubelet.shim FOLDER LIFE STARTING`, where the latter two are descriptors of held locks (see
`attempt`). It outlives kubelet; the container never outlives it. What the container says goes through a pipe, as in
any runtime (programs open /dev/stdout again), and from there to the shim's own output.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from mooring_lab.kubelet import rootfs, syscalls
from mooring_lab.kubelet.become import KEEPER_IGNORES, execute, take_identity
from mooring_lab.kubelet.records import EXIT, PROCESS, SHIM, SPEC, STARTED, kill_all
from mooring_lab.kubelet.runspec import RunSpec
from mooring_lab.kubelet.states import Exit
from mooring_lab.kubelet.syscalls import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS
from mooring_lab.processes import Identity
from mooring_lab.store import write_atomically

_LONGEST_MESSAGE = 4096
_PIECE = 65536
START_ERROR = "StartError"


def main(arguments: Sequence[str]) -> int:
    folder, starting = Path(arguments[0]), int(arguments[2])
    for descriptor in map(int, arguments[1:]):
        os.set_inheritable(descriptor, False)
    for number in KEEPER_IGNORES:
        signal.signal(number, signal.SIG_IGN)
    syscalls.name_process("shim")
    _write_identity(folder / SHIM, _self())
    spec = RunSpec.of_json((folder / SPEC).read_text())
    started_at = time.time()
    try:
        pid, mounts, output = _start(spec, folder)
    except (OSError, _NotStartedError) as error:
        _write_exit(folder, Exit(128, START_ERROR, f"failed to start container: {error}", started_at, time.time()))
        return 0
    begun = {**asdict(Identity(pid, _start_time(folder))), "started_at": started_at, "mounts": mounts}
    write_atomically(folder / STARTED, json.dumps(begun))
    os.close(starting)
    _copy_until_exit(pid, output)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    kill_all(mounts)
    _copy_rest(output)
    code = 128 - code if code < 0 else code
    reason = "Error" if code else "Completed"
    _write_exit(folder, Exit(code, reason, last_words(Path(spec.termination_message)), started_at, time.time()))
    return 0


class _NotStartedError(Exception):
    """The container's process could not become what it should; the text says why."""


def _self() -> Identity:
    identity = Identity.of(os.getpid())
    assert identity
    return identity


def _write_identity(path: Path, identity: Identity) -> None:
    write_atomically(path, json.dumps(asdict(identity)))


def _start_time(folder: Path) -> int:
    start: int = json.loads((folder / PROCESS).read_text())["start"]
    return start


def _write_exit(folder: Path, ended: Exit) -> None:
    write_atomically(folder / EXIT, json.dumps(asdict(ended)))


def last_words(path: Path) -> str:
    """What the container left in its termination message file."""
    try:
        with open(path, "rb") as file:
            return file.read(_LONGEST_MESSAGE).decode(errors="replace")
    except FileNotFoundError:
        return ""


def _copy_until_exit(pid: int, output: int) -> None:
    """Bring what the container says to its log until its process has ended."""
    ended = os.pidfd_open(pid)
    sources = [output, ended]
    while True:
        readable, _, _ = select.select(sources, [], [])
        if output in readable and not _copy(output):
            sources.remove(output)
        elif ended in readable:
            os.close(ended)
            return


def _copy_rest(output: int) -> None:
    os.set_blocking(output, False)
    with suppress(BlockingIOError):
        while _copy(output):
            pass


def _copy(output: int) -> bool:
    """One piece; False at the end. A log that can't be written (a full disk) must not hold the container up."""
    piece = os.read(output, _PIECE)
    with suppress(OSError):
        os.write(1, piece)
    return bool(piece)


def _start(spec: RunSpec, folder: Path) -> tuple[int, int, int]:
    """The process, its mount namespace, and its output, once it has become the container's command.

    _NotStartedError or OSError says why it did not.
    """
    network = os.open(spec.network, os.O_RDONLY | os.O_CLOEXEC)
    syscalls.setns(network, CLONE_NEWNET)
    os.close(network)
    if not spec.host_pid:
        syscalls.unshare(CLONE_NEWPID)
    go_reader, go_writer = os.pipe()
    said_reader, said_writer = os.pipe()
    output_reader, output_writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go_writer)
        os.close(said_reader)
        os.close(output_reader)
        _become(spec, folder, go_reader, said_writer, output_writer)
    for descriptor in (go_reader, said_writer, output_writer):
        os.close(descriptor)
    identity = Identity.of(pid)
    if identity:
        _write_identity(folder / PROCESS, identity)
    os.write(go_writer, b"go")
    os.close(go_writer)
    with open(said_reader, encoding="utf-8") as file:
        said = file.read().splitlines()
    if len(said) != 1:
        os.waitpid(pid, 0)
        raise _NotStartedError("\n".join(said[1:]) or "its process ended before it became the container's")
    return pid, int(said[0]), output_reader


def _become(spec: RunSpec, folder: Path, go: int, said: int, output: int) -> None:
    """In the new process: says its mount namespace's inode, and why it failed if it does. Never returns."""
    try:
        syscalls.die_with_parent(signal.SIGKILL)
        if os.read(go, 2) != b"go":
            os._exit(1)  # the shim died before it could write down who we are
        syscalls.unshare(CLONE_NEWNS | CLONE_NEWUTS | (0 if spec.host_ipc else CLONE_NEWIPC))
        os.write(said, f"{os.stat('/proc/thread-self/ns/mnt').st_ino}\n".encode())
        syscalls.set_host_name(spec.hostname)
        scratch = folder / "root"
        scratch.mkdir(exist_ok=True)
        rootfs.build(spec, scratch)
        # Who opens /dev/stdout again must be allowed to.
        os.fchown(output, spec.identity.uid, spec.identity.gid)
        os.dup2(output, 1)
        os.dup2(output, 2)
        take_identity(spec)
        syscalls.die_with_parent(signal.SIGKILL)
        execute(spec.argv, dict(spec.environment))
    except BaseException as error:  # noqa: BLE001 - whatever it is, the shim must be told
        os.write(said, f"{error}\n".encode())
    os._exit(127)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
