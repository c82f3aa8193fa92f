"""The last steps to a container's process: its user, its capabilities, its command."""

import os
import signal

from mooring_lab.kubelet import syscalls
from mooring_lab.kubelet.runspec import RunSpec

#: What a keeper ignores, and Python itself: a new process finds them as they are by default.
KEEPER_IGNORES = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)


def take_identity(spec: RunSpec) -> None:
    """User, groups and capabilities, as the container's process has them from its exec on."""
    who = spec.identity
    syscalls.limit_bounding_set(who.capabilities)
    os.setgroups(who.groups)
    os.setresgid(who.gid, who.gid, who.gid)
    os.setresuid(who.uid, who.uid, who.uid)
    syscalls.set_capabilities(who.capabilities if who.uid == 0 else 0)
    if who.no_new_privileges:
        syscalls.no_new_privileges()


def execute(argv: tuple[str, ...], environment: dict[str, str]) -> None:
    """Become a command, with the signals as a new process finds them. OSError names the command."""
    for number in (*KEEPER_IGNORES, *_PYTHON_IGNORES):
        signal.signal(number, signal.SIG_DFL)
    os.umask(0o022)
    try:
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        raise OSError(error.errno, f'exec: "{argv[0]}": {error.strerror}') from error
