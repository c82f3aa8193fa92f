"""What may be in one group alone: an address, and a VRID on a segment. Dropped and confirmed before it is used anew.

What a node was told to drop and may still have is noted on its NodeConfig, in an annotation, with the change itself:
the spec no longer says it, and whoever plans next has nothing else to know it from.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mooring_api.addresses import address_key
from mooring_api.nodeconfig import Instance
from mooring_api.vrrp import Family
from mooring_operator.stage.seats import GroupKey
from mooring_operator.stage.standing import DROPPED, Standing

#: An address (`10.0.5.1`), or a family and a VRID (`IPv4/66`).
Claim = str


def addresses_of(instance: Instance) -> frozenset[Claim]:
    """The addresses that an instance may hold."""
    return frozenset(address_key(each.address, each.interface or instance.interface) for each in instance.addresses)


def routers_of(instance: Instance) -> frozenset[Claim]:
    """The VRIDs that an instance speaks or accepts."""
    vrids = {instance.virtual_router_id, *(form.virtual_router_id for form in instance.also_accept)}
    return frozenset(router(instance.family, vrid) for vrid in vrids)


def router(family: str, virtual_router_id: int) -> Claim:
    return f"{family}/{virtual_router_id}"


def key_of(instance: Instance) -> GroupKey:
    """The group that an instance belongs to."""
    return (instance.virtual_ip or "", instance.group_name)


def lasting(stands: Mapping[Family, Instance], wanted: Mapping[Family, Instance]) -> Iterator[Instance]:
    """The instances of a group on one node that are to keep their VRID and their interface."""
    for family, instance in stands.items():
        then = wanted.get(family)
        if then and (then.interface, then.virtual_router_id) == (instance.interface, instance.virtual_router_id):
            yield instance


@dataclass(frozen=True, slots=True)
class Claims:
    """Who has what several groups may want, and who is to have it; a claim to groups, of each the nodes.

    `stands` is what stands or may still run, `planned` what is to be in the end.
    """

    stands: Mapping[Claim, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    planned: Mapping[Claim, frozenset[str]] = field(default_factory=dict)

    def in_the_way(self, claim: Claim, group: GroupKey) -> Mapping[str, frozenset[str]]:
        """Other groups that have it and are to lose it, and on which nodes: until then `group` can't have it.

        Two groups that are both to have a VRID are on different segments.
        """
        there = self.stands.get(claim, {})
        keep = self.planned.get(claim, frozenset())
        return {name: nodes for name, nodes in there.items() if name != group[1] and name not in keep}

    def others_want(self, claim: Claim, group: GroupKey) -> bool:
        return bool(self.planned.get(claim, frozenset()) - {group[1]})


def claims_of(wanted: frozenset[Claim], target: Iterable[Instance], standings: Iterable[Standing]) -> Claims:
    """Look for these claims in the target, in what stands and in what may still run."""
    planned: dict[Claim, set[str]] = {}
    for instance in target:
        for claim in _of(instance) & wanted:
            planned.setdefault(claim, set()).add(instance.group_name)
    stands: dict[Claim, dict[str, set[str]]] = {}
    for standing in standings:
        for group, claim in _standing_claims(standing):
            if claim in wanted:
                stands.setdefault(claim, {}).setdefault(group, set()).add(standing.node)
    return Claims(
        {c: {g: frozenset(nodes) for g, nodes in groups.items()} for c, groups in stands.items()},
        {c: frozenset(groups) for c, groups in planned.items()},
    )


def _of(instance: Instance) -> frozenset[Claim]:
    return addresses_of(instance) | routers_of(instance)


def _standing_claims(standing: Standing) -> Iterator[tuple[str, Claim]]:
    for instance in standing.instances:
        for claim in _of(instance):
            yield instance.group_name, claim
    for entry in _kept(standing):
        group, _, claim = entry.partition("=")
        yield group, claim


def _kept(standing: Standing) -> frozenset[str]:
    """What was dropped and the node may still have: where it has not confirmed, or refuses the group as it stands."""
    names: dict[str, list[str]] = {}
    for instance in standing.instances:
        names.setdefault(instance.group_name, []).append(instance.name)
    return frozenset(e for e in standing.dropped if not standing.runs(names.get(e.partition("=")[0], ())))


def victims(waits: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Of groups that wait for each other in a circle one, the first by name: it must let go altogether.

    `waits` is a group to those that it waits for.
    """

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        ahead = [start]
        while ahead:
            for following in waits.get(ahead.pop(), ()):
                if following not in found:
                    found.add(following)
                    ahead.append(following)
        return found

    reach = {group: reached(group) for group in waits}
    circles = {group: {other for other in far if group in reach.get(other, ())} for group, far in reach.items()}
    return frozenset(group for group, circle in circles.items() if circle and group == min(circle))


def dropped_by(standing: Standing | None, following: Iterable[Instance], quiet: frozenset[str]) -> frozenset[str]:
    """What the node may still have when these instances are written; the `quiet` ones certainly hold nothing."""
    if standing is None:
        return frozenset()
    before = _entries(instance for instance in standing.instances if instance.name not in quiet)
    before |= _kept(standing)
    return before - _entries(following)


def _entries(instances: Iterable[Instance]) -> frozenset[str]:
    return frozenset(f"{i.group_name}={claim}" for i in instances for claim in _of(i))


def note_of(dropped: frozenset[str]) -> dict[str, str]:
    """The annotation that says so; none where nothing was dropped."""
    return {DROPPED: " ".join(sorted(dropped))} if dropped else {}
