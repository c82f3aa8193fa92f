"""Children that are really forked, with duties of a line."""

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from mooring_lab.wait import wait_until
from mooring_node.kernel.process import waits_in_kernel
from mooring_node.supervisor.children import (
    FIRST_WAIT_NS,
    GOOD_LIFE_NS,
    LONGEST_KERNEL_WAIT_NS,
    LONGEST_WAIT_NS,
    Child,
    ChildNumber,
    Duty,
)

NOW = 10**12
SECOND_NS = 10**9
STALL_NS = 3 * SECOND_NS
#: Of Linux' uapi/linux/prctl.h.
PR_SET_PDEATHSIG = 1
#: A child that has died, and three more that its own children left; the turns go on until only it is left.
ORPHANED = """
import ctypes, os, time
from mooring_node.supervisor.children import Child, ChildNumber, Duty, collect_orphans

assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER

def leave_orphans(_restarted):
    for _ in range(3):
        if os.fork() == 0:
            os.fork()
            os._exit(0)
    os._exit(7)

child = Child(Duty(ChildNumber.VRRP, "test", leave_orphans, 1))
child.start(0)
os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED | os.WNOWAIT)
deadline = time.monotonic() + 30
collect_orphans([child.pid])
child.reap(1)
while True:
    try:
        left = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        break
    assert time.monotonic() < deadline, f"{left} is left"
    collect_orphans([])
    time.sleep(0.01)
print(child.last_exit)
"""


def child_of(run: Callable[[bool], None]) -> Child:
    return Child(Duty(ChildNumber.VRRP, "test", run, 1))


def fail(_restarted: bool) -> None:
    os._exit(7)


def hang(_restarted: bool) -> None:
    signal.pause()


def wait_in_kernel(_restarted: bool) -> None:
    """As for a lock of the kernel: who calls vfork(2) sleeps in state D until its child ends, which is with us here."""
    libc = ctypes.CDLL(None)
    if libc.vfork() == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.pause()


@pytest.fixture
def waiting() -> Iterator[Child]:
    child = Child(Duty(ChildNumber.VRRP, "test", wait_in_kernel, STALL_NS))
    child.start(NOW)
    wait_until(lambda: waits_in_kernel(child.pid), 10, "it to wait in the kernel")
    yield child
    child.kill(NOW)
    child.reap(NOW)


@pytest.fixture
def hanging() -> Iterator[Child]:
    child = child_of(hang)
    child.start(NOW)
    yield child
    if child.running:
        child.kill(NOW)
        child.reap(NOW)


def ended(child: Child) -> bool:
    return bool(select.select([child.pidfd], [], [], 10)[0])


def live_and_die(child: Child, now: int) -> int:
    child.start(now)
    assert ended(child)
    return child.reap(now)


def test_a_child_that_has_done_its_duty_ends_with_0() -> None:
    child = child_of(lambda _: None)
    assert live_and_die(child, NOW) == 0
    assert not child.running
    assert child.last_exit == "exit code 0"


def test_what_a_child_raises_is_seen_and_ends_it_with_1(capfd: pytest.CaptureFixture[str]) -> None:
    def wrong(_restarted: bool) -> None:
        raise RuntimeError("the reason")

    assert live_and_die(child_of(wrong), NOW) == 1
    assert "RuntimeError: the reason" in capfd.readouterr().err


def test_a_signal_is_named(hanging: Child) -> None:
    hanging.kill(NOW)
    assert ended(hanging)
    assert hanging.reap(NOW) == -signal.SIGKILL
    assert hanging.last_exit == "signal 9"


def test_a_child_ends_on_sigterm_and_only_its_supervisor_hears_of_sighup(hanging: Child) -> None:
    os.kill(hanging.pid, 0)
    hanging.terminate()
    assert ended(hanging)
    assert hanging.reap(NOW) == -signal.SIGTERM


def test_only_the_first_is_not_a_restart() -> None:
    read, write = os.pipe()

    def tell(restarted: bool) -> None:
        os.write(write, b"again" if restarted else b"first")

    child = child_of(tell)
    for expected in (b"first", b"again", b"again"):
        live_and_die(child, NOW)
        assert os.read(read, 16) == expected
    assert child.restarts == 3
    os.close(read)
    os.close(write)


