"""What VirtualIPs track of VirtualServers: only what the node has can be tracked there."""

from collections.abc import Iterator, Mapping

from mooring_api.problems import Problem
from mooring_operator.plan.findings import Finding, Reason
from mooring_operator.plan.servers.bearers import Bearer
from mooring_operator.plan.servers.plans import ServerPlan
from mooring_operator.plan.snapshot import virtual_ip_name
from mooring_operator.words.phrases import listed


def not_tracked(bearers: Mapping[str, Bearer], servers: Mapping[str, ServerPlan]) -> Iterator[tuple[str, Finding]]:
    """VirtualIP and what is to be said to it of each tracker that all or some of its nodes do without."""
    for name, bearer in bearers.items():
        for index, each in enumerate(bearer.virtual_ip.spec.tracking):
            why = _missing(bearer, each.virtual_server.name, servers)
            if why:
                path = f"spec.tracking[{index}].virtualServer.name"
                yield name, Finding(Reason.NOT_TRACKED, Problem(virtual_ip_name(name), path, why))


def _missing(bearer: Bearer, key: str, servers: Mapping[str, ServerPlan]) -> str | None:
    found = servers.get(key)
    if found is None:
        return f"there is no VirtualServer {key}; create it, or correct namespace and name"
    if found.kept:
        return None
    if not found.ports:
        return f"nothing of VirtualServer {key} is programmed, so it is not tracked; see its condition Accepted"
    lacking = sorted(bearer.held.keys() - frozenset(found.nodes))
    if not lacking:
        return None
    return (
        f"VirtualServer {key} is not planned on {listed(lacking)}, which can't track it; track one that all nodes of"
        " this VirtualIP run"
    )
