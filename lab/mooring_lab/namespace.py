"""Network namespaces: made, removed, entered, and what runs in them."""

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from mooring_lab.processes import Identity
from mooring_lab.rights import LabError
from mooring_lab.wait import wait_until

_FOLDER = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_KILL_SECONDS = 10.0
Result = TypeVar("Result")


def run(command: Sequence[str], text: str = "") -> str:
    """Run a tool and return its output; LabError holds what it said."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout


def inside(namespace: str, command: Sequence[str]) -> list[str]:
    """The command line that becomes `command` inside a namespace, keeping its pid."""
    return ["ip", "netns", "exec", namespace, *command]


def exists(namespace: str) -> bool:
    return (_FOLDER / namespace).exists()


def matching(prefix: str) -> list[str]:
    """All namespaces whose name begins so."""
    return sorted(path.name for path in _FOLDER.glob(f"{prefix}*")) if _FOLDER.is_dir() else []


def add(namespace: str) -> None:
    run(["ip", "netns", "add", namespace])


def batch(namespace: str, commands: Iterable[str]) -> None:
    """Run `ip` commands in a namespace, in order; LabError at the first that fails."""
    run(["ip", "-n", namespace, "-batch", "-"], "".join(f"{command}\n" for command in commands))


def call(namespace: str, function: Callable[[], Result]) -> Result:
    """Call a function inside a namespace, in a thread of its own; sockets made there stay there."""
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def enter() -> None:
        try:
            descriptor = os.open(_FOLDER / namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
                    number = ctypes.get_errno()
                    raise OSError(number, f"setns: {os.strerror(number)}")
            finally:
                os.close(descriptor)
            outcome.append(function())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failure.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def configure(namespace: str, settings: Mapping[str, str]) -> None:
    """Write sysctls, keyed by their path under /proc/sys."""

    def write() -> None:
        for path, value in settings.items():
            Path("/proc/sys", path).write_text(value)

    call(namespace, write)


def members(namespace: str) -> list[Identity]:
    """All processes in a namespace, told by its inode; empty when it does not exist."""
    try:
        here = (_FOLDER / namespace).stat()
    except FileNotFoundError:
        return []
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        # Identity first: a pid that changes hands between the two looks is then recognised when it is signalled.
        identity = Identity.of(int(entry.name))
        try:
            there = os.stat(f"/proc/{entry.name}/ns/net")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if identity and (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev):
            found.append(identity)
    return sorted(found, key=lambda identity: identity.pid)


def kill_all(namespace: str) -> None:
    """SIGKILL whatever runs in a namespace, also what is being forked meanwhile; returns when nothing is left."""

    def empty() -> bool:
        running = members(namespace)
        for identity in running:
            identity.send(signal.SIGKILL)
        return not running

    wait_until(empty, _KILL_SECONDS, f"the processes in {namespace} to end")


def remove(namespace: str) -> None:
    """Kill what runs in a namespace and remove it; nothing happens when it does not exist."""
    if exists(namespace):
        kill_all(namespace)
        run(["ip", "netns", "del", namespace])
