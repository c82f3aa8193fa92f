"""What a node runs beside the instances that it is given now, with what it keeps because nobody can say better."""

from collections.abc import Collection, Iterable

from mooring_api.balancing import Forwarding, Protocol, SorryServer
from mooring_api.node_server import BackendAddress, NodeBackend, NodeVirtualServer, PortGuard
from mooring_api.nodeconfig import Instance
from mooring_api.vrrp import Family
from mooring_operator.plan.servers.hosting import MOST_INTERFACES
from mooring_operator.plan.servers.plans import NOTHING, NodeServices
from mooring_operator.plan.servers.services import CandidatesOf, Services, held_by


def given(
    services: Services, node: str, instances: tuple[Instance, ...], stands: NodeServices, candidates: CandidatesOf
) -> NodeServices:
    """The node's services beside these instances; `stands` is what is written there now."""
    found = services.at(node, instances, candidates).services
    return _with_kept(services, found, instances, stands) if services.kept and stands else found


def _with_kept(
    services: Services, found: NodeServices, instances: tuple[Instance, ...], stands: NodeServices
) -> NodeServices:
    """What stands goes before what is new, as long as nobody knows whether it is to go."""
    held = held_by(instances)
    addresses = {address for own in held.values() for address in own}
    same = (s for s in stands.virtual_servers if s.virtual_server in services.kept.servers)
    kept = [own for each in same if (own := _on(each, addresses))]
    taken = {key for each in kept for key in _keys(each)}
    planned = (each for each in found.virtual_servers if taken.isdisjoint(_keys(each)))
    places = {each.name: place for place, each in enumerate(stands.virtual_servers)}
    servers = tuple(sorted((*kept, *planned), key=lambda each: places.get(each.name, len(places))))
    stay = (each for each in stands.backend_addresses if services.kept.may_use(each.address))
    unknown = {address for name in services.kept.virtual_ips for address in held.get(name, ())}
    return (
        NodeServices(
            servers,
            _together(found.backend_addresses, stay),
            (*services.guards_of(held, servers), *_guards(stands.port_guards, unknown)),
            found.connection_sync or (stands.connection_sync if kept else None),
        )
        or NOTHING
    )


def _together(found: Iterable[BackendAddress], stay: Iterable[BackendAddress]) -> tuple[BackendAddress, ...]:
    """What is found with what stays, in the order of a plan; where ARP must not speak of it as either says."""
    together: dict[tuple[str, str, int], BackendAddress] = {}
    for each in (*stay, *found):
        key = each.address, each.tunnel or "", each.tunnel_port or 0
        if (before := together.get(key)) is not None:
            interfaces = tuple(sorted({*before.interfaces, *each.interfaces}))[:MOST_INTERFACES]
            each = before.model_copy(update={"interfaces": interfaces})
        together[key] = each
    return tuple(together[key] for key in sorted(together))


def _on(server: NodeVirtualServer, held: Collection[str]) -> NodeVirtualServer | None:
    """The virtual server on those of its addresses that the node has."""
    addresses = tuple(address for address in server.addresses if address in held)
    if len(addresses) == len(server.addresses):
        return server
    if not addresses:
        return None
    six = {":" in address for address in addresses}

    def fits(each: NodeBackend | SorryServer) -> bool:
        return (":" in each.address) in six or (each.forwarding or server.forwarding) is Forwarding.TUNNEL

    backends = tuple(filter(fits, server.backends))
    sorry = server.sorry_server if server.sorry_server and fits(server.sorry_server) else None
    return server.model_copy(update={"addresses": addresses, "backends": backends, "sorry_server": sorry})


def _keys(server: NodeVirtualServer) -> Iterable[tuple[str | int, Protocol | Family, int]]:
    if server.firewall_mark is not None:
        yield server.firewall_mark, server.family or Family.IPV4, 0
    yield from ((address, server.protocol, server.port or 0) for address in server.addresses)


def _guards(guards: Iterable[PortGuard], addresses: Collection[str]) -> Iterable[PortGuard]:
    for guard in guards:
        own = tuple(address for address in guard.addresses if address in addresses)
        if own:
            yield guard if len(own) == len(guard.addresses) else guard.model_copy(update={"addresses": own})
