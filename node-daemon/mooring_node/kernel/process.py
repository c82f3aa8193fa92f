"""What the daemon asks of the kernel for its own processes: memory, scheduling, name, clock (shell)."""

import ctypes
import enum
import os
import resource
import time

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_CAP_IPC_LOCK = 14
_NAME_BYTES = 15

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


def die_with_parent(signal: int, parent: int | None = None) -> None:
    """Receive `signal` when the parent (the thread that forked us) ends.

    With `parent`, the parent's own pid as it was before the fork, one that ended before this call counts too.
    """
    _prctl(_PR_SET_PDEATHSIG, int(signal))
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal)


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
