"""Which nodes join each group of a VirtualIP, in which order, with which priority, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mooring_api.nodeconfig import HeldAddress
from mooring_api.problems import Problem, Severity
from mooring_api.virtualip import NodeOverride, VirtualIP
from mooring_api.vrrp import Family
from mooring_operator.plan.allocations import Allocation, bare, group_name, shape, version_of
from mooring_operator.plan.findings import Finding, Reason
from mooring_operator.plan.ranking import Ring, Seat, decreasing, homes, ladder, order
from mooring_operator.plan.segments import Attachment, attach, parsed
from mooring_operator.plan.snapshot import Node, virtual_ip_name

NOT_REPORTED = "not reported: its daemon has not told its interfaces yet"
#: So many nodes that are left out are named in a problem.
NAMED = 3


@dataclass(frozen=True, slots=True)
class Member:
    """A node of a group, with its attachment for each family of the group."""

    node: str
    priority: int
    why: str
    attachments: Mapping[Family, Attachment]
    eligible: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """A group of addresses and its members, first choice first."""

    name: str
    index: int
    addresses: Mapping[Family, tuple[HeldAddress, ...]]
    members: tuple[Member, ...]
    silent: Mapping[str, str]
    """Nodes that would be members and have not reported, with the sentence that says so."""
    left_out: Mapping[str, str]
    """Nodes that have reported and can't be members, and why."""

    @property
    def networks(self) -> frozenset[str] | None:
        """All networks on the members' interfaces; None when a member's interface has none (or nobody is one)."""
        found: set[str] = set()
        for member in self.members:
            for attachment in member.attachments.values():
                if not attachment.networks:
                    return None
                found |= attachment.networks
        return frozenset(found) or None


@dataclass(frozen=True, slots=True)
class Placed:
    """One VirtualIP's groups with their members; the groups of `allocation` have their homes."""

    virtual_ip: VirtualIP
    allocation: Allocation
    groups: tuple[Group, ...]
    findings: tuple[Finding, ...]
    watched: frozenset[str]
    """The nodes that were looked at. Another eligible one comes behind them, cordoned or not: the search ended
    before it."""
    remark: str = ""
    """What the pods that it asks for change, for a person."""


@dataclass(frozen=True, slots=True)
class _Taking:
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


def place(
    virtual_ip: VirtualIP,
    addresses: Sequence[HeldAddress],
    eligible: frozenset[str],
    nodes: Mapping[str, Node],
    prior: Allocation | None,
    ring: Ring,
) -> Placed:
    """Shape the groups and choose their members.

    `addresses` are those of the VirtualIP that are its own, `eligible` the nodes that its selector chooses.
    """
    spec = virtual_ip.spec
    preferred = tuple(p.node for p in spec.nodes.preferred)
    allocation = shape(virtual_ip, [bare(a) for a in addresses], len(eligible), prior)
    ranked = ring.of(eligible.difference(preferred) if preferred else eligible)
    allocation = replace(allocation, groups=homes(virtual_ip, allocation, ranked, nodes))
    fixed, findings = _written_priorities(virtual_ip)
    overrides = {o.node: o for o in spec.nodes.overrides}
    groups: list[Group] = []
    watched: set[str] = set()
    for index, group in enumerate(allocation.groups):
        name = group_name(virtual_ip.metadata.name, index)
        own = _by_family(a for a in addresses if allocation.assignment[bare(a)] == index)
        if not own:
            continue
        seats = order(preferred, index, group.home, ring, ranked, name)
        taking = _Taking(virtual_ip, own, overrides)
        there = _seen((seat for seat in seats if seat.node in eligible), watched)
        chosen, silent, left_out = _members(taking, there, nodes, spec.nodes.max_candidates)
        lead = len(preferred) + (group.home is not None)
        members, fits = _with_priorities(chosen, fixed, lead, spec.nodes.max_candidates)
        if not fits:
            findings.append(_no_room(virtual_ip))
        groups.append(Group(name, index, own, members, silent, left_out))
    findings += _of_members(virtual_ip, groups, len(eligible))
    unique = tuple(dict.fromkeys(findings))
    return Placed(virtual_ip, allocation, tuple(groups), unique, frozenset(watched))


def _by_family(addresses: Iterable[HeldAddress]) -> dict[Family, tuple[HeldAddress, ...]]:
    found: dict[Family, tuple[HeldAddress, ...]] = {}
    for address in addresses:
        family = Family.IPV4 if version_of(address) == 4 else Family.IPV6
        found[family] = (*found.get(family, ()), address)
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class _Chosen:
    seat: Seat
    attachments: dict[Family, Attachment]
    cordoned: bool


