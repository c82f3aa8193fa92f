"""Accepting a configuration: what is good runs, what is bad keeps its last good form, and everything is told.

One way for both sources, a file and an object of the API.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

from mooring_api.problems import Problem, Severity
from mooring_node.agent.fitting import kept_groups, tracking_what_runs, with_last_good, without_taken
from mooring_node.balance import store
from mooring_node.balance.config import BalanceConfig
from mooring_node.files import StateFolder, read_json, write_atomically
from mooring_node.judge.messages import NOTHING_BALANCED, Judgement, KeyPlace
from mooring_node.judge.source import placed
from mooring_node.ledger import Entries, Ledger, addresses_of
from mooring_node.vrrp.config import GroupConfig, NodeRuntime, from_json, to_json


@dataclass(frozen=True, slots=True)
class Origin:
    """Which state of which object of the API: the uid, because an object that is made anew counts from 1 again."""

    uid: str
    generation: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a configuration: `runtime` is what is to run now, None when nothing was ever good."""

    runtime: NodeRuntime | None
    problems: tuple[Problem, ...]
    changed: bool
    waits: bool = False
    """What names no interface found none: the node's network may not be there yet."""
    origin: Origin | None = None
    """What `runtime` and `balance` are of, as far as that is known; None also for a file."""
    balance: BalanceConfig = NOTHING_BALANCED
    """What the checks process is to run."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)


#: Puts passwords into groups: those that have what they need, and what is wrong with the others.
Resolve: TypeAlias = Callable[
    [Sequence[GroupConfig], Sequence[KeyPlace]], tuple[tuple[GroupConfig, ...], tuple[Problem, ...]]
]


def as_they_are(
    groups: Sequence[GroupConfig], _keys: Sequence[KeyPlace]
) -> tuple[tuple[GroupConfig, ...], tuple[Problem, ...]]:
    """For a file, which holds its passwords itself."""
    return tuple(groups), ()


def metadata_of(document: Mapping[str, object]) -> Mapping[str, object]:
    """That of an object of the API; nothing where there is none, or something else."""
    found = document.get("metadata")
    return found if isinstance(found, Mapping) else {}


def origin_of(document: Mapping[str, object]) -> Origin:
    """Which state of which object; generation 0 where it does not say."""
    metadata = metadata_of(document)
    generation = metadata.get("generation")
    return Origin(str(metadata.get("uid") or ""), generation if isinstance(generation, int) else 0)


def written(document: Mapping[str, object]) -> str:
    """What somebody wrote of an object of the API, as JSON; RecursionError where it is nested too deeply."""
    kept = {field: value for field, value in document.items() if field != "status"}
    if "metadata" in document:
        kept["metadata"] = {"name": metadata_of(document).get("name")}
    return json.dumps(kept, separators=(",", ":"))


def last_good(state: StateFolder) -> NodeRuntime | None:
    """What was accepted last; None when there is none that this version can read."""
    try:
        return from_json(state.accepted.read_text())
    except (OSError, ValueError):
        return None


def noted_origin(state: StateFolder, runtime: NodeRuntime) -> Origin | None:
    """Of which object of the API the last good configuration is; None where it is of a file, or not known."""
    raw = read_json(state.origin) or {}
    if raw.get("runtime") != runtime.generation:
        return None
    try:
        return Origin(str(raw["uid"]), int(raw["generation"]))
    except (KeyError, TypeError, ValueError):
        return None


def last_balance(state: StateFolder) -> BalanceConfig | None:
    """The same of what is balanced; None where there is none, or none that this version can read."""
    try:
        return store.kept(state.balance)
    except (OSError, ValueError):
        return None


def accept(
    judgement: Judgement, state: StateFolder, origin: Origin | None = None, resolve: Resolve = as_they_are
) -> Outcome:
    """Write what of it is to run: the ledger first, so that no address is ever set without it.

    `origin` None: it is of a file. Raises OSError when the state folder cannot be written; what was written of it then
    is found at the next try.
    """
    before, balanced = last_good(state), last_balance(state) or NOTHING_BALANCED
    if not judgement.usable:
        known = noted_origin(state, before) if before else None
        return Outcome(
            before, judgement.problems, changed=False, waits=judgement.failed, origin=known, balance=balanced
        )
    found, groups, balance = _fitted(judgement, before, balanced, resolve)
    problems = tuple(placed(found, places_of(judgement)))
    waits = any(problem.path.endswith((".interface", ".interfaces")) for problem in found)
    if not groups and balance.empty and _bad(found) and before is None:
        return Outcome(None, problems, changed=False, waits=waits)
    ledger = Ledger(state.ledger)
    entries = ledger.read()
    ledger.write(Entries(entries.addresses | addresses_of(groups), entries.settings))
    balance = _write_balance(state, balance, balanced)
    changed = before is None or frozenset(groups) != frozenset(before.groups)
    if before is None or changed:
        runtime = NodeRuntime(generation=_next_generation(state, before), groups=groups)
        write_atomically(state.accepted, to_json(runtime))
    else:
        runtime = before
    _note_origin(state, runtime, balance, origin)
    return Outcome(
        runtime,
        problems,
        changed=changed or balance != balanced,
        waits=waits,
        origin=origin,
        balance=balance,
    )


def _fitted(
    judgement: Judgement, before: NodeRuntime | None, balanced: BalanceConfig, resolve: Resolve
) -> tuple[tuple[Problem, ...], tuple[GroupConfig, ...], BalanceConfig]:
    """Everything that is wrong, and what is to run: what is good, and of what is bad the last good form."""
    resolved, lacking = resolve(judgement.groups, judgement.keys)
    groups, taken = without_taken(resolved, judgement.node)
    found = (*judgement.problems, *lacking, *taken)
    bad = _bad(found)
    if before is not None:
        groups += kept_groups(before.groups, groups, bad)
    balance = with_last_good(judgement.balance, balanced, bad)
    groups, tracked, untracked = tracking_what_runs(groups, balance, judgement.node)
    return (*found, *untracked), groups, replace(balance, tracked=tracked)


def _bad(found: Iterable[Problem]) -> frozenset[str]:
    """The entries that cannot run as they were written."""
    return frozenset(each.instance for each in found if each.severity is Severity.ERROR and each.instance)


def places_of(judgement: Judgement) -> Mapping[tuple[str, str], int]:
    """Of each entry of the NodeConfig, by its list and name, its number as it was written."""
    return {(field, name): number for field, name, number in judgement.places}


def _write_balance(state: StateFolder, wanted: BalanceConfig, before: BalanceConfig) -> BalanceConfig:
    """Have on disk what is to run, under a number that the checks process does not know for something else."""
    if replace(wanted, generation=before.generation) == before and not before.empty:
        return before
    if wanted.empty:
        store.keep(state.balance, NOTHING_BALANCED)
        return NOTHING_BALANCED
    noted = (read_json(state.origin) or {}).get("balance", 0)
    number = max(before.generation, noted if isinstance(noted, int) else 0) + 1
    numbered = replace(wanted, generation=number)
    store.keep(state.balance, numbered)
    return numbered


def _next_generation(state: StateFolder, before: NodeRuntime | None) -> int:
    """Never a number that the VRRP process may know for something else, also when the last good one was lost."""
    noted = (read_json(state.origin) or {}).get("runtime", 0)
    return max(before.generation if before else 0, noted if isinstance(noted, int) else 0) + 1


def _note_origin(state: StateFolder, runtime: NodeRuntime, balance: BalanceConfig, origin: Origin | None) -> None:
    if origin is None:
        return
    content = {**asdict(origin), "runtime": runtime.generation}
    noted = (read_json(state.origin) or {}).get("balance", 0)
    content["balance"] = max(balance.generation, noted if isinstance(noted, int) else 0)
    if read_json(state.origin) != content:
        # A full disk: the configuration runs, and after a restart without the API its generation is not known.
        with contextlib.suppress(OSError):
            write_atomically(state.origin, json.dumps(content))
