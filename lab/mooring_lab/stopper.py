"""Freezes processes for a while and wakes them up again, whatever becomes of the command that asked for it.

`python -m mooring_lab.stopper SECONDS PID:START ...` says `stopped` once all are frozen.
"""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Sequence

from mooring_lab.processes import Identity
from mooring_lab.wait import wait_until

_FREEZE_SECONDS = 10.0


def main(arguments: Sequence[str]) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    seconds = float(arguments[0])
    frozen = [Identity(*map(int, argument.split(":"))) for argument in arguments[1:]]
    try:
        for identity in frozen:
            identity.send(signal.SIGSTOP)
        wait_until(lambda: all(i.frozen() or not i.alive() for i in frozen), _FREEZE_SECONDS, "all to be frozen")
        sys.stdout.write("stopped\n")
        sys.stdout.flush()
        _wait(frozen, seconds)
    finally:
        for identity in frozen:
            identity.send(signal.SIGCONT)
    return 0


def _wait(frozen: Sequence[Identity], seconds: float) -> None:
    """Until the time is over, or none of the frozen processes is left to be woken."""
    deadline = time.monotonic() + seconds
    ends = set()
    for identity in frozen:
        with contextlib.suppress(ProcessLookupError):
            ends.add(os.pidfd_open(identity.pid))
    while ends and (left := deadline - time.monotonic()) > 0:
        for ended in select.select(ends, [], [], left)[0]:
            os.close(ended)
            ends.remove(ended)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
