"""How an instance is written in the middle of a change: its name, transport and addresses where it stands now."""

from dataclasses import dataclass

from mooring_api.addresses import address_key
from mooring_api.node_rules import SHARED_IN_SYNC_GROUP
from mooring_api.nodeconfig import HeldAddress, Instance, Transport
from mooring_api.vrrp import Family, TransportType
from mooring_operator.stage.forms import Form

#: What all families of a group have in common on a node, but for what its steps decide.
SHARED = tuple(field for field in SHARED_IN_SYNC_GROUP if field not in ("advertisement_interval", "eligible"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member stands on the wire."""

    interface: str | None
    source: str | None


def name_of(like: Instance, family: Family, families: tuple[Family, ...]) -> str:
    """As the plan names it: the families of a group are told apart where there are several."""
    return like.group_name if len(families) == 1 else f"{like.group_name}-{family.lower()}"


def transport_of(base: Instance, spoken: Form, place: Place, peers: tuple[str, ...]) -> Transport:
    unicast = spoken.type is TransportType.UNICAST
    return Transport(
        type=spoken.type,
        source=place.source,
        peers=peers if unicast else (),
        alone=unicast and not peers,
        group=spoken.group,
        minimum_ttl=base.transport.minimum_ttl,
    )


def addresses_on(base: Instance, stands: Instance | None, interface: str | None) -> tuple[HeldAddress, ...]:
    """The aimed addresses as they are written on that interface, which may be an older one than the aim's."""
    if base.interface == interface or stands is None:
        return base.addresses
    before = {address_key(a.address, a.interface or stands.interface): a for a in stands.addresses}
    found = []
    for address in base.addresses:
        known = before.get(address_key(address.address, address.interface or interface))
        found.append(known or address.model_copy(update={"label": None}))
    return tuple(found)
