"""From a NodeConfig to what the VRRP process runs. Pure: what it needs of the node is passed in."""

import math
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_interface

from mooring_api.authentication import InstanceAuthentication
from mooring_api.nodeconfig import AcceptedForm, HeldAddress, Instance, Way
from mooring_api.problems import Problem
from mooring_api.vrrp import Announcements, Checksum, Family, OnStop, PreemptionMode, TransportType
from mooring_node.judge.facts import NodeFacts
from mooring_node.judge.messages import KeyPlace
from mooring_node.units import SECOND_NS
from mooring_node.vrrp.config import (
    AddressConfig,
    AnnouncementConfig,
    FormConfig,
    GroupConfig,
    MemberConfig,
    TrackerConfig,
)

SHORTEST_LEASE_S = 2
_SCOPES = {"Global": 0, "Site": 200, "Link": 253, "Host": 254}


def default_lease_s(interval_ns: int, active_down_factor: int) -> int:
    """As long as the others wait before they take over, in the kernel's whole seconds, and never under 2 s."""
    return max(SHORTEST_LEASE_S, math.ceil(active_down_factor * interval_ns / SECOND_NS))


def compile_groups(
    instances: Iterable[Instance], facts: NodeFacts, node: str
) -> tuple[tuple[GroupConfig, ...], tuple[Problem, ...]]:
    """Groups in the order of their first instance; one that cannot be resolved is a problem."""
    by_group: dict[str, list[Instance]] = {}
    for instance in instances:
        by_group.setdefault(instance.group_name, []).append(instance)
    groups, problems = [], []
    for name, members in by_group.items():
        interfaces = [_interface(instance, facts) for instance in members]
        missing = [m.name for m, interface in zip(members, interfaces, strict=True) if interface is None]
        if missing:
            problems += [
                Problem(f"NodeConfig {node}", "spec.instances[].interface", _NO_INTERFACE, instance=each)
                for each in missing
            ]
            continue
        groups.append(_group(name, members, [interface or "" for interface in interfaces]))
    return tuple(groups), tuple(problems)


def keys_of(instances: Iterable[Instance]) -> tuple[KeyPlace, ...]:
    """Where these need a password that stands in a Secret: of each instance its own place before those it accepts."""
    return tuple(place for instance in instances for place in _keys(instance))


def _keys(instance: Instance) -> Iterator[KeyPlace]:
    forms: list[tuple[int | None, InstanceAuthentication | None]] = [(None, instance.authentication)]
    forms += [(index, form.authentication) for index, form in enumerate(instance.also_accept)]
    for form, each in forms:
        if each is not None and each.secret_ref is not None:
            yield KeyPlace(instance.name, each.secret_ref.name, each.key_version, form)


_NO_INTERFACE = "no interface of this node has the address's subnet, and there is no default route; name one"


def _interface(instance: Instance, facts: NodeFacts) -> str | None:
    """As named; else the interface whose subnet holds the first address, else that of the default route."""
    if instance.interface:
        return instance.interface
    first = ip_interface(instance.addresses[0].address)
    for interface, subnet in facts.subnets:
        if first.ip.version == subnet.version and first.ip in subnet:
            return interface
    return dict(facts.default_interfaces).get(first.ip.version)


def _group(name: str, instances: Sequence[Instance], interfaces: Sequence[str]) -> GroupConfig:
    first = instances[0]
    interval_ns = int(first.advertisement_interval)
    lease_s = (
        default_lease_s(interval_ns, first.active_down_factor) if first.lease is None else int(first.lease) // SECOND_NS
    )
    return GroupConfig(
        name=name,
        members=tuple(_member(each, interface) for each, interface in zip(instances, interfaces, strict=True)),
        virtual_ip=first.virtual_ip,
        priority=first.priority,
        interval_ns=interval_ns,
        active_down_factor=first.active_down_factor,
        preempt=first.preemption.mode is PreemptionMode.ALWAYS,
        preempt_delay_ns=int(first.preemption.delay),
        eligible=first.eligible,
        lease_s=lease_s,
        keep_on_stop=first.on_stop is OnStop.KEEP,
        damping_transitions=first.flap_damping.transitions,
        damping_window_ns=int(first.flap_damping.window),
        damping_hold_down_ns=int(first.flap_damping.hold_down),
        trackers=tuple(TrackerConfig(t.name, t.virtual_server.name, t.effect.weight) for t in first.tracking),
    )


def _member(instance: Instance, interface: str) -> MemberConfig:
    transport = instance.transport
    password = instance.authentication.password if instance.authentication else None
    return MemberConfig(
        name=instance.name,
        interface=interface,
        family=4 if instance.family is Family.IPV4 else 6,
        virtual_router_id=instance.virtual_router_id,
        version=instance.version,
        addresses=tuple(_address(each, interface) for each in instance.addresses),
        source=transport.source,
        peers=_peers(transport),
        alone=transport.alone,
        group=transport.group,
        minimum_ttl=transport.minimum_ttl,
        pseudo_header=instance.checksum is Checksum.WITH_PSEUDO_HEADER,
        password=password,
        announcements=_announcements(instance.announcements),
        accepted=tuple(_form(each, each.transport or transport) for each in instance.also_accept),
    )


def _peers(way: Way) -> tuple[str, ...] | None:
    return None if way.type is TransportType.MULTICAST else way.peers


def _form(form: AcceptedForm, way: Way) -> FormConfig:
    return FormConfig(
        virtual_router_id=form.virtual_router_id,
        version=form.version,
        interval_ns=int(form.advertisement_interval),
        peers=_peers(way),
        group=way.group,
        pseudo_header=form.checksum is Checksum.WITH_PSEUDO_HEADER,
        password=form.authentication.password if form.authentication else None,
    )


def _address(held: HeldAddress, interface: str) -> AddressConfig:
    value = ip_interface(held.address)
    return AddressConfig(
        address=str(value.ip),
        prefix_length=value.network.prefixlen,
        interface=held.interface or interface,
        label=held.label,
        scope=_SCOPES[held.scope],
        advertise=held.advertise,
    )


def _announcements(chosen: Announcements) -> AnnouncementConfig:
    return AnnouncementConfig(
        count=chosen.count,
        spread_ns=int(chosen.spread),
        delay_ns=int(chosen.delay),
        interval_ns=int(chosen.interval),
        refresh_ns=int(chosen.refresh),
        refresh_count=chosen.refresh_count,
    )
