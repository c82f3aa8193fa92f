"""What can be said of a pod's containers while they live: the states of the machine. Pure.

Deadlines are seconds of the monotonic clock; times called `..._at` of an exit or a start are seconds since the epoch.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended."""

    code: int
    reason: str
    """Completed, Error, StartError or ContainerStatusUnknown."""
    message: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0


class ProbeKind(StrEnum):
    STARTUP = "startup"
    LIVENESS = "liveness"
    READINESS = "readiness"


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe of a running container. `run` answers alike in a row, all as `last`; `passed` is what they settled."""

    kind: ProbeKind
    due: float
    asked: bool = False
    """A question is out; the next is due at `due` all the same, but not before the answer."""
    run: int = 0
    last: bool | None = None
    passed: bool | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """It does not run; from `until` on it may be tried (again)."""

    reason: str = "ContainerCreating"
    message: str = ""
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Starting:
    """Its keeper was started."""


@dataclass(frozen=True, slots=True)
class PostStart:
    """It runs, and its postStart hook has not ended."""

    started_at: float


@dataclass(frozen=True, slots=True)
class Running:
    started_at: float
    probes: tuple[Probe, ...] = ()


@dataclass(frozen=True, slots=True)
class PreStop:
    """It is to end, and its preStop hook has not ended; at `kill` the time is over."""

    started_at: float
    kill: float
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Terminating:
    """It was sent SIGTERM; at `kill` it gets SIGKILL."""

    started_at: float
    kill: float
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Killed:
    """It was sent SIGKILL."""

    started_at: float


@dataclass(frozen=True, slots=True)
class Ended:
    exit: Exit


Phase = Waiting | Starting | PostStart | Running | PreStop | Terminating | Killed | Ended
Alive = Starting | PostStart | Running | PreStop | Terminating | Killed


@dataclass(frozen=True, slots=True)
class Container:
    """`attempts` begun so far (the present one too), `last` the end of the one before, the pause before the next."""

    name: str
    phase: Phase = Waiting()
    attempts: int = 0
    last: Exit | None = None
    back_off_s: float = 0.0

    @property
    def alive(self) -> bool:
        return isinstance(self.phase, Alive)


@dataclass(frozen=True, slots=True)
class Ending:
    """The pod's containers are to end: at `kill` at the latest."""

    kill: float


@dataclass(frozen=True, slots=True)
class Pod:
    """Init containers run one after the other, before all others."""

    init: tuple[Container, ...]
    main: tuple[Container, ...]
    ending: Ending | None = None
    refused: str = ""
    """Why nothing of it is run here; empty: it is."""

    @property
    def containers(self) -> tuple[Container, ...]:
        return self.init + self.main

    @property
    def alive(self) -> bool:
        return any(container.alive for container in self.containers)

    def container(self, name: str) -> Container | None:
        return next((container for container in self.containers if container.name == name), None)
