"""The condition Ready of a VirtualServer, and its ports, in the words of the nodes that hold the addresses."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mooring_api.nodeconfig_status import VirtualServerReport
from mooring_api.virtualip import ConditionStatus, GroupStatus
from mooring_api.virtualserver_status import MAX_LISTED_BACKENDS, BackendState, ServerPortStatus
from mooring_api.vrrp import Family
from mooring_operator.plan.servers.plans import PortPlan
from mooring_operator.tell.servers.programmed import ServerJudged, cannot_balance
from mooring_operator.tell.servers.quorum import meaning
from mooring_operator.tell.servers.scene import ServerScene
from mooring_operator.words.kinds import ConditionType
from mooring_operator.words.phrases import clipped, listed
from mooring_operator.words.reasons import Reason
from mooring_operator.words.server_reasons import ServerReason

#: The worst first: what is said of a VirtualServer of which several things are true.
_ORDER = (
    ServerReason.NOT_PROGRAMMED,
    ServerReason.NO_HOLDER,
    ServerReason.NO_BACKENDS,
    ServerReason.NO_QUORUM,
    ServerReason.SORRY_SERVER,
    ServerReason.HOLDER_UNREACHABLE,
    ServerReason.HOLDER_UNCLEAR,
    ServerReason.NOT_REPORTED,
    ServerReason.DEGRADED,
    ServerReason.READY,
)


@dataclass(frozen=True, slots=True)
class PortView:
    """One port as the holders of its addresses have it."""

    status: ServerPortStatus
    reason: ServerReason
    words: str
    holders: tuple[str, ...]


def views_of(scene: ServerScene, key: str) -> tuple[PortView, ...]:
    """Each port of the VirtualServer's plan once, in its order."""
    groups = scene.groups(scene.plans[key].virtual_ip)
    names: dict[str, list[PortPlan]] = {}
    for port in scene.plans[key].ports:
        names.setdefault(port.name, []).append(port)
    return tuple(_view(scene, key, groups, ports) for ports in names.values())


def ready(scene: ServerScene, key: str, views: Sequence[PortView]) -> ServerJudged:
    """Judge all ports together: the worst one's reason, and what is to be said of each."""
    if not views or not scene.plans[key].nodes:
        return ServerJudged(ServerReason.NOT_PROGRAMMED, "no node runs it; see the conditions Accepted and Programmed")
    worst = min((view.reason for view in views), key=_ORDER.index)
    ranked = sorted((v for v in views if v.reason is not ServerReason.READY), key=lambda v: _ORDER.index(v.reason))
    return ServerJudged(worst, clipped(listed((view.words for view in ranked or views), "; ")))


def backend_summary(views: Iterable[PortView]) -> str | None:
    """How many backends are up, of how many: those of the port that is worst off. None: nobody has reported."""
    counts = [(v.status.up, v.status.up + v.status.down) for v in views if v.status.node]
    up, total = min(counts, key=lambda pair: (pair[0] / pair[1] if pair[1] else 0.0, pair[0]), default=(None, 0))
    return None if up is None else f"{up}/{total}"


def _view(scene: ServerScene, key: str, groups: Mapping[str, GroupStatus], ports: Sequence[PortPlan]) -> PortView:
    name = ports[0].name
    found = [pair for port in ports for pair in _reports(scene, key, groups, port)]
    doubts = [pair for port in ports for pair in _doubts(scene, key, groups, port)]
    worst = _worst(found)
    status = ServerPortStatus(
        name=name,
        port=ports[0].port,
        protocol=ports[0].protocol,
        addresses=tuple(dict.fromkeys(address for port in ports for address in port.addresses)),
        node=worst[0] if worst else None,
        **_sum([report for node, report in found if worst and node == worst[0]]),
    )
    reason, words = ServerReason.NOT_REPORTED, ""
    if worst:
        own = [report for node, report in found if node == worst[0]]
        entries = {entry.name: entry for entry in scene.reports.balancing(worst[0], key)}
        held = _held(scene, key, groups, ports, worst[0])
        reason, words = meaning(status, own, entries, held)
    if doubts:
        doubt = min((why for why, _ in doubts), key=_ORDER.index)
        told = listed(text for why, text in doubts if why is doubt)
        if not worst or _ORDER.index(doubt) < _ORDER.index(reason):
            reason, words = doubt, told
    if refused := _refused(scene, key, groups, ports):
        counted = f"; {status.up} of {status.up + status.down} backends are up" if worst else ""
        reason, words = ServerReason.NOT_PROGRAMMED, f"{refused}{counted}"
    return PortView(status, reason, f"{name}: {words}", tuple(dict.fromkeys(node for node, _ in found)))


