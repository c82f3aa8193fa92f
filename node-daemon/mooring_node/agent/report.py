"""What a daemon says in the status of its NodeConfig: states and facts, bounded, and nothing that ticks. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from mooring_api.levels import LEVEL
from mooring_api.problems import BALANCING, REMARK, Problem, Severity
from mooring_node.agent import hearsay
from mooring_node.agent.server_report import Told
from mooring_node.agent.transitions import GroupState
from mooring_node.vrrp.config import GroupConfig

MOST_PROBLEMS = 32
MOST_CREDENTIALS = 64
MOST_FOREIGN_ROUTERS = 32
LONGEST_TEXT = 512
_INDEX = re.compile(r"\[\d+\]")


class Entry(Protocol):
    """What has a place of its own in the status."""

    def to_wire(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What a status is made of."""

    version: str
    observed_generation: int | None = None
    groups: Sequence[GroupConfig] = ()
    states: Mapping[str, GroupState] = field(default_factory=dict)
    interfaces: Sequence[Entry] = ()
    """Each an InterfaceReport."""
    foreign_routers: Sequence[Mapping[str, Any]] = ()
    """As the VRRP process describes them."""
    credentials: Sequence[Entry] = ()
    """Each a CredentialReport."""
    problems: Sequence[Problem] = ()
    """What of the spec does not run as it says."""
    remarks: Sequence[str] = ()
    servers: Told = field(default_factory=lambda: Told(()))
    kube_proxy: Mapping[str, Any] | None = None


def build(facts: Facts) -> dict[str, Any]:
    """The status as JSON values; an instance whose group nobody has told of yet is not in it."""
    remarks = [*facts.remarks, *_unknown(facts.problems)]
    if len(facts.credentials) > MOST_CREDENTIALS:
        remarks.append(f"{MOST_CREDENTIALS} of {len(facts.credentials)} Secrets are reported")
    if facts.servers.left_out:
        remarks.append(f"{facts.servers.left_out} virtual servers that are well are not reported; there is no room")
    status = {
        "observedGeneration": facts.observed_generation,
        "daemonVersion": facts.version,
        "contractLevel": LEVEL,
        "instances": list(_instances(facts.groups, facts.states)),
        "interfaces": [each.to_wire() for each in facts.interfaces],
        "foreignRouters": _foreign_routers(facts.foreign_routers),
        "credentials": [each.to_wire() for each in facts.credentials[:MOST_CREDENTIALS]],
        "virtualServers": list(_servers(facts.servers.reports)),
        "kubeProxy": hearsay.kube_proxy(facts.kube_proxy),
        "problems": _problems((each for each in facts.problems if each.severity is not Severity.REMARK), remarks),
    }
    return _without_none(status)


def _instances(groups: Iterable[GroupConfig], states: Mapping[str, GroupState]) -> Iterator[dict[str, Any]]:
    for group in groups:
        known = states.get(group.name)
        if known is None:
            continue
        since = datetime.fromtimestamp(known.since_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for member in group.members:
            told = {
                "name": member.name,
                "state": known.state,
                "sinceTime": since,
                "priority": group.priority if known.priority is None else known.priority,
                "transitions": known.transitions,
                "reason": _short(known.reason) or None,
            }
            yield _without_none(told)


def _foreign_routers(told: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """In an order that does not change with each advert; what no router can be was made up by somebody."""
    found = [router for router in map(hearsay.foreign_router, told) if router is not None]
    found.sort(key=lambda router: (router["interface"], router["virtualRouterID"], router["source"]))
    return found[:MOST_FOREIGN_ROUTERS]


def _servers(told: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """As the checks process tells of them; its words are its own, and what does not fit is left out."""
    for each in told:
        report = hearsay.server(_of_status(each))
        if report is None:
            continue
        for backend in report["backends"]:
            if "reason" in backend:
                backend["reason"] = _short(backend["reason"])
        yield report


def _of_status(told: Mapping[str, Any]) -> dict[str, Any]:
    """Weights change with each backend, and are for who asks on the node."""
    return {name: value for name, value in told.items() if name != "weights"}


def _unknown(problems: Iterable[Problem]) -> Iterator[str]:
    """One remark for each field that a newer operator wrote: it keeps nothing from running, in however many entries."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in problems:
        if each.severity is Severity.REMARK:
            found.setdefault((_INDEX.sub("[]", each.path), each.message), []).append(each.instance)
    for (path, message), entries in found.items():
        named = sorted({name for name in entries if name})
        others = f" and {len(named) - 1} more" if len(named) > 1 else ""
        yield f"{path} (of {named[0]}{others}): {message}" if named else f"{path}: {message}"


def _problems(problems: Iterable[Problem], remarks: Iterable[str]) -> list[dict[str, Any]]:
    """The first of each instance before all others: who is not named in a list that was cut must not seem fine.

    What is about addresses goes before what is balanced: the steps of an election's change are taken by it.
    """
    firsts: dict[str, Problem] = {}
    others = []
    for problem in sorted(problems, key=_urgency):
        if problem.instance in firsts:
            others.append(problem)
        else:
            firsts[problem.instance] = problem
    told = [_reported(each) for each in firsts.values()]
    told += [_problem(path=REMARK, message=_short(remark)) for remark in remarks]
    told += [_reported(each) for each in others]
    if len(told) > MOST_PROBLEMS:
        rest = len(told) - (MOST_PROBLEMS - 1)
        more = _problem(message=f"{rest} more problems; `mooring-node status` on the node shows them")
        told = [*told[: MOST_PROBLEMS - 1], more]
    return told


def _urgency(problem: Problem) -> tuple[bool, bool]:
    return problem.path.startswith(BALANCING), problem.severity is not Severity.ERROR


def _reported(problem: Problem) -> dict[str, Any]:
    return _problem(problem.instance, _short(problem.path), _short(problem.message), problem.module[:64])


def _problem(instance: str = "", path: str = "", message: str = "", module: str = "") -> dict[str, Any]:
    return _without_none({"instance": instance, "path": path, "message": message, "module": module or None})


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "..."


def _without_none(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}
