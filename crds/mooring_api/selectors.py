"""Kubernetes' label selector."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from mooring_api.wire import Rule, Wire

LabelValue = Annotated[str, Field(max_length=63)]


class LabelSelectorOperator(StrEnum):
    """Kubernetes' operators of a label selector."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelSelectorRequirement(Wire):
    """One condition on one label, as in Kubernetes."""

    key: Annotated[str, Field(min_length=1, max_length=317)]
    """The label's key."""
    operator: LabelSelectorOperator
    """How the label's value is compared."""
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64)] = ()
    """At least one for In and NotIn, none for the others."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
            message="In and NotIn need values, Exists and DoesNotExist take none; correct operator or values",
            holds=lambda r: (r.operator in ("In", "NotIn")) == bool(r.values),
            path="values",
        ),
    )


class LabelSelector(Wire):
    """Kubernetes' label selector; an empty one selects every node."""

    model_config = Wire.model_config | {"json_schema_extra": {"x-kubernetes-map-type": "atomic"}}

    match_labels: dict[str, LabelValue] = Field(default_factory=dict, max_length=64)
    """Labels that a node must have, all of them."""
    match_expressions: Annotated[tuple[LabelSelectorRequirement, ...], Field(max_length=16)] = ()
    """Conditions on labels, all of which a node must meet."""
