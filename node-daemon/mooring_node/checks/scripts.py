"""Programs of the scripts folder: found safely, run without a shell and not as root, bounded in time and output."""

import contextlib
import errno
import os
import select
import signal
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mooring_node.checks.attempt import Scope, in_asyncio, readable
from mooring_node.checks.verdict import Withheld
from mooring_node.kernel.process import ordinary_children

DEFAULT_FOLDER = Path("/etc/mooring/scripts")
NOBODY = 65534
MOST_OUTPUT_BYTES = 4096

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_READ_BYTES = 65536
_DEATH_S = 0.02
_CAP_KILL, _CAP_SETGID, _CAP_SETUID = 5, 6, 7
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class ScriptError(Exception):
    """A script that will not be run as it stands; the words say what to do."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a script ended: its exit code, or minus the number of the signal that ended it; the first of its output."""

    code: int
    output: bytes

    @property
    def first_line(self) -> str:
        """Of the output, printable and short."""
        text = self.output.decode("utf-8", "replace").strip().partition("\n")[0]
        return "".join(letter if letter.isprintable() else "?" for letter in text)[:200]


class Scripts:
    """The folder, and the user that its programs run as: where this process may not change its own, itself."""

    def __init__(self, folder: Path = DEFAULT_FOLDER, user: int = NOBODY, group: int = NOBODY) -> None:
        if user == 0 or group == 0:
            raise ValueError("scripts are not run as root; name another user and group")
        self._folder = folder
        self._user, self._group = user, group
        self._dying: set[int] = set()

    def find(self, file: str) -> Path:
        """Where a script lies once links are followed; ScriptError where it must not be run."""
        if "/" in file or file in ("", ".", ".."):
            raise ScriptError(f"{file!r} is no name of a file in {self._folder}")
        try:
            folder = self._folder.resolve(strict=True)
            path = (folder / file).resolve(strict=True)
            if not path.is_relative_to(folder):
                raise ScriptError(f"{file} leads out of {self._folder}; put the program itself there")
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise ScriptError(f"{file} is no file")
            if not found.st_mode & 0o111:
                raise ScriptError(f"{file} is not executable; set its mode (of a ConfigMap's volume: defaultMode 0755)")
            if not os.statvfs(path).f_flag & os.ST_RDONLY:
                self._refuse_what_others_may_change(path)
        except OSError as error:
            raise ScriptError(f"{self._folder / file}: {(error.strerror or str(error)).lower()}") from error
        return path

    def _refuse_what_others_may_change(self, path: Path) -> None:
        ours = {0, os.geteuid()}
        for each in (path, *path.parents):
            found = each.stat()
            sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
            if found.st_uid not in ours or (found.st_mode & _OTHERS_MAY_WRITE and not sticky):
                raise ScriptError(f"others than root may change {each}; it must be root's and writable by root alone")

    async def execute(self, scope: Scope, file: str, arguments: tuple[str, ...], more: Mapping[str, str]) -> Ended:
        """Run it to its end; a coroutine for `attempt`'s driver. When the scope ends, so does its process group."""
        process = self._start(file, arguments, more)
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        scope.stage = "the script was running"
        scope.at_end(process.stdout.close)
        scope.at_end(lambda: self._end(process))
        ended = os.pidfd_open(process.pid)
        scope.at_end(lambda: os.close(ended))
        events = select.epoll()
        scope.at_end(events.close)
        os.set_blocking(pipe, False)
        events.register(pipe, select.EPOLLIN)
        events.register(ended, select.EPOLLIN)
        output = bytearray()
        while True:
            await readable(events.fileno())
            happened = {descriptor for descriptor, _ in events.poll(0)}
            if pipe in happened and not _keep_first(pipe, output):
                events.unregister(pipe)
            if ended in happened:
                # A child of the script's may hold the pipe open: nobody waits for its end.
                return Ended(self._end(process), bytes(output))

    def _start(self, file: str, arguments: tuple[str, ...], more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        self._dying -= {pid for pid in self._dying if _collected(pid)}
        path = self.find(file)
        user, group = self._rights()
        try:
            with ordinary_children():
                return subprocess.Popen(
                    [str(path), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env={"PATH": _PATH, **more},
                    cwd="/",
                    start_new_session=True,
                    user=user,
                    group=group,
                    extra_groups=[] if user is not None else None,
                    umask=0o022,
                )
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE):
                raise Withheld(f"no script can be started: {(error.strerror or '').lower()}") from error
            raise ScriptError(f"{file}: {(error.strerror or str(error)).lower()}") from error

    def _rights(self) -> tuple[int | None, int | None]:
        held = _capabilities()
        if all(held >> number & 1 for number in (_CAP_KILL, _CAP_SETGID, _CAP_SETUID)):
            return self._user, self._group
        if os.geteuid() == 0:
            raise Withheld("scripts are not run as root, and another user needs SETUID, SETGID and KILL; add them")
        return None, None

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        """Kill what is left of its group, and collect it; its exit code, as far as it has one."""
        if process.returncode is None:
            # Before it is collected: as long as it is a zombie no other group can have its number.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            try:
                return process.wait(_DEATH_S)
            except subprocess.TimeoutExpired:
                # It hangs in the kernel (a dead disk): collected when it comes out of there.
                self._dying.add(process.pid)
                process.returncode = -signal.SIGKILL
        return int(process.returncode)


async def run(
    scripts: Scripts, file: str, arguments: tuple[str, ...], more: Mapping[str, str], timeout_s: float
) -> Ended:
    """Run a script in an asyncio program; `more` is its environment beside PATH.

    ScriptError where it must not be run, TimeoutError when it took too long and was ended, Withheld where this
    host could not start it.
    """
    scope = Scope()
    return await in_asyncio(scope, scripts.execute(scope, file, arguments, more), timeout_s)


def _keep_first(pipe: int, output: bytearray) -> bool:
    """Read once; what is beyond the bound is thrown away. False at the end."""
    try:
        data = os.read(pipe, _READ_BYTES)
    except BlockingIOError:
        return True
    output += data[: MOST_OUTPUT_BYTES - len(output)]
    return bool(data)


def _collected(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _capabilities() -> int:
    for line in _status_lines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def _status_lines() -> Iterator[str]:
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        yield from status
