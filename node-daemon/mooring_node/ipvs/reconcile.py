"""The one loop that makes the kernel's table into the wanted one (shell; its kernel and its file are given).

What was last read or written is taken for what the kernel has, so a change costs what it changes and no dump. The
kernel's own table is read at the start and every 30 s, service by service, and where something was refused.
Nothing here waits: a turn does a bounded piece of work and says when it wants the next one, so that many changes and
long dumps do not hold up what else the process has to do.

Whenever this process dies, the next one finds what is ours in the file (a superset of what the kernel has of us), reads
it, and goes on from there.
"""

import contextlib
import errno
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from mooring_node.ipvs.decode import Counters, DestinationEntry, Load, ServiceEntry
from mooring_node.ipvs.diff import Action, Operation, diff, foreign, performed
from mooring_node.ipvs.findings import Drift, Problem, Trouble, drifted, foreign_problem, told
from mooring_node.ipvs.kernel import Failure, IpvsMissingError
from mooring_node.ipvs.owned import Owned
from mooring_node.ipvs.retries import Retries, pause_ns
from mooring_node.ipvs.table import Balanced, DestinationKey, ServiceKey, Table
from mooring_node.kernel.netlink import NetlinkFormatError
from mooring_node.units import SECOND_NS

AUDIT_NS = 30 * SECOND_NS
#: Of a turn: operations to write, and services whose destinations are read. Each is some 30 ms of a slow machine.
WRITES_A_TURN = 800
READS_A_TURN = 24
#: What a new scheduler for a service costs, in writes: the kernel waits until no processor uses the old one.
_SCHEDULER_COST = 40
#: Refused, because what was believed of the kernel is not so any more.
_SURPRISES = frozenset({errno.ESRCH, errno.ENOENT, errno.EEXIST})

Readings = Mapping[ServiceKey, tuple[Counters, Mapping[DestinationKey, Load]]]


class Kernel(Protocol):
    """What of Ipvs the reconciler needs."""

    def find(self, keys: Iterable[ServiceKey]) -> Mapping[ServiceKey, ServiceEntry]: ...
    def destinations(self, key: ServiceKey) -> Mapping[DestinationKey, DestinationEntry]: ...
    def apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]: ...


