"""A NodeConfig as keepalived's configuration, for a lab in which one node runs keepalived. Pure."""

from collections.abc import Iterator
from ipaddress import ip_interface

from mooring_api.nodeconfig import HeldAddress, Instance, NodeConfig
from mooring_api.vrrp import PreemptionMode, TransportType


def configuration(config: NodeConfig) -> str:
    """The text of keepalived.conf; what keepalived has no word for (lease, flap damping) is left out."""
    instances = config.spec.instances
    lines = ["global_defs {", f"  router_id {config.metadata.name}", "}"]
    groups: dict[str, list[str]] = {}
    for instance in instances:
        lines += [f"vrrp_instance {instance.name} {{", *(f"  {line}" for line in _instance(instance)), "}"]
        groups.setdefault(instance.group_name, []).append(instance.name)
    for name, members in groups.items():
        if len(members) > 1:
            lines += [f"vrrp_sync_group {name} {{", "  group {", *(f"    {m}" for m in members), "  }", "}"]
    return "\n".join(lines) + "\n"


def _instance(instance: Instance) -> Iterator[str]:
    yield "state BACKUP"
    if instance.interface:
        yield f"interface {instance.interface}"
    yield f"virtual_router_id {instance.virtual_router_id}"
    yield f"version {instance.version}"
    yield f"priority {instance.priority}"
    yield f"advert_int {instance.advertisement_interval.seconds:g}"
    yield f"down_timer_adverts {instance.active_down_factor}"
    if instance.preemption.mode is PreemptionMode.NEVER:
        yield "nopreempt"
    elif instance.preemption.delay:
        yield f"preempt_delay {instance.preemption.delay.seconds:g}"
    yield f"garp_master_repeat {instance.announcements.count}"
    yield f"garp_master_delay {instance.announcements.delay.seconds:g}"
    if instance.authentication and instance.authentication.password:
        yield from ("authentication {", "  auth_type PASS")
        yield from (f"  auth_pass {instance.authentication.password}", "}")
    yield from _transport(instance)
    advertised = [a for a in instance.addresses if a.advertise]
    excluded = [a for a in instance.addresses if not a.advertise]
    for keyword, addresses in (
        ("virtual_ipaddress", advertised),
        ("virtual_ipaddress_excluded", excluded),
    ):
        if addresses:
            yield from (f"{keyword} {{", *(f"  {_address(a)}" for a in addresses), "}")


def _transport(instance: Instance) -> Iterator[str]:
    transport = instance.transport
    if transport.source:
        word = "unicast_src_ip" if transport.type is TransportType.UNICAST else "mcast_src_ip"
        yield f"{word} {_bare(transport.source)}"
    if transport.type is TransportType.UNICAST:
        # Its IPv6 adverts would leave with the system's hop limit, 64, and be refused (RFC 9568 5.1.2.3).
        yield "unicast_ttl 255"
        yield from ("unicast_peer {", *(f"  {_bare(peer)}" for peer in transport.peers), "}")


def _bare(address: str) -> str:
    """Without the zone, which keepalived takes from the interface."""
    return address.partition("%")[0]


def _address(held: HeldAddress) -> str:
    words = [str(ip_interface(held.address))]
    if held.interface:
        words += ["dev", held.interface]
    words += ["scope", held.scope.lower()]
    if held.label:
        words += ["label", held.label]
    return " ".join(words)
