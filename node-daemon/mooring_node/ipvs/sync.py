"""The kernel's sync daemon as values: what runs, what should, and what is to be stopped and started (pure).

The kernel has one daemon for each role in a network namespace. Nothing about one can be edited: another interface,
sync id or group means to stop it and to start it again, which costs what it would have told in that moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum

DEFAULT_GROUP = "224.0.0.81"
DEFAULT_PORT = 8848
#: The kernel sends a datagram within 20 ms of the connection that finds no room in it any more, and one that has room
#: left only after 2 to 3 s. At the least length each has room for one, so that one alone waits, not forty.
ONE_CONNECTION = 1


class Role(IntEnum):
    """IP_VS_STATE_*: MASTER sends what connections there are, BACKUP takes them in. A node may be both."""

    MASTER = 1
    BACKUP = 2


@dataclass(frozen=True, slots=True, order=True)
class SyncDaemon:
    """One role. Nodes that are to hear each other share group, port and `sync_id` (0 to 255).

    `max_length` is the payload of a datagram in bytes, 0: what the interface's MTU leaves. One connection fits into
    any.
    """

    role: Role
    interface: str
    sync_id: int = 0
    group: str = DEFAULT_GROUP
    port: int = DEFAULT_PORT
    ttl: int = 1
    max_length: int = 0


@dataclass(frozen=True, slots=True)
class SyncSteps:
    """`stop` before `start`; `foreign` runs in a role that is wanted, and somebody else has started it."""

    stop: tuple[SyncDaemon, ...] = ()
    start: tuple[SyncDaemon, ...] = ()
    foreign: tuple[SyncDaemon, ...] = ()


def both_roles(
    interface: str, sync_id: int = 0, group: str = DEFAULT_GROUP, port: int = DEFAULT_PORT
) -> tuple[SyncDaemon, ...]:
    """What each node of a group runs."""
    lengths = {Role.MASTER: ONE_CONNECTION, Role.BACKUP: 0}
    return tuple(SyncDaemon(role, interface, sync_id, group, port, max_length=lengths[role]) for role in Role)


def compare(desired: Iterable[SyncDaemon], actual: Iterable[SyncDaemon], owned: frozenset[SyncDaemon]) -> SyncSteps:
    """What is to be done; nothing where what runs is what is wanted, whoever started it.

    Somebody else's datagrams may be of any length.
    """
    wanted = {each.role: each for each in desired}
    running = {each.role: each for each in actual}
    stop: list[SyncDaemon] = []
    foreign: list[SyncDaemon] = []
    for role, daemon in running.items():
        ours = any(matches(each, daemon) for each in owned)
        if role in wanted and matches(wanted[role] if ours else replace(wanted[role], max_length=0), daemon):
            continue
        if ours:
            stop.append(daemon)
        elif role in wanted:
            foreign.append(daemon)
    free = {role for role in wanted if role not in running} | {each.role for each in stop}
    return SyncSteps(tuple(stop), tuple(wanted[role] for role in sorted(free) if role in wanted), tuple(foreign))


def matches(asked: SyncDaemon, running: SyncDaemon) -> bool:
    """Whether what runs is what was asked for; a length that was left to the kernel is any."""
    return asked == (running if asked.max_length else replace(running, max_length=0))
