"""Processes that the lab started, told from strangers that were given the same pid later."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """A process: pid and start time (clock ticks since boot, field 22 of /proc/PID/stat)."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """The process that has this pid now; None when none has, or it is a zombie."""
        state, start = _state_and_start(pid)
        return None if state in "ZX" else cls(pid, start)

    def frozen(self) -> bool:
        """Whether it is stopped (SIGSTOP)."""
        return _state_and_start(self.pid) == ("T", self.start)

    def alive(self) -> bool:
        if Identity.of(self.pid) == self:
            return True
        # Our own dead child stays a zombie until somebody asks.
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return False

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; False when this very process is gone (another that has its pid now gets nothing)."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True


def _state_and_start(pid: int) -> tuple[str, int]:
    """Fields 3 and 22 of /proc/PID/stat; X (dead) when there is none.

    A process whose first thread is a zombie lives on in its others, which hold its files and ports: that one is D.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    # The command's name stands in brackets and may hold blanks and brackets itself.
    fields = text[text.rindex(")") + 2 :].split()
    state = "D" if fields[0] == "Z" and int(fields[17]) > 1 else fields[0]
    return state, int(fields[19])


def kernel_name(pid: int) -> str:
    """The short name that a process gave itself (comm), "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def pss_mib(pid: int) -> float:
    """Its proportional set size: what it has for itself, and its share of what it has with others."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
