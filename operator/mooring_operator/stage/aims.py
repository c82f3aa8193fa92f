"""What a group aims at in this round: the target, as far as keys are known and others have let go of what it names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mooring_api.addresses import address_key
from mooring_api.nodeconfig import HeldAddress, Instance
from mooring_api.vrrp import Family
from mooring_operator.stage.claims import Claim, Claims, addresses_of, router, routers_of
from mooring_operator.stage.forms import Form, Keys, keys_of, spoken_by, target_key
from mooring_operator.stage.seats import GroupKey, Seat, Share, any_of

#: With so many each still has room for all others among its peers.
MOST_SEATS = 25


@dataclass(frozen=True)
class Target:
    """What a group is to be in the end, with the states of keys filled in.

    `goal` is None where nothing is wanted: the whole group is to go.
    """

    group: GroupKey
    seats: tuple[Seat, ...]
    keys: Keys
    goal: Form | None
    final: Mapping[str, Share]

    @property
    def reached(self) -> bool:
        """Whether exactly that stands everywhere."""
        return all(seat.held or seat.stands == self.final[seat.node] for seat in self.seats)

    @property
    def new_claims(self) -> frozenset[Claim]:
        """What the group does not have anywhere yet, and others may have."""
        there = {claim for seat in self.seats for i in seat.stands.values() for claim in _of(i)}
        wanted = {claim for share in self.final.values() for i in share.values() for claim in _of(i)}
        return frozenset(wanted) - there

    @property
    def incompatible(self) -> bool:
        """Whether nobody could hear both: no family stays, and neither does the form or any of the nodes."""
        if self.goal is None:
            return False
        now = {family for seat in self.seats for family in seat.stands}
        then = {family for share in self.final.values() for family in share}
        forms = {self.keys.pinned(spoken_by(one)) for seat in self.seats if (one := any_of(seat.stands))}
        stays = any(seat.stands and self.final[seat.node] for seat in self.seats)
        return bool(now) and now.isdisjoint(then) and not (stays and forms == {self.goal})

    @property
    def dropped(self) -> "Target":
        """The same group as if it were wanted nowhere."""
        return Target(self.group, self.seats, self.keys, None, {node: {} for node in self.final})

    @property
    def claims(self) -> frozenset[Claim]:
        """All that it has or is to have."""
        return self.new_claims.union(*(_of(i) for seat in self.seats for i in seat.stands.values()))


def _of(instance: Instance) -> frozenset[Claim]:
    return addresses_of(instance) | routers_of(instance)


def target_of(group: GroupKey, seats: Sequence[Seat]) -> Target:
    """The target with its keys, from what the plan wants and what the members say."""
    keys = keys_of(seats)
    sample = next((one for seat in seats if not seat.held and (one := any_of(seat.wanted))), None)
    goal = spoken_by(sample) if sample else None
    if goal is not None and goal.secret is not None:
        goal = goal.with_key(target_key(goal.secret, (s for s in seats if s.wanted), _spoken_key(goal, seats, keys)))
    final = {seat.node: seat.stands if seat.held else _with_key(seat.wanted, goal) for seat in seats}
    return Target(group, tuple(seats), keys, goal, final)


def _spoken_key(goal: Form, seats: Iterable[Seat], keys: Keys) -> str | None:
    forms = (keys.pinned(spoken_by(one)) for seat in seats if (one := any_of(seat.stands)))
    return next((form.key_version for form in forms if form.secret == goal.secret and form.key_version), None)


def _with_key(share: Share, goal: Form | None) -> Share:
    if goal is None or goal.key_version is None:
        return share
    return {f: instance.model_copy(update={"authentication": goal.authentication}) for f, instance in share.items()}


@dataclass(frozen=True)
class Aims:
    """The target of one round. `shares` names every node of the group; an empty share is to leave."""

    shares: Mapping[str, Share]
    goal: Form | None
    """The form that may be brought in; None: none, because there is nobody to speak it or its VRID is not free."""
    blocked: Mapping[Claim, Mapping[str, frozenset[str]]]
    """What it wants and others still have: claim to groups, of each the nodes."""

    @property
    def families(self) -> frozenset[Family]:
        return frozenset(family for share in self.shares.values() for family in share)


def blocking(target: Target, claims: Claims) -> Mapping[Claim, Mapping[str, frozenset[str]]]:
    """What of the new claims others still have."""
    found = {claim: claims.in_the_way(claim, target.group) for claim in target.new_claims}
    return {claim: groups for claim, groups in sorted(found.items()) if groups}


def aims_of(target: Target, claims: Claims, blocked: Mapping[Claim, Mapping[str, frozenset[str]]]) -> Aims:
    """What may be aimed at while these claims are blocked."""
    free = target.goal
    families = {family for share in target.final.values() for family in share}
    if free is not None and any(router(family, free.virtual_router_id) in blocked for family in families):
        free = None
        if not any(seat.stands for seat in target.seats):
            return Aims({seat.node: {} for seat in target.seats}, None, blocked)
    admitted = _admitted(target)
    shares = {
        seat.node: _share(seat, target.final[seat.node], target, claims, blocked) if seat.node in admitted else {}
        for seat in target.seats
    }
    return Aims(shares, free, blocked)


def _admitted(target: Target) -> set[str]:
    """Those who stand, and as many who join as leave room, the highest priority first."""
    there = [seat.node for seat in target.seats if seat.stands]
    joining = [(-one.priority, s.node) for s in target.seats if not s.stands and (one := any_of(s.wanted))]
    room = max(0, MOST_SEATS - len(there))
    return {*there, *(node for _, node in sorted(joining)[:room])}


def _share(
    seat: Seat, final: Share, target: Target, claims: Claims, blocked: Mapping[Claim, Mapping[str, frozenset[str]]]
) -> Share:
    if seat.held:
        return {}
    found = {}
    for family, instance in final.items():
        addresses = tuple(a for a in instance.addresses if _key(a, instance) not in blocked)
        if not addresses and (before := seat.stands.get(family)):
            # Dark is worse than late, unless others wait for what it has.
            wanted = any(claims.others_want(claim, target.group) for claim in addresses_of(before))
            addresses = () if wanted else before.addresses
        if addresses:
            same = len(addresses) == len(instance.addresses) and addresses == instance.addresses
            found[family] = instance if same else instance.model_copy(update={"addresses": addresses})
    return found


def _key(address: HeldAddress, instance: Instance) -> Claim:
    return address_key(address.address, address.interface or instance.interface)
