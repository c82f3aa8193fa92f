"""One group while a change goes round: what each node is to have in the end, what stands there, what it said."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mooring_api.nodeconfig import CredentialReport, Instance, InstanceState
from mooring_api.vrrp import Family
from mooring_operator.stage.standing import Standing

#: A group's VirtualIP and its own name.
GroupKey = tuple[str, str]
#: A group's part on one node.
Share = Mapping[Family, Instance]


@dataclass(frozen=True)
class Waiting:
    """A change that can't go on before these nodes have done what it waits for, or are gone."""

    virtual_ip: str
    group: str
    nodes: tuple[str, ...]
    why: str
    """A sentence for a person on call."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One node's place in a group.

    `wanted` is empty where it is to leave, `stands` where nothing has been written yet. `held` marks a node that
    keeps what stands, whatever is wanted. `lacking` marks one that can't run what stands and runs nothing in its place.
    `holds` marks one of which nothing stands any more, and whose daemon says that it has the role all the same.
    """

    node: str
    wanted: Share
    stands: Share
    confirmed: bool = False
    active: bool = False
    faulty: bool = False
    keys: Mapping[str, CredentialReport] = field(default_factory=dict)
    held: bool = False
    lacking: bool = False
    holds: bool = False

    @property
    def may_become_active(self) -> bool:
        """Whether what stands lets it take the role."""
        return any(instance.eligible for instance in self.stands.values())

    @property
    def quiet(self) -> bool:
        """Whether it certainly neither has the role nor can take it."""
        known = self.confirmed or self.lacking
        return bool(self.stands) and known and not self.may_become_active and not self.active


def seat_of(node: str, wanted: Share, standing: Standing | None, stands: Share, held: bool = False) -> Seat:
    """`stands` is the group's part of the standing."""
    if standing is None or standing.status is None:
        return Seat(node, wanted, stands, held=held)
    names = {instance.name for instance in stands.values()}
    states = {each.state for each in standing.status.instances if each.name in names}
    return Seat(
        node,
        wanted,
        stands,
        standing.runs(names),
        # A state of a newer release may be one in which it has the role.
        InstanceState.ACTIVE in states or not standing.unsaid.isdisjoint(names),
        InstanceState.FAULT in states,
        {each.name: each for each in standing.status.credentials},
        held,
        standing.lacks(names),
        not standing.planned and _holds(standing, wanted),
    )


def _holds(standing: Standing, wanted: Share) -> bool:
    names = {instance.name for instance in wanted.values()}
    told = standing.status.instances if standing.status else ()
    active = any(each.name in names and each.state is InstanceState.ACTIVE for each in told)
    return active or not standing.unsaid.isdisjoint({*names, ""})


def any_of(share: Share) -> Instance | None:
    """One instance of a share: what all families have in common is read from it."""
    return next(iter(share.values()), None)


def named(nodes: list[str]) -> str:
    """Node names for a sentence, a few of many."""
    shown = ", ".join(nodes[:3])
    return f"{shown} and {len(nodes) - 3} more" if len(nodes) > 3 else shown
