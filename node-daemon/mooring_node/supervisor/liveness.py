"""Whether only a new container would help (pure): the answer to `mooring-node probe live`.

The supervisor replaces a process that dies or makes no progress, within its bound and without touching the others.
Being killed by kubelet costs much more: a hand-over of everything, and the tables of what is balanced. So this says
no in three cases alone. A supervisor that hangs does not answer at all. A process that was killed and does not end
is stuck in the kernel, and its successor cannot be started. A VRRP process that dies again and again may suffer from
what it was forked with; while that lasts nothing is held here, so a fresh start costs no hand-over.

Neither the API server nor the configuration nor a backend is asked about: a restart mends none of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mooring_node.units import SECOND_NS

#: The supervisor's own time for a repair: so long after its bound a process may still be without progress.
REPAIR_NS = 10 * SECOND_NS
#: So long a VRRP process may die again and again, with the back-off of 5 s at last.
FAILING_NS = 180 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Life:
    """How one child does. Times in nanoseconds of age; None: not so."""

    name: str
    vital: bool
    """Whether nothing is held without it."""
    stall_ns: int
    idle_ns: int | None = None
    """Since its last progress; None: it does not run now."""
    killed_for_ns: int | None = None
    """Since it was killed, where it has not ended yet."""
    failing_for_ns: int | None = None
    """Since its first death, where none of its successors has lived long since."""


def unmendable(lives: Iterable[Life]) -> str:
    """Why only a new container helps, in words; empty: nothing is wrong, or the supervisor mends it."""
    return "; ".join(words for life in lives if (words := _unmendable(life)))


def _unmendable(life: Life) -> str:
    if life.killed_for_ns is not None and life.killed_for_ns > REPAIR_NS:
        return f"the {life.name} process was killed {_s(life.killed_for_ns)} ago and does not end"
    if life.idle_ns is not None and life.idle_ns > life.stall_ns + REPAIR_NS:
        return f"the {life.name} process has made no progress for {_s(life.idle_ns)}"
    if life.vital and life.failing_for_ns is not None and life.failing_for_ns > FAILING_NS:
        return f"the {life.name} process has been dying again and again for {_s(life.failing_for_ns)}"
    return ""


def described(lives: Iterable[Life]) -> str:
    """The ages of all, for who looks."""
    return "live: " + ", ".join(f"{life.name} {_age(life)}" for life in lives)


def _age(life: Life) -> str:
    return "is being started" if life.idle_ns is None else f"{life.idle_ns / SECOND_NS:.1f} s ago"


def _s(ns: int) -> str:
    return f"{ns // SECOND_NS} s"
