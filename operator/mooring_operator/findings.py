"""What the planner has to say of a VirtualIP: a problem and the reason that its condition gives."""

from enum import StrEnum
from typing import NamedTuple

from mooring_api.problems import Problem


class Reason(StrEnum):
    """The closed list of reasons in the conditions Accepted and Programmed."""

    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    DUPLICATE_ADDRESS = "DuplicateAddress"
    VIRTUAL_ROUTER_ID_CONFLICT = "VirtualRouterIDConflict"
    VIRTUAL_ROUTER_IDS_EXHAUSTED = "VirtualRouterIDsExhausted"
    PRIORITY_CONFLICT = "PriorityConflict"
    PLANNED = "Planned"
    NO_ELIGIBLE_NODE = "NoEligibleNode"
    NOT_REPORTED = "NotReported"
    NODES_LEFT_OUT = "NodesLeftOut"


class Finding(NamedTuple):
    reason: Reason
    problem: Problem