def _held(
    scene: ServerScene, key: str, groups: Mapping[str, GroupStatus], ports: Sequence[PortPlan], holder: str
) -> dict[Family, list[str]]:
    found: dict[Family, list[str]] = {}
    for port in ports:
        for address, family, node, _ in _holders(scene, key, groups, port):
            if node == holder:
                found.setdefault(family, []).append(address)
    return found


def _refused(scene: ServerScene, key: str, groups: Mapping[str, GroupStatus], ports: Sequence[PortPlan]) -> str:
    """Which holders say that they can't balance what they hold, and why; empty: none does."""
    found: dict[tuple[str, str], list[str]] = {}
    for port in ports:
        for address, _, node, _ in _holders(scene, key, groups, port):
            if node and (why := cannot_balance(scene, node, port.entry)):
                found.setdefault((node, why), []).append(address)
    parts = (
        f"{node}, which holds {listed(addresses)}, cannot balance: {why}" for (node, why), addresses in found.items()
    )
    return listed(parts, "; ")


def _holders(
    scene: ServerScene, key: str, groups: Mapping[str, GroupStatus], port: PortPlan
) -> Iterator[tuple[str, Family, str | None, ServerReason | None]]:
    """Each address with its family, the node that holds it, and why nobody's words count; one of the two is None."""
    for address in port.addresses:
        family = Family.IPV6 if ":" in address else Family.IPV4
        group = groups.get(address)
        if group is None or group.holder is None:
            yield address, family, None, _without_holder(scene, key)
        elif group.holder not in scene.ready:
            yield address, family, None, ServerReason.HOLDER_UNREACHABLE
        else:
            yield address, family, group.holder, None


def _without_holder(scene: ServerScene, key: str) -> ServerReason:
    status = scene.virtual_ips.get(scene.plans[key].virtual_ip)
    held = next((c for c in (status.conditions if status else ()) if c.type == ConditionType.HELD), None)
    lost = held is not None and held.status is ConditionStatus.FALSE and held.reason == Reason.NO_HOLDER
    return ServerReason.NO_HOLDER if lost else ServerReason.HOLDER_UNCLEAR


def _reports(
    scene: ServerScene, key: str, groups: Mapping[str, GroupStatus], port: PortPlan
) -> Iterator[tuple[str, VirtualServerReport]]:
    """The holders with what each says of the family that it holds."""
    pairs = dict.fromkeys((node, family) for _, family, node, _ in _holders(scene, key, groups, port) if node)
    for node, family in pairs:
        if report := scene.reports.server(node, port.entry, family):
            yield node, report


def _doubts(
    scene: ServerScene, key: str, groups: Mapping[str, GroupStatus], port: PortPlan
) -> Iterator[tuple[ServerReason, str]]:
    """Addresses of which no holder tells."""
    for address, family, node, why in _holders(scene, key, groups, port):
        if why is ServerReason.NO_HOLDER:
            yield why, f"no node holds {address}"
        elif why is ServerReason.HOLDER_UNREACHABLE:
            yield why, f"the Node {groups[address].holder} that held {address} last is not Ready"
        elif node is None:
            yield ServerReason.HOLDER_UNCLEAR, f"who holds {address} is not clear"
        elif scene.reports.server(node, port.entry, family) is None:
            yield ServerReason.NOT_REPORTED, f"{node}, which holds {address}, has not reported it"


def _worst(found: Sequence[tuple[str, VirtualServerReport]]) -> tuple[str, VirtualServerReport] | None:
    """The words that matter most where several nodes hold addresses of one port."""
    return min(found, key=lambda pair: (pair[1].quorum, -pair[1].down, pair[1].up, pair[0]), default=None)


def _sum(reports: Sequence[VirtualServerReport]) -> dict[str, object]:
    """The families of one node together."""
    if not reports:
        return {}
    backends = sorted((b for report in reports for b in report.backends), key=lambda b: b.state is BackendState.UP)
    return {
        "quorum": all(report.quorum for report in reports),
        "sorry": any(report.sorry for report in reports),
        "up": sum(report.up for report in reports),
        "down": sum(report.down for report in reports),
        "draining": sum(report.draining for report in reports),
        "backends": tuple(backends[:MAX_LISTED_BACKENDS]),
    }
