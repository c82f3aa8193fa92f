"""The last transitions of this node's groups, kept over restarts."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mooring_node.files import read_json, write_atomically

LIMIT = 100


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of a group's state; `time` in UTC, ISO 8601."""

    time: str
    group: str
    before: str
    after: str
    reason: str


def read_transitions(path: Path) -> tuple[Transition, ...]:
    """Oldest first; nothing where there is no such file or it is not ours."""
    raw = read_json(path) or {}
    try:
        return tuple(Transition(**each) for each in raw.get("transitions", ()))
    except TypeError:
        return ()


class TransitionLog:
    """At most LIMIT, oldest first out; `save` writes only what is new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.entries = list(read_transitions(path))
        self._saved = True

    def add(self, transition: Transition) -> None:
        self.entries = [*self.entries, transition][-LIMIT:]
        self._saved = False

    def save(self) -> None:
        """Raises OSError; what is not saved is tried again at the next call."""
        if not self._saved:
            content = {"transitions": [asdict(each) for each in self.entries]}
            write_atomically(self._path, json.dumps(content, indent=1))
            self._saved = True
