"""The words of the machine: settings, states, events, effects. All times are nanoseconds on the caller's clock."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from mooring_node.units import SECOND_NS

OWNER_PRIORITY = 255
#: How far a learned interval may be from those of our forms: a bad neighbour must not make us flap or sleep.
LEARNED_INTERVAL_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """What an advert says of its sender's time: its version of VRRP and its interval."""

    version: int
    interval_ns: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What the machine needs to know of its group's configuration."""

    version: int
    priority: int
    interval_ns: int
    active_down_factor: int = 3
    preempt: bool = True
    preempt_delay_ns: int = 0
    eligible: bool = True
    alone: bool = False
    damping_transitions: int = 6
    damping_window_ns: int = 60 * SECOND_NS
    damping_hold_down_ns: int = 30 * SECOND_NS
    accepted: tuple[Pace, ...] = ()
    """Of other forms of this group's adverts that count like its own, while a change goes round the members."""

    @property
    def pace(self) -> Pace:
        """What this router's own adverts say."""
        return Pace(self.version, self.interval_ns)

    @property
    def paces(self) -> tuple[Pace, ...]:
        """All that the group's adverts may say, the own first."""
        return (self.pace, *self.accepted)

    @property
    def advert_every_ns(self) -> int:
        """The time between two adverts: the shortest that any member may count by, whatever the own ones say.

        So a member that missed the one advert in which the interval grew waits for as many as ever.
        """
        return min(pace.interval_ns for pace in self.paces)


# States. A deadline is a field of the state that it belongs to.


@dataclass(frozen=True, slots=True)
class Initialize:
    """Not started."""


@dataclass(frozen=True, slots=True)
class Backup:
    """Another router is Active, or nobody has been for less than Active_Down."""

    active_down_at: int
    pace: Pace
    """The Active router's, by which its silence is measured."""
    preempt_at: int | None = None
    """When the preemption delay ends; None while no Active of lower priority is heard."""
    put_off: bool = False
    """A late wake-up has begun the wait anew; once in each silence, or who stalls often would wait for ever."""


@dataclass(frozen=True, slots=True)
class Observing:
    """Not eligible (configuration or maintenance): hears the others and never takes the role."""


@dataclass(frozen=True, slots=True)
class Active:
    """Holds the addresses and advertises."""

    advert_at: int
    since: int
    answer_allowed_at: int = 0
    reannounce_allowed_at: int = 0
    reannounce_at: int | None = None
    """When to announce once more because of a losing advert that came before that was allowed again."""
    hurried: int = 0
    """So many adverts still follow each other by `hurry_ns`: the interval grew, and a Backup that has not heard of it
    counts by what it was."""
    hurry_ns: int = 0


@dataclass(frozen=True, slots=True)
class Doubting:
    """Active that was late and has not yet read what the others said meanwhile; it must not speak."""

    active: Active


@dataclass(frozen=True, slots=True)
class Leaving:
    """Has said priority 0 and keeps answering for the addresses until its successor speaks or `until` passes."""

    until: int
    repeat_at: int
    stopping: bool
    """Ends in Stopped; else in Observing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Cannot hold the addresses; `recover_at` is set once every reason is gone (debounce)."""

    recover_at: int | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """The end; nothing leads out of it."""


State: TypeAlias = Initialize | Backup | Observing | Active | Doubting | Leaving | Fault | Stopped
#: The states in which the group's addresses are in the kernel.
HOLDING = (Active, Doubting, Leaving)


# Events.


@dataclass(frozen=True, slots=True)
class Start:
    """Begin; `adopt` when a predecessor's addresses are still ours (timing.adoptable_ns)."""

    adopt: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """A valid advert. `wins_tie`: the sender's address is the higher one; None where that cannot be judged."""

    priority: int
    pace: Pace
    wins_tie: bool | None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; what is due happens."""


@dataclass(frozen=True, slots=True)
class Late:
    """The process did not run when something was due (timing.is_late), and has not heard what was said since."""


@dataclass(frozen=True, slots=True)
class Drained:
    """After Late: everything that was received meanwhile has been fed."""


@dataclass(frozen=True, slots=True)
class LeaseEnded:
    """The kernel may have taken the addresses away already."""


@dataclass(frozen=True, slots=True)
class FaultsChanged:
    faulty: bool


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The kernel refused an address of a taking: nothing is held, and nobody has heard of it."""


@dataclass(frozen=True, slots=True)
class Reconfigured:
    settings: Settings


@dataclass(frozen=True, slots=True)
class Stop:
    """A planned end; `keep` leaves the addresses to the next start, and says nothing."""

    keep: bool = False


Event: TypeAlias = Start | Heard | Tick | Late | Drained | LeaseEnded | FaultsChanged | NotTaken | Reconfigured | Stop


class Effect(Enum):
    """What the shell does, in the order given."""

    TAKE_ADDRESSES = "take addresses"
    RELEASE_ADDRESSES = "release addresses"
    SEND_ADVERT = "send advert"
    SEND_RELEASE = "send priority 0"
    ANNOUNCE = "announce the addresses, all rounds"
    REANNOUNCE = "announce the addresses once"
    STOP_ANNOUNCING = "stop announcing"


@dataclass(frozen=True, slots=True)
class Router:
    """One group: its settings, its state, and how often it took the role lately."""

    settings: Settings
    state: State = Initialize()
    takings: tuple[int, ...] = ()
    hold_down_until: int = 0
