"""When something is due: the timers of RFC 9568 section 6.1 and Mooring's own, from settings and state. Pure."""

from typing import assert_never

from mooring_node.vrrp.states import (
    SECOND_NS,
    Active,
    Backup,
    Doubting,
    Fault,
    Initialize,
    Leaving,
    Observing,
    Router,
    Settings,
    Stopped,
)

#: In units of the longest skew: each advert of priority 0 restarts the timer of a Backup that is not Mooring.
RELEASE_SPACING = 1.1


def skew_ns(settings: Settings, active_interval_ns: int) -> int:
    """How long a Backup waits beyond the intervals, by its priority (RFC 9568 6.1; version 2: RFC 3768 6.1)."""
    interval_ns = SECOND_NS if settings.version == 2 else active_interval_ns
    return (256 - settings.priority) * interval_ns // 256


def release_spacing_ns(settings: Settings) -> int:
    """The time between two adverts of priority 0: a little more than the skew of the lowest priority."""
    return int((SECOND_NS if settings.version == 2 else settings.interval_ns) * RELEASE_SPACING)


def late_ns(settings: Settings) -> int:
    """The silence after which the others may rightly have the role: 3 intervals, or 2 where they wait less."""
    return min(3, max(2, settings.active_down_factor)) * settings.interval_ns


def active_down_ns(settings: Settings, active_interval_ns: int) -> int:
    """The silence after which the Active router counts as gone."""
    return settings.active_down_factor * active_interval_ns + skew_ns(settings, active_interval_ns)


def deadline(router: Router) -> int | None:
    """When the next Tick is due; None while only an event from outside can change anything."""
    match router.state:
        case Backup(active_down_at=at):
            return at
        case Active(advert_at=at, reannounce_at=again):
            return at if again is None else min(at, again)
        case Leaving(until=until, repeat_at=repeat_at):
            return min(until, repeat_at)
        case Fault(recover_at=recover):
            return recover
        case Initialize() | Observing() | Doubting() | Stopped():
            return None
    assert_never(router.state)


def is_late(router: Router, now: int) -> bool:
    """So long since the last advert that others may have taken the role by right."""
    state, settings = router.state, router.settings
    return isinstance(state, Active) and now >= state.advert_at - settings.interval_ns + late_ns(settings)
