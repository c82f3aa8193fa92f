"""Accepting a configuration: what is good runs, what is bad keeps its last good form, and everything is told.

One way for both sources, a file and an object of the API.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from mooring_api.nodeconfig import Instance, NodeConfig
from mooring_api.problems import InvalidObject, Problem, Severity
from mooring_api.reading import Source, read_node_config
from mooring_node.agent.compile import NodeFacts, compile_groups, tracking_what_runs
from mooring_node.agent.compile_balance import compile_balance, with_last_good
from mooring_node.balance import store
from mooring_node.balance.config import BalanceConfig
from mooring_node.files import StateFolder, read_json, write_atomically
from mooring_node.ledger import Entries, Ledger, addresses_of
from mooring_node.vrrp.config import GroupConfig, NodeRuntime, from_json, to_json
from mooring_node.vrrp.matching import Router, routers_of

NOTHING_BALANCED = BalanceConfig(generation=0)
#: The lists of a NodeConfig and what tells their entries apart.
_KEYS = {"instances": "name", "virtualServers": "name", "backendAddresses": "address"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Which state of which object of the API: the uid, because an object that is made anew counts from 1 again."""

    uid: str
    generation: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source says: what of a NodeConfig can be used (None: nothing), and everything that is wrong with it."""

    config: NodeConfig | None
    problems: tuple[Problem, ...] = ()
    origin: Origin | None = None
    """None: a file."""
    places: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Of each entry, by its list and name, in the list as it was written, also where others are left out."""


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


#: Puts passwords into instances: those that have what they need, and what is wrong with the others.
Resolve: TypeAlias = Callable[[Sequence[Instance]], tuple[tuple[Instance, ...], tuple[Problem, ...]]]


def as_they_are(instances: Sequence[Instance]) -> tuple[tuple[Instance, ...], tuple[Problem, ...]]:
    """For a file, which holds its passwords itself."""
    return tuple(instances), ()


def read_file(path: Path) -> Reading:
    """The NodeConfig of a file."""
    from mooring_api.documents import parse_documents  # only here: an object of the API is no YAML

    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        return Reading(None, (Problem(str(path), "", f"cannot be read: {error}"),))
    try:
        documents = parse_documents(text, str(path))
    except InvalidObject as error:
        return Reading(None, error.problems)
    if len(documents) != 1:
        message = f"holds {len(documents)} documents; write exactly one NodeConfig"
        return Reading(None, (Problem(str(path), "", message),))
    return _read(documents[0], str(path), "file")


def read_object(document: Mapping[str, object], name: str) -> Reading:
    """The NodeConfig of an object of the API that is called `name`."""
    return replace(_read(document, f"NodeConfig {name}", "api"), origin=origin_of(document))


def origin_of(document: Mapping[str, object]) -> Origin:
    """Which state of which object; generation 0 where it does not say."""
    metadata = document.get("metadata")
    said: Mapping[str, object] = metadata if isinstance(metadata, Mapping) else {}
    generation = said.get("generation")
    return Origin(str(said.get("uid") or ""), generation if isinstance(generation, int) else 0)


def _read(document: Mapping[str, object], where: str, source: Source) -> Reading:
    try:
        config, problems = read_node_config(document, source=source)
    except InvalidObject as error:
        return Reading(None, error.problems)
    except RecursionError:
        return Reading(None, (Problem(where, "", "is nested too deeply"),))
    spec = document.get("spec")
    if not isinstance(spec, Mapping) or not isinstance(spec.get("instances"), list):
        # What was cut short must not withdraw everything.
        message = "is required; write `instances: []` to hold no address on this node, also where it only balances"
        return Reading(None, (*problems, Problem(where, "spec.instances", message)))
    whole = tuple(each for each in problems if each.severity is Severity.ERROR and not each.instance)
    if whole:
        return Reading(None, whole)
    places = {
        (field, str(each[key])): place
        for field, key in _KEYS.items()
        for place, each in enumerate(spec.get(field, ()))
        if isinstance(each, Mapping) and key in each
    }
    return Reading(config, problems, places=places)


