"""The supervisor's children: forked, watched, started again with back-off."""

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import IntEnum

from mooring_node.kernel.process import die_with_parent, set_name, waits_in_kernel
from mooring_node.supervisor.liveness import Life
from mooring_node.units import SECOND_NS

#: A child that lived this long has its failures forgotten.
GOOD_LIFE_NS = 60 * SECOND_NS
LONGEST_WAIT_NS = 5 * SECOND_NS
FIRST_WAIT_NS = SECOND_NS // 10
#: Who said so long ago that it goes on is looked at.
SUSPECT_NS = SECOND_NS
#: So long a child may wait in the kernel: for its lock of the network, or a disk.
LONGEST_KERNEL_WAIT_NS = 30 * SECOND_NS
#: Orphans collected in one turn; what ends more often does not keep the supervisor from its own work.
MOST_ORPHANS = 64


class ChildNumber(IntEnum):
    """Each child's place on the board."""

    VRRP = 0
    AGENT = 1
    CHECKS = 2


@dataclass(frozen=True, slots=True)
class Duty:
    """What a child does; `run` is told whether it replaces one that died."""

    number: ChildNumber
    name: str
    run: Callable[[bool], None]
    stall_ns: int
    """So long without progress means that it hangs."""
    wanted: Callable[[], bool] = lambda: True
    """Whether there is anything for it to do now; asked before each start, and when it has ended."""


class Child:
    """One child process and its record."""

    def __init__(self, duty: Duty) -> None:
        self.duty = duty
        self.pid = 0
        self.pidfd = -1
        self.started_ns = 0
        self.restarts = 0
        self.start_at_ns: int | None = 0
        self.last_exit = ""
        self._quick_deaths = 0
        self._killed_ns: int | None = None
        self._in_kernel_ns = 0
        self._waits_long = False
        self._failing_ns = 0
        """When the first of the quick deaths was."""

    @property
    def running(self) -> bool:
        return self.pid != 0

    def due(self, now: int) -> bool:
        """Whether it is time to start it."""
        return self.start_at_ns is not None and now >= self.start_at_ns and self.duty.wanted()

    def start(self, now: int, leave: Callable[[], None] = lambda: None) -> None:
        """Fork; the child never returns. In it, `leave` closes what is the supervisor's alone."""
        parent = os.getpid()
        self.start_at_ns = None
        self.started_ns = now
        self._in_kernel_ns, self._waits_long = 0, False
        pid = os.fork()
        if pid == 0:
            _be_child(self.duty, leave, restarted=self.restarts > 0, parent=parent)
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)

    def note_progress_ns(self, said_ns: int, now: int) -> int:
        """When it last went on, as far as that is its own affair; `said_ns` is when it last said so.

        The time that it waits in the kernel is not: a signal would end it only when the wait is over, just when it
        could go on, and its successor would have to wait for the same.
        """
        if self.running and SUSPECT_NS < now - said_ns < LONGEST_KERNEL_WAIT_NS and waits_in_kernel(self.pid):
            self._in_kernel_ns = now
        return max(said_ns, self._in_kernel_ns)

    def note_long_wait(self, said_ns: int, now: int) -> bool:
        """Whether it has just been silent for longer than it may, though it is left alone; once for each silence."""
        before, self._waits_long = self._waits_long, now - said_ns > self.duty.stall_ns
        return self._waits_long and not before

    def kill(self, now: int) -> None:
        """A second time too: where it is stuck in the kernel, nothing is lost by it."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        self._killed_ns = now if self._killed_ns is None else self._killed_ns

    def terminate(self) -> None:
        signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)

    def reap(self, now: int) -> int:
        """Collect the dead child and plan the next start; its exit code (negative: the signal)."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        self.pid, self.pidfd, self._killed_ns = 0, -1, None
        code = os.waitstatus_to_exitcode(status)
        self.last_exit = f"signal {-code}" if code < 0 else f"exit code {code}"
        if code == 0 and not self.duty.wanted():
            # It found nothing left to do: the next one replaces nobody.
            self._quick_deaths, self.restarts, self.start_at_ns = 0, 0, now
            return code
        self._quick_deaths = 0 if now - self.started_ns > GOOD_LIFE_NS else self._quick_deaths + 1
        self._failing_ns = now if self._quick_deaths == 1 else self._failing_ns
        # The first death is answered at once: a VRRP process that is back soon keeps its role.
        wait = 0 if self._quick_deaths <= 1 else min(FIRST_WAIT_NS << (self._quick_deaths - 2), LONGEST_WAIT_NS)
        self.start_at_ns = now + wait
        self.restarts += 1
        return code

    @property
    def dies_often(self) -> bool:
        return self._quick_deaths >= 2

    def life(self, now: int, progress_ns: int) -> Life:
        """How it does, by when it last said that it goes on."""
        recovered = self.running and now - self.started_ns > GOOD_LIFE_NS
        return Life(
            self.duty.name,
            vital=self.duty.number is ChildNumber.VRRP,
            stall_ns=self.duty.stall_ns,
            idle_ns=now - progress_ns if self.running else None,
            killed_for_ns=None if self._killed_ns is None else now - self._killed_ns,
            failing_for_ns=now - self._failing_ns if self.dies_often and not recovered else None,
        )


def collect_orphans(known: Collection[int]) -> int:
    """Collect dead processes that fell to us, but none of `known`, who are collected by their own; how many.

    Process 1 of a container inherits what others leave behind: the children of a script that was ended. Uncollected,
    each keeps its number and counts against the limit of the container's processes for ever.
    """
    for count in range(MOST_ORPHANS):
        try:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        except ChildProcessError:
            return count
        # The kernel names the same one until it is collected: the others have their turn after it.
        if dead is None or dead.si_pid in known:
            return count
        os.waitpid(dead.si_pid, os.WNOHANG)
    return MOST_ORPHANS


def _be_child(duty: Duty, leave: Callable[[], None], *, restarted: bool, parent: int) -> None:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for each in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1):
            signal.signal(each, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # When the supervisor dies its children hand over, instead of leaving it to the others to notice.
        die_with_parent(signal.SIGTERM, parent)
        set_name(f"mooring-{duty.name}")
        leave()
        gc.enable()
        duty.run(restarted)
        code = 0
    except BaseException:  # noqa: BLE001 - the last place where a child's error can be seen
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
