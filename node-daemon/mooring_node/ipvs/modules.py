"""Kernel modules that IPVS needs, by name: which, and loading them where that is allowed (shell).

The kernel itself asks for them: for ip_vs when the netlink family is looked up, for ip_vs_<scheduler> and
ip_vs_pe_<engine> when a service names one. That works from a container with NET_ADMIN alone, because the kernel's
modprobe runs outside of it, with the node's own modules. What is left for us are nodes that have the kernel's modprobe
switched off (/proc/sys/kernel/modprobe is empty): there we run it, given SYS_MODULE and /lib/modules.
"""

import errno
import shutil
import subprocess
import time
from collections.abc import Callable
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


class Loader:
    """Has modules loaded beside everything else: one at once, and each is tried once.

    Nobody waits for modprobe: it can hang with the disk that it reads, and with what a module does at its start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[str, str] = {}
        self._running: tuple[str, subprocess.Popen[bytes], float] | None = None
        self._dying: list[subprocess.Popen[bytes]] = []

    def __call__(self, module: str) -> str | None:
        """The reason why a module was not loaded, empty when it was; None: ask again, it is not known yet."""
        self._look()
        if module not in self._said and self._running is None:
            self._begin(module)
        return self._said.get(module)

    def _begin(self, module: str) -> None:
        if _read(_DISABLED) == "1":
            self._said[module] = "this node loads no modules any more (kernel.modules_disabled)"
            return
        program = shutil.which("modprobe", path=_PATH)
        if program is None:
            self._said[module] = "the kernel did not load it, and there is no modprobe here"
            return
        nothing = subprocess.DEVNULL
        try:
            started = subprocess.Popen([program, "--quiet", module], stdin=nothing, stdout=nothing, stderr=nothing)
        except OSError as error:
            self._said[module] = f"modprobe did not run: {error}"
            return
        self._running = (module, started, self._clock() + TIME_LIMIT_S)

    def _look(self) -> None:
        self._dying = [each for each in self._dying if each.poll() is None]
        if self._running is None:
            return
        module, process, until = self._running
        code = process.poll()
        if code is None and self._clock() < until:
            return
        self._running = None
        if code is None:
            process.kill()
            self._dying.append(process)
            self._said[module] = f"modprobe was ended, it took longer than {TIME_LIMIT_S:g} s"
        else:
            self._said[module] = "the kernel has no such module, or this container may not load it" if code else ""


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
