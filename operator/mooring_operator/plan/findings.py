"""What the planner has to say of a VirtualIP: a problem and the reason that its condition gives."""

from typing import NamedTuple

from mooring_api.problems import Problem
from mooring_operator.words.reasons import Reason as Reason


class Finding(NamedTuple):
    reason: Reason
    problem: Problem
