"""The next step of one group: who is a member, who may take the role, whom each hears and how."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mooring_api.nodeconfig import AcceptedForm, Instance
from mooring_api.vrrp import Family
from mooring_operator.stage.aims import Aims, Target
from mooring_operator.stage.claims import router
from mooring_operator.stage.forms import (
    Form,
    Speech,
    accepted_by,
    fields_of,
    has_key,
    hears,
    others_confirmed,
    rendered,
    seen_from,
    speak_now,
    spoken_by,
)
from mooring_operator.stage.instance import SHARED, Place, addresses_on, name_of, transport_of
from mooring_operator.stage.seats import Seat, Share, any_of

#: As many peers as a Transport may list.
MOST_PEERS = 24


@dataclass(frozen=True)
class Round:
    """One step from what stands towards the aims. Any part of it may be written, in any order, and the rest later.

    `gone` are the sources of members whose Node no longer exists.
    """

    target: Target
    aims: Aims
    gone: frozenset[str] = frozenset()

    @cached_property
    def shares(self) -> Mapping[str, Share]:
        """What each node is to be given now."""
        return {seat.node: self._share(seat) for seat in self.target.seats}

    @cached_property
    def standing(self) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.target.seats if seat.stands)

    @cached_property
    def settled(self) -> bool:
        """Whether everybody runs what stands."""
        return all(seat.confirmed for seat in self.standing)

    def _others(self, seat: Seat) -> Iterator[Seat]:
        return (other for other in self.standing if other is not seat)

    def can_go_on(self, lasting: Mapping[str, Iterable[Instance]]) -> bool:
        """Whether each member can be given its step beside what other groups have on its node for good.

        An advert belongs to one group alone. So nobody can be told to listen for a VRID on an interface where it is
        another group's for good: one that leaves there, or moves to another interface, may be in that place. One that
        joins is not looked at: it can come after the others have gone on.
        """
        for seat in self.standing:
            new = _routers(self.shares[seat.node]) - _routers(seat.stands)
            if new and any((i.interface, i.family, i.virtual_router_id) in new for i in lasting[seat.node]):
                return False
        return True

    # Families: a group keeps an old one until every member has one that stays.

    @cached_property
    def _fading(self) -> frozenset[Family]:
        """Families that may be dropped now."""
        if not self.settled or not any(self._carries(family) for family in self.aims.families):
            return frozenset()
        return frozenset(Family) - self.aims.families

    def _carries(self, family: Family) -> bool:
        """Whether all members hear each other in that family as they stand."""
        keys = self.target.keys
        return all(
            family in seat.stands
            and all(
                family in other.stands
                and hears(
                    seat.stands[family],
                    keys.pinned(spoken_by(there := other.stands[family])),
                    there.transport.source,
                    keys,
                )
                for other in self._others(seat)
            )
            for seat in self.standing
        )

    def _kept(self, seat: Seat) -> frozenset[Family]:
        return frozenset(seat.stands) - self._fading

    def _families(self, seat: Seat) -> tuple[Family, ...]:
        added = frozenset(family for family in self.aims.shares[seat.node] if self._may_have(seat, family))
        return tuple(family for family in Family if family in self._kept(seat) | added)

    def _may_have(self, seat: Seat, family: Family) -> bool:
        """Whether the node may speak in that family as it is to speak now; a new one comes after a change of VRID."""
        spoken, goal = self.speech.spoken.get(seat.node), self.target.goal
        if spoken is None or goal is None or not spoken.fits(family):
            return False
        if not self.standing or any(family in other.stands for other in self.standing):
            return True
        if router(family, goal.virtual_router_id) in self.aims.blocked:
            return False
        forms = (spoken, *self.speech.accepted[seat.node])
        return all(form.virtual_router_id == goal.virtual_router_id for form in forms)

    # Forms.

    @cached_property
    def speech(self) -> Speech:
        return speak_now(self.target.seats, self.aims.goal, self.target.keys, switch=self._all_hear_the_goal)

    @cached_property
    def _all_hear_the_goal(self) -> bool:
        goal = self.aims.goal
        if goal is None or not self.settled:
            return False
        keys = self.target.keys
        known = goal.secret is None or goal.key_version is not None
        spoken = all(keys.pinned(spoken_by(one)) == goal for seat in self.standing if (one := any_of(seat.stands)))
        if not (spoken or (known and all(has_key(seat, goal) for seat in self.standing))):
            return False
        if any(not (goal.fits(f) and f in self.aims.families) for seat in self.standing for f in self._kept(seat)):
            return False
        return all(
            hears(instance, goal, other.stands[family].transport.source, keys)
            for seat in self.standing
            for other in self._others(seat)
            for family, instance in seat.stands.items()
            if family in other.stands and family in self.aims.families
        )

    # Places and peers.

    def _place(self, seat: Seat, family: Family) -> Place:
        """Where it speaks from: at a new place when all others listen there."""
        aimed, stands = self.aims.shares[seat.node].get(family), seat.stands.get(family)
        if aimed is None or (stands is not None and not self._listened_to(seat, family, aimed)):
            assert stands is not None, "a family that is neither aimed at nor stands is not looked at"
            return Place(stands.interface, stands.transport.source)
        return Place(aimed.interface, aimed.transport.source)

    def _listened_to(self, seat: Seat, family: Family, aimed: Instance) -> bool:
        old, new = seat.stands[family].transport.source, aimed.transport.source
        if old and new and seen_from(old, None) == seen_from(new, None):
            return True
        form = self.speech.spoken[seat.node]
        return all(
            other.confirmed and hears(other.stands[family], form, new, self.target.keys)
            for other in self._others(seat)
            if family in other.stands
        )

    def _peers(self, seat: Seat, family: Family, own: Place) -> tuple[str, ...]:
        """Everybody who may speak to it now or next; who did before too, until all are known to be past that."""
        sources: dict[str | None, None] = {}
        later: dict[str | None, None] = {}
        for other in self.target.seats:
            if other is seat or self._removed(other):
                continue
            if stands := other.stands.get(family):
                sources[stands.transport.source] = None
                sources[self._place(other, family).source] = None
            if aimed := self.aims.shares[other.node].get(family):
                later[aimed.transport.source] = None
        before = seat.stands.get(family)
        if before is None or others_confirmed(seat, self.standing):
            kept: list[str] = []
        else:
            kept = [peer for _, way in accepted_by(before) for peer in way.peers]
        kept = [peer for peer in kept if seen_from(peer, None) not in self.gone]
        written = [seen_from(source, own.interface) for source in (*sources, *kept, *later) if source is not None]
        mine = seen_from(own.source, own.interface) if own.source else None
        found = [peer for peer in dict.fromkeys(written) if peer != mine][:MOST_PEERS]
        return tuple(sorted(found, key=lambda text: (len(text), text)))

    # Who may take the role.

    def _removed(self, seat: Seat) -> bool:
        """Whether it goes now: it let go, and has said so."""
        return not seat.held and seat.quiet and not self.aims.shares[seat.node]

    def waits_for(self, seat: Seat) -> list[str]:
        """Who comes before one that is to join and can't take the role: those who can, until they may.

        Who joins later needs the word of all who stand, and a node without power gives none: a new group would stay
        without a holder where such a node was told first.
        """
        if seat.stands or not seat.faulty:
            return []
        return [
            other.node
            for other in self.target.seats
            if other is not seat
            and not other.faulty
            and any(instance.eligible for instance in self.aims.shares[other.node].values())
            and not (other.confirmed and other.may_become_active)
        ]

    def heirs(self, seat: Seat) -> list[Seat]:
        """Those others who are to be able to take the role in the end."""
        return [other for other in self.target.seats if other is not seat and self._is_heir(other)]

    def _is_heir(self, seat: Seat) -> bool:
        if seat.held:
            return seat.may_become_active
        return any(instance.eligible for instance in self.aims.shares[seat.node].values())

    def may_let_go(self, seat: Seat) -> bool:
        """Whether somebody can take over from it, or nobody is to."""
        heirs = self.heirs(seat)
        return not heirs or any(heir.may_become_active and heir.confirmed and not heir.faulty for heir in heirs)

    def may_take_part(self, seat: Seat) -> bool:
        """Whether everybody who may be Active hears it, and it them."""
        form = self.speech.spoken[seat.node]
        others = [other for other in self._others(seat) if not self._removed(other)]
        forms = (form, *self._may_speak(others)) if others else ()
        # Without its state a key is not the same on all members, or nobody knows: they will speak with one that is.
        if not all(each.secret is None or (each.key_version and has_key(seat, each)) for each in forms):
            return False
        return all(other.confirmed and self._heard_by(other, seat, form) for other in others)

    def _may_speak(self, seats: Sequence[Seat]) -> Iterator[Form]:
        """What these say, before and after they read what they are to be given now."""
        for seat in seats:
            yield self.speech.spoken[seat.node]
            yield from (self.target.keys.pinned(spoken_by(instance)) for instance in seat.stands.values())

    def _heard_by(self, other: Seat, seat: Seat, form: Form) -> bool:
        shared = [family for family in self._families(seat) if family in other.stands]
        return bool(shared) and all(
            hears(other.stands[family], form, self._place(seat, family).source, self.target.keys) for family in shared
        )

    def _eligible(self, seat: Seat) -> bool:
        aimed = any_of(self.aims.shares[seat.node])
        wanted = aimed is not None and aimed.eligible
        if seat.may_become_active:
            return wanted or not self.may_let_go(seat)
        return wanted and (seat.holds or self.may_take_part(seat))

    # The result.

    def _share(self, seat: Seat) -> Share:
        if seat.held:
            return seat.stands
        if self._removed(seat) or not (seat.stands or self.aims.shares[seat.node]) or self.waits_for(seat):
            return {}
        families = self._families(seat)
        eligible = self._eligible(seat)
        made = {family: self._instance(seat, family, families, eligible=eligible) for family in families}
        for before in (seat.stands, self.target.final[seat.node]):
            if before == made:
                return before
        return made

    def _instance(self, seat: Seat, family: Family, families: tuple[Family, ...], *, eligible: bool) -> Instance:
        aimed = self.aims.shares[seat.node]
        base = aimed.get(family) or seat.stands[family]
        place = self._place(seat, family)
        update: dict[str, Any] = fields_of(self.speech.spoken[seat.node])
        if (like := any_of(aimed)) is not None:
            update |= {field: getattr(like, field) for field in SHARED}
            update["name"] = name_of(like, family, families)
        peers = self._peers(seat, family, place)
        update |= {
            "interface": place.interface,
            "eligible": eligible,
            "transport": transport_of(base, self.speech.spoken[seat.node], place, peers),
            "also_accept": self._also(seat, family, peers),
            "addresses": addresses_on(base, seat.stands.get(family), place.interface),
        }
        return base.model_copy(update=update)

    def _also(self, seat: Seat, family: Family, peers: tuple[str, ...]) -> tuple[AcceptedForm, ...]:
        own = self.speech.spoken[seat.node]
        vrids = self._vrids(family)
        forms = (f for f in self.speech.accepted[seat.node] if f.fits(family) and f.virtual_router_id in vrids)
        return tuple(rendered(form, own, peers) for form in forms)

    def _vrids(self, family: Family) -> frozenset[int]:
        """Those that are the group's in this family: a VRID may be another group's in the other one."""
        goal = self.aims.goal
        found = {goal.virtual_router_id} if goal is not None and family in self.aims.families else set()
        for seat in self.standing:
            if instance := seat.stands.get(family):
                found |= {form.virtual_router_id for form, _ in accepted_by(instance)}
        return frozenset(found)


def _routers(share: Share) -> frozenset[tuple[str | None, Family, int]]:
    """All that it speaks or accepts, and where."""
    return frozenset(
        (i.interface, i.family, form.virtual_router_id) for i in share.values() for form, _ in accepted_by(i)
    )
