"""What a pool is, what can happen to it, and what is told of that (pure); `pools.py` has the rules.

Times are nanoseconds of CLOCK_BOOTTIME.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from mooring_node.balance.config import BackendConfig, ServerConfig, SorryConfig
from mooring_node.balance.listing import serves
from mooring_node.checks.config import CheckConfig, Target
from mooring_node.ipvs.table import DestinationKey


class Event(StrEnum):
    """What is told; ServerEvent's words."""

    BACKEND_UP = "BackendUp"
    BACKEND_DOWN = "BackendDown"
    QUORUM_UP = "QuorumUp"
    QUORUM_DOWN = "QuorumDown"


class State(StrEnum):
    """BackendState's words."""

    UP = "Up"
    DOWN = "Down"
    DRAINING = "Draining"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check says of a backend, and why."""

    good: bool
    reason: str = ""
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """One backend. `up` is what its checks say.

    `findings` are those of the server's checks, in their order. `leaves_ns`: it is no longer listed, and goes then.
    `drains`: its configured weight is 0, and it may have connections.
    """

    config: BackendConfig
    up: bool
    findings: tuple[Finding | None, ...]
    since_ns: int
    reason: str = ""
    leaves_ns: int | None = None
    drains: bool = False

    @property
    def out(self) -> bool:
        """Whether it failed: neither up nor draining."""
        return not self.up and not self.drains

    @property
    def weight(self) -> int:
        """What it gets while it is up."""
        said = [each.weight for each in self.findings if each is not None and each.weight is not None]
        return min(said) if said and self.config.weight else self.config.weight

    @property
    def state(self) -> State:
        if self.leaves_ns is not None or self.drains:
            return State.DRAINING
        if not self.up:
            return State.DOWN
        return State.UP if self.weight else State.DRAINING


@dataclass(frozen=True, slots=True)
class Pool:
    """The backends of `family` (4 or 6). `weight` is that of all which are up.

    `shed`: so many that drained have gone before their time, since it began.
    """

    config: ServerConfig
    family: int
    backends: Mapping[DestinationKey, Backend] = field(default_factory=dict)
    weight: int = 0
    quorum: bool = False
    shed: int = 0

    @property
    def sorry(self) -> SorryConfig | None:
        """The sorry server, while it answers."""
        return None if self.quorum else self._own_sorry

    @property
    def resting(self) -> SorryConfig | None:
        """The sorry server, while it keeps the connections that it has and gets no new ones."""
        sorry = self._own_sorry
        return sorry if sorry is not None and sorry.inhibit and self.quorum else None

    @property
    def _own_sorry(self) -> SorryConfig | None:
        sorry = self.config.sorry
        return sorry if sorry is not None and serves(sorry, self.family) else None

    @property
    def deadline_ns(self) -> int | None:
        """When the next one has drained."""
        return min((each.leaves_ns for each in self.backends.values() if each.leaves_ns is not None), default=None)

    @property
    def leaving(self) -> dict[DestinationKey, Backend]:
        """Those that are no longer listed."""
        return {key: each for key, each in self.backends.items() if each.leaves_ns is not None}


@dataclass(frozen=True, slots=True)
class Happening:
    """For logs, notifications and the operator; a backend's where it has a key."""

    event: Event
    server: str
    family: int
    backend: DestinationKey | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Configured:
    """The server is this from now on. `known`: what is known of targets already."""

    config: ServerConfig
    known: Mapping[Target, Finding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """A check spoke of a backend."""

    check: CheckConfig
    backend: DestinationKey
    finding: Finding


@dataclass(frozen=True, slots=True)
class Passed:
    """Time has passed: what has drained goes."""


@dataclass(frozen=True, slots=True)
class Crowded:
    """The node has room for so many that left."""

    most: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The daemon ends as it was told to."""


PoolEvent: TypeAlias = Configured | Found | Passed | Crowded | Ended
