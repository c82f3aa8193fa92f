"""What happens to a pod's containers, and what the machine wants done. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from mooring_lab.kubelet.states import Exit, ProbeKind

# -- events


class Hook(StrEnum):
    POST_START = "postStart"
    PRE_STOP = "preStop"


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class End:
    """The pod is to end, its containers within `grace_s`; a shorter one may follow, a longer one changes nothing."""

    grace_s: float


@dataclass(frozen=True, slots=True)
class NotStarted:
    """What the container needs was missing; it is tried again."""

    name: str
    attempt: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Started:
    name: str
    attempt: int
    started_at: float


@dataclass(frozen=True, slots=True)
class Exited:
    name: str
    attempt: int
    exit: Exit


@dataclass(frozen=True, slots=True)
class HookDone:
    name: str
    attempt: int
    hook: Hook
    failure: str = ""
    """Empty: it did its work."""


@dataclass(frozen=True, slots=True)
class Checked:
    name: str
    attempt: int
    kind: ProbeKind
    passed: bool
    message: str = ""


Event = Tick | End | NotStarted | Started | Exited | HookDone | Checked


# -- effects


@dataclass(frozen=True, slots=True)
class Create:
    """Begin this attempt, or find it again if it was begun; Started or NotStarted, and later Exited, come back."""

    name: str
    attempt: int


@dataclass(frozen=True, slots=True)
class RunHook:
    name: str
    attempt: int
    hook: Hook


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    attempt: int
    kind: ProbeKind


@dataclass(frozen=True, slots=True)
class Terminate:
    """SIGTERM."""

    name: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL."""

    name: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Tell:
    """An event for `kubectl describe`."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The pod is to end, and nothing of it is alive."""


Effect = Create | RunHook | Check | Terminate | Kill | Tell | Finish
Effects = tuple[Effect, ...]
