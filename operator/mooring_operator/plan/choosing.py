"""Which nodes are members of a group: those that can be, all neighbours, in the order of their seats.

Whoever is a member already and still speaks from the same address is not put out by what another node reports.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from mooring_api.nodeconfig import HeldAddress
from mooring_api.virtualip import NodeOverride, VirtualIP
from mooring_api.vrrp import Family
from mooring_operator.plan.present import Parts, Present
from mooring_operator.plan.ranking import Seat
from mooring_operator.plan.segments import Attachment, attach, parsed
from mooring_operator.plan.snapshot import Node
from mooring_operator.plan.sources import Refused
from mooring_operator.plan.unread import AS_IT_STANDS, Attachments, waits_for

NOT_REPORTED = "not reported: its daemon has not told its interfaces yet"


class Anchor(NamedTuple):
    """A member by whose place the others are measured; `stands`: it is one already, and speaks from where it does."""

    attachments: Attachments
    stands: bool


@dataclass(frozen=True, slots=True)
class Taking:
    """One group while its members are sought. `refused` is node to the addresses that it may not speak from.

    `unread`: see unread_members.
    """

    virtual_ip: VirtualIP
    addresses: Mapping[Family, tuple[HeldAddress, ...]]
    overrides: Mapping[str, NodeOverride]
    group: str
    present: Present
    refused: Mapping[str, Refused]
    unread: Mapping[str, Attachments | str] = field(default_factory=dict)

    def attachments(self, node: Node, anchor: Anchor | None = None) -> Attachments | str:
        """The node's part in every family of the group, or why it can have none; `anchor` is a neighbour."""
        if (there := self.unread.get(node.name)) is not None:
            return there
        parts = self.present.of(node.name, self.virtual_ip.metadata.name, self.group)
        found = self._attached(node, anchor, parts)
        if anchor is None or isinstance(found, str):
            return found
        # Two that are members together stay so while one's network holds both: each has only its own word for it.
        together = anchor.stands and _share_a_network(found, anchor.attachments)
        if self.stands(node, found) and (together or self.unread):
            return found
        far = _far(found, anchor)
        if far and parts:
            found = self._attached(node, anchor, {})
            far = _far(found, anchor) if not isinstance(found, str) else found
        return far or found

    def _attached(self, node: Node, anchor: Anchor | None, parts: Parts) -> dict[Family, Attachment] | str:
        override = self.overrides.get(node.name)
        interface = (override.interface if override else None) or self.virtual_ip.spec.interface
        found: dict[Family, Attachment] = {}
        for family, addresses in self.addresses.items():
            near = anchor.attachments[family].source.network if anchor else None
            first = parsed(addresses[0].address)
            before = parts[family].source if family in parts and parts[family].first == str(first.ip) else None
            refused = self.refused.get(node.name, ())
            taken = attach(node, first, interface, self._written(node.name, family), near, refused, before)
            if isinstance(taken, str):
                return taken
            found[family] = taken
        return found

    def _written(self, node: str, family: Family) -> str | None:
        override = self.overrides.get(node)
        source = override.source if override else None
        return source if source and (":" in source) == (family is Family.IPV6) else None

    def stands(self, node: Node, attachments: Attachments) -> bool:
        """Whether it is a member that goes on as it is. Whose first address is another one now begins anew: with it
        the group may have come to another segment."""
        parts = self.present.of(node.name, self.virtual_ip.metadata.name, self.group)
        return all(
            (part := parts.get(family)) is not None
            and part[:3] == (own.interface, own.address, str(parsed(self.addresses[family][0].address).ip))
            for family, own in attachments.items()
        )

    def closed_to(self, node: Node) -> bool:
        """Whether it would be new in a group of which nobody knows where all its members are."""
        own = self.present.of(node.name, self.virtual_ip.metadata.name, self.group)
        return bool(self.unread) and not own

    def owns(self, node: Node, family: Family, attachment: Attachment) -> bool:
        """Whether its source is its own by another word than its daemon's: the Node object's, or the user's."""
        return attachment.address in node.internal_addresses or self._written(node.name, family) is not None

    def without(self, node: str, address: str, why: str) -> "Taking":
        """The same, in which that node may not speak from the address."""
        refused = {**self.refused, node: (*self.refused.get(node, ()), (address, why))}
        return replace(self, refused=refused)


