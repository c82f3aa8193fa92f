"""Which members of a group may take the role, by the pods that their nodes run."""

from collections.abc import Sequence
from dataclasses import replace

from mooring_api.virtualip import Pods
from mooring_operator.plan.placement import Group, Member, Placed
from mooring_operator.words.phrases import listed

NO_POD = "not eligible: it has no Ready pod of those that nodes.pods asks for"


def with_pods(placed: Placed, carrying: frozenset[str] | None) -> Placed:
    """The same placing, in which nodes without a Ready pod are not eligible; where no member has one, all are.

    Who is a member, in which order and with which peers does not change. `carrying` are the nodes with a Ready pod;
    None: it asks for no pods, or nobody knows.
    """
    pods = placed.virtual_ip.spec.nodes.pods
    if pods is None:
        return placed
    groups = tuple(replace(group, members=_members(group, carrying)) for group in placed.groups)
    remarks = (placed.remark, _remark(pods, groups, carrying))
    return replace(placed, groups=groups, remark="; ".join(filter(None, remarks)))


def _members(group: Group, carrying: frozenset[str] | None) -> tuple[Member, ...]:
    if carrying is None or _bare(group, carrying):
        return group.members
    return tuple(
        member if member.node in carrying else replace(member, why=f"{member.why}; {NO_POD}", eligible=False)
        for member in group.members
    )


def _bare(group: Group, carrying: frozenset[str]) -> bool:
    return carrying.isdisjoint(member.node for member in group.members)


def _remark(pods: Pods, groups: Sequence[Group], carrying: frozenset[str] | None) -> str:
    if carrying is None:
        return f"where pods of {pods.namespace} are Ready is not known, so all candidates take part"
    bare = [group.name for group in groups if group.members and _bare(group, carrying)]
    if bare:
        return f"no candidate of {listed(bare)} has a Ready pod of {pods.namespace}, so all take part"
    without = sorted({member.node for group in groups for member in group.members if not member.eligible})
    if not without:
        return ""
    return f"not eligible without a Ready pod of {pods.namespace}: {listed(without)}"
