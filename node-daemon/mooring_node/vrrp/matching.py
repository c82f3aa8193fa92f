"""Which running group goes on as which configured one. Pure.

A group is what it is on the wire: an interface, a family and a VRID. Its name, its members' names and their
order may change, and members may join, without its state or its timers being touched. While a change of
VRIDs goes round, a group is both the old and the new one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mooring_node.vrrp.config import AddressConfig, GroupConfig, MemberConfig

Router: TypeAlias = tuple[str, int, int]


def router_of(member: MemberConfig) -> Router:
    """Interface, family and VRID."""
    return (member.interface, member.family, member.virtual_router_id)


def routers_of(member: MemberConfig) -> frozenset[Router]:
    """What it is heard under: itself, and the forms that it accepts besides."""
    vrids = {member.virtual_router_id, *(form.virtual_router_id for form in member.accepted)}
    return frozenset((member.interface, member.family, vrid) for vrid in vrids)


@dataclass(frozen=True, slots=True)
class _Party:
    name: str
    own: frozenset[Router]
    heard: frozenset[Router]

    def is_one_with(self, other: "_Party", *, exact: bool) -> bool:
        return bool(self.own & other.own if exact else self.heard & other.heard)


def continued(running: Sequence[GroupConfig], wanted: Sequence[GroupConfig]) -> dict[str, int]:
    """Names of wanted groups, each with the place of the running group that goes on as it; others begin anew.

    Of several that could, one that sends the same VRID is taken before one that accepts it, then the one of the
    same name, then the first; each goes on at most once.
    """
    return _paired([_party(each.name, each.members) for each in running], [_party(g.name, g.members) for g in wanted])


def members_continued(running: Sequence[MemberConfig], wanted: Sequence[MemberConfig]) -> dict[str, int]:
    """The same for the members of one group."""
    return _paired([_party(each.name, [each]) for each in running], [_party(each.name, [each]) for each in wanted])


def addresses_kept(running: Sequence[AddressConfig], wanted: Sequence[AddressConfig]) -> list[bool]:
    """Of each running one whether it is wanted at the same place and with the same prefix."""
    kept = {(each.address, each.prefix_length, each.interface) for each in wanted}
    return [(each.address, each.prefix_length, each.interface) in kept for each in running]


def _party(name: str, members: Iterable[MemberConfig]) -> _Party:
    members = tuple(members)
    heard = frozenset[Router]().union(*(routers_of(member) for member in members))
    return _Party(name, frozenset(router_of(member) for member in members), heard)


def _paired(running: Sequence[_Party], wanted: Sequence[_Party]) -> dict[str, int]:
    found: dict[str, int] = {}
    free = dict(enumerate(running))
    for exact, same_name in ((True, True), (True, False), (False, True), (False, False)):
        for party in wanted:
            if party.name in found:
                continue
            for place, other in free.items():
                if same_name and other.name != party.name:
                    continue
                if party.is_one_with(other, exact=exact):
                    found[party.name] = place
                    del free[place]
                    break
    return found
