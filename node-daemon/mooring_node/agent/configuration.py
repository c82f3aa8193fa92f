"""Accepting a configuration: what is good runs, what is bad keeps its last good form, and everything is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mooring_api.documents import parse_documents
from mooring_api.nodeconfig import NodeConfig
from mooring_api.problems import InvalidObject, Problem, Severity
from mooring_api.reading import read_node_config
from mooring_node.agent.compile import NodeFacts, compile_groups
from mooring_node.files import StateFolder, write_atomically
from mooring_node.ledger import Entries, Ledger, addresses_of
from mooring_node.vrrp.config import GroupConfig, NodeRuntime, from_json, to_json


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a configuration: `runtime` is what is to run now, None when nothing was ever good."""

    runtime: NodeRuntime | None
    problems: tuple[Problem, ...]
    changed: bool
    waits: bool = False
    """An instance that names no interface found none: the node's network may not be there yet."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)


def read_file(path: Path) -> tuple[NodeConfig, tuple[Problem, ...]]:
    """The NodeConfig of a file and what is wrong with parts of it; InvalidObject when nothing is usable."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidObject([Problem(str(path), "", f"cannot be read: {error}")]) from error
    documents = parse_documents(text, str(path))
    if len(documents) != 1:
        message = f"holds {len(documents)} documents; write exactly one NodeConfig"
        raise InvalidObject([Problem(str(path), "", message)])
    config, problems = read_node_config(documents[0], source="file")
    spec = documents[0].get("spec")
    if not isinstance(spec, dict) or "instances" not in spec:
        # A file that was cut short must not withdraw everything.
        message = "is required; write `instances: []` to hold nothing on this node"
        raise InvalidObject([Problem(str(path), "spec.instances", message)])
    whole = [problem for problem in problems if problem.severity is Severity.ERROR and not problem.instance]
    if whole:
        raise InvalidObject(whole)
    return config, problems


def in_file(path: Path, problem: Problem) -> str:
    """A problem with the name of its file, once."""
    return str(problem) if f"{problem.object}:".startswith(f"{path}:") else f"{path}: {problem}"


def last_good(state: StateFolder) -> NodeRuntime | None:
    """What was accepted last; None when there is none that this version can read."""
    try:
        return from_json(state.accepted.read_text())
    except (OSError, ValueError):
        return None


def accept(path: Path, state: StateFolder, facts: Callable[[], NodeFacts]) -> Outcome:
    """Read, compile, and write what is to run: the ledger first, so that no address is ever set without it.

    Raises OSError when the state folder cannot be written; then nothing has changed.
    """
    before = last_good(state)
    try:
        config, problems = read_file(path)
    except InvalidObject as error:
        return Outcome(before, error.problems, changed=False)
    groups, unresolved = compile_groups(config.spec.instances, facts(), config.metadata.name)
    problems += unresolved
    bad = {problem.instance for problem in problems if problem.severity is Severity.ERROR and problem.instance}
    if before is not None:
        groups += _kept(before.groups, groups, bad)
    if not groups and bad and before is None:
        return Outcome(None, problems, changed=False)
    ledger = Ledger(state.ledger)
    entries = ledger.read()
    ledger.write(Entries(entries.addresses | addresses_of(groups), entries.settings))
    if before is not None and frozenset(groups) == frozenset(before.groups):
        return Outcome(before, problems, changed=False, waits=bool(unresolved))
    runtime = NodeRuntime(generation=before.generation + 1 if before else 1, groups=groups)
    write_atomically(state.accepted, to_json(runtime))
    return Outcome(runtime, problems, changed=True, waits=bool(unresolved))


def _kept(before: Sequence[GroupConfig], groups: Sequence[GroupConfig], bad: set[str]) -> tuple[GroupConfig, ...]:
    """The last good groups of instances that are now bad, unless what is good now is in their way."""
    names = {group.name for group in groups}
    addresses = {each.address for group in groups for each in group.addresses()}
    routers = {_router(group) for group in groups}
    return tuple(
        group
        for group in before
        if any(member.name in bad for member in group.members)
        and group.name not in names
        and not addresses & {each.address for each in group.addresses()}
        and not _router(group) & frozenset().union(*routers)
    )


def _router(group: GroupConfig) -> frozenset[tuple[str, int, int]]:
    return frozenset((m.interface, m.family, m.virtual_router_id) for m in group.members)