def _members(
    taking: _Taking, seats: Iterable[Seat], nodes: Mapping[str, Node], most: int
) -> tuple[list[_Chosen], dict[str, str], dict[str, str]]:
    """The first `most` nodes that can be members, all neighbours, cordoned ones last; who is silent; who can't."""
    silent: dict[str, str] = {}
    left_out: dict[str, str] = {}
    chosen: list[_Chosen] = []
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
        chosen.append(_Chosen(seat, attachments, node.cordoned))
        if anchors is None and len(chosen) == most:
            anchors, chosen = _neighbours(taking, chosen, nodes, left_out)
    if anchors is None and chosen:
        _, chosen = _neighbours(taking, chosen, nodes, left_out)
    return chosen, silent, left_out


def _seen(seats: Iterable[Seat], watched: set[str]) -> Iterable[Seat]:
    for seat in seats:
        watched.add(seat.node)
        yield seat


def _cordoned_last(seats: Iterable[Seat], nodes: Mapping[str, Node]) -> Iterable[Seat]:
    last = []
    for seat in seats:
        if nodes[seat.node].cordoned:
            last.append(seat)
        else:
            yield seat
    yield from last


def _neighbours(
    taking: _Taking, chosen: list[_Chosen], nodes: Mapping[str, Node], left_out: dict[str, str]
) -> tuple[dict[Family, Attachment], list[_Chosen]]:
    """The segment of most of those chosen (where equal, of the first), and those of them that are on it."""
    first = chosen[0].attachments
    if all(c.attachments[f].source.network == first[f].source.network for c in chosen for f in first) and all(
        not first[f].link_local or first[f].reaches(c.attachments[f]) for c in chosen for f in first
    ):
        return first, chosen

    def holds_address(candidate: _Chosen) -> bool:
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


def _with_priorities(
    chosen: Sequence[_Chosen], fixed: Sequence[int | None], lead: int, most: int
) -> tuple[tuple[Member, ...], bool]:
    """The chosen with priorities, and whether the written ones left room (else they are as if left out).

    Preferred nodes and homes have places of their own, also while one is away or cordoned: no other's priority
    changes by that. The others follow in their order.
    """
    following = lead
    places = []
    for candidate in chosen:
        if candidate.seat.place is None or candidate.cordoned:
            places.append(following)
            following += 1
        else:
            places.append(candidate.seat.place)
    rungs = ladder(fixed, lead + most) or ladder(fixed, following)
    fits = rungs is not None
    if rungs is None:
        rungs = ladder((), lead + most)
    assert rungs is not None, "at most 24 preferred, a home and 24 others fit into 254"
    members = tuple(
        Member(
            c.seat.node,
            rungs[place],
            f"cordoned, placed last ({c.seat.why})" if c.cordoned else c.seat.why,
            c.attachments,
        )
        for c, place in zip(chosen, places, strict=True)
    )
    return members, fits


def _written_priorities(virtual_ip: VirtualIP) -> tuple[tuple[int | None, ...], list[Finding]]:
    preferred = virtual_ip.spec.nodes.preferred
    fixed, contrary = decreasing(p.priority for p in preferred)
    findings = []
    for number in contrary:
        message = (
            f"priority {preferred[number].priority} is not below those of the nodes before it;"
            " list the nodes from the highest priority to the lowest (it is planned as if left out)"
        )
        path = f"spec.nodes.preferred[{number}].priority"
        problem = Problem(virtual_ip_name(virtual_ip.metadata.name), path, message)
        findings.append(Finding(Reason.PRIORITY_CONFLICT, problem))
    return fixed, findings


def _no_room(virtual_ip: VirtualIP) -> Finding:
    message = (
        "the priorities leave no room for all candidates within 1 to 254; spread them, or lower maxCandidates"
        " (they are planned as if left out)"
    )
    problem = Problem(virtual_ip_name(virtual_ip.metadata.name), "spec.nodes.preferred", message)
    return Finding(Reason.PRIORITY_CONFLICT, problem)


def _of_members(virtual_ip: VirtualIP, groups: Sequence[Group], eligible: int) -> list[Finding]:
    name = virtual_ip_name(virtual_ip.metadata.name)
    if not eligible:
        message = "selects no node, so nothing is planned; label nodes, or change the selector"
        return [Finding(Reason.NO_ELIGIBLE_NODE, Problem(name, "spec.nodes.selector", message))]
    findings = []
    left_out = {node: why for group in groups for node, why in group.left_out.items()}
    if left_out:
        named = "; ".join(f"{node}: {why}" for node, why in sorted(left_out.items())[:NAMED])
        more = f"; and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
        problem = Problem(name, "spec.nodes", f"left out: {named}{more}", Severity.WARNING)
        findings.append(Finding(Reason.NODES_LEFT_OUT, problem))
    if groups and not any(group.members for group in groups):
        silent = len({node for group in groups for node in group.silent})
        message = f"nothing is planned: of {eligible} eligible nodes {silent} have not reported their interfaces"
        reason = Reason.NOT_REPORTED if silent else Reason.NO_NODE_FITS
        remedy = "; run the Mooring daemon on them, and see its log" if silent else ", the others can't join"
        findings.append(Finding(reason, Problem(name, "spec.nodes", message + remedy)))
    return findings
