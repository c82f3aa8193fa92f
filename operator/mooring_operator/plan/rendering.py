"""Decisions to resources: the instances of each node, and the VirtualIP's status."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from pydantic import ValidationError

from mooring_api.nodeconfig import HeldAddress, Instance, InstanceAuthentication, Transport
from mooring_api.problems import Problem, Severity
from mooring_api.virtualip import (
    Condition,
    ConditionStatus,
    GroupStatus,
    PlacedNode,
    VirtualIP,
    VirtualIPStatus,
)
from mooring_api.vrrp import Family, TransportType
from mooring_api.wire import problems_of
from mooring_operator.plan.allocations import Allocation, bare, group_name, version_of
from mooring_operator.plan.findings import Finding, Reason
from mooring_operator.plan.placement import Group, Member, Placed
from mooring_operator.plan.segments import Attachment
from mooring_operator.plan.snapshot import virtual_ip_name
from mooring_operator.words.phrases import clipped, listed

#: What an Instance is made from beside its VirtualIP: two with equal parts are equal.
Parts = tuple[object, ...]
Made = Mapping[str, Mapping[str, tuple[Parts, Instance]]]

_PROGRAMMED = (Reason.NO_ELIGIBLE_NODE, Reason.NOT_REPORTED, Reason.NO_NODE_FITS)


def instances_of(
    placed: Placed, vrids: Mapping[str, int], before: Made
) -> tuple[dict[str, dict[str, tuple[Parts, Instance]]], list[Finding]]:
    """Node name to instance name to instance, for all groups that have a VRID; what could not be made is told.

    Of a group of which one member's part can't be made there is nothing: the others would have it among their peers,
    or be without it, and who is not planned is withdrawn. The VirtualIP is to be kept as it stands then.

    `before` is an earlier result for a VirtualIP of that name; instances made from equal parts are taken from it.
    """
    made: dict[str, dict[str, tuple[Parts, Instance]]] = {}
    findings: list[Finding] = []
    vrrp, tracking = placed.virtual_ip.spec.vrrp, placed.virtual_ip.spec.tracking
    for group in placed.groups:
        vrid = vrids.get(group.name)
        if vrid is None:
            continue
        told = len(findings)
        parts_made: dict[str, dict[str, tuple[Parts, Instance]]] = {}
        for family, addresses in group.addresses.items():
            name = group.name if len(group.addresses) == 1 else f"{group.name}-{family.lower()}"
            for member in group.members:
                parts = (vrrp, tracking, vrid, group.name, addresses, *_place(placed.virtual_ip, group, member, family))
                known = before.get(member.node, {}).get(name)
                if known is None or known[0] != parts:
                    try:
                        known = (parts, _instance(placed.virtual_ip, name, group, member, family, vrid))
                    except ValidationError as error:
                        findings.append(_not_made(placed.virtual_ip, member.node, name, error))
                        continue
                parts_made.setdefault(member.node, {})[name] = known
        for node, own in parts_made.items() if len(findings) == told else ():
            made.setdefault(node, {}).update(own)
    return made, findings


def _place(virtual_ip: VirtualIP, group: Group, member: Member, family: Family) -> Parts:
    own = member.attachments[family]
    return member.priority, member.eligible, own.interface, own.source, _peers(virtual_ip, group, member, family)


def _peers(virtual_ip: VirtualIP, group: Group, member: Member, family: Family) -> tuple[str, ...]:
    if virtual_ip.spec.vrrp.transport.type is TransportType.MULTICAST:
        return ()
    interface = member.attachments[family].interface
    addresses = [o.attachments[family].address_for(interface) for o in group.members if o is not member]
    return tuple(sorted(addresses, key=lambda text: (len(text), text)))


def _transport(virtual_ip: VirtualIP, own: Attachment, peers: tuple[str, ...]) -> Transport:
    wanted = virtual_ip.spec.vrrp.transport
    source = own.address_for(own.interface)
    if wanted.type is TransportType.MULTICAST:
        return Transport(type=TransportType.MULTICAST, source=source, group=wanted.group)
    return Transport(source=source, peers=peers, alone=not peers)


def _instance(virtual_ip: VirtualIP, name: str, group: Group, member: Member, family: Family, vrid: int) -> Instance:
    vrrp = virtual_ip.spec.vrrp
    own = member.attachments[family]
    authentication = vrrp.authentication and InstanceAuthentication(
        type=vrrp.authentication.type, secret_ref=vrrp.authentication.secret_ref
    )
    return Instance(
        name=name,
        virtual_ip=virtual_ip.metadata.name,
        sync_group=group.name,
        interface=own.interface,
        family=family,
        virtual_router_id=vrid,
        version=vrrp.version,
        priority=member.priority,
        advertisement_interval=vrrp.advertisement_interval,
        active_down_factor=vrrp.active_down_factor,
        preemption=vrrp.preemption,
        transport=_transport(virtual_ip, own, _peers(virtual_ip, group, member, family)),
        eligible=member.eligible,
        authentication=authentication,
        checksum=vrrp.checksum,
        announcements=vrrp.announcements,
        flap_damping=vrrp.flap_damping,
        lease=vrrp.lease,
        on_stop=vrrp.on_stop,
        tracking=virtual_ip.spec.tracking,
        addresses=tuple(_held(address, own.interface) for address in group.addresses[family]),
    )


def _held(address: HeldAddress, interface: str) -> HeldAddress:
    """With `{interface}` in its label filled in, as nodes may differ in it."""
    if address.label is None or "{interface}" not in address.label:
        return address
    label = address.label.replace("{interface}", address.interface or interface)
    fields = {name: getattr(address, name) for name in HeldAddress.model_fields}
    return HeldAddress(**(fields | {"label": label}))


def _not_made(virtual_ip: VirtualIP, node: str, instance: str, error: ValidationError) -> Finding:
    """What the models refuse although the VirtualIP was accepted, such as a label that becomes too long."""
    first = problems_of(error, "", instance)[0]
    message = (
        f"instance {instance} can't be planned on {node}: {first.path}: {first.message}; until that is mended, or"
        f" {node} is no longer selected, nothing of it changes on any node"
    )
    name = virtual_ip_name(virtual_ip.metadata.name)
    return Finding(Reason.KEPT_AS_IT_STANDS, Problem(name, "spec", message, Severity.ERROR))


def status_of(placed: Placed, vrids: Mapping[str, int], findings: Sequence[Finding]) -> VirtualIPStatus:
    """What the plan says of a VirtualIP. Who holds it and since when comes from the nodes, later."""
    virtual_ip = placed.virtual_ip
    written = virtual_ip.spec.vrrp.virtual_router_ids
    # A group that lost its written VRID to another stays in the status, with nobody in it: its addresses are its own.
    groups = tuple(
        _group_status(placed, group, family, vrid, planned=group.name in vrids)
        for group in placed.groups
        if (vrid := vrids.get(group.name) or dict(enumerate(written)).get(group.index)) is not None
        for family in group.addresses
    )
    return VirtualIPStatus(
        observed_generation=virtual_ip.metadata.generation,
        conditions=(_accepted(virtual_ip, findings), _programmed(placed, vrids, findings)),
        address_count=len(virtual_ip.spec.addresses),
        groups=groups,
    )


def _group_status(placed: Placed, group: Group, family: Family, vrid: int, planned: bool) -> GroupStatus:
    return GroupStatus(
        name=group.name if len(group.addresses) == 1 else f"{group.name}-{family.lower()}",
        family=family.value,
        virtual_router_id=vrid,
        addresses=tuple(bare(address) for address in group.addresses[family]),
        order=tuple(PlacedNode(node=m.node, priority=m.priority) for m in group.members) if planned else (),
        home=placed.allocation.groups[group.index].home,
    )


def _accepted(virtual_ip: VirtualIP, findings: Sequence[Finding]) -> Condition:
    of_object = [f for f in findings if f.reason not in _PROGRAMMED]
    errors = [f for f in of_object if f.problem.severity is Severity.ERROR]
    told = errors or of_object
    return Condition(
        type="Accepted",
        status=ConditionStatus.FALSE if errors else ConditionStatus.TRUE,
        observed_generation=virtual_ip.metadata.generation,
        reason=told[0].reason if told else Reason.ACCEPTED,
        message=_sentences(told) if told else "nothing is wrong with it",
    )


def _programmed(placed: Placed, vrids: Mapping[str, int], findings: Sequence[Finding]) -> Condition:
    members = {member.node for group in placed.groups if group.name in vrids for member in group.members}
    silent = sorted({node for group in placed.groups for node in group.silent} - members)
    waiting = f"; {listed(silent)}: not reported, so nothing is planned there" if silent else ""
    if members and not any(f.reason is Reason.KEPT_AS_IT_STANDS for f in findings):
        count = f"{len(members)} node{'s' if len(members) > 1 else ''}"
        status, reason = ConditionStatus.UNKNOWN, Reason.PLANNED
        message = f"planned on {count}, not yet confirmed by them{waiting}{_and(placed.remark)}"
    else:
        told = [f for f in findings if f.reason in _PROGRAMMED]
        status = ConditionStatus.FALSE
        reason = told[0].reason if told else Reason.NOT_ACCEPTED
        message = (_sentences(told or findings) or "nothing is planned") + waiting
    return Condition(
        type="Programmed",
        status=status,
        observed_generation=placed.virtual_ip.metadata.generation,
        reason=reason,
        message=message,
    )


def _and(remark: str) -> str:
    return f"; {remark}" if remark else ""


def _sentences(findings: Sequence[Finding]) -> str:
    return clipped(listed((f"{f.problem.path}: {f.problem.message}" for f in findings), "; "))


def status_of_unreadable(name: str, allocation: Allocation | None, problems: Sequence[Problem]) -> VirtualIPStatus:
    """The status of a VirtualIP that can't be read: what was allocated to it stays remembered in it."""
    message = clipped(listed((f"{p.path}: {p.message}" for p in problems), "; "))
    condition = Condition(
        type="Accepted", status=ConditionStatus.FALSE, reason=Reason.INVALID, message=message or "can't be read"
    )
    groups = []
    for index, group in enumerate(allocation.groups if allocation else ()):
        vrid = group.virtual_router_id
        own = [a for a, i in (allocation.assignment if allocation else {}).items() if i == index]
        families = sorted({version_of(address) for address in own})
        for version in families if vrid is not None else ():
            suffix = f"-ipv{version}" if len(families) > 1 else ""
            addresses = tuple(sorted((a for a in own if version_of(a) == version), key=lambda a: int(ip_address(a))))
            groups.append(
                GroupStatus(
                    name=group_name(name, index) + suffix,
                    family="IPv4" if version == 4 else "IPv6",
                    virtual_router_id=vrid or 0,
                    addresses=addresses,
                    home=group.home,
                )
            )
    return VirtualIPStatus(conditions=(condition,), groups=tuple(groups))
