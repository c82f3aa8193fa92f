"""What the daemon asks of the kernel for its own processes: memory, scheduling, name, clock (shell)."""

import contextlib
import ctypes
import enum
import os
import resource
import time
from collections.abc import Iterator

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_CAP_IPC_LOCK = 14
_NAME_BYTES = 15
_OOM_SCORE = "/proc/self/oom_score_adj"

#: What kubelet gives to pods of the class system-node-critical: below it are only kubelet itself and its runtime.
PROTECTED = -997
#: So much more than the rest of the daemon has what may go first: as if it had a tenth of the memory (proc(5)).
EXPENDABLE = 100
#: What a program of the host has that nobody has thought of.
ORDINARY = 0

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)
_libc.prctl.restype = ctypes.c_int
_libc.mlockall.argtypes = (ctypes.c_int,)
_libc.mlockall.restype = ctypes.c_int


class Scheduling(enum.Enum):
    """How the kernel treats the calling thread, best first."""

    REAL_TIME = "real-time"
    NICE = "nice"
    NORMAL = "normal"


def now_ns() -> int:
    """CLOCK_BOOTTIME in nanoseconds: steady, and counts the time that a machine was suspended."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def lock_memory() -> bool:
    """Keep this process's pages in memory once they were used; False where that is not allowed.

    Pages are locked on their first use (MCL_ONFAULT), else a forked child would copy all that it shares.
    Under a limit (RLIMIT_MEMLOCK without CAP_IPC_LOCK) nothing is locked, because later allocations would
    fail at that limit.
    """
    if not _may_lock():
        return False
    return bool(_libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)


def real_time(priority: int, cpu_limit_ms: int = 1000) -> Scheduling:
    """Ask for SCHED_FIFO at `priority` (1 to 99) for the calling thread, else for nice -20; what was granted.

    Children start with normal scheduling. A process that uses the CPU for `cpu_limit_ms` without a blocking
    call is ended by SIGXCPU (RLIMIT_RTTIME): a runaway real-time loop must not take the node with it.
    """
    limit_us = cpu_limit_ms * 1000
    _soft, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    if hard != resource.RLIM_INFINITY:
        limit_us = min(limit_us, hard)
    resource.setrlimit(resource.RLIMIT_RTTIME, (limit_us, hard))
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except PermissionError:
        # The same flag keeps the niceness from our children.
        os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
    else:
        return Scheduling.REAL_TIME
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    except PermissionError:
        return Scheduling.NORMAL
    return Scheduling.NICE


def bound_memory(size: int) -> None:
    """Allow this process so many bytes of data (RLIMIT_DATA), or fewer where a lower limit stands already.

    What goes beyond fails here with MemoryError, instead of costing all processes of a container their life.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bounds = [size, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), hard))


def give_back_memory() -> None:
    """What was freed after a burst of work goes back to the kernel (malloc_trim(3), which only glibc has)."""
    with contextlib.suppress(AttributeError):
        _libc.malloc_trim(ctypes.c_size_t(0))


def no_core_dumps() -> None:
    """A process that crashes writes no core file: there are keys in its memory, and the node's disk is not ours."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def oom_score() -> int:
    """This process's place when the kernel chooses whom to kill for memory: -1000 never, 1000 first."""
    with open(_OOM_SCORE, encoding="ascii") as score:
        return int(score.read())


def protect_from_oom() -> int:
    """Ask to be among the last that are killed for memory; the score as it is then, our children's too.

    A score that is lower already stays. Lowering it needs CAP_SYS_RESOURCE, which the daemon does not ask for: kubelet
    gives the score by the pod's priority class, systemd by OOMScoreAdjust.
    """
    if oom_score() > PROTECTED:
        _set_oom_score(PROTECTED)
    return oom_score()


def be_expendable() -> None:
    """Go before the rest of the daemon when memory runs out; to be called once, raising needs no right."""
    _set_oom_score(min(oom_score() + EXPENDABLE, 1000))


@contextlib.contextmanager
def ordinary_children() -> Iterator[None]:
    """What is forked meanwhile is not protected as we are: it has the score of an ordinary program, or ours."""
    own = oom_score()
    raised = own < ORDINARY and _set_oom_score(ORDINARY)
    try:
        yield
    finally:
        if raised:
            # Down to what a privileged process set last (proc(5)), which is not above ours.
            _set_oom_score(own)


def _set_oom_score(score: int) -> bool:
    # Not through a buffered file: it would tell a refusal when it is closed.
    handle = os.open(_OOM_SCORE, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, str(score).encode())
    except PermissionError:
        return False
    finally:
        os.close(handle)
    return True


def die_with_parent(signal: int, parent: int | None = None) -> None:
    """Receive `signal` when the parent (the thread that forked us) ends.

    With `parent`, the parent's own pid as it was before the fork, one that ended before this call counts too.
    """
    _prctl(_PR_SET_PDEATHSIG, int(signal))
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal)


def waits_in_kernel(pid: int) -> bool:
    """Whether it sleeps where no signal wakes it (state D of proc_pid_stat(5)): for a lock of the kernel, a disk."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b") ")[2][:1] == b"D"
    except OSError:
        return False


def set_name(name: str) -> None:
    """The name that ps and top show for the calling thread; cut to 15 bytes."""
    text = ctypes.create_string_buffer(name.encode()[:_NAME_BYTES])
    _prctl(_PR_SET_NAME, ctypes.addressof(text))


def _prctl(option: int, argument: int) -> None:
    if _libc.prctl(option, argument, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _may_lock() -> bool:
    if _has_capability(_CAP_IPC_LOCK):
        return True
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (PermissionError, ValueError):
        return False
    return True


def _has_capability(number: int) -> bool:
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        effective = next((line.split()[1] for line in status if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> number & 1)
