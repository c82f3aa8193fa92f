"""The condition Programmed of a VirtualServer: whether the nodes run what is planned, and if not, who and why."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mooring_api.node_server import NodeVirtualServer
from mooring_api.nodeconfig import NodeConfigStatus
from mooring_api.nodeconfig_status import ReportedProblem
from mooring_api.problems import BALANCING, REMARK
from mooring_api.vrrp import Family
from mooring_operator.tell.servers.scene import ServerScene
from mooring_operator.words.phrases import FOREIGN_LENGTH, clipped, listed
from mooring_operator.words.server_reasons import ServerReason

#: Node to what it is to run of one VirtualServer.
Share = Mapping[str, tuple[NodeVirtualServer, ...]]


class ServerJudged(NamedTuple):
    reason: ServerReason
    message: str


def programmed(scene: ServerScene, key: str, *, lenient: bool) -> ServerJudged:
    """Judge one VirtualServer as if every node had had the time it needs.

    `lenient`: its spec was confirmed before, so a node that confirms new backends a moment later is no news.
    """
    plan, share = scene.plans[key], scene.share(key)
    if plan.kept and not plan.findings:
        words = f"its endpoints are not known ({scene.trouble})" if scene.trouble else "its endpoints are being listed"
        return ServerJudged(ServerReason.ENDPOINTS_UNKNOWN, clipped(f"{words}; nodes keep what they run"))
    if plan.kept:
        kept = "its nodes keep what they run of it" if scene.runs(key) else "no node runs any of it"
        return ServerJudged(ServerReason.NOT_ACCEPTED, f"{kept}; see the condition Accepted")
    if not plan.ports:
        return ServerJudged(ServerReason.NOT_ACCEPTED, "nothing of it can be planned; see the condition Accepted")
    if not plan.nodes:
        message = f"no node runs VirtualIP {plan.virtual_ip}; see its conditions"
        return ServerJudged(ServerReason.NO_NODE, message)
    if not share:
        return ServerJudged(ServerReason.PLANNED, f"planned on {listed(plan.nodes)}, no node was told yet")
    troubles = (_missing_modules(scene, share), _refusals(scene, key, share), _kube_proxy(scene, share))
    if found := [trouble for trouble in troubles if trouble]:
        return ServerJudged(found[0].reason, clipped("; also: ".join(each.message for each in found)))
    silent = [n for n, own in share.items() if scene.reports.balancing(n, key) != own]
    if lenient:
        silent = [node for node in silent if node in scene.late]
    if silent:
        message = f"waiting for {_called(scene, silent)} to confirm its configuration"
        return ServerJudged(ServerReason.WAITING_FOR_NODES, message)
    if not lenient and (silent := [node for node, own in share.items() if not _reported(scene, node, own)]):
        return ServerJudged(ServerReason.WAITING_FOR_NODES, f"waiting for {_called(scene, silent)} to report on it")
    return ServerJudged(ServerReason.PROGRAMMED, f"runs on {listed(sorted(share))}")


def cannot_balance(scene: ServerScene, node: str, entry: str) -> str:
    """What keeps the node from balancing an entry that it has, in words; empty: nothing that it knows of."""
    status = scene.reports.status(node)
    problems = [p for p in status.problems if p.instance == entry or p.of_all_servers] if status else []
    modules = sorted({problem.module for problem in problems if problem.module})
    missing = [f"kernel module {module} is missing" for module in modules]
    return listed([*missing, *(_words(problem) for problem in problems if not problem.module)], "; ")


def _called(scene: ServerScene, nodes: Iterable[str]) -> str:
    return listed(node if node in scene.ready else f"{node} (its Node is not Ready)" for node in nodes)


def _reported(scene: ServerScene, node: str, own: Iterable[NodeVirtualServer]) -> bool:
    """Whether what runs the entries there has said something of each.

    A daemon confirms what it has stored; that the kernel took it is known from the report.
    """
    status = scene.reports.status(node)
    # Its report may be cut where it is too long for a status; a remark says so.
    if status is not None and any(problem.path == REMARK for problem in status.problems):
        return True
    return all(scene.reports.server(node, entry.name, family) for entry in own for family in families_of(entry))


def families_of(entry: NodeVirtualServer) -> tuple[Family, ...]:
    """Those that a node balances an entry in, and reports on."""
    if entry.family is not None:
        return (entry.family,)
    return tuple(sorted({Family.IPV6 if ":" in address else Family.IPV4 for address in entry.addresses}))


def _speaking(scene: ServerScene, share: Share) -> Iterator[tuple[str, NodeConfigStatus]]:
    for node in share:
        if status := scene.reports.status(node):
            yield node, status


def _own_problems(scene: ServerScene, share: Share) -> Iterator[tuple[str, ReportedProblem]]:
    for node, status in _speaking(scene, share):
        names = {entry.name for entry in share[node]}
        yield from ((node, p) for p in status.problems if p.instance in names or p.of_all_servers)
    for address in sorted({address for own in share.values() for entry in own for address in entry.addresses}):
        yield from scene.beside.get(address, ())


def _missing_modules(scene: ServerScene, share: Share) -> ServerJudged | None:
    lacking: dict[str, list[str]] = {}
    for node, problem in _own_problems(scene, share):
        if problem.module:
            lacking.setdefault(problem.module, []).append(node)
    parts = [f"{listed(sorted(set(nodes)))}: kernel module {module}" for module, nodes in sorted(lacking.items())]
    return ServerJudged(ServerReason.MODULE_MISSING, f"missing on {'; '.join(parts)}") if parts else None


def _refusals(scene: ServerScene, key: str, share: Share) -> ServerJudged | None:
    """What daemons say against entries, and against a whole NodeConfig that they did not confirm."""
    found: dict[str, list[str]] = {}
    for node, problem in _own_problems(scene, share):
        if not problem.module:
            found.setdefault(_words(problem), []).append(node)
    for node, status in _speaking(scene, share):
        if scene.reports.balancing(node, key) != share[node]:
            for problem in status.problems:
                if not problem.instance and problem.path != REMARK and not problem.of_balancing:
                    found.setdefault(_words(problem), []).append(node)
    parts = (f"{listed(nodes)}: {words}" for words, nodes in found.items())
    return ServerJudged(ServerReason.REFUSED_BY_NODE, listed(parts, "; ")) if found else None


def _words(problem: ReportedProblem) -> str:
    # Of what is about the node rather than a field, the message says all.
    place = "" if problem.path == BALANCING[0] else problem.path
    return clipped(f"{place}: {problem.message}" if place else problem.message, FOREIGN_LENGTH)


def _kube_proxy(scene: ServerScene, share: Share) -> ServerJudged | None:
    nodes = [n for n, status in _speaking(scene, share) if status.kube_proxy and status.kube_proxy.removes_services]
    if not nodes:
        return None
    addresses = sorted({address for own in share.values() for entry in own for address in entry.addresses})
    ranges = listed(f"{address}/{128 if ':' in address else 32}" for address in addresses)
    message = (
        f"kube-proxy on {listed(nodes)} runs in IPVS mode and deletes it: set ipvs.excludeCIDRs to have {ranges},"
        " and ipvs.strictARP: true, in kube-proxy's configuration, and restart it"
    )
    return ServerJudged(ServerReason.KUBE_PROXY_CONFLICT, message)
