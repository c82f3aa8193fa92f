"""The way from the table that the kernel has to the one that is wanted (pure).

Everything that a service or a destination *is* can be edited in place: scheduler, flags, persistence, engine,
weight, limits, way of forwarding, tunnel. An edit breaks no connection: those that exist go on as they began, new ones
follow the new values. What can't be edited is a key: another address, port, protocol, mark or family is another
service or destination. The sync daemon alone is stopped and started again (see sync.py).
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from mooring_node.ipvs.table import (
    Balanced,
    Destination,
    DestinationKey,
    Service,
    ServiceKey,
    Table,
    effective_destination,
    effective_service,
    is_surely_ours,
)


class Action(IntEnum):
    """What is done, in the order in which it is done.

    A service is there before its destinations, and a destination that replaces another before that one goes.
    """

    NEW_SERVICE = 1
    SET_SERVICE = 2
    NEW_DESTINATION = 3
    SET_DESTINATION = 4
    DELETE_DESTINATION = 5
    DELETE_SERVICE = 6


class Operation(NamedTuple):
    """One message: `values` with NEW and SET, `destination` with what concerns one."""

    action: Action
    service: ServiceKey
    destination: DestinationKey | None = None
    values: Service | Destination | None = None


def diff(desired: Table, actual: Table, owned: frozenset[ServiceKey]) -> tuple[Operation, ...]:
    """What makes `actual` into `desired` where services are owned, or not there yet; empty when nothing is to do.

    A service that is there and not owned is somebody else's: no operation concerns it, even if it is desired.
    A service that goes takes its destinations with it, by one message.
    """
    steps: dict[Action, list[Operation]] = {action: [] for action in Action}
    for key, wanted in desired.items():
        present = actual.get(key)
        if present is wanted or (present is not None and key not in owned):
            continue
        for operation in _service_steps(key, wanted, present):
            steps[operation.action].append(operation)
    for key in actual:
        if key in owned and key not in desired:
            steps[Action.DELETE_SERVICE].append(Operation(Action.DELETE_SERVICE, key))
    return tuple(operation for action in Action for operation in steps[action])


def foreign(desired: Table, present: frozenset[ServiceKey], owned: frozenset[ServiceKey]) -> frozenset[ServiceKey]:
    """The services that are desired, and that somebody else has set: by a mark of ours nobody has."""
    return frozenset(key for key in desired if key in present and key not in owned and not is_surely_ours(key))


def _service_steps(key: ServiceKey, wanted: Balanced, present: Balanced | None) -> Iterator[Operation]:
    if present is None:
        yield Operation(Action.NEW_SERVICE, key, None, wanted.service)
        yield from _destination_steps(key, wanted.destinations, {})
        return
    if not same_service(key, wanted.service, present.service):
        yield Operation(Action.SET_SERVICE, key, None, wanted.service)
    yield from _destination_steps(key, wanted.destinations, present.destinations)


def _destination_steps(
    key: ServiceKey, wanted: Mapping[DestinationKey, Destination], present: Mapping[DestinationKey, Destination]
) -> Iterator[Operation]:
    for name, values in wanted.items():
        before = present.get(name)
        if before is None:
            yield Operation(Action.NEW_DESTINATION, key, name, values)
        elif not same_destination(before, values):
            yield Operation(Action.SET_DESTINATION, key, name, values)
    for name in present:
        if name not in wanted:
            yield Operation(Action.DELETE_DESTINATION, key, name)


def same_service(key: ServiceKey, one: Service, other: Service) -> bool:
    """Whether the kernel treats them alike."""
    return one is other or one == other or effective_service(key, one) == effective_service(key, other)


def same_destination(one: Destination, other: Destination) -> bool:
    """The same of destinations."""
    return one is other or one == other or effective_destination(one) == effective_destination(other)


def same(key: ServiceKey, one: Balanced, other: Balanced) -> bool:
    """Whether a service and all of its destinations are alike; their order means nothing."""
    return one is other or not any(True for _ in _service_steps(key, one, other))


def performed(present: Balanced | None, operations: Iterable[Operation]) -> Balanced | None:
    """What a service is after operations on it; None: it is not there."""
    service = None if present is None else present.service
    destinations = {} if present is None else dict(present.destinations)
    for action, _key, name, values in operations:
        if isinstance(values, Service):
            service = values
        elif name is not None and values is not None:
            destinations[name] = values
        elif name is not None:
            destinations.pop(name, None)
        elif action is Action.DELETE_SERVICE:
            service = None
    return None if service is None else Balanced(service, destinations)
