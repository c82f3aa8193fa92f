"""What the instances of one node must agree on, and what may stand there only once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_interface
from typing import TYPE_CHECKING

from mooring_api.addresses import address_key
from mooring_api.wire import Location, wire_name

if TYPE_CHECKING:
    from mooring_api.nodeconfig import Instance

#: A sync group has one state and one timer, so its members have these in common.
SHARED_IN_SYNC_GROUP = (
    "priority",
    "advertisement_interval",
    "active_down_factor",
    "preemption",
    "eligible",
    "flap_damping",
    "on_stop",
    "lease",
    "tracking",
)

#: The place in the list of instances of what is wrong, the location below it, and what to do.
Conflict = tuple[int, Location, str]


def conflicts(instances: Sequence[Instance]) -> Iterator[Conflict]:
    """Everything that instances contradict each other in; the later one in the list is blamed."""
    for find in (_names, _router_ids, _accepted_router_ids, _addresses, _sync_groups):
        yield from find(instances)


def _repeated(
    instances: Sequence[Instance], key: Callable[[Instance], object]
) -> Iterator[tuple[int, Instance, Instance]]:
    """Place, instance and the first instance with the same key, for each that is not the first."""
    first: dict[object, Instance] = {}
    for place, instance in enumerate(instances):
        earlier = first.setdefault(key(instance), instance)
        if earlier is not instance:
            yield place, instance, earlier


def _names(instances: Sequence[Instance]) -> Iterator[Conflict]:
    for place, instance, _ in _repeated(instances, lambda i: i.name):
        yield place, ("name",), f"another instance is named {instance.name}; give each a name of its own"


def _router_ids(instances: Sequence[Instance]) -> Iterator[Conflict]:
    repeated = _repeated(instances, lambda i: (i.interface, i.family, i.virtual_router_id))
    for place, instance, earlier in repeated:
        yield (
            place,
            ("virtualRouterID",),
            f"{earlier.name} has virtual router ID {instance.virtual_router_id} for {instance.family}"
            f" {_where(instance)}; give each instance one of its own",
        )


def _accepted_router_ids(instances: Sequence[Instance]) -> Iterator[Conflict]:
    """An advert belongs to one instance alone; of two that accept one VRID, who sends it has it."""
    owner = {(i.interface, i.family, i.virtual_router_id): i for i in reversed(instances)}
    for place, instance in enumerate(instances):
        for index, form in enumerate(instance.also_accept):
            other = owner.setdefault((instance.interface, instance.family, form.virtual_router_id), instance)
            if other is not instance:
                yield (
                    place,
                    ("alsoAccept", index, "virtualRouterID"),
                    f"virtual router ID {form.virtual_router_id} for {instance.family} {_where(instance)} is"
                    f" {other.name}'s; wait until that has changed it, or take another one",
                )


def _where(instance: Instance) -> str:
    return f"on {instance.interface}" if instance.interface else "where no interface is named"


def _addresses(instances: Sequence[Instance]) -> Iterator[Conflict]:
    owner: dict[str, str] = {}
    for place, instance in enumerate(instances):
        mine = {}
        for index, held in enumerate(instance.addresses):
            key = address_key(held.address, held.interface or instance.interface)
            if key in owner:
                message = f"{ip_interface(held.address).ip} already belongs to {owner[key]}; remove one of the two"
                yield place, ("addresses", index, "address"), message
            else:
                mine[key] = instance.name
        owner.update(mine)


def _sync_groups(instances: Sequence[Instance]) -> Iterator[Conflict]:
    for place, member, earlier in _repeated(instances, lambda i: i.group_name):
        for field in SHARED_IN_SYNC_GROUP:
            if getattr(member, field) != getattr(earlier, field):
                yield (
                    place,
                    (wire_name(field),),
                    f"differs from {earlier.name}, and sync group {member.group_name} has one state and timer;"
                    " give both the same value",
                )


def repeated_addresses(addresses: Iterable[tuple[str, str | None]]) -> Iterator[tuple[Location, str]]:
    """The second and later places of an address in one list of (address, interface)."""
    seen: set[str] = set()
    for index, (address, interface) in enumerate(addresses):
        key = address_key(address, interface)
        if key in seen:
            yield ("addresses", index, "address"), f"{ip_interface(address).ip} stands twice; remove one of them"
        seen.add(key)
