"""The status of a VirtualIP from its plan and from what the nodes say: a pure function of its arguments.

A condition that is Unknown is under way; what lasts longer than it needs becomes False, so that False always
wants a person. Since when it lasts is read from the status that was written before: nothing else is remembered.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf

from mooring_api.virtualip import Condition, ConditionStatus, VirtualIPStatus
from mooring_operator.tell.held import held, patience_s, summary_of, verdicts_on, with_holder
from mooring_operator.tell.programmed import Judged, programmed
from mooring_operator.tell.reasons import ConditionType, Reason
from mooring_operator.tell.scene import Scene

#: A daemon that runs confirms within a second; after an outage of the API it may take a few more.
SILENCE_S = 30.0
_WAITS = (Reason.WAITING_FOR_NODES, Reason.CHANGING_OVER)


@dataclass(frozen=True, slots=True)
class Told:
    """A status to write if it differs from what stands, and when to judge again if nothing happens before.

    `again_after_s` is None where only something new can change the status.
    """

    status: VirtualIPStatus
    again_after_s: float | None = None


class _Past:
    """The conditions as they were written last, seen from `now`."""

    def __init__(self, before: VirtualIPStatus | None, now: datetime) -> None:
        self._conditions = {c.type: c for c in before.conditions} if before else {}
        self._now = now

    def waited_s(self, kind: ConditionType, *over: Reason) -> float:
        """How long the condition has been Unknown; for ever, where it has one of the reasons that end the wait."""
        condition = self._conditions.get(kind)
        if condition and condition.reason in over:
            return inf
        if condition is None or condition.status is not ConditionStatus.UNKNOWN:
            return 0.0
        return (self._now - self._time_of(condition)).total_seconds()

    def dated(self, condition: Condition) -> Condition:
        """The condition with the time of the last change of its status."""
        known = self._conditions.get(condition.type)
        kept = known is not None and known.status is condition.status
        time = self._time_of(known) if known and kept else self._now
        return condition.model_copy(update={"last_transition_time": f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"})

    def _time_of(self, condition: Condition) -> datetime:
        """When it began; what can't be read, and what another operator's clock put into the future, is now."""
        try:
            then = datetime.fromisoformat(condition.last_transition_time or "")
        except ValueError:
            return self._now
        return min(then if then.tzinfo else then.replace(tzinfo=UTC), self._now)


def status_of(scene: Scene, name: str, before: VirtualIPStatus | None, now: datetime) -> Told:
    """The whole status of one VirtualIP of the scene's plan.

    `before` is its status as it stands in the API, `now` the operator's time, with its zone. With an unchanged scene
    the result as the next `before` gives the same again: what differs from what stands is news.
    """
    planned = scene.plan.statuses[name]
    known = {group.name: group for group in before.groups} if before else {}
    kept = name in scene.paused
    standing = tuple(known.values()) if kept else planned.groups
    verdicts = verdicts_on(scene, standing, known)
    groups = tuple(with_holder(group, verdicts[group.name], known.get(group.name)) for group in standing)
    past = _Past(before, now)
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
    return Told(status, min((s for s in (silence_s, election_s) if s is not None), default=None))


def _patient(found: Judged, past: _Past) -> tuple[Judged, float | None]:
    """Waiting for nodes that becomes silence after a time, and how much of that is left."""
    if found.reason not in _WAITS:
        return found, None
    waited_s = past.waited_s(ConditionType.PROGRAMMED, Reason.NODES_SILENT)
    if waited_s >= SILENCE_S:
        return Judged(Reason.NODES_SILENT, found.message), None
    return found, SILENCE_S - waited_s


def _elected(found: Judged, patience_s: float, past: _Past) -> tuple[Judged, float | None]:
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