def in_file(path: Path, problem: Problem) -> str:
    """A problem with the name of its file, once."""
    return str(problem) if f"{problem.object}:".startswith(f"{path}:") else f"{path}: {problem}"


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
    reading: Reading, state: StateFolder, facts: Callable[[], NodeFacts], resolve: Resolve = as_they_are
) -> Outcome:
    """Compile, and write what is to run: the ledger first, so that no address is ever set without it.

    Raises OSError when the state folder cannot be written; what was written of it then is found at the next try.
    """
    before, balanced = last_good(state), last_balance(state) or NOTHING_BALANCED
    if reading.config is None:
        origin = noted_origin(state, before) if before else None
        return Outcome(before, reading.problems, changed=False, origin=origin, balance=balanced)
    found, groups, balance = _compile(reading, reading.config, facts(), resolve)
    bad = frozenset(each.instance for each in found if each.severity is Severity.ERROR and each.instance)
    if before is not None:
        groups += _kept(before.groups, groups, bad)
    balance = with_last_good(balance, balanced, bad)
    groups, tracked, untracked = tracking_what_runs(groups, balance, reading.config.metadata.name)
    problems = tuple(placed((*found, *untracked), reading.places))
    waits = any(problem.path.endswith((".interface", ".interfaces")) for problem in found)
    if not groups and balance.empty and bad and before is None:
        return Outcome(None, problems, changed=False, waits=waits)
    ledger = Ledger(state.ledger)
    entries = ledger.read()
    ledger.write(Entries(entries.addresses | addresses_of(groups), entries.settings))
    balance = _write_balance(state, replace(balance, tracked=tracked), balanced)
    changed = before is None or frozenset(groups) != frozenset(before.groups)
    if before is None or changed:
        runtime = NodeRuntime(generation=_next_generation(state, before), groups=groups)
        write_atomically(state.accepted, to_json(runtime))
    else:
        runtime = before
    _note_origin(state, runtime, balance, reading.origin)
    return Outcome(
        runtime,
        problems,
        changed=changed or balance != balanced,
        waits=waits,
        origin=reading.origin,
        balance=balance,
    )


def _compile(
    reading: Reading, config: NodeConfig, facts: NodeFacts, resolve: Resolve
) -> tuple[tuple[Problem, ...], tuple[GroupConfig, ...], BalanceConfig]:
    """All problems, what is good of the instances, and what is good of the rest."""
    node = config.metadata.name
    instances, lacking = resolve(config.spec.instances)
    groups, refused = compile_groups(instances, facts, node)
    balance, unbalanced = compile_balance(config.spec, facts, node)
    return (*reading.problems, *lacking, *refused, *unbalanced), groups, balance


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


def placed(problems: Iterable[Problem], places: Mapping[tuple[str, str], int]) -> Iterable[Problem]:
    """With the number of the entry where only its name was known."""
    for problem in problems:
        field, unplaced, _ = problem.path.removeprefix("spec.").partition("[]")
        place = places.get((field, problem.instance))
        if place is not None and unplaced:
            yield replace(problem, path=problem.path.replace("[]", f"[{place}]", 1))
        else:
            yield problem


def _kept(before: Sequence[GroupConfig], groups: Sequence[GroupConfig], bad: frozenset[str]) -> tuple[GroupConfig, ...]:
    """The last good groups of instances that are now bad, unless what is good now is in their way."""
    names = {group.name for group in groups}
    addresses = {each.address for group in groups for each in group.addresses()}
    routers = frozenset[Router]().union(*(_routers(group) for group in groups))
    return tuple(
        group
        for group in before
        if any(member.name in bad for member in group.members)
        and group.name not in names
        and not addresses & {each.address for each in group.addresses()}
        and not _routers(group) & routers
    )


def _routers(group: GroupConfig) -> frozenset[Router]:
    return frozenset[Router]().union(*(routers_of(member) for member in group.members))