def _far(attachments: Attachments, anchor: Anchor) -> str:
    """Why it is no neighbour of the others; empty: it is one."""
    for family, taken in attachments.items():
        other = anchor.attachments[family]
        if not taken.reaches(other):
            there = f"is not on the segment of the other members ({other.source.network})"
            return f"{taken.source.ip} on {taken.interface} {there}, so it has no peers; choose nodes of one segment"
    return ""


def _share_a_network(some: Attachments, others: Attachments) -> bool:
    pairs = [(own.source, others[family].source) for family, own in some.items()]
    return all(one.ip in other.network or other.ip in one.network for one, other in pairs)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A member, before it has a priority."""

    seat: Seat
    attachments: Attachments
    cordoned: bool

    @property
    def unread(self) -> bool:
        return any(own.unread for own in self.attachments.values())


class Sought(NamedTuple):
    """What came of a search: the members, first choice first; by node why one is silent, or can't be a member."""

    chosen: list[Chosen]
    silent: dict[str, str]
    left_out: dict[str, str]


def sought(taking: Taking, seats: Callable[[], Iterable[Seat]], nodes: Mapping[str, Node], most: int) -> Sought:
    """The first `most` nodes that can be members, all neighbours, cordoned ones last; no two speak from one address."""
    while True:
        found = _search(taking, seats(), nodes, most)
        contested = _contested(taking, found.chosen, nodes)
        if contested is None:
            return found
        # Ends: a node reports so many addresses, and has one less to speak from each time.
        taking = taking.without(*contested)


def _search(taking: Taking, seats: Iterable[Seat], nodes: Mapping[str, Node], most: int) -> Sought:
    silent: dict[str, str] = {}
    left_out: dict[str, str] = {}
    chosen: list[Chosen] = []
    anchor: Anchor | None = None
    waiting = iter(_cordoned_last(seats, nodes))
    while len(chosen) < most and (seat := next(waiting, None)):
        node = nodes[seat.node]
        if node.interfaces is None and node.name not in taking.unread:
            silent[node.name] = NOT_REPORTED
            continue
        if taking.closed_to(node):
            left_out[node.name] = waits_for(taking.unread)
            continue
        attachments = taking.attachments(node, anchor)
        if isinstance(attachments, str):
            left_out[node.name] = attachments
            continue
        if node.name in taking.unread:
            seat = replace(seat, why=f"{seat.why}; {AS_IT_STANDS}")
        chosen.append(Chosen(seat, attachments, node.cordoned))
        if anchor is None and len(chosen) == most:
            anchor, chosen = _neighbours(taking, chosen, nodes, left_out)
    if anchor is None and chosen:
        _, chosen = _neighbours(taking, chosen, nodes, left_out)
    return Sought(chosen, silent, left_out)


def _contested(taking: Taking, chosen: Sequence[Chosen], nodes: Mapping[str, Node]) -> tuple[str, str, str] | None:
    """Of two that speak from one address: which of them may not, the address, and why; None: no two do."""
    first: dict[tuple[Family, str], Chosen] = {}
    for candidate in chosen:
        for family, own in candidate.attachments.items():
            other = first.setdefault((family, own.address), candidate)
            if other is not candidate and not (other.unread and candidate.unread):
                pair = sorted((other, candidate), key=lambda each: _claim(taking, each, nodes, family))
                winner, loser = (nodes[each.seat.node] for each in pair)
                off = "" if winner.ready else f"; {winner.name} is not Ready: if it is off for good, delete its Node"
                remedy = f"give one of the two another address{off}"
                return loser.name, own.address, f"is where {winner.name} speaks from; {remedy}"
    return None


def _claim(taking: Taking, candidate: Chosen, nodes: Mapping[str, Node], family: Family) -> tuple[object, ...]:
    """Whose claim to its source comes first; see docs/operator.md.

    A member that is not Ready comes before a newcomer that is: it can be replaced only once it says that it let go,
    or its Node is deleted, so the newcomer would not be heard sooner. And Ready goes up and down, most of all where
    two machines share an address; what stands does not.
    """
    node = nodes[candidate.seat.node]
    return (
        node.name not in taking.unread,
        not taking.owns(node, family, candidate.attachments[family]),
        not taking.stands(node, candidate.attachments),
        not node.ready,
        node.age,
    )


