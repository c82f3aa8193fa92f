"""The system calls that Python does not have (unshare and setns only from 3.12 on). OSError names the call."""

import ctypes
import os

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_CAPBSET_READ, _PR_CAPBSET_DROP = 1, 15, 23, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> int:
    result: int = getattr(_libc, name)(*arguments)
    if result == -1:
        number = ctypes.get_errno()
        shown = ", ".join(repr(a.decode()) if isinstance(a, bytes) else str(a) for a in arguments if a is not None)
        raise OSError(number, f"{name}({shown}): {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    _call("unshare", flags)


def setns(descriptor: int, kind: int) -> None:
    _call("setns", descriptor, kind)


def mount(source: str, target: str, kind: str | None, flags: int = 0, options: str | None = None) -> None:
    _call(
        "mount",
        os.fsencode(source),
        os.fsencode(target),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        None if options is None else os.fsencode(options),
    )


def bind(source: str, target: str, *, read_only: bool = False, recursive: bool = True) -> None:
    mount(source, target, None, MS_BIND | (MS_REC if recursive else 0))
    if read_only:
        make_read_only(target)


def make_read_only(target: str, flags: int = 0) -> None:
    """This one mount; what is mounted beneath it keeps what it has."""
    mount("none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def pivot_here() -> None:
    """The working directory, a mount point, becomes the root; the old root lies upon it until `leave_old_root`."""
    _call("pivot_root", b".", b".")


def leave_old_root() -> None:
    """After pivot_here, with the same working directory (pivot_root(2) describes both steps)."""
    _call("umount2", b".", _MNT_DETACH)


def die_with_parent(signal_number: int) -> None:
    """Cleared by the kernel when the process's credentials change, so to be said again then."""
    _call("prctl", _PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def name_process(name: str) -> None:
    """Its comm, at most 15 bytes."""
    _call("prctl", _PR_SET_NAME, name.encode(), 0, 0, 0)


def set_host_name(name: str) -> None:
    """Of this UTS namespace."""
    _call("sethostname", name.encode(), len(name.encode()))


def no_new_privileges() -> None:
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def bounding_set() -> int:
    """The capabilities that this process and its children can ever have, a bit for each."""
    found = 0
    for bit in range(64):
        if _libc.prctl(_PR_CAPBSET_READ, bit, 0, 0, 0) != 1:
            continue
        found |= 1 << bit
    return found


def limit_bounding_set(capabilities: int) -> None:
    for bit in range(64):
        if bounding_set() >> bit & 1 and not capabilities >> bit & 1:
            _call("prctl", _PR_CAPBSET_DROP, bit, 0, 0, 0)


def set_capabilities(capabilities: int) -> None:
    """Permitted and effective are exactly these; inheritable and ambient are empty (as runc since 1.1.2)."""
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    low, high = capabilities & 0xFFFFFFFF, capabilities >> 32
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _call("capset", header, data)
