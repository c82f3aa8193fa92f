"""A VirtualServer's ports with their backends, and what is to be said of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mooring_api.balancing import Forwarding, Protocol
from mooring_api.node_server import MAX_BACKENDS
from mooring_api.problems import Problem, Severity
from mooring_api.virtualserver import ServerPort, VirtualServer, Zones
from mooring_api.vrrp import Family
from mooring_operator.plan.endpoints import EndpointSlice
from mooring_operator.plan.servers.backends import Wanted, beyond, family_of, find, sorry_of
from mooring_operator.plan.servers.claims import Claimed
from mooring_operator.plan.servers.entries import Entry
from mooring_operator.plan.servers.plans import LeftOut, PortPlan, ServerFinding, ServerReason
from mooring_operator.plan.servers.quorums import out_of_reach
from mooring_operator.plan.servers.reach import Reach
from mooring_operator.plan.snapshot import virtual_server_name

#: So many backends that are left out are named for one reason.
NAMED = 3


@dataclass(frozen=True, slots=True)
class _Part:
    """A port, or the mark in one family, before its backends are sought."""

    name: str
    place: str
    wanted: Wanted
    mark: int | None = None


def entries_of(
    server: VirtualServer, claimed: Claimed, slices: Sequence[EndpointSlice], reach: Reach
) -> tuple[tuple[Entry, ...], tuple[ServerFinding, ...]]:
    """What nodes are to run of it. `slices` are those of its Service: none, where it has none yet."""
    entries: list[Entry] = []
    findings: list[ServerFinding] = []
    if not (claimed.ports or claimed.mark):
        return (), ()
    service = server.spec.backends.service
    if service is not None and not slices:
        named = f"{server.metadata.namespace}/{service.name}"
        message = f"there are no EndpointSlices of Service {named}: it is misspelt, was deleted, or selects nothing"
        findings.append(_warning(server, ServerReason.SERVICE_NOT_FOUND, "spec.backends.service.name", message))
    served = _served(server, slices)
    for part in _parts(server, claimed, slices, findings):
        addresses = tuple(a for a in part.wanted.addresses if family_of(a) in served)
        bare = [LeftOut(a, _NO_FAMILY, ServerReason.BACKENDS_LEFT_OUT) for a in part.wanted.addresses]
        left_out = [each for each in bare if each.address not in addresses]
        entry = _entry(server, part, part.wanted._replace(addresses=addresses), slices, reach, left_out)
        if addresses:
            entries.append(entry)
        findings += _told(server, part, entry)
    return tuple(entries), tuple(findings)


_NO_FAMILY = "no backend can be of its family, so it is not balanced"


def _served(server: VirtualServer, slices: Iterable[EndpointSlice]) -> frozenset[Family]:
    """The families that backends can be of. A Service has slices of each of its families, be they empty."""
    spec = server.spec
    found = {each.family for each in slices}
    if spec.backends.service is not None and not found:
        return frozenset(Family)
    found |= {family_of(static.address) for static in spec.backends.servers}
    if spec.sorry_server is not None:
        found.add(family_of(spec.sorry_server.address))
    return frozenset(found)


def _parts(
    server: VirtualServer, claimed: Claimed, slices: Iterable[EndpointSlice], findings: list[ServerFinding]
) -> Iterator[_Part]:
    mark, service = server.spec.firewall_mark, server.spec.backends.service
    if mark is not None:
        for family in Family:
            own = tuple(a for a in claimed.mark if family_of(a) is family)
            if own:
                # The families have names of their own whether there are both or not: a name stays.
                name = str(mark) if family is Family.IPV4 else f"{mark}-ipv6"
                both = frozenset(map(family_of, claimed.mark))
                wanted = Wanted(None, None, Protocol.TCP, own, service.port if service else None, both)
                yield _Part(name, "spec.firewallMark", wanted, mark)
        return
    offered = _offered(slices)
    for index, port in enumerate(server.spec.ports):
        if port.name in claimed.ports:
            there = offered.get(port.protocol, ())
            of_service = _service_port(server, port, there)
            if offered and of_service not in there:
                findings.append(_no_port(server, index, port, of_service, offered))
            wanted = Wanted(port.port, port.target_port, port.protocol, claimed.ports[port.name], of_service)
            yield _Part(port.name, f"spec.ports[{index}]", wanted)


def _offered(slices: Iterable[EndpointSlice]) -> Mapping[Protocol, Sequence[str]]:
    """The names of the Service's ports by protocol; a Service without endpoints has slices without ports."""
    found: dict[Protocol, set[str]] = {}
    for each in slices:
        for port in each.ports:
            found.setdefault(port.protocol, set()).add(port.name)
    return {protocol: sorted(names) for protocol, names in found.items()}