class Reconciler:
    """Keeps the services that are ours as they were wanted last; before the first `want` it does nothing."""

    def __init__(self, kernel: Kernel, owned: Owned) -> None:
        self._kernel = kernel
        self._owned = owned
        self._desired: Table | None = None
        self._known: dict[ServiceKey, Balanced] = {}
        """Of ours, as last read or written."""
        self._dirty: dict[ServiceKey, None] = {}
        """To be compared with what is wanted."""
        self._unsure: dict[ServiceKey, None] = {}
        """To be read before that."""
        self._audit: list[ServiceKey] = []
        """What this audit has not read yet."""
        self._audit_at = 0
        self._readings: dict[ServiceKey, tuple[Counters, Mapping[DestinationKey, Load]]] = {}
        self._retries = Retries()
        self._started = False
        self._standing: set[ServiceKey] = set()
        """Of ours, as far as anybody knows: a kernel that cannot be read has not lost them."""
        self._absent: dict[ServiceKey, Problem] = {}
        """Wanted, and not set, because they were refused."""
        self._broken: Problem | None = None
        self._breaks = 0
        self._not_before = 0
        self.drift = Drift()

    def want(self, table: Table) -> None:
        """From now on the table is to be this one. What is the same object as before is not looked at."""
        before = self._desired or {}
        changed = [key for key, balanced in table.items() if before.get(key) is not balanced]
        changed += [key for key in before if key not in table]
        for key in changed:
            self._dirty[key] = None
            self._retries.forget(key)
        for key in self._absent.keys() - table.keys():
            del self._absent[key]
        self._desired = dict(table)

    def turn(self, now_ns: int) -> int:
        """Do a piece of what is to be done; when to call again, `now_ns` for at once. Errors become problems."""
        if self._desired is None or not (self._desired or self._owned.services):
            return now_ns + AUDIT_NS
        if now_ns < self._not_before:
            return self._not_before
        try:
            self._turn(now_ns)
        except (OSError, NetlinkFormatError) as error:
            self._breaks += 1
            self._broken, self._not_before = _broken(error), now_ns + pause_ns(self._breaks)
            self._started = False
            if isinstance(error, IpvsMissingError):
                self._standing.clear()
            return self._not_before
        self._broken, self._breaks = None, 0
        return self._due(now_ns)

    def audit_soon(self) -> None:
        """Read the kernel's table with the next turns, not only when 30 s have passed."""
        self._audit_at = 0

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is not as it should be now."""
        return self._retries.problems if self._broken is None else (self._broken, *self._retries.problems)

    @property
    def lacking(self) -> Mapping[ServiceKey, Problem]:
        """Services that are wanted and that the kernel does not have, as far as is known, and why.

        One that has not been tried yet is not among them, nor one that somebody else has set: it stands.
        """
        if self._broken is None:
            return self._absent
        return dict.fromkeys((key for key in self._desired or {} if key not in self._standing), self._broken)

    @property
    def readings(self) -> Readings:
        """Counters and loads of our services, as old as their last audit (30 s)."""
        return self._readings

    @property
    def settled(self) -> bool:
        """Whether the kernel has all that is wanted, as far as is known."""
        return self._started and not (self._dirty or self._unsure)

    def release(self) -> tuple[Problem, ...]:
        """Remove all services that are ours, now and in one piece; what could not be removed is still in the file."""
        self._desired, self._started = None, False
        if not self._owned.services:
            return ()
        failures: tuple[Failure, ...] = ()
        try:
            there = self._kernel.find(self._owned.services)
            removals = [Operation(Action.DELETE_SERVICE, key) for key in sorted(there)]
            failures = tuple(each for each in self._kernel.apply(removals) if each.errno != errno.ESRCH)
        except IpvsMissingError:
            pass  # Without IPVS nothing of ours is there.
        except (OSError, NetlinkFormatError) as error:
            return (_broken(error),)
        self._own(each.operation.service for each in failures)
        return tuple(_refused(each) for each in failures)

    def _turn(self, now_ns: int) -> None:
        if not self._started:
            self._start(now_ns)
        elif not self._audit and now_ns >= self._audit_at:
            self._audit, self._audit_at = list(self._known), now_ns + AUDIT_NS
            self.drift = replace(self.drift, audits=self.drift.audits + 1, owned=len(self._known))
        self._retries.wake(now_ns)
        self._read_some()
        self._write_some(self._claim(self._ready(), now_ns), now_ns)

    def _due(self, now_ns: int) -> int:
        if self._unsure or self._audit or self._ready():
            return now_ns
        retry_ns = self._retries.next_ns
        return self._audit_at if retry_ns is None else min(self._audit_at, retry_ns)

    def _ready(self) -> list[ServiceKey]:
        """What can be written now, removals last."""
        ready = [key for key in self._dirty if not self._retries.holds(key) and key not in self._unsure]
        desired = self._desired or {}
        return [key for key in ready if key in desired] + [key for key in ready if key not in desired]

    # Reading.

    def _start(self, now_ns: int) -> None:
        self._known.clear()
        self._readings.clear()
        self._audit.clear()
        self._unsure = dict.fromkeys(sorted(self._owned.services))
        self._dirty = dict.fromkeys([*(self._desired or {}), *self._unsure])
        self._audit_at = now_ns + AUDIT_NS
        self._started = True

    def _read_some(self) -> None:
        chosen = [*self._unsure, *(key for key in self._audit if key in self._known)][:READS_A_TURN]
        entries = self._kernel.find(chosen) if chosen else {}
        for key in chosen:
            entry = entries.get(key)
            self._observe(key, None if entry is None else self._read(key, entry))
            if key in self._unsure:
                del self._unsure[key]
                self._dirty[key] = None
        read = frozenset(chosen)
        self._audit = [key for key in self._audit if key in self._known and key not in read]

    def _read(self, key: ServiceKey, entry: ServiceEntry) -> Balanced:
        found = self._kernel.destinations(key)
        self._readings[key] = (entry.counters, {each: item.load for each, item in found.items()})
        return Balanced(entry.service, {each: item.destination for each, item in found.items()})

    def _observe(self, key: ServiceKey, actual: Balanced | None) -> None:
        """Take what was read for known; where it differs from what was known, somebody else has changed it."""
        known = self._known.get(key)
        if known is not None:
            drift = drifted(self.drift, key, known, actual)
            if drift == self.drift:
                return
            self.drift = drift
            self._dirty[key] = None
        self._know(key, actual)

    def _know(self, key: ServiceKey, actual: Balanced | None) -> None:
        if actual is None:
            self._known.pop(key, None)
            self._readings.pop(key, None)
            self._standing.discard(key)
        else:
            self._known[key] = actual
            self._standing.add(key)
            self._absent.pop(key, None)

    # Writing.

    def _claim(self, ready: list[ServiceKey], now_ns: int) -> list[ServiceKey]:
        """What may be written, once it is on disk as ours. What somebody else has set already is left alone."""
        desired, owned = self._desired or {}, self._owned.services
        new = {key: desired[key] for key in ready if key in desired and key not in owned}
        if not new:
            return ready
        present = frozenset(self._kernel.find(new))
        taken = foreign(new, present, owned)
        refused = {key: foreign_problem(key) for key in taken}
        for key in taken:
            self._absent.pop(key, None)
        try:
            self._owned.write(services=owned.union(new) - taken)
        except OSError as error:
            message = f"not set, because it can't be recorded as ours first: {error}"
            unrecorded = {key: Problem(Trouble.NOT_RECORDED, message, key) for key in new if key not in taken}
            self._absent |= unrecorded
            refused |= unrecorded
        for key, problem in refused.items():
            self._retries.hold(key, now_ns + AUDIT_NS, problem)
        # What is there and ours all the same: the file of it was lost. It is read before it is written.
        adopted = present - refused.keys()
        self._unsure |= dict.fromkeys(sorted(adopted))
        return [key for key in ready if key not in refused and key not in adopted]

    def _write_some(self, ready: list[ServiceKey], now_ns: int) -> None:
        desired = self._desired or {}
        chosen: list[ServiceKey] = []
        budget = WRITES_A_TURN
        for key in ready:
            if budget <= 0:
                break
            budget -= _cost(desired.get(key), self._known.get(key))
            chosen.append(key)
        wanted = {key: desired[key] for key in chosen if key in desired}
        known = {key: self._known[key] for key in chosen if key in self._known}
        operations = diff(wanted, known, self._owned.services)
        refused: dict[ServiceKey, list[Failure]] = {}
        for failure in self._apply(operations):
            refused.setdefault(failure.operation.service, []).append(failure)
        for key in chosen:
            if key in refused:
                self._fail(key, operations, refused[key], now_ns)
            else:
                self._know(key, wanted.get(key))
                del self._dirty[key]
                self._retries.forget(key)
        gone = [key for key in chosen if key not in wanted and key not in refused]
        self._own(self._owned.services.difference(gone))

    def _apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        """New services first and by themselves: the destinations of one that is refused must not get into another's."""
        new = [each for each in operations if each.action is Action.NEW_SERVICE]
        failures = self._kernel.apply(new) if new else ()
        lost = {each.operation.service for each in failures}
        rest = [each for each in operations if each.action is not Action.NEW_SERVICE and each.service not in lost]
        return (*failures, *(self._kernel.apply(rest) if rest else ()))

    def _fail(self, key: ServiceKey, operations: Sequence[Operation], refused: list[Failure], now_ns: int) -> None:
        first = refused[0]
        if first.errno == errno.EEXIST and first.operation.action is Action.NEW_SERVICE:
            # It was not there a moment ago: somebody else was faster, and it is theirs.
            self._own(self._owned.services.difference([key]))
            self._retries.hold(key, now_ns + AUDIT_NS, foreign_problem(key))
            self._absent.pop(key, None)
            return
        undone = {each.operation for each in refused}
        done = [each for each in operations if each.service == key and each not in undone]
        self._know(key, performed(self._known.get(key), done))
        self._unsure[key] = None
        surprise = first.errno in _SURPRISES and first.module is None
        self._retries.refuse(key, now_ns, _refused(first), at_once=surprise)
        if self._retries.holds(key) and key not in self._known and key in (self._desired or {}):
            self._absent[key] = _refused(first)

    def _own(self, fewer: Iterable[ServiceKey]) -> None:
        # A file that can't be written names more than is ours: the next start finds that it is not there.
        with contextlib.suppress(OSError):
            self._owned.write(services=fewer)


