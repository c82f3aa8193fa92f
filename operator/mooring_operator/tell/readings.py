"""What the metrics say of the user's objects, from what was told of them last. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from mooring_api.virtualip import Condition, ConditionStatus, GroupStatus
from mooring_operator.tell.holders import Holding, Verdict

CONDITION_VALUES: Mapping[ConditionStatus, int] = {
    ConditionStatus.TRUE: 1,
    ConditionStatus.FALSE: 0,
    ConditionStatus.UNKNOWN: -1,
}
#: With addresses of both families a group has one instance for each, and the nodes' daemons have one group of both.
_OF_FAMILY = re.compile(r"(?P<group>.+-\d+)-ipv[46]")


class GroupReading(NamedTuple):
    """How many nodes hold a group of one family; `group` is its name in the daemons' metrics."""

    group: str
    family: str
    holders: int


class ConditionReading(NamedTuple):
    """One condition of an object, which is named `name` or `namespace/name`."""

    kind: str
    object: str
    condition: str
    value: int


def group_readings(groups: Iterable[GroupStatus], verdicts: Mapping[str, Verdict]) -> tuple[GroupReading, ...]:
    """A holder whose Node is not Ready, and whom nobody followed, counts as none: its word may be its last."""
    return tuple(GroupReading(_group(each.name), each.family, _holders(verdicts[each.name])) for each in groups)


def _group(name: str) -> str:
    found = _OF_FAMILY.fullmatch(name)
    return found["group"] if found else name


def _holders(verdict: Verdict) -> int:
    match verdict.holding:
        case Holding.ONE:
            return 1
        case Holding.SEVERAL:
            return len(verdict.claimants)
        case Holding.NOBODY | Holding.UNREACHABLE:
            return 0


class _Status(Protocol):
    @property
    def conditions(self) -> Sequence[Condition]: ...


def condition_readings(kind: str, statuses: Mapping[str, _Status]) -> Iterator[ConditionReading]:
    """Of all objects of a kind."""
    for name, status in statuses.items():
        for each in status.conditions:
            yield ConditionReading(kind, name, each.type, CONDITION_VALUES[each.status])
