"""Keeps the kernel's sync daemon as it is wanted, beside what others run (shell; its kernel and its file are given)."""

import errno
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from mooring_node.ipvs.findings import Problem, Trouble
from mooring_node.ipvs.kernel import IpvsMissingError
from mooring_node.ipvs.owned import Owned
from mooring_node.ipvs.settings import hindrances, read_settings
from mooring_node.ipvs.sync import Role, SyncDaemon, compare, matches
from mooring_node.kernel.netlink import NetlinkFormatError

_ROLES = {Role.MASTER: "master", Role.BACKUP: "backup"}
_WORDS = {
    errno.EEXIST: "one runs already",
    errno.ENODEV: "there is no such interface",
    errno.EINVAL: "the group must be a multicast address, and no service may have backends of another family",
    errno.EPERM: "IPVS needs the capability NET_ADMIN",
}


class SyncKernel(Protocol):
    """What of Ipvs the keeper needs."""

    def sync_daemons(self) -> tuple[SyncDaemon, ...]: ...
    def sync_start(self, daemon: SyncDaemon) -> None: ...
    def sync_stop(self, role: Role) -> None: ...


class SyncKeeper:
    """Starts and stops daemons so that those that are wanted run; before the first `want` it does nothing.

    `settings` reads the kernel's settings. One that keeps connections from being synced is a problem and stays as it
    is: it is the node's owner's, and the daemons would run on in silence.
    """

    def __init__(
        self, kernel: SyncKernel, owned: Owned, settings: Callable[[], Mapping[str, str]] = read_settings
    ) -> None:
        self._kernel = kernel
        self._owned = owned
        self._settings = settings
        self._desired: tuple[SyncDaemon, ...] | None = None
        self.problems: tuple[Problem, ...] = ()
        """What of the last turn is not as it should be."""

    def want(self, daemons: Iterable[SyncDaemon]) -> None:
        self._desired = tuple(daemons)

    def turn(self) -> None:
        """Compare and mend; one question where nothing is to be done. To be called at changes and now and then."""
        if self._desired is None or not (self._desired or self._owned.daemons):
            return
        try:
            self.problems = tuple(self._turn(self._desired))
        except IpvsMissingError as error:
            self.problems = (Problem(Trouble.MISSING_MODULE, str(error.strerror), module=error.module),)
        except (OSError, NetlinkFormatError) as error:
            self.problems = (Problem(Trouble.REFUSED, f"the sync daemons can't be kept: {error}"),)

    def release(self) -> tuple[Problem, ...]:
        """Stop those that are ours; without IPVS there are none."""
        self._desired = ()
        self.turn()
        return tuple(each for each in self.problems if each.trouble is not Trouble.MISSING_MODULE)

    def _turn(self, desired: tuple[SyncDaemon, ...]) -> list[Problem]:
        running = self._kernel.sync_daemons()
        steps = compare(desired, running, self._owned.daemons)
        problems = [_foreign(each) for each in steps.foreign]
        if desired:
            problems += [Problem(Trouble.SETTING, each) for each in hindrances(self._settings())]
        # Those that run as they are wanted, but were started by somebody else, stay theirs.
        self._owned.write(daemons=[*(each for each in self._owned.daemons if _runs(each, running)), *steps.start])
        stopped = {daemon.role for daemon in steps.stop if self._stop(daemon, problems)}
        kept = {daemon.role for daemon in steps.stop} - stopped
        for daemon in steps.start:
            if daemon.role not in kept:
                self._start(daemon, problems)
        running = self._kernel.sync_daemons() if steps.stop or steps.start else running
        self._owned.write(daemons=[each for each in self._owned.daemons if _runs(each, running)])
        return problems

    def _stop(self, daemon: SyncDaemon, problems: list[Problem]) -> bool:
        try:
            self._kernel.sync_stop(daemon.role)
        except OSError as error:
            if error.errno != errno.ESRCH:
                problems.append(_refused("stopping", daemon, error))
                return False
        return True

    def _start(self, daemon: SyncDaemon, problems: list[Problem]) -> None:
        try:
            self._kernel.sync_start(daemon)
        except OSError as error:
            problems.append(_refused("starting", daemon, error))


def _runs(daemon: SyncDaemon, running: Iterable[SyncDaemon]) -> bool:
    return any(matches(daemon, each) for each in running)


def _foreign(daemon: SyncDaemon) -> Problem:
    return Problem(
        Trouble.FOREIGN,
        f"another program runs the {_ROLES[daemon.role]} sync daemon (interface {daemon.interface}, sync id "
        f"{daemon.sync_id}); end it there, or stop it by `ipvsadm --stop-daemon {_ROLES[daemon.role]}`",
    )


def _refused(what: str, daemon: SyncDaemon, error: OSError) -> Problem:
    trouble = Trouble.NOT_PERMITTED if error.errno == errno.EPERM else Trouble.REFUSED
    words = _WORDS.get(error.errno or 0, str(error))
    return Problem(trouble, f"{what} the {_ROLES[daemon.role]} sync daemon on {daemon.interface}: {words}")
