"""The condition Programmed of a VirtualServer: whether the nodes run what is planned, and if not, who and why."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mooring_api.node_server import NodeVirtualServer
from mooring_api.nodeconfig import NodeConfigStatus
from mooring_api.nodeconfig_status import REMARK, ReportedProblem
from mooring_operator.tell.server_reasons import ServerReason
from mooring_operator.tell.servers.scene import ServerScene
from mooring_operator.tell.wording import FOREIGN_LENGTH, clipped, listed

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
        return ServerJudged(ServerReason.NOT_ACCEPTED, "its nodes keep what they run of it; see the condition Accepted")
    if not plan.ports:
        return ServerJudged(ServerReason.NOT_ACCEPTED, "nothing of it can be planned; see the condition Accepted")
    if not plan.nodes:
        message = f"no node runs VirtualIP {plan.virtual_ip}; see its conditions"
        return ServerJudged(ServerReason.NO_NODE, message)
    if not share:
        return ServerJudged(ServerReason.PLANNED, f"planned on {listed(plan.nodes)}, no node was told yet")
    if trouble := _missing_modules(scene, share) or _refusals(scene, key, share) or _kube_proxy(scene, share):
        return trouble
    silent = [n for n, own in share.items() if scene.reports.balancing(n, key) != own]
    if lenient:
        silent = [node for node in silent if node in scene.late]
    if silent:
        names = listed(node if node in scene.ready else f"{node} (its Node is not Ready)" for node in silent)
        return ServerJudged(ServerReason.WAITING_FOR_NODES, f"waiting for {names} to confirm its configuration")
    return ServerJudged(ServerReason.PROGRAMMED, f"runs on {listed(sorted(share))}")


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
    return ServerJudged(ServerReason.MODULE_MISSING, clipped(f"missing on {'; '.join(parts)}")) if parts else None


def _refusals(scene: ServerScene, key: str, share: Share) -> ServerJudged | None:
    """What daemons say against entries, and against a whole NodeConfig that they did not confirm."""
    found = [f"{node}: {_words(problem)}" for node, problem in _own_problems(scene, share)]
    for node, status in _speaking(scene, share):
        if scene.reports.balancing(node, key) != share[node]:
            of_all = (p for p in status.problems if not p.instance and p.path != REMARK and not p.of_balancing)
            found += [f"{node}: {_words(problem)}" for problem in of_all]
    return ServerJudged(ServerReason.REFUSED_BY_NODE, clipped(listed(found, "; "))) if found else None


def _words(problem: ReportedProblem) -> str:
    return clipped(f"{problem.path}: {problem.message}" if problem.path else problem.message, FOREIGN_LENGTH)


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
    return ServerJudged(ServerReason.KUBE_PROXY_CONFLICT, clipped(message))