def _cordoned_last(seats: Iterable[Seat], nodes: Mapping[str, Node]) -> Iterable[Seat]:
    last = []
    for seat in seats:
        if nodes[seat.node].cordoned:
            last.append(seat)
        else:
            yield seat
    yield from last


def _neighbours(
    taking: Taking, chosen: list[Chosen], nodes: Mapping[str, Node], left_out: dict[str, str]
) -> tuple[Anchor | None, list[Chosen]]:
    """Whose segment it is (None: nobody knows), and those of the chosen that are on it, or may be."""
    if not taking.unread:
        return _on_one_segment(taking, chosen, nodes, left_out)
    known = [candidate for candidate in chosen if not candidate.unread]
    if not known:
        return None, chosen
    anchor, kept = _on_one_segment(taking, known, nodes, left_out)
    there = {candidate.seat.node: candidate for candidate in (*kept, *(c for c in chosen if c.unread))}
    return anchor, [there[c.seat.node] for c in chosen if c.seat.node in there]


def _on_one_segment(
    taking: Taking, chosen: list[Chosen], nodes: Mapping[str, Node], left_out: dict[str, str]
) -> tuple[Anchor, list[Chosen]]:
    stands = {c.seat.node: taking.stands(nodes[c.seat.node], c.attachments) for c in chosen}
    if _alike([c.attachments for c in chosen]):
        first = next((c for c in chosen if stands[c.seat.node]), chosen[0])
        return Anchor(first.attachments, stands[first.seat.node]), chosen

    def joined(candidate: Chosen) -> dict[str, Attachments | str]:
        anchor = Anchor(candidate.attachments, stands[candidate.seat.node])
        return {
            c.seat.node: c.attachments if c is candidate else taking.attachments(nodes[c.seat.node], anchor)
            for c in chosen
        }

    sure = {
        c.seat.node: (stands[c.seat.node] and nodes[c.seat.node].ready) or _at_home(nodes[c.seat.node], c.attachments)
        for c in chosen
    }
    # Where a member that lives has its part the group is already, whichever networks others say that they have.
    there = [c for c in chosen if (stands[c.seat.node] and nodes[c.seat.node].ready) or _holds(taking, c)] or chosen
    parts = {c.seat.node: joined(c) for c in there}

    def merit(candidate: Chosen) -> tuple[object, ...]:
        """Most that have more than their daemon's word for it; most members that live; most; then those it has now."""
        node = nodes[candidate.seat.node]
        members = [name for name, part in parts[node.name].items() if not isinstance(part, str)]
        alive = stands[node.name] and node.ready
        surely = sum(sure[name] for name in members)
        return -surely, not alive, -len(members), not node.ready, not stands[node.name], node.age

    best = min(there, key=merit)
    kept = []
    for candidate in chosen:
        attachments = parts[best.seat.node][candidate.seat.node]
        if isinstance(attachments, str):
            left_out[candidate.seat.node] = attachments
        else:
            kept.append(replace(candidate, attachments=attachments))
    return Anchor(best.attachments, stands[best.seat.node]), kept


def _alike(parts: Sequence[Attachments]) -> bool:
    """Whether all are on one network, which need not be looked at more closely."""
    first = parts[0]
    return all(part[f].source.network == first[f].source.network for part in parts for f in first) and all(
        not first[f].link_local or first[f].reaches(part[f]) for part in parts for f in first
    )


def _holds(taking: Taking, candidate: Chosen) -> bool:
    """Whether the group's addresses are in its networks."""
    return all(
        parsed(addresses[0].address).ip in candidate.attachments[family].source.network
        for family, addresses in taking.addresses.items()
    )


def _at_home(node: Node, attachments: Attachments) -> bool:
    """Whether it speaks from interfaces that have its InternalIP."""
    links = (node.links[own.interface] for own in attachments.values())
    return all(any(str(own.ip) in node.internal_addresses for own in link.addresses) for link in links)
