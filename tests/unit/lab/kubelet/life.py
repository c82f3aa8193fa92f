"""Drives the machine by a clock of its own."""

from dataclasses import dataclass, field
from typing import Any

from tests.unit.lab.kubelet.pods import Document, container, pod

from mooring_lab.kubelet import machine
from mooring_lab.kubelet.deadlines import deadline
from mooring_lab.kubelet.events import Create, Effect, End, Event, Exited, HookDone, Started, Tell, Tick
from mooring_lab.kubelet.rules import Pace, PodRules, begin, rules_of
from mooring_lab.kubelet.states import Container, Exit, Pod

DONE, FAILED, TERMINATED = Exit(0, "Completed"), Exit(1, "Error"), Exit(143, "Error")
KILLED = Exit(137, "Error")


@dataclass
class Life:
    """A pod, its state, and all effects so far; what the machine tells is apart."""

    document: Document
    now: float = 1000.0
    effects: list[Effect] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rules: PodRules = rules_of(self.document, 10.0, Pace())
        self.state: Pod = begin(self.document)

    @classmethod
    def of(cls, *containers: Document, **spec: Any) -> "Life":
        return cls(pod(*containers, **spec))

    def take(self, event: Event) -> tuple[Effect, ...]:
        """What the machine wants done now, without what it tells."""
        self.state, effects = machine.step(self.state, event, self.now, self.rules)
        self.told += [effect.reason for effect in effects if isinstance(effect, Tell)]
        wanted = tuple(effect for effect in effects if not isinstance(effect, Tell))
        self.effects += wanted
        return wanted

    def tick(self, seconds: float = 0.0) -> tuple[Effect, ...]:
        self.now += seconds
        return self.take(Tick())

    def to_deadline(self) -> tuple[Effect, ...]:
        due = deadline(self.state)
        assert due is not None
        assert due >= self.now
        self.now = due
        return self.take(Tick())

    def started(self, name: str = "main") -> tuple[Effect, ...]:
        return self.take(Started(name, self[name].attempts, self.now))

    def exited(self, exit_: Exit = FAILED, name: str = "main") -> tuple[Effect, ...]:
        return self.take(Exited(name, self[name].attempts, exit_))

    def hook_done(self, hook: Any, failure: str = "", name: str = "main") -> tuple[Effect, ...]:
        return self.take(HookDone(name, self[name].attempts, hook, failure))

    def end(self, grace_s: float = 10.0) -> tuple[Effect, ...]:
        return self.take(End(grace_s))

    def __getitem__(self, name: str) -> Container:
        found = self.state.container(name)
        assert found
        return found

    @classmethod
    def running(cls, **fields: Any) -> "Life":
        """One container, which runs."""
        life = cls.of(container(**fields))
        assert life.tick() == (Create("main", 1),)
        life.started()
        return life
