"""The last transitions of this node's groups, and what each group is since when; kept over restarts."""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from mooring_node.files import read_entries, read_json, write_atomically

LIMIT = 100
STATES = frozenset({"Initialize", "Backup", "Active", "Fault"})
#: What a state's age says of its beginning may differ by this much from what was told then: ages are whole seconds.
TOLERANCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of a group's state; `time` in UTC, ISO 8601."""

    time: str
    group: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True)
class GroupState:
    """What a group is, since when (seconds, wall clock), why, and after how many changes in its life here."""

    state: str
    since_s: float
    reason: str
    transitions: int
    priority: int | None = None
    """By what it tracks; None: as configured."""


def read_transitions(path: Path) -> tuple[Transition, ...]:
    """Oldest first; nothing where there is no such file or it is not ours."""
    raw = read_json(path) or {}
    return read_entries(Transition, raw.get("transitions"))


def read_groups(path: Path) -> dict[str, GroupState]:
    """One that another release describes in other words is left out."""
    raw = (read_json(path) or {}).get("groups")
    found = {}
    for name, each in raw.items() if isinstance(raw, dict) else ():
        with suppress(AttributeError, KeyError, TypeError, ValueError):
            found[name] = _group_state(each)
    return found


def _group_state(raw: Mapping[str, Any]) -> GroupState:
    state, since_s, priority = raw["state"], raw["since_s"], raw.get("priority")
    if state not in STATES or not isfinite(since_s):
        raise ValueError(f"no state of a group: {state!r} since {since_s!r}")
    told = None if priority is None else int(priority)
    return GroupState(state, float(since_s), str(raw["reason"]), int(raw["transitions"]), told)


class TransitionLog:
    """At most LIMIT, oldest first out; `save` writes only what is new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.entries = list(read_transitions(path))
        self.groups = read_groups(path)
        self._saved = True

    def add(self, transition: Transition, *, former: bool = False) -> None:
        """`former`: of a group whose successor of the same name runs already, and is what the group is."""
        self.entries = [*self.entries, transition][-LIMIT:]
        self._saved = False
        if former:
            return
        known = self.groups.get(transition.group)
        since_s = datetime.fromisoformat(transition.time).timestamp()
        count = known.transitions + 1 if known else 1
        priority = known.priority if known else None
        self.groups[transition.group] = GroupState(transition.after, since_s, transition.reason, count, priority)

    def weighed(self, group: str, priority: int | None) -> None:
        """Its priority is this now, by what it tracks; None: as configured."""
        known = self.groups.get(group)
        if known is not None and known.priority != priority:
            self.groups[group] = replace(known, priority=priority)
            self._saved = False

    def saw(self, snapshot: dict[str, Any], now_s: float) -> bool:
        """A group as the VRRP process describes it (see vrrp.snapshot); whether that is news.

        What was told at the transition is kept where the two agree: ages in seconds would let it flap.
        """
        name, state, since_s = snapshot["name"], snapshot["state"], now_s - snapshot["forSeconds"]
        known = self.groups.get(name)
        priority = None if snapshot["priority"] == snapshot["configuredPriority"] else snapshot["priority"]
        same = known if known is not None and known.state == state else None
        reason = "; ".join(f"{a}: {b}" for a, b in zip(snapshot["faults"], snapshot["remedies"], strict=True))
        if same is not None:
            began_s = same.since_s if abs(same.since_s - since_s) <= TOLERANCE_S else since_s
            reason = reason if state == "Fault" and reason else same.reason
            found = GroupState(state, began_s, reason, same.transitions, priority)
        else:
            count = known.transitions + 1 if known else snapshot["transitions"]
            found = GroupState(state, since_s, reason, count, priority)
        if found == known:
            return False
        self.groups[name] = found
        self._saved = False
        return True

    def keep_only(self, groups: Collection[str]) -> None:
        """Forget what groups were that are configured no more."""
        if self.groups.keys() - groups:
            self.groups = {name: state for name, state in self.groups.items() if name in groups}
            self._saved = False

    def save(self) -> None:
        """Raises OSError; what is not saved is tried again at the next call."""
        if not self._saved:
            content = {
                "transitions": [asdict(each) for each in self.entries],
                "groups": {name: asdict(each) for name, each in self.groups.items()},
            }
            write_atomically(self._path, json.dumps(content, indent=1))
            self._saved = True
