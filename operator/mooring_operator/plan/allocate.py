"""Who owns what may be there only once: an address, and a VRID on a segment. The older object wins."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from mooring_api.addresses import address_key
from mooring_api.nodeconfig import HeldAddress
from mooring_api.problems import Problem, Severity
from mooring_api.virtualip import VirtualIP
from mooring_api.vrrp import Family
from mooring_operator.plan.allocations import Allocations, bare
from mooring_operator.plan.findings import Finding, Reason
from mooring_operator.plan.machines import Owner
from mooring_operator.plan.snapshot import virtual_ip_name

LAST_VRID = 255


def own_addresses(
    virtual_ips: Iterable[VirtualIP],
    machines: Mapping[str, Owner],
    allocations: Allocations,
) -> tuple[dict[str, tuple[HeldAddress, ...]], dict[str, list[Finding]]]:
    """Each VirtualIP's addresses without those that another one has, and what is to be told; oldest first given.

    Nor those that are a node's own (see machines_of). An address that was allocated before stays, for a kubelet may
    have taken a virtual address for its node's, or somebody set it on a node; then the node is named.
    """
    owners: dict[str, str] = {}
    kept: dict[str, tuple[HeldAddress, ...]] = {}
    findings: dict[str, list[Finding]] = {}
    for virtual_ip in virtual_ips:
        name = virtual_ip.metadata.name
        own = []
        allocation = allocations.virtual_ips.get(name)
        allocated = allocation.assignment if allocation else {}
        for place, address in enumerate(virtual_ip.spec.addresses):
            key = address_key(address.address, address.interface or virtual_ip.spec.interface)
            owner = owners.get(key)
            machine = machines.get(key)
            if owner is None and (machine is None or bare(address) in allocated):
                owners[key] = name
                own.append(address)
                if machine is not None:
                    findings.setdefault(name, []).append(_taken(name, place, bare(address), machine))
                continue
            if owner == name:
                where = "is in this list twice; remove one of the two"
            elif owner is not None:
                where = f"belongs to {virtual_ip_name(owner)}, which is older; remove it from one of the two"
            else:
                assert machine is not None, "what is neither another's nor a machine's was taken above"
                where = f"is {machine}; {_refused(machine)}"
            problem = Problem(virtual_ip_name(name), f"spec.addresses[{place}].address", f"{bare(address)} {where}")
            findings.setdefault(name, []).append(Finding(Reason.DUPLICATE_ADDRESS, problem))
        kept[name] = tuple(own)
    return kept, findings


def _refused(machine: Owner) -> str:
    remedy = "write an address that no machine has"
    # Another program may hold the virtual address there: whoever comes from keepalived ends that first.
    return f"{remedy}, or take it away there" if machine.interface else remedy


def _taken(virtual_ip: str, place: int, address: str, machine: Owner) -> Finding:
    if machine.interface is None:
        reason = Reason.TAKEN_BY_KUBELET
        why = "its kubelet chose by itself; start that kubelet with --node-ip and the node's own address"
    else:
        reason = Reason.TAKEN_BY_NODE
        why = "something other than Mooring set it there, and it answers besides the holder; take it away there"
    message = f"{address} has become {machine}: {why} (it is planned all the same)"
    problem = Problem(virtual_ip_name(virtual_ip), f"spec.addresses[{place}].address", message, Severity.WARNING)
    return Finding(reason, problem)


@dataclass(frozen=True, slots=True)
class Claim:
    """One group that needs a VRID.

    `segments` is None where it is not known on which it will be: it must then fit on any. `planned` says whether
    a node runs it. Claims are compared by the age of their VirtualIPs.
    """

    group: str
    virtual_ip: str
    index: int
    families: tuple[Family, ...]
    segments: frozenset[str] | None
    planned: bool
    explicit: int | None
    allocated: int | None
    stands: bool = False
    """Whether a node runs it with the VRID in `explicit`, or else in `allocated`, now."""
    unread: bool = False
    """It is planned, and of no node that runs it is known where: no VRID with which it stands is taken from it."""


class _Taken:
    """Which group has which VRID where."""

    def __init__(self) -> None:
        self._there: dict[tuple[str, Family, int], Claim] = {}
        self._somewhere: dict[tuple[Family, int], Claim] = {}
        self._everywhere: dict[tuple[Family, int], Claim] = {}
        self._unread: dict[tuple[Family, int], Claim] = {}
        """Perhaps everywhere: what stands besides is known to be elsewhere, what is new is not."""

    def owner(self, claim: Claim, vrid: int, families: Iterable[Family]) -> Claim | None:
        stands = claim.stands and vrid == (claim.allocated if claim.explicit is None else claim.explicit)
        if claim.unread and stands:
            return None
        for family in families:
            if not stands and (found := self._unread.get((family, vrid))):
                return found
            if found := self._everywhere.get((family, vrid)):
                return found
            if claim.segments is None and (found := self._somewhere.get((family, vrid))):
                return found
            for segment in claim.segments or ():
                if found := self._there.get((segment, family, vrid)):
                    return found
        return None

    def take(self, claim: Claim, vrid: int) -> None:
        for family in claim.families:
            self._somewhere.setdefault((family, vrid), claim)
            if claim.unread and claim.stands:
                self._unread.setdefault((family, vrid), claim)
            elif claim.segments is None:
                self._everywhere.setdefault((family, vrid), claim)
            for segment in claim.segments or ():
                self._there[segment, family, vrid] = claim


def virtual_router_ids(
    claims: Sequence[Claim], foreign: Mapping[str, Collection[int]], reserved: Mapping[str, int]
) -> tuple[dict[str, int], list[tuple[str, Finding]]]:
    """The VRID of each group, and what is to be told to which VirtualIP; claims are given oldest first.

    Written ones come first, then those allocated before, then new ones; among equals the older. What no node runs
    comes after all that runs. `foreign` is what was heard from strangers, by segment; new ones avoid it.
    `reserved` are groups of objects that can't be read at present: nobody is given their VRIDs anew.

    Two that run with one VRID were on two segments, and only a node's report can have made one of these: the younger
    then is to be kept as it stands, not withdrawn.
    """
    found: dict[str, int] = {}
    told: list[tuple[str, Finding]] = []
    taken = _Taken()
    avoid = frozenset(reserved.values())
    for planned in (True, False):
        same = [claim for claim in claims if claim.planned is planned]
        for claim in same:
            if claim.explicit is not None:
                if owner := taken.owner(claim, claim.explicit, claim.families):
                    told.append((claim.virtual_ip, _conflict(claim, owner)))
                else:
                    taken.take(claim, claim.explicit)
                    found[claim.group] = claim.explicit
        left_out = [claim for claim in same if claim.explicit is None]
        found |= _kept(left_out, taken)
        for claim in (claim for claim in left_out if claim.group not in found):
            vrid = _free(claim, taken, foreign, avoid)
            if vrid is not None:
                taken.take(claim, vrid)
                found[claim.group] = vrid
            elif planned:
                told.append((claim.virtual_ip, _exhausted(claim)))
    return found, told


def _kept(claims: Iterable[Claim], taken: _Taken) -> dict[str, int]:
    found = {}
    for claim in claims:
        vrid = claim.allocated
        if vrid is not None and taken.owner(claim, vrid, claim.families) is None:
            taken.take(claim, vrid)
            found[claim.group] = vrid
    return found


def _free(claim: Claim, taken: _Taken, foreign: Mapping[str, Collection[int]], avoid: Collection[int]) -> int | None:
    """A free VRID, one free in both families where there is one (the group may get the other family later).

    The search begins where the group's name says, so that even plans without a memory differ little.
    """
    heard = {vrid for s in (foreign if claim.segments is None else claim.segments) for vrid in foreign.get(s, ())}
    begin = int.from_bytes(blake2b(claim.group.encode(), digest_size=4).digest())
    wheel = [(begin + i) % LAST_VRID + 1 for i in range(LAST_VRID)]
    for families in (tuple(Family), claim.families):
        for vrid in wheel:
            if vrid not in heard and vrid not in avoid and taken.owner(claim, vrid, families) is None:
                return vrid
    return None


def without_room(needs: Mapping[str, Mapping[str, int]], most: int) -> list[tuple[str, Finding]]:
    """What is to be told to VirtualIPs that would need more than `most` instances on a node; these are not planned.

    `needs` is VirtualIP to node to the number of instances, oldest VirtualIP first: who is older has room before.
    """
    used: dict[str, int] = {}
    told = []
    for name, nodes in needs.items():
        full = sorted(node for node, count in nodes.items() if used.get(node, 0) + count > most)
        if full:
            told.append((name, _full(name, full[0], most)))
            continue
        for node, count in nodes.items():
            used[node] = used.get(node, 0) + count
    return told


def _full(virtual_ip: str, node: str, most: int) -> Finding:
    message = (
        f"{node} runs instances of older VirtualIPs and has room for {most} in all, so this one is not planned;"
        " put more addresses into one VirtualIP, or choose other nodes"
    )
    return Finding(Reason.NODE_FULL, Problem(virtual_ip_name(virtual_ip), "spec.nodes", message))


def _conflict(claim: Claim, owner: Claim) -> Finding:
    both = claim.stands and owner.stands
    older = (
        "this VirtualIP's own"
        if owner.virtual_ip == claim.virtual_ip
        else f"of {virtual_ip_name(owner.virtual_ip)}, which {_precedence(claim, owner)},"
    )
    where = "on the same segment" if claim.planned else "and may be on the same segment (no node runs this one)"
    message = (
        f"virtual router ID {claim.explicit} is in use by group {owner.group} {older} {where};"
        f" group {claim.group} is not planned until it has another one, or none, so that one is allocated"
    )
    if both:
        message = (
            f"virtual router ID {claim.explicit} is in use by group {owner.group} {older} and a node reports an"
            f" interface by which their segments are one; both run as before, and nothing of this one changes until"
            f" group {claim.group} has another ID, or that node no longer says so"
        )
    path = f"spec.vrrp.virtualRouterIDs[{claim.index}]"
    reason = Reason.KEPT_AS_IT_STANDS if both else Reason.VIRTUAL_ROUTER_ID_CONFLICT
    return Finding(reason, Problem(virtual_ip_name(claim.virtual_ip), path, message))


def _precedence(claim: Claim, owner: Claim) -> str:
    return "is older" if claim.planned == owner.planned else "runs already"


def _exhausted(claim: Claim) -> Finding:
    message = (
        f"all {LAST_VRID} virtual router IDs are used or heard on the segment of group {claim.group};"
        " let VirtualIPs share groups (more addresses in one), or choose nodes of another segment"
    )
    problem = Problem(virtual_ip_name(claim.virtual_ip), "spec.vrrp.virtualRouterIDs", message)
    return Finding(Reason.VIRTUAL_ROUTER_IDS_EXHAUSTED, problem)
