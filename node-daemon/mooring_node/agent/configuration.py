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
from mooring_node.agent.compile import NodeFacts, compile_groups
from mooring_node.files import StateFolder, read_json, write_atomically
from mooring_node.ledger import Entries, Ledger, addresses_of
from mooring_node.vrrp.config import GroupConfig, NodeRuntime, from_json, to_json
from mooring_node.vrrp.matching import Router, routers_of


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
    places: Mapping[str, int] = field(default_factory=dict)
    """Of each instance in the list as it was written, also where others of the list are left out."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a configuration: `runtime` is what is to run now, None when nothing was ever good."""

    runtime: NodeRuntime | None
    problems: tuple[Problem, ...]
    changed: bool
    waits: bool = False
    """An instance that names no interface found none: the node's network may not be there yet."""
    origin: Origin | None = None
    """What `runtime` is of, as far as that is known; None also for a file."""

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
    listed = spec.get("instances") if isinstance(spec, Mapping) else None
    if not isinstance(listed, list):
        # What was cut short must not withdraw everything.
        message = "is required; write `instances: []` to hold nothing on this node"
        return Reading(None, (*problems, Problem(where, "spec.instances", message)))
    whole = tuple(each for each in problems if each.severity is Severity.ERROR and not each.instance)
    if whole:
        return Reading(None, whole)
    places = {each["name"]: place for place, each in enumerate(listed) if isinstance(each, Mapping) and "name" in each}
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


def accept(
    reading: Reading, state: StateFolder, facts: Callable[[], NodeFacts], resolve: Resolve = as_they_are
) -> Outcome:
    """Compile, and write what is to run: the ledger first, so that no address is ever set without it.

    Raises OSError when the state folder cannot be written; then nothing has changed.
    """
    before = last_good(state)
    if reading.config is None:
        origin = noted_origin(state, before) if before else None
        return Outcome(before, reading.problems, changed=False, origin=origin)
    instances, lacking = resolve(reading.config.spec.instances)
    groups, refused = compile_groups(instances, facts(), reading.config.metadata.name)
    problems = tuple(_placed((*reading.problems, *lacking, *refused), reading.places))
    waits = any(problem.path.endswith(".interface") for problem in refused)
    bad = {problem.instance for problem in problems if problem.severity is Severity.ERROR and problem.instance}
    if before is not None:
        groups += _kept(before.groups, groups, bad)
    if not groups and bad and before is None:
        return Outcome(None, problems, changed=False, waits=waits)
    ledger = Ledger(state.ledger)
    entries = ledger.read()
    ledger.write(Entries(entries.addresses | addresses_of(groups), entries.settings))
    if before is not None and frozenset(groups) == frozenset(before.groups):
        _note_origin(state, before, reading.origin)
        return Outcome(before, problems, changed=False, waits=waits, origin=reading.origin)
    runtime = NodeRuntime(generation=_next_generation(state, before), groups=groups)
    write_atomically(state.accepted, to_json(runtime))
    _note_origin(state, runtime, reading.origin)
    return Outcome(runtime, problems, changed=True, waits=waits, origin=reading.origin)


def _next_generation(state: StateFolder, before: NodeRuntime | None) -> int:
    """Never a number that the VRRP process may know for something else, also when the last good one was lost."""
    noted = (read_json(state.origin) or {}).get("runtime", 0)
    return max(before.generation if before else 0, noted if isinstance(noted, int) else 0) + 1


def _note_origin(state: StateFolder, runtime: NodeRuntime, origin: Origin | None) -> None:
    if origin is None:
        return
    content = {**asdict(origin), "runtime": runtime.generation}
    if read_json(state.origin) != content:
        # A full disk: the configuration runs, and after a restart without the API its generation is not known.
        with contextlib.suppress(OSError):
            write_atomically(state.origin, json.dumps(content))


def _placed(problems: Iterable[Problem], places: Mapping[str, int]) -> Iterable[Problem]:
    """With the number of the instance where only its name was known."""
    for problem in problems:
        place = places.get(problem.instance)
        if place is not None and problem.path.startswith("spec.instances[]"):
            yield replace(problem, path=problem.path.replace("[]", f"[{place}]", 1))
        else:
            yield problem


def _kept(before: Sequence[GroupConfig], groups: Sequence[GroupConfig], bad: set[str]) -> tuple[GroupConfig, ...]:
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
