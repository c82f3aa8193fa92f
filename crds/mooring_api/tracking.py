"""What a node's right to an address depends on beside its links: tracked states, as keepalived's track_* lists."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from mooring_api.health_check import CheckName
from mooring_api.wire import Integer, Rule, Wire


class EffectType(StrEnum):
    """Fault: the node lets go. AdjustPriority: others of more priority are preferred."""

    FAULT = "Fault"
    ADJUST_PRIORITY = "AdjustPriority"


class Effect(Wire):
    """What a tracked state does to the node's role."""

    type: EffectType = EffectType.FAULT
    weight: Annotated[Integer, Field(ge=-253, le=253)] | None = None
    """Added to the priority: a positive one while the state is good, a negative one while it is bad."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="(self.type == 'AdjustPriority') == (has(self.weight) && self.weight != 0)",
            message="AdjustPriority needs a weight other than 0, and Fault has none; correct type or weight",
            holds=lambda e: (e.type is EffectType.ADJUST_PRIORITY) == bool(e.weight),
            path="weight",
        ),
    )


class TrackedServer(Wire):
    """A virtual server; good while its quorum is up on this node."""

    name: Annotated[str, Field(min_length=1, max_length=400)]
    """In a VirtualIP `namespace/name`: all its ports must have their quorum. In a file also one entry's name."""


class Tracking(Wire):
    """One tracked state and what it does."""

    name: CheckName
    """Unique in its list."""
    effect: Effect = Effect()
    virtual_server: TrackedServer
    """What is tracked."""
