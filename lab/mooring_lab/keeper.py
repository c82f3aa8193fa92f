"""What a kubelet is to a container, for a program that the lab runs by itself: it starts it again when it has ended.

`python -m mooring_lab.keeper COMMAND ...` ends with its program when it gets SIGTERM, and takes it along when it is
killed. A program that says that it can't be used as it was started (exit code 2 or 3) is not started again.
"""

import ctypes
import signal
import subprocess
import sys
from collections.abc import Sequence

#: kubelet waits longer; nobody has to watch this one loop.
_PAUSE_S = 1.0
_HOPELESS = (0, 2, 3)
_PR_SET_PDEATHSIG = 1
_WAKES = {signal.SIGTERM, signal.SIGCHLD}


def _start(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAKES)

    return subprocess.Popen(command, preexec_fn=prepare)


def main(arguments: Sequence[str] | None = None) -> int:
    """The program's last exit code; where a signal ended it, 128 and the signal's number, as a shell says it."""
    command = sys.argv[1:] if arguments is None else list(arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAKES)
    child = _start(command)
    while True:
        if signal.sigwait(_WAKES) == signal.SIGTERM:
            child.terminate()
            return _said(child.wait())
        code = child.poll()
        if code in _HOPELESS:
            return code
        if code is not None:
            if signal.sigtimedwait({signal.SIGTERM}, _PAUSE_S):
                return _said(code)
            child = _start(command)


def _said(code: int) -> int:
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
