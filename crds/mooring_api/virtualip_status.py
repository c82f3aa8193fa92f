"""What the operator says of a VirtualIP: its conditions, and for each group where it is."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from mooring_api.wire import VirtualRouterID, Wire, keyed_by

NodeName = Annotated[str, Field(min_length=1, max_length=253)]
MAX_SUPERSEDED = 24


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Wire):
    """Kubernetes' standard condition."""

    type: str
    """What the condition is about."""
    status: ConditionStatus
    """True, False or Unknown."""
    observed_generation: int | None = None
    """The generation of the spec that it speaks of."""
    last_transition_time: str | None = None
    """When the status last changed, RFC 3339."""
    reason: str
    """Why, in one CamelCase word."""
    message: str
    """Why, in words for an operator on call."""


class PlacedNode(Wire):
    node: NodeName
    """The node's name."""
    priority: int
    """Its priority in this group."""


class PastClaim(Wire):
    """What a node said last of a group, and what is out of date."""

    node: NodeName
    """The node's name."""
    since_time: str
    """Since when it said that it held the group, RFC 3339 by its own clock."""


class GroupStatus(Wire):
    """One group of addresses: where it is on the wire and who should hold it."""

    name: str
    """The group's name: that of its instances on the nodes."""
    family: Literal["IPv4", "IPv6"]
    """Its IP family."""
    virtual_router_id: VirtualRouterID
    """Its virtual router ID, given or allocated."""
    addresses: tuple[str, ...] = ()
    """Its addresses."""
    order: tuple[PlacedNode, ...] = ()
    """Its members, first choice first."""
    home: NodeName | None = None
    """The node that goes first whenever it can; kept while it is cordoned or away, so that its share comes back."""
    holder: str | None = None
    """The node that holds it now."""
    held_since_time: str | None = None
    """Since when, RFC 3339 by the holder's clock."""
    transitions: int | None = None
    """How often the holder changed."""
    superseded: Annotated[tuple[PastClaim, ...], Field(max_length=MAX_SUPERSEDED)] = ()
    """Nodes that held it before the holder did, and have not reported since: a dead node's last word is Active."""


class VirtualIPStatus(Wire):
    observed_generation: int | None = None
    """The generation of the spec that was planned."""
    conditions: Annotated[tuple[Condition, ...], keyed_by("type")] = ()
    """Accepted, Programmed and Held."""
    address_count: int | None = None
    """How many addresses the spec names."""
    holder_summary: str | None = None
    """Who holds how many, as `lb-1(6) lb-2(5)`."""
    groups: Annotated[tuple[GroupStatus, ...], keyed_by("name")] = ()
    """Each group of addresses."""
