"""Which nodes join each group of a VirtualIP, in which order, with which priority, and why."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mooring_api.nodeconfig import HeldAddress
from mooring_api.problems import Problem, Severity
from mooring_api.virtualip import VirtualIP
from mooring_api.vrrp import Family
from mooring_operator.plan import exclusion
from mooring_operator.plan.allocations import Allocation, bare, group_name, shape, version_of
from mooring_operator.plan.choosing import Chosen, Sought, Taking, sought
from mooring_operator.plan.findings import Finding, Reason
from mooring_operator.plan.present import Present
from mooring_operator.plan.ranking import Ring, Seat, decreasing, homes, ladder, order
from mooring_operator.plan.segments import Attachment
from mooring_operator.plan.snapshot import Node, virtual_ip_name
from mooring_operator.plan.sources import Refused
from mooring_operator.plan.unread import unread_members
from mooring_operator.words.phrases import listed


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
    kept_out: frozenset[str] = frozenset()
    """Nodes that a label keeps out, as far as they were looked at."""

    @property
    def networks(self) -> frozenset[str] | None:
        """All networks on the members' interfaces; None when a member's interface has none (or nobody is one).

        Those of which nothing is known are passed over: they are where the others are.
        """
        found: set[str] = set()
        for attachment in self._attachments:
            if not attachment.networks and not attachment.unread:
                return None
            found |= attachment.networks
        return frozenset(found) or None

    @property
    def unread(self) -> bool:
        """Whether it has members, and of none it is known where it is."""
        return bool(self.members) and all(attachment.unread for attachment in self._attachments)

    @property
    def _attachments(self) -> Iterable[Attachment]:
        return (attachment for member in self.members for attachment in member.attachments.values())


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
    """What the exclusion label and the pods that it asks for change, for a person."""


def place(
    virtual_ip: VirtualIP,
    addresses: Sequence[HeldAddress],
    eligible: frozenset[str],
    nodes: Mapping[str, Node],
    prior: Allocation | None,
    ring: Ring,
    labelled: frozenset[str],
    present: Present,
    refused: Mapping[str, Refused],
) -> Placed:
    """Shape the groups and choose their members.

    `addresses` are those of the VirtualIP that are its own, `eligible` the nodes that its selector chooses, `labelled`
    all nodes that have the exclusion label; `refused` is node to the addresses that it may not speak from.
    """
    spec = virtual_ip.spec
    preferred = tuple(p.node for p in spec.nodes.preferred)
    out = exclusion.kept_out(virtual_ip, eligible, labelled)
    candidates = eligible - out or eligible
    allocation = shape(virtual_ip, [bare(a) for a in addresses], len(candidates), prior)
    ranked = ring.of(eligible.difference(preferred) if preferred else eligible)
    at_home = [each for each in ranked if each[1] in candidates] if out else ranked
    allocation = replace(allocation, groups=homes(virtual_ip, allocation, at_home, nodes))
    fixed, findings = _written_priorities(virtual_ip)
    overrides = {o.node: o for o in spec.nodes.overrides}
    groups: list[Group] = []
    # A finding names those that are written and not chosen, so whether they are matters wherever the search ends.
    watched = set(eligible.intersection((*preferred, *overrides)))
    contrary: dict[str, str] = {}
    for index, group in enumerate(allocation.groups):
        name = group_name(virtual_ip.metadata.name, index)
        own = _by_family(a for a in addresses if allocation.assignment[bare(a)] == index)
        if not own:
            continue
        seats = partial(order, preferred, index, group.home, ring, ranked, name)
        members = eligible.intersection(present.members(virtual_ip.metadata.name, name))
        watched |= members
        unread = unread_members(virtual_ip, name, own, (nodes[member] for member in members), present)
        contrary |= {node: why for node, why in unread.items() if isinstance(why, str)}
        taking = Taking(virtual_ip, own, overrides, name, present, refused, unread)
        (chosen, silent, left_out), kept_out = _sought(taking, seats, eligible, nodes, out, watched)
        lead = len(preferred) + (group.home is not None)
        placed, fits = _with_priorities(chosen, fixed, lead, spec.nodes.max_candidates)
        if not fits:
            findings.append(_no_room(virtual_ip))
        groups.append(Group(name, index, own, placed, silent, left_out, kept_out))
    findings += _of_members(virtual_ip, groups, len(eligible)) + _not_chosen(virtual_ip, eligible)
    findings += _kept(virtual_ip, contrary)
    unique = tuple(dict.fromkeys(findings))
    return Placed(virtual_ip, allocation, tuple(groups), unique, frozenset(watched), _remark(groups, out))


def _sought(
    taking: Taking,
    seats: Callable[[], Iterable[Seat]],
    eligible: frozenset[str],
    nodes: Mapping[str, Node],
    out: frozenset[str],
    watched: set[str],
) -> tuple[Sought, frozenset[str]]:
    """Who can be a member, and who is kept out: of those in `out` nobody, where nobody else can be one."""
    most = taking.virtual_ip.spec.nodes.max_candidates
    kept_out: set[str] = set()

    def there() -> Iterable[Seat]:
        return _seen((seat for seat in seats() if seat.node in eligible), watched)

    found = sought(taking, lambda: _without(there(), out, kept_out), nodes, most)
    if found.chosen or not kept_out:
        return found, frozenset(kept_out)
    return sought(taking, there, nodes, most), frozenset()


def _without(seats: Iterable[Seat], out: frozenset[str], passed: set[str]) -> Iterable[Seat]:
    for seat in seats:
        if seat.node in out:
            passed.add(seat.node)
        else:
            yield seat


def _remark(groups: Sequence[Group], out: frozenset[str]) -> str:
    kept_out = frozenset[str]().union(*(group.kept_out for group in groups))
    open_to_all = [g.name for g in groups if g.members and out.issuperset(member.node for member in g.members)]
    return exclusion.remark_of(kept_out, open_to_all)


def _by_family(addresses: Iterable[HeldAddress]) -> dict[Family, tuple[HeldAddress, ...]]:
    found: dict[Family, tuple[HeldAddress, ...]] = {}
    for address in addresses:
        family = Family.IPV4 if version_of(address) == 4 else Family.IPV6
        found[family] = (*found.get(family, ()), address)
    return dict(sorted(found.items()))


def _seen(seats: Iterable[Seat], watched: set[str]) -> Iterable[Seat]:
    for seat in seats:
        watched.add(seat.node)
        yield seat


def _with_priorities(
    chosen: Sequence[Chosen], fixed: Sequence[int | None], lead: int, most: int
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


def _kept(virtual_ip: VirtualIP, contrary: Mapping[str, str]) -> list[Finding]:
    """What can't be planned because a member can't stay where it stands, and nobody knows where it could go."""
    if not contrary:
        return []
    who = listed((f"{node} {why}" for node, why in sorted(contrary.items())), "; ")
    message = (
        f"{who}, and what its daemon reports of its interfaces is lost or can't be read; until it reports, or its Node"
        " is deleted, nothing of it changes on any node"
    )
    problem = Problem(virtual_ip_name(virtual_ip.metadata.name), "spec", message)
    return [Finding(Reason.KEPT_AS_IT_STANDS, problem)]


def _of_members(virtual_ip: VirtualIP, groups: Sequence[Group], eligible: int) -> list[Finding]:
    name = virtual_ip_name(virtual_ip.metadata.name)
    if not eligible:
        message = "selects no node, so nothing is planned; label nodes, or change the selector"
        return [Finding(Reason.NO_ELIGIBLE_NODE, Problem(name, "spec.nodes.selector", message))]
    findings = []
    left_out = {node: why for group in groups for node, why in group.left_out.items()}
    why = listed((f"{node}: {why}" for node, why in sorted(left_out.items())), "; ")
    if left_out:
        problem = Problem(name, "spec.nodes", f"left out: {why}", Severity.WARNING)
        findings.append(Finding(Reason.NODES_LEFT_OUT, problem))
    if groups and not any(group.members for group in groups):
        silent = len({node for group in groups for node in group.silent})
        if silent:
            reason = Reason.NOT_REPORTED
            message = f"of {eligible} eligible nodes {silent} have not reported their interfaces"
            message += "; run the Mooring daemon on them, and see its log"
        else:
            reason = Reason.NO_NODE_FITS
            message = f"of {eligible} eligible nodes none can join" + (f": {why}" if why else "")
        findings.append(Finding(reason, Problem(name, "spec.nodes", f"nothing is planned: {message}")))
    return findings


def _not_chosen(virtual_ip: VirtualIP, eligible: frozenset[str]) -> list[Finding]:
    """The nodes that are written and don't count: a name with a slip in it looks like a node that is away."""
    nodes = virtual_ip.spec.nodes
    findings = []
    for field, written in (("preferred", nodes.preferred), ("overrides", nodes.overrides)):
        if eligible and (names := [each.node for each in written if each.node not in eligible]):
            message = (
                f"{listed(names)}: no such node is there, or the selector does not choose it; correct one of the two"
            )
            path = f"spec.nodes.{field}"
            problem = Problem(virtual_ip_name(virtual_ip.metadata.name), path, message, Severity.WARNING)
            findings.append(Finding(Reason.NODES_NOT_CHOSEN, problem))
    return findings
