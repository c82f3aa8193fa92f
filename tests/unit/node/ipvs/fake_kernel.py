"""A kernel that keeps an IPVS table, refuses as the real one does, and breaks where a test says so."""

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence

from mooring_node.ipvs.decode import Counters, DestinationEntry, Load, ServiceEntry
from mooring_node.ipvs.diff import Action, Operation
from mooring_node.ipvs.kernel import Failure
from mooring_node.ipvs.sync import Role, SyncDaemon
from mooring_node.ipvs.table import (
    Balanced,
    Destination,
    DestinationKey,
    Service,
    ServiceKey,
    Table,
    effective_destination,
    effective_service,
)

SCHEDULERS = frozenset({"rr", "wrr", "lc", "wlc", "sh", "mh"})


class Killed(BaseException):
    """The process died here."""


class FakeKernel:
    """`services` is the table; what came is in `applied` (one list for each call), `questions` counts the rest."""

    def __init__(self, table: Table | None = None) -> None:
        self.services: dict[ServiceKey, tuple[Service, dict[DestinationKey, Destination]]] = {}
        for key, balanced in (table or {}).items():
            self.services[key] = (balanced.service, dict(balanced.destinations))
        self.applied: list[list[Operation]] = []
        self.questions = 0
        self.refuse: dict[tuple[Action, ServiceKey], int] = {}
        self.breaks: OSError | None = None
        self.dies_after: int | None = None
        """So many operations more, and the process that asked for them is dead."""
        self.before_apply: Callable[[], None] = lambda: None
        self.daemons: dict[Role, SyncDaemon] = {}

    @property
    def table(self) -> dict[ServiceKey, Balanced]:
        return {key: Balanced(service, dict(found)) for key, (service, found) in self.services.items()}

    @property
    def messages(self) -> list[Operation]:
        return [each for call in self.applied for each in call]

    def find(self, keys: Iterable[ServiceKey]) -> Mapping[ServiceKey, ServiceEntry]:
        self._answers()
        return {
            key: ServiceEntry(key, self.services[key][0], Counters(connections=7))
            for key in keys
            if key in self.services
        }

    def destinations(self, key: ServiceKey) -> Mapping[DestinationKey, DestinationEntry]:
        self._answers()
        found = self.services[key][1] if key in self.services else {}
        return {each: DestinationEntry(each, values, Load(active=3)) for each, values in found.items()}

    def apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        self.before_apply()
        if self.breaks is not None:
            raise self.breaks
        self.applied.append(list(operations))
        failures = []
        for operation in operations:
            if self.dies_after is not None:
                if self.dies_after == 0:
                    raise Killed
                self.dies_after -= 1
            code = self.refuse.get((operation.action, operation.service)) or self._do(operation)
            if code:
                module = f"ip_vs_{operation.values.scheduler}" if isinstance(operation.values, Service) else None
                module = module if code == errno.ENOENT else None
                failures.append(Failure(operation, code, f"errno {code}", module))
        return tuple(failures)

    def sync_daemons(self) -> tuple[SyncDaemon, ...]:
        self._answers()
        return tuple(self.daemons.values())

    def sync_start(self, daemon: SyncDaemon) -> None:
        if daemon.role in self.daemons:
            raise OSError(errno.EEXIST, "exists")
        if daemon.interface.startswith("no"):
            raise OSError(errno.ENODEV, "no device")
        length = daemon.max_length or 1472
        self.daemons[daemon.role] = SyncDaemon(
            daemon.role, daemon.interface, daemon.sync_id, daemon.group, daemon.port, daemon.ttl, length
        )

    def sync_stop(self, role: Role) -> None:
        if role not in self.daemons:
            raise OSError(errno.ESRCH, "none")
        del self.daemons[role]

    def _answers(self) -> None:
        self.questions += 1
        if self.breaks is not None:
            raise self.breaks

    def _do(self, operation: Operation) -> int:
        action, key, name, values = operation
        if action is not Action.NEW_SERVICE and key not in self.services:
            return errno.ESRCH
        if isinstance(values, Service):
            return self._service(action, key, values)
        if action is Action.DELETE_SERVICE:
            del self.services[key]
            return 0
        assert name is not None
        return self._destination(action, self.services[key][1], name, values)

    def _service(self, action: Action, key: ServiceKey, values: Service) -> int:
        if action is Action.NEW_SERVICE and key in self.services:
            return errno.EEXIST
        if values.scheduler not in SCHEDULERS:
            return errno.ENOENT
        before = self.services[key][1] if key in self.services else {}
        self.services[key] = (effective_service(key, values), before)
        return 0

    def _destination(
        self,
        action: Action,
        found: dict[DestinationKey, Destination],
        name: DestinationKey,
        values: Destination | None,
    ) -> int:
        if action is Action.NEW_DESTINATION and name in found:
            return errno.EEXIST
        if action is not Action.NEW_DESTINATION and name not in found:
            return errno.ENOENT
        if values is None:
            del found[name]
        else:
            found[name] = effective_destination(values)
        return 0
