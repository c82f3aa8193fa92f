"""The status of a VirtualIP from its plan and from what the nodes say: a pure function of its arguments.

A condition that is Unknown is under way; what lasts longer than it needs becomes False, so that False always
wants a person. Since when it lasts is read from the status that was written before: nothing else is remembered.
"""

from dataclasses import dataclass
from datetime import datetime

from mooring_api.virtualip import Condition, ConditionStatus, VirtualIPStatus
from mooring_operator.tell.held import held, patience_s, summary_of, verdicts_on, with_holder
from mooring_operator.tell.past import SILENCE_S, Past
from mooring_operator.tell.programmed import Judged, programmed
from mooring_operator.tell.readings import GroupReading, group_readings
from mooring_operator.tell.scene import Scene
from mooring_operator.words.kinds import ConditionType
from mooring_operator.words.reasons import Reason

_WAITS = (Reason.WAITING_FOR_NODES, Reason.CHANGING_OVER)


@dataclass(frozen=True, slots=True)
class Told:
    """A status to write if it differs from what stands, and when to judge again if nothing happens before.

    `again_after_s` is None where only something new can change the status.
    """

    status: VirtualIPStatus
    again_after_s: float | None = None
    groups: tuple[GroupReading, ...] = ()
    """How many nodes hold each group, for the metrics: a status names one holder, and none where there are two."""


def status_of(scene: Scene, name: str, before: VirtualIPStatus | None, now: datetime) -> Told:
    """The whole status of one VirtualIP of the scene's plan.

    `before` is its status as it stands in the API, `now` the operator's time, with its zone. With an unchanged scene
    the result as the next `before` gives the same again: what differs from what stands is news.
    """
    planned = scene.plan.statuses[name]
    known = {group.name: group for group in before.groups} if before else {}
    kept = name in scene.paused or name in scene.unplanned
    standing = tuple(known.values()) if kept else planned.groups
    verdicts = verdicts_on(scene, standing, known)
    groups = tuple(with_holder(group, verdicts[group.name], known.get(group.name)) for group in standing)
    past = Past(before.conditions if before else (), now)
    programmed_now, silence_s = _patient(programmed(scene, name, planned), past)
    held_now, election_s = _elected(
        held(scene, name, groups, verdicts), patience_s(scene, name) if groups else 0.0, past
    )
    accepted = next(c for c in planned.conditions if c.type == ConditionType.ACCEPTED)
    generation = accepted.observed_generation
    status = VirtualIPStatus(
        observed_generation=(before.observed_generation if before else None) if kept else planned.observed_generation,
        conditions=(
            past.dated(accepted),
            past.dated(_condition(programmed_now, generation)),
            past.dated(_condition(held_now, generation)),
        ),
        address_count=planned.address_count,
        holder_summary=summary_of(groups),
        groups=groups,
    )
    again_after_s = min((s for s in (silence_s, election_s) if s is not None), default=None)
    return Told(status, again_after_s, group_readings(groups, verdicts))


def _patient(found: Judged, past: Past) -> tuple[Judged, float | None]:
    """Waiting for nodes that becomes silence after a time, and how much of that is left."""
    if found.reason not in _WAITS:
        return found, None
    waited_s = past.waited_s(ConditionType.PROGRAMMED, Reason.NODES_SILENT)
    if waited_s >= SILENCE_S:
        return Judged(Reason.NODES_SILENT, found.message), None
    return found, SILENCE_S - waited_s


def _elected(found: Judged, patience_s: float, past: Past) -> tuple[Judged, float | None]:
    """A lack or a dispute that is an election until it has lasted longer, and how much of that is left."""
    if found.reason.status is not ConditionStatus.FALSE:
        return found, None
    waited_s = past.waited_s(ConditionType.HELD, Reason.NO_HOLDER, Reason.TWO_HOLDERS)
    if waited_s >= patience_s:
        return found, None
    return Judged(Reason.ELECTING, found.message), patience_s - waited_s


def _condition(found: Judged, generation: int | None) -> Condition:
    reason = found.reason
    return Condition(
        type=reason.condition,
        status=reason.status,
        observed_generation=generation,
        reason=reason,
        message=found.message,
    )
