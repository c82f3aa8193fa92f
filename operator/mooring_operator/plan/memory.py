"""What was worked out for one VirtualIP, and whether it still holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mooring_api.nodeconfig import HeldAddress
from mooring_api.virtualip import VirtualIP, VirtualIPStatus
from mooring_operator.plan.allocations import Allocation, GroupAllocation
from mooring_operator.plan.findings import Finding, Reason
from mooring_operator.plan.placement import Placed
from mooring_operator.plan.ranking import Ring
from mooring_operator.plan.rendering import Made, instances_of, status_of


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the place of a VirtualIP follows from, beside the nodes themselves."""

    virtual_ip: VirtualIP
    addresses: Sequence[HeldAddress]
    eligible: frozenset[str]
    carrying: frozenset[str] | None
    prior: Allocation | None


@dataclass(slots=True)
class Memory:
    """What was worked out for one VirtualIP, with what it was worked out from."""

    ring: Ring
    placed: Placed
    grounds: Grounds
    vrids: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    made: Made = field(default_factory=dict)
    status: VirtualIPStatus | None = None
    failed: tuple[Finding, ...] = ()
    allocation: Allocation = field(default_factory=Allocation)

    @property
    def incomplete(self) -> bool:
        """Whether something of it is not made though it is as the user wants it."""
        findings = (*self.findings, *self.failed, *self.placed.findings)
        return any(finding.reason is Reason.KEPT_AS_IT_STANDS for finding in findings)

    def holds(self, grounds: Grounds, changed: set[str]) -> bool:
        """Whether it would come out the same from these grounds, when these nodes have changed."""
        known = self.grounds
        return (
            _same(known.virtual_ip, grounds.virtual_ip)
            and known.addresses == grounds.addresses
            and known.carrying == grounds.carrying
            and grounds.prior in (known.prior, self.allocation)
            and self.placed.watched.isdisjoint(changed)
            and not self._widened(grounds, changed)
        )

    def keep(self, grounds: Grounds) -> None:
        """It holds, from now on by these grounds."""
        prior = self.grounds.prior
        if grounds.prior is not None and grounds.prior == self.allocation:
            # Planning with what came out changes nothing, and from now on that is what was planned with.
            prior = grounds.prior
            self.placed = replace(self.placed, allocation=prior)
        self.grounds = replace(self.grounds, eligible=grounds.eligible, prior=prior)

    def after(self, placed: Placed, grounds: Grounds) -> "Memory":
        """With another place; what was made of the last one stays where the new one comes to the same."""
        if _renders_alike(self.placed, placed):
            return replace(self, placed=placed, grounds=grounds)
        return Memory(self.ring, placed, grounds, made=self.made)

    def needs(self, vrids: Mapping[str, int]) -> dict[str, int]:
        """How many instances it takes on each node."""
        found: dict[str, int] = {}
        for group in self.placed.groups:
            for member in group.members if group.name in vrids else ():
                found[member.node] = found.get(member.node, 0) + len(group.addresses)
        return found

    def render(self, vrids: Mapping[str, int], findings: tuple[Finding, ...]) -> Iterable[str]:
        """Bring the instances and the status up to date; the nodes whose instances may have changed."""
        if self.status is not None and self.vrids == vrids and self.findings == findings:
            return ()
        before = self.made
        made, failed = instances_of(self.placed, vrids, before)
        self.made = made
        self.vrids, self.findings, self.failed = vrids, findings, tuple(failed)
        self.status = status_of(self.placed, vrids, [*failed, *findings, *self.placed.findings])
        self.allocation = _with_vrids(self.placed, vrids)
        return {*before, *made}

    def _widened(self, grounds: Grounds, changed: set[str]) -> bool:
        """Whether a node that was not looked at may now come before one that was, or decides in another way.

        What is cordoned and was not looked at comes behind also when it is uncordoned. Until groups and homes are
        allocated, they follow from how many nodes there are and from each of them.
        """
        before, now = self.grounds.eligible, grounds.eligible
        if grounds.prior != self.allocation:
            return before is not now or not now.isdisjoint(changed)
        if before is now:
            return False
        return bool(now) != bool(before) or any(name in now and name not in before for name in changed)


def _same(one: VirtualIP, other: VirtualIP) -> bool:
    """Equal but for the status, of which a plan takes nothing."""
    return one is other or (one.spec == other.spec and one.metadata == other.metadata)


def _renders_alike(one: Placed, other: Placed) -> bool:
    return (
        _same(one.virtual_ip, other.virtual_ip)
        and one.allocation == other.allocation
        and one.groups == other.groups
        and one.findings == other.findings
        and one.remark == other.remark
    )


def _with_vrids(placed: Placed, vrids: Mapping[str, int]) -> Allocation:
    """The allocation as it is to be remembered."""
    groups: list[GroupAllocation] = list(placed.allocation.groups)
    for group in placed.groups:
        if (vrid := vrids.get(group.name)) is not None:
            groups[group.index] = replace(groups[group.index], virtual_router_id=vrid)
    return replace(placed.allocation, groups=tuple(groups))
