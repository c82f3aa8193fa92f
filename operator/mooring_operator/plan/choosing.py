"""Which nodes are members of a group: those that can be, all neighbours, in the order of their seats."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from mooring_api.nodeconfig import HeldAddress
from mooring_api.virtualip import NodeOverride, VirtualIP
from mooring_api.vrrp import Family
from mooring_operator.plan.ranking import Seat
from mooring_operator.plan.segments import Attachment, attach, parsed
from mooring_operator.plan.snapshot import Node

NOT_REPORTED = "not reported: its daemon has not told its interfaces yet"


@dataclass(frozen=True, slots=True)
class Taking:
    """One group while its members are sought."""

    virtual_ip: VirtualIP
    addresses: Mapping[Family, tuple[HeldAddress, ...]]
    overrides: Mapping[str, NodeOverride]

    def attachments(
        self, node: Node, anchors: Mapping[Family, Attachment] | None = None
    ) -> dict[Family, Attachment] | str:
        """The node's part in every family of the group, or why it can have none; `anchors` are its neighbours."""
        override = self.overrides.get(node.name)
        interface = (override.interface if override else None) or self.virtual_ip.spec.interface
        source = override.source if override else None
        found: dict[Family, Attachment] = {}
        for family, addresses in self.addresses.items():
            written = source if source and (":" in source) == (family is Family.IPV6) else None
            anchor = anchors[family] if anchors else None
            near = anchor.source.network if anchor else None
            taken = attach(node, parsed(addresses[0].address), interface, written, near)
            if isinstance(taken, str):
                return taken
            if anchor and not taken.reaches(anchor):
                there = f"is not on the segment of the other members ({anchor.source.network})"
                return (
                    f"{taken.source.ip} on {taken.interface} {there}, so it has no peers; choose nodes of one segment"
                )
            found[family] = taken
        return found


@dataclass(frozen=True, slots=True)
class Chosen:
    """A member, before it has a priority."""

    seat: Seat
    attachments: dict[Family, Attachment]
    cordoned: bool


class Sought(NamedTuple):
    """What came of a search: the members, first choice first; by node why one is silent, or can't be a member."""

    chosen: list[Chosen]
    silent: dict[str, str]
    left_out: dict[str, str]


def sought(taking: Taking, seats: Iterable[Seat], nodes: Mapping[str, Node], most: int) -> Sought:
    """The first `most` nodes that can be members, all neighbours, cordoned ones last."""
    silent: dict[str, str] = {}
    left_out: dict[str, str] = {}
    chosen: list[Chosen] = []
    anchors: dict[Family, Attachment] | None = None
    waiting = iter(_cordoned_last(seats, nodes))
    while len(chosen) < most and (seat := next(waiting, None)):
        node = nodes[seat.node]
        if node.interfaces is None:
            silent[node.name] = NOT_REPORTED
            continue
        attachments = taking.attachments(node, anchors)
        if isinstance(attachments, str):
            left_out[node.name] = attachments
            continue
        chosen.append(Chosen(seat, attachments, node.cordoned))
        if anchors is None and len(chosen) == most:
            anchors, chosen = _neighbours(taking, chosen, nodes, left_out)
    if anchors is None and chosen:
        _, chosen = _neighbours(taking, chosen, nodes, left_out)
    return Sought(chosen, silent, left_out)


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
) -> tuple[dict[Family, Attachment], list[Chosen]]:
    """The segment of most of those chosen (where equal, of the first), and those of them that are on it."""
    first = chosen[0].attachments
    if all(c.attachments[f].source.network == first[f].source.network for c in chosen for f in first) and all(
        not first[f].link_local or first[f].reaches(c.attachments[f]) for c in chosen for f in first
    ):
        return first, chosen

    def holds_address(candidate: Chosen) -> bool:
        return all(
            parsed(addresses[0].address).ip in candidate.attachments[family].source.network
            for family, addresses in taking.addresses.items()
        )

    def joined(anchors: dict[Family, Attachment]) -> list[dict[Family, Attachment] | str]:
        return [taking.attachments(nodes[c.seat.node], anchors) for c in chosen]

    anchors = max(
        (c.attachments for c in chosen if holds_address(c) or not any(map(holds_address, chosen))),
        key=lambda a: sum(not isinstance(other, str) for other in joined(a)),
    )
    kept = []
    for candidate, attachments in zip(chosen, joined(anchors), strict=True):
        if isinstance(attachments, str):
            left_out[candidate.seat.node] = attachments
        else:
            kept.append(replace(candidate, attachments=attachments))
    return anchors, kept