def _cost(wanted: Balanced | None, known: Balanced | None) -> int:
    """At most so many messages, where one that takes long counts for several."""
    if wanted is None:
        return 1
    if known is None:
        return 1 + len(wanted.destinations)
    schedulers = {wanted.service.scheduler, known.service.scheduler}
    edit = _SCHEDULER_COST if len(schedulers) > 1 else 1
    return edit + max(len(wanted.destinations), len(known.destinations))


def _refused(failure: Failure) -> Problem:
    trouble = Trouble.REFUSED
    if failure.module is not None:
        trouble = Trouble.MISSING_MODULE
    elif failure.errno == errno.EPERM:
        trouble = Trouble.NOT_PERMITTED
    message = f"{told(failure.operation)}: {failure.reason}"
    return Problem(trouble, message, failure.operation.service, failure.module)


def _broken(error: OSError | NetlinkFormatError) -> Problem:
    if isinstance(error, IpvsMissingError):
        return Problem(Trouble.MISSING_MODULE, str(error.strerror), module=error.module)
    if isinstance(error, OSError) and error.errno == errno.EPERM:
        return Problem(Trouble.NOT_PERMITTED, "IPVS needs the capability NET_ADMIN")
    return Problem(Trouble.REFUSED, f"IPVS did not answer as it should: {error}")
