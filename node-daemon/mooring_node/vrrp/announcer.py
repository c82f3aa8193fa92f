"""When gratuitous ARP and unsolicited NA go out: a plan of rounds, each over all addresses, paced.

Pure: a plan is a value, `due` says which announcements to send now and what remains of the plan. Times
are nanoseconds on the caller's clock. What is announced are units (the frames of one address), counted
from 0.
"""

from dataclasses import dataclass, replace

from mooring_node.vrrp.config import AnnouncementConfig


@dataclass(frozen=True, slots=True)
class Announcing:
    """What remains to be announced: rounds in order, and how far the first one is."""

    rounds: tuple[int, ...] = ()
    cursor: int = 0
    refresh_at: int | None = None
    not_before: int = 0
    """The pace: no announcement earlier, whatever is due."""


SILENT = Announcing()


def taken(config: AnnouncementConfig, now: int) -> Announcing:
    """The plan of a node that has just taken the addresses."""
    first = _spread(config, now)
    second = _spread(config, now + config.delay_ns) if config.delay_ns else ()
    refresh_at = now + config.refresh_ns if config.refresh_ns else None
    return Announcing(rounds=tuple(sorted(first + second)), refresh_at=refresh_at)


def once_more(plan: Announcing, config: AnnouncementConfig, now: int) -> Announcing:
    """One further round at once, before whatever is planned; from here on the refresh runs, if it did not.

    A paced round that is under way comes first: begun anew each time, it would never reach the last addresses. And one
    that waits already is as good: more would pile up.
    """
    under_way, later = plan.rounds[: bool(plan.cursor)], plan.rounds[bool(plan.cursor) :]
    if not later or later[0] > now:
        plan = replace(plan, rounds=(*under_way, now, *later))
    return plan if plan.refresh_at is not None else refreshed_as(plan, config, now)


def refreshed_as(plan: Announcing, config: AnnouncementConfig, now: int) -> Announcing:
    """The plan of a holder under another configuration: only the refresh follows it."""
    if not config.refresh_ns:
        return replace(plan, refresh_at=None)
    following = now + config.refresh_ns
    return replace(plan, refresh_at=following if plan.refresh_at is None else min(plan.refresh_at, following))


def deadline(plan: Announcing) -> int | None:
    """When `due` has something to send."""
    times = [] if plan.refresh_at is None else [plan.refresh_at]
    if plan.rounds:
        times.append(_next(plan))
    return min(times, default=None)


def _next(plan: Announcing) -> int:
    return max(plan.rounds[0], plan.not_before)


def due(plan: Announcing, config: AnnouncementConfig, units: int, now: int) -> tuple[Announcing, tuple[range, ...]]:
    """The units to announce at `now`, in order, and the plan that remains.

    Without an interval a round goes out whole; with one it advances a unit at a time, and a unit that is
    late delays the following ones (they are never sent in a burst to catch up).
    """
    if plan.refresh_at is not None and now >= plan.refresh_at:
        # A round that is under way is as good, and refreshes must not pile up behind a slow pace.
        refresh = () if plan.rounds and plan.rounds[0] <= now else (now,) * config.refresh_count
        following = now + config.refresh_ns if config.refresh_ns else None
        plan = replace(plan, rounds=refresh + plan.rounds, refresh_at=following)
    sent: list[range] = []
    while plan.rounds and now >= _next(plan):
        if config.interval_ns == 0:
            sent.append(range(plan.cursor, units))
            plan = replace(plan, rounds=plan.rounds[1:], cursor=0)
            continue
        sent.append(range(plan.cursor, plan.cursor + 1))
        last = plan.cursor + 1 >= units
        plan = replace(
            plan,
            rounds=plan.rounds[1:] if last else plan.rounds,
            cursor=0 if last else plan.cursor + 1,
            not_before=now + config.interval_ns,
        )
    return plan, tuple(sent)


def _spread(config: AnnouncementConfig, start: int) -> tuple[int, ...]:
    if config.count == 1:
        return (start,)
    return tuple(start + config.spread_ns * turn // (config.count - 1) for turn in range(config.count))
