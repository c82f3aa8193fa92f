"""Runs a command inside a container that runs: in its namespaces, as its user, with its capabilities.

`python -m mooring_lab.kubelet.enter FOLDER SECONDS COMMAND...` ends with the command's exit code, TIMED_OUT when it
took longer than SECONDS, GONE when the container does not run.
"""

import os
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from mooring_lab.kubelet import syscalls
from mooring_lab.kubelet.become import execute, take_identity
from mooring_lab.kubelet.records import SPEC, read_begun
from mooring_lab.kubelet.runspec import RunSpec

TIMED_OUT, GONE, NOT_EXECUTED = 124, 125, 126
#: In this order: after the last, this program's own files are out of sight.
_NAMESPACES = ("net", "ipc", "uts", "pid", "mnt")


def main(arguments: Sequence[str]) -> int:
    folder, seconds, *command = arguments
    spec = RunSpec.of_json((Path(folder) / SPEC).read_text())
    begun = read_begun(Path(folder))
    if begun is None:
        return GONE
    try:
        there = [os.open(f"/proc/{begun.process.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in _NAMESPACES]
    except FileNotFoundError:
        return GONE
    if not begun.process.alive():
        return GONE
    for descriptor in there:
        syscalls.setns(descriptor, 0)
    os.chdir(spec.working_dir)
    pid = os.fork()
    if pid == 0:
        try:
            take_identity(spec)
            syscalls.die_with_parent(signal.SIGKILL)
            execute(tuple(command), dict(spec.environment))
        except BaseException as error:  # noqa: BLE001 - a copy of this process must not go on
            sys.stderr.write(f"{error}\n")
            sys.stderr.flush()
        os._exit(NOT_EXECUTED)
    handle = os.pidfd_open(pid)
    if not select.select([handle], [], [], float(seconds))[0]:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return TIMED_OUT
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
