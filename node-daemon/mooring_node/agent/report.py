"""What a daemon says in the status of its NodeConfig: states and facts, bounded, and nothing that ticks. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from mooring_api.levels import LEVEL
from mooring_api.nodeconfig import (
    CredentialReport,
    ForeignRouter,
    InstanceState,
    InstanceStatus,
    InterfaceReport,
    NodeConfigStatus,
    ReportedProblem,
)
from mooring_api.nodeconfig_status import KubeProxyReport, VirtualServerReport
from mooring_api.problems import BALANCING, REMARK, Problem, Severity
from mooring_node.agent.server_report import Told
from mooring_node.agent.transitions import GroupState
from mooring_node.vrrp.config import GroupConfig

MOST_PROBLEMS = 32
MOST_CREDENTIALS = 64
MOST_FOREIGN_ROUTERS = 32
LONGEST_TEXT = 512
_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a status is made of."""

    version: str
    observed_generation: int | None = None
    groups: Sequence[GroupConfig] = ()
    states: Mapping[str, GroupState] = field(default_factory=dict)
    interfaces: Sequence[InterfaceReport] = ()
    foreign_routers: Sequence[Mapping[str, Any]] = ()
    """As the VRRP process describes them."""
    credentials: Sequence[CredentialReport] = ()
    problems: Sequence[Problem] = ()
    """What of the spec does not run as it says."""
    remarks: Sequence[str] = ()
    servers: Told = field(default_factory=lambda: Told(()))
    kube_proxy: Mapping[str, Any] | None = None


def build(facts: Facts) -> NodeConfigStatus:
    """The status; an instance whose group nobody has told of yet is not in it."""
    remarks = [*facts.remarks, *_unknown(facts.problems)]
    if len(facts.credentials) > MOST_CREDENTIALS:
        remarks.append(f"{MOST_CREDENTIALS} of {len(facts.credentials)} Secrets are reported")
    if facts.servers.left_out:
        remarks.append(f"{facts.servers.left_out} virtual servers that are well are not reported; there is no room")
    return NodeConfigStatus(
        observed_generation=facts.observed_generation,
        daemon_version=facts.version,
        contract_level=LEVEL,
        instances=tuple(_instances(facts.groups, facts.states)),
        interfaces=tuple(facts.interfaces),
        foreign_routers=tuple(_foreign_routers(facts.foreign_routers)),
        credentials=tuple(facts.credentials[:MOST_CREDENTIALS]),
        virtual_servers=tuple(_servers(facts.servers.reports)),
        kube_proxy=_kube_proxy(facts.kube_proxy),
        problems=_problems((each for each in facts.problems if each.severity is not Severity.REMARK), remarks),
    )


def _instances(groups: Iterable[GroupConfig], states: Mapping[str, GroupState]) -> Iterator[InstanceStatus]:
    for group in groups:
        known = states.get(group.name)
        if known is None:
            continue
        since = datetime.fromtimestamp(known.since_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for member in group.members:
            yield InstanceStatus(
                name=member.name,
                state=InstanceState(known.state),
                since_time=since,
                priority=group.priority if known.priority is None else known.priority,
                transitions=known.transitions,
                reason=_short(known.reason) or None,
            )


def _foreign_routers(told: Iterable[Mapping[str, Any]]) -> Iterator[ForeignRouter]:
    """In an order that does not change with each advert; what no router can be was made up by somebody."""
    found = []
    for each in told:
        try:
            found.append(ForeignRouter.model_validate(each, by_alias=True, by_name=False))
        except ValidationError:
            continue
    found.sort(key=lambda router: (router.interface, router.virtual_router_id, router.source))
    yield from found[:MOST_FOREIGN_ROUTERS]


def _servers(told: Iterable[Mapping[str, Any]]) -> Iterator[VirtualServerReport]:
    """As the checks process tells of them; its words are its own, and what does not fit is left out."""
    for each in told:
        try:
            report = VirtualServerReport.model_validate(_of_status(each), by_alias=True, by_name=False)
        except ValidationError:
            continue
        short = (b.model_copy(update={"reason": _short(b.reason)}) if b.reason else b for b in report.backends)
        yield report.model_copy(update={"backends": tuple(short)})


def _of_status(told: Mapping[str, Any]) -> dict[str, Any]:
    """Weights change with each backend, and are for who asks on the node."""
    return {name: value for name, value in told.items() if name != "weights"}


def _kube_proxy(told: Mapping[str, Any] | None) -> KubeProxyReport | None:
    try:
        return None if told is None else KubeProxyReport.model_validate(told, by_alias=True, by_name=False)
    except ValidationError:
        return None


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


def _problems(problems: Iterable[Problem], remarks: Iterable[str]) -> tuple[ReportedProblem, ...]:
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
    told += [ReportedProblem(path=REMARK, message=_short(remark)) for remark in remarks]
    told += [_reported(each) for each in others]
    if len(told) > MOST_PROBLEMS:
        rest = len(told) - (MOST_PROBLEMS - 1)
        more = ReportedProblem(message=f"{rest} more problems; `mooring-node status` on the node shows them")
        told = [*told[: MOST_PROBLEMS - 1], more]
    return tuple(told)


def _urgency(problem: Problem) -> tuple[bool, bool]:
    return problem.path.startswith(BALANCING), problem.severity is not Severity.ERROR


def _reported(problem: Problem) -> ReportedProblem:
    return ReportedProblem(
        instance=problem.instance,
        path=_short(problem.path),
        message=_short(problem.message),
        module=problem.module[:64] or None,
    )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "..."
