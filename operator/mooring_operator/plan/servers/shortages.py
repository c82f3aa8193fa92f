"""What nodes have no room for, or can't do all of, told to the VirtualServers that it is about."""

from collections.abc import Mapping
from dataclasses import replace

from mooring_api.problems import Problem
from mooring_operator.plan.servers.entries import Entry
from mooring_operator.plan.servers.plans import ServerFinding, ServerPlan, ServerReason
from mooring_operator.plan.servers.services import At
from mooring_operator.plan.snapshot import virtual_server_name
from mooring_operator.words.phrases import listed


def with_shortages(servers: dict[str, ServerPlan], at: Mapping[str, At]) -> dict[str, ServerPlan]:
    """The plans, with a finding for each VirtualServer of which a node runs less than is planned."""
    found: dict[str, list[ServerFinding]] = {}
    for key, entries in _by_server({node: each.beyond for node, each in at.items()}).items():
        ports = listed(sorted({name for names in entries.values() for name in names}))
        message = (
            f"{listed(sorted(entries))}: a NodeConfig holds no more than is of older VirtualServers there, so {ports}"
            " of this one is left out; put VirtualServers on VirtualIPs of other nodes"
        )
        found.setdefault(key, []).append(_finding(key, ServerReason.NODE_FULL, "spec.backends", message))
    for key, entries in _by_server({node: each.elsewhere for node, each in at.items()}).items():
        message = (
            f"{listed(sorted(entries))}: the node's one sync daemon is on the interface of an older VirtualServer, so"
            " connections of this one are not told of; use one segment for all that have connectionSync, or remove it"
        )
        found.setdefault(key, []).append(_finding(key, ServerReason.SYNC_ELSEWHERE, "spec.connectionSync", message))
    for node, each in sorted(at.items()):
        for entry, why in each.refused:
            message = f"{entry.plan.name} can't be planned on {node}: {why}"
            found.setdefault(entry.server.key, []).append(
                _finding(entry.server.key, ServerReason.INVALID, "spec", message)
            )
    if not found:
        return servers
    return {k: replace(s, findings=(*s.findings, *found[k])) if k in found else s for k, s in servers.items()}


def _by_server(at: Mapping[str, tuple[Entry, ...]]) -> dict[str, dict[str, list[str]]]:
    """VirtualServer to node to the names of its ports."""
    found: dict[str, dict[str, list[str]]] = {}
    for node, entries in sorted(at.items()):
        for entry in entries:
            found.setdefault(entry.server.key, {}).setdefault(node, []).append(entry.plan.name)
    return dict(sorted(found.items()))


def _finding(key: str, reason: ServerReason, path: str, message: str) -> ServerFinding:
    return ServerFinding(reason, Problem(virtual_server_name(key), path, message))
