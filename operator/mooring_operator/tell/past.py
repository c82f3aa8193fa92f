"""The conditions as they were written last: since when they last, without anything else that is remembered."""

from collections.abc import Iterable
from datetime import UTC, datetime
from math import inf

from mooring_api.virtualip import Condition, ConditionStatus

#: A daemon that runs confirms within a second; after an outage of the API it may take a few more.
SILENCE_S = 30.0


class Past:
    """The conditions of one object, seen from `now`."""

    def __init__(self, conditions: Iterable[Condition], now: datetime) -> None:
        self._conditions = {condition.type: condition for condition in conditions}
        self._now = now

    def waited_s(self, kind: str, *over: str) -> float:
        """How long the condition has been Unknown; for ever, where it has one of the reasons that end the wait."""
        condition = self._conditions.get(kind)
        if condition and condition.reason in over:
            return inf
        if condition is None or condition.status is not ConditionStatus.UNKNOWN:
            return 0.0
        return (self._now - self._time_of(condition)).total_seconds()

    def is_true(self, kind: str, generation: int | None) -> bool:
        """Whether the condition was True for that generation of the spec."""
        condition = self._conditions.get(kind)
        if condition is None or condition.observed_generation != generation:
            return False
        return condition.status is ConditionStatus.TRUE

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
