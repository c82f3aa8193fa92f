"""The condition Held: who holds each group, and where nobody does, in which state each candidate is."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from mooring_api.nodeconfig import InstanceState
from mooring_api.virtualip import ConditionStatus, GroupStatus
from mooring_operator.tell.holders import Holding, Verdict, verdict_on
from mooring_operator.tell.programmed import Judged
from mooring_operator.tell.scene import Scene
from mooring_operator.words.kinds import ConditionType
from mooring_operator.words.phrases import called, clipped, listed
from mooring_operator.words.reasons import Reason

#: How long a report may take from a node to here. Daemons write at most once a second, and later after an outage.
REPORT_S = 5.0
#: So many holders stand in the summary, which is a column of a table.
SUMMED_UP = 8
#: So much is taken of why an instance is in its state.
STATE_LENGTH = 120


def verdicts_on(scene: Scene, groups: Sequence[GroupStatus], before: Mapping[str, GroupStatus]) -> dict[str, Verdict]:
    """Group name to who holds it; a group is called as its instances are."""
    return {g.name: verdict_on(scene.reports.claims(g.name), scene.ready, before.get(g.name)) for g in groups}


def with_holder(group: GroupStatus, verdict: Verdict, before: GroupStatus | None) -> GroupStatus:
    """The group with what the verdict says; a change of the holder is counted on."""
    transitions = (before.transitions if before else None) or 0
    holder = verdict.holder
    if holder and holder.node != (before.holder if before else None):
        transitions += 1
    changes = {
        "holder": holder.node if holder else None,
        "held_since_time": holder.since_time if holder else None,
        "transitions": transitions,
        "superseded": verdict.superseded,
    }
    return group.model_copy(update=changes)


def held(scene: Scene, name: str, groups: Sequence[GroupStatus], verdicts: Mapping[str, Verdict]) -> Judged:
    """Judge all groups of a VirtualIP together, as if every election were over and every report here."""
    if not groups:
        return Judged(Reason.NO_HOLDER, "nothing of it is planned, so no node holds it")
    several = [g for g in groups if verdicts[g.name].holding is Holding.SEVERAL]
    nobody = [g for g in groups if verdicts[g.name].holding is Holding.NOBODY]
    if nobody and not several and (unheard := _unheard(scene, name, nobody)):
        return Judged(Reason.ELECTING, clipped(unheard))
    if several or nobody:
        sentences = (*(_dispute(g, verdicts) for g in several), *(_lack(scene, name, g) for g in nobody))
        return Judged(Reason.TWO_HOLDERS if several else Reason.NO_HOLDER, clipped(listed(sentences, "; ")))
    holders = listed(_holders(groups), "; ")
    if any(verdicts[g.name].holding is Holding.UNREACHABLE for g in groups):
        lost = listed(sorted({g.holder for g in groups if g.holder and g.holder not in scene.ready}))
        message = f"by the last reports {holders}; not Ready: {lost}, and no other node took over"
        return Judged(Reason.HOLDER_UNREACHABLE, clipped(f"{message}{_faults(scene, name)}"))
    return Judged(Reason.HELD, clipped(f"{holders}{_before_it(scene, groups)}{_faults(scene, name)}"))


def _unheard(scene: Scene, name: str, groups: Sequence[GroupStatus]) -> str:
    """Why nobody can tell who holds these, where each may be held by a member whose word was lost; else empty."""
    waiting = scene.unplanned.get(name)
    silent = {node for node in waiting.nodes if scene.reports.status(node) is None} if waiting else set()
    if waiting is None or not all(any(placed.node in silent for placed in group.order) for group in groups):
        return ""
    return f"{listed(sorted(silent))} may hold {listed(map(called, groups))}: {waiting.why}"


def patience_s(scene: Scene, name: str) -> float:
    """How long an election and its reports may take; 0 where no node is there to take part."""
    instances = chain.from_iterable(scene.shares.get(name, {}).values())
    waits = [(i.active_down_factor + 1) * i.advertisement_interval.seconds for i in instances]
    return max(waits) + REPORT_S if waits else 0.0


def summary_of(groups: Sequence[GroupStatus]) -> str | None:
    """`lb-1(6) lb-2(5)`: the holders in the order of preference, each with how many addresses; None: nobody."""
    found: dict[str, int] = {}
    for group in groups:
        if group.holder:
            found[group.holder] = found.get(group.holder, 0) + len(group.addresses)
    preferred = dict.fromkeys(placed.node for group in groups for placed in group.order)
    places = {node: place for place, node in enumerate(preferred)}
    ranked = sorted(found, key=lambda node: (places.get(node, len(places)), node))
    parts = [f"{node}({found[node]})" for node in ranked[:SUMMED_UP]]
    return " ".join([*parts, *([f"+{len(ranked) - SUMMED_UP}"] if len(ranked) > SUMMED_UP else [])]) or None


def _holders(groups: Sequence[GroupStatus]) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for group in groups:
        if group.holder:
            found.setdefault(group.holder, []).append(called(group))
    for node, own in sorted(found.items()):
        yield f"{node} holds {listed(own)}"


def _before_it(scene: Scene, groups: Sequence[GroupStatus]) -> str:
    """Nodes that will not take back their last word by themselves."""
    dead = {past.node for group in groups for past in group.superseded if past.node not in scene.ready}
    return f"; not Ready: {listed(sorted(dead))}, which said so before" if dead else ""


def _faults(scene: Scene, name: str) -> str:
    """Nodes that could not take over now, though another one holds it; a dead node's last word says nothing of now."""
    found = [
        _state(scene, node, instance.name)
        for node, own in scene.shares.get(name, {}).items()
        for instance in own
        if node in scene.ready
        and (said := scene.reports.state(node, instance.name)) is not None
        and said.state is InstanceState.FAULT
    ]
    return f"; can't take over: {listed(found)}" if found else ""


def _dispute(group: GroupStatus, verdicts: Mapping[str, Verdict]) -> str:
    return f"{listed(verdicts[group.name].claimants)} each say that they hold {called(group)}"


def _lack(scene: Scene, name: str, group: GroupStatus) -> str:
    nodes = [node for node, own in scene.shares.get(name, {}).items() if any(i.name == group.name for i in own)]
    states = (
        listed(_state(scene, node, group.name) for node in nodes)
        or f"no node is to hold it, see {_teller(scene, name)}"
    )
    return f"nobody holds {called(group)}: {states}"


def _teller(scene: Scene, name: str) -> ConditionType:
    """The condition that says why no node is to hold a group."""
    told = {c.type: c for c in scene.plan.statuses[name].conditions}
    accepted, planned = told.get(ConditionType.ACCEPTED), told.get(ConditionType.PROGRAMMED)
    alone = planned is not None and planned.reason in (
        Reason.NO_ELIGIBLE_NODE,
        Reason.NOT_REPORTED,
        Reason.NO_NODE_FITS,
    )
    wrong = accepted is not None and accepted.status is ConditionStatus.FALSE
    return ConditionType.ACCEPTED if wrong and not alone else ConditionType.PROGRAMMED


def _state(scene: Scene, node: str, instance: str) -> str:
    said = scene.reports.state(node, instance)
    place = node if node in scene.ready else f"{node} (its Node is not Ready)"
    if said is None:
        # Of an instance that it does not run its daemon says nothing.
        silent = node not in scene.ready or scene.reports.status(node) is None
        return f"{place} has not reported" if silent else f"{place} does not run it yet (see Programmed)"
    return f"{place} is {said.state}" + (f" ({clipped(said.reason, STATE_LENGTH)})" if said.reason else "")