def _service_port(server: VirtualServer, port: ServerPort, offered: Sequence[str]) -> str | None:
    """The name of the Service's port: as written, else the one of the same name, else the only one."""
    service = server.spec.backends.service
    if service is None:
        return None
    if service.port is not None:
        return service.port
    return offered[0] if len(offered) == 1 and port.name not in offered else port.name


def _no_port(
    server: VirtualServer, index: int, port: ServerPort, name: str | None, offered: Mapping[Protocol, Sequence[str]]
) -> ServerFinding:
    service = server.spec.backends.service
    assert service is not None, "only a Service has ports"
    there = ", ".join(
        f"{each or 'one without a name'}/{protocol}" for protocol in offered for each in offered[protocol]
    )
    message = (
        f"Service {service.name} has no port {name}/{port.protocol}; it has {there}: name one of these in"
        " spec.backends.service.port"
    )
    path = "spec.backends.service.port" if service.port is not None else f"spec.ports[{index}].name"
    return _error(server, ServerReason.PORT_NOT_FOUND, path, message)


def _entry(
    server: VirtualServer,
    part: _Part,
    wanted: Wanted,
    slices: Sequence[EndpointSlice],
    reach: Reach,
    left_out: Sequence[LeftOut],
) -> Entry:
    found = find(server, wanted, slices, reach)
    sorry = sorry_of(server, wanted, reach)
    refused = [sorry] if isinstance(sorry, LeftOut) else []
    plan = PortPlan(
        part.name,
        f"{server.key}:{part.name}",
        wanted.port or 0,
        wanted.protocol,
        part.mark,
        wanted.addresses,
        tuple(candidate.backend for candidate in found.candidates),
        (*left_out, *refused, *found.left_out),
    )
    if isinstance(sorry, LeftOut) or sorry is None:
        return Entry(plan, server, found.candidates, not_ready=found.not_ready)
    direct = (sorry.forwarding or server.spec.forwarding) is not Forwarding.NAT
    homes = reach.hosts.homes(sorry.address) if direct else ()
    return Entry(plan, server, found.candidates, sorry, homes, found.not_ready)


def _told(server: VirtualServer, part: _Part, entry: Entry) -> Iterator[ServerFinding]:
    """One finding for each reason, with the backends that it is about."""
    by_reason: dict[ServerReason, dict[str, list[LeftOut]]] = {}
    for each in entry.plan.left_out:
        if each.reason is not None:
            by_reason.setdefault(each.reason, {}).setdefault(each.several or each.why, []).append(each)
    for reason, alike in sorted(by_reason.items()):
        groups = list(alike.values())
        rest = sum(map(len, groups[NAMED:]))
        message = "left out: " + "; ".join(map(_sentence, groups[:NAMED])) + (f"; and {rest} more" if rest else "")
        warned = reason is ServerReason.BACKENDS_LEFT_OUT
        yield (_warning if warned else _error)(server, reason, part.place, message)
    service = server.spec.backends.service
    zones = {c.zone for c in entry.candidates} if service is not None and service.zones is not Zones.ANY else {None}
    backends, spec = entry.plan.backends, server.spec
    families = frozenset(map(family_of, entry.plan.addresses))
    for wrong in out_of_reach(spec.quorum, spec.health_checks, backends, families, spec.forwarding):
        yield _warning(server, ServerReason.QUORUM_OUT_OF_REACH, "spec.quorum.up", f"{part.name}: {wrong}")
    if over := beyond(entry.candidates, zones):
        message = f"one service takes {MAX_BACKENDS} backends, so the last {over} are left out; split the Service"
        yield _error(server, ServerReason.TOO_MANY_BACKENDS, part.place, message)


def _sentence(alike: Sequence[LeftOut]) -> str:
    """Several that are left out for one reason."""
    first = alike[0]
    if len(alike) == 1:
        return f"{first.address}: {first.why}"
    more = f", and {len(alike) - 2} more" if len(alike) > 2 else ""
    named = ", ".join(each.address for each in alike[:2]) + more
    return f"{len(alike)} {first.several.format(named)}" if first.several else f"{named}: {first.why}"


def _error(server: VirtualServer, reason: ServerReason, path: str, message: str) -> ServerFinding:
    return ServerFinding(reason, Problem(virtual_server_name(server.key), path, message))


def _warning(server: VirtualServer, reason: ServerReason, path: str, message: str) -> ServerFinding:
    return ServerFinding(reason, Problem(virtual_server_name(server.key), path, message, Severity.WARNING))
