"""Kernel modules that IPVS needs, by name: which, and loading them where that is allowed (shell).

The kernel itself asks for them: for ip_vs when the netlink family is looked up, for ip_vs_<scheduler> and
ip_vs_pe_<engine> when a service names one. That works from a container with NET_ADMIN alone, because the kernel's
modprobe runs outside of it, with the node's own modules. What is left for us are nodes that have the kernel's modprobe
switched off (/proc/sys/kernel/modprobe is empty): there we run it, given SYS_MODULE and /lib/modules.
"""

import errno
import shutil
import subprocess
from pathlib import Path

from mooring_node.ipvs.diff import Action, Operation
from mooring_node.ipvs.table import Service

IPVS = "ip_vs"
TIME_LIMIT_S = 5.0
_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
_DISABLED = Path("/proc/sys/kernel/modules_disabled")


def scheduler_module(scheduler: str) -> str:
    return f"{IPVS}_{scheduler}"


def engine_module(engine: str) -> str:
    return f"{IPVS}_pe_{engine}"


def missing_module(operation: Operation, code: int) -> str | None:
    """The module whose lack is why an operation was refused with this errno; None where it is not for one's lack."""
    if code != errno.ENOENT or operation.action not in (Action.NEW_SERVICE, Action.SET_SERVICE):
        return None
    if not isinstance(operation.values, Service):
        return None
    engine, scheduler = operation.values.persistence_engine, scheduler_module(operation.values.scheduler)
    # Both are refused alike. Schedulers have the names of a closed list, so the engine is asked about second.
    return engine_module(engine) if engine and is_loaded(scheduler) else scheduler


def is_loaded(module: str) -> bool:
    """Whether a module is there as one. Built into the kernel it mostly does not show."""
    return Path("/sys/module", module).is_dir()


def load(module: str) -> str:
    """Try to load a module; the reason why not, empty when it was done. Takes TIME_LIMIT_S at most."""
    if _read(_DISABLED) == "1":
        return "this node loads no modules any more (kernel.modules_disabled)"
    program = shutil.which("modprobe", path=_PATH)
    if program is None:
        return "the kernel did not load it, and there is no modprobe here"
    try:
        done = subprocess.run(
            [program, "--quiet", module],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"modprobe did not run: {error}"
    return "" if done.returncode == 0 else "the kernel has no such module, or this container may not load it"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