def test_the_first_death_is_answered_at_once_and_the_next_ones_later_and_later() -> None:
    child, waits = child_of(fail), []
    for _ in range(9):
        assert live_and_die(child, NOW) == 7
        assert child.start_at_ns is not None
        waits.append(child.start_at_ns - NOW)
    doubling = [FIRST_WAIT_NS << step for step in range(6)]
    assert waits == [0, *doubling, LONGEST_WAIT_NS, LONGEST_WAIT_NS]


def test_a_good_life_is_remembered_and_the_failures_before_it_are_not() -> None:
    child = child_of(fail)
    for _ in range(5):
        live_and_die(child, NOW)
    assert child.dies_often
    child.start(NOW)
    assert ended(child)
    child.reap(NOW + GOOD_LIFE_NS + 1)
    assert not child.dies_often
    assert child.start_at_ns == NOW + GOOD_LIFE_NS + 1


def test_no_handle_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    child = child_of(lambda _: None)
    for _ in range(3):
        live_and_die(child, NOW)
    assert len(os.listdir("/proc/self/fd")) == before


def test_one_that_found_nothing_left_to_do_is_no_death_and_the_next_replaces_nobody() -> None:
    wanted = True
    read, write = os.pipe()

    def tell(restarted: bool) -> None:
        os.write(write, b"again" if restarted else b"first")

    child = Child(Duty(ChildNumber.CHECKS, "test", tell, 1, lambda: wanted))
    live_and_die(child, NOW)
    assert (child.restarts, os.read(read, 16)) == (1, b"first")
    wanted = False
    assert not child.due(NOW)
    live_and_die(child, NOW)
    assert (child.restarts, os.read(read, 16)) == (0, b"again")
    wanted = True
    assert child.due(NOW)
    live_and_die(child, NOW)
    assert os.read(read, 16) == b"first"
    os.close(read)
    os.close(write)


def test_one_that_fails_is_waited_for_even_where_it_is_not_wanted_any_more() -> None:
    child = Child(Duty(ChildNumber.CHECKS, "test", fail, 1, lambda: False))
    live_and_die(child, NOW)
    assert child.restarts == 1
    assert not child.due(NOW)


def test_what_others_leave_behind_is_collected_and_a_child_is_left_to_its_own() -> None:
    """In a process of its own to which orphans fall, as they do to process 1 of a container."""
    done = subprocess.run([sys.executable, "-c", ORPHANED], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("exit code 7\n", 0), done.stderr


# Where no signal reaches it.


def test_the_time_that_it_waits_in_the_kernel_is_not_its_own(waiting: Child) -> None:
    """A signal would end it just when it could go on, and its successor would wait for the same."""
    said = NOW
    for seconds in range(2, LONGEST_KERNEL_WAIT_NS // SECOND_NS):
        now = NOW + seconds * SECOND_NS
        assert waiting.note_progress_ns(said, now) == now
    assert now == NOW + LONGEST_KERNEL_WAIT_NS - SECOND_NS


def test_it_has_its_whole_time_again_when_that_is_over(waiting: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    assert waiting.note_progress_ns(NOW, NOW + 20 * SECOND_NS) == NOW + 20 * SECOND_NS
    monkeypatch.setattr("mooring_node.supervisor.children.waits_in_kernel", lambda _: False)
    assert waiting.note_progress_ns(NOW, NOW + 22 * SECOND_NS) == NOW + 20 * SECOND_NS
    assert waiting.note_progress_ns(NOW + 25 * SECOND_NS, NOW + 26 * SECOND_NS) == NOW + 25 * SECOND_NS


def test_nothing_may_wait_there_for_ever(waiting: Child) -> None:
    now = NOW + LONGEST_KERNEL_WAIT_NS
    assert waiting.note_progress_ns(NOW, now) == NOW


def test_who_hangs_by_itself_is_not_excused(hanging: Child) -> None:
    assert hanging.note_progress_ns(NOW, NOW + 10 * SECOND_NS) == NOW


def test_a_long_wait_is_told_once_each_time(waiting: Child) -> None:
    told = [waiting.note_long_wait(NOW, NOW + seconds * SECOND_NS) for seconds in (2, 3, 4, 5)]
    assert told == [False, False, True, False]
    later = NOW + 10 * SECOND_NS
    assert [waiting.note_long_wait(later, later + seconds * SECOND_NS) for seconds in (0, 4)] == [False, True]
