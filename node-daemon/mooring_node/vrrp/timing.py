"""When something is due: the timers of RFC 9568 section 6.1 and Mooring's own, from settings and state. Pure."""

from typing import assert_never

from mooring_node.units import SECOND_NS
from mooring_node.vrrp.states import (
    Active,
    Backup,
    Doubting,
    Fault,
    Initialize,
    Leaving,
    Observing,
    Pace,
    Router,
    Settings,
    Stopped,
)

#: In units of the longest skew: each advert of priority 0 restarts the timer of a Backup that is not Mooring.
RELEASE_SPACING = 1.1


def _longest_skew_ns(pace: Pace) -> int:
    return SECOND_NS if pace.version == 2 else pace.interval_ns


def skew_ns(settings: Settings, pace: Pace) -> int:
    """How long a Backup waits beyond the intervals, by its priority (RFC 9568 6.1; version 2: RFC 3768 6.1).

    `pace` is the Active router's: all Backups count alike, also while they are to speak differently themselves.
    """
    return (256 - settings.priority) * _longest_skew_ns(pace) // 256


def release_spacing_ns(settings: Settings) -> int:
    """The time between two adverts of priority 0: a little more than the skew of the lowest priority."""
    return int(max(_longest_skew_ns(pace) for pace in settings.paces) * RELEASE_SPACING)


def adoptable_ns(settings: Settings) -> int:
    """A predecessor's role goes on if it spoke less than this ago: nobody else can have taken it, whatever the skew."""
    return min(3, settings.active_down_factor) * settings.interval_ns


def _late_intervals(settings: Settings) -> int:
    """Not 1, even where the others wait no longer: each advert is sent a little after its time."""
    return min(3, max(2, settings.active_down_factor))


def advert_after_ns(state: Active, settings: Settings) -> int:
    """The time from one advert of an Active router to its next."""
    return min(state.hurry_ns, settings.advert_every_ns) if state.hurried else settings.advert_every_ns


def active_down_ns(settings: Settings, pace: Pace) -> int:
    """The silence after which an Active router of that pace counts as gone."""
    return settings.active_down_factor * pace.interval_ns + skew_ns(settings, pace)


def unheard_pace(settings: Settings) -> Pace:
    """What to count by before an Active router is heard: of all that it may say, what has the longest silence."""
    return max(settings.paces, key=lambda pace: active_down_ns(settings, pace))


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
    """Whether it must listen before it acts.

    An Active router last spoke so long ago that others may have taken the role by right; a Backup's timer ran out an
    interval ago or more, so its silence may be its own.
    """
    match router.state:
        case Active(advert_at=at) as state:
            # By the shortest interval: a doubt too many costs nothing, since it ends with the packets that wait.
            return now >= at + advert_after_ns(state, router.settings) * (_late_intervals(router.settings) - 1)
        case Backup(active_down_at=at, pace=pace, put_off=put_off):
            return not put_off and now >= at + pace.interval_ns
        case Doubting():
            return True
        case _:
            return False
