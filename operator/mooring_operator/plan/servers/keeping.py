"""VirtualServers that go on as they stand while a report is lost or can't be read. Pure.

Without NAT nodes must know each other's MACs, and which of them answer for the virtual addresses: both are known from
reports alone. To plan without one would have a node take another director's packets for a client's, or end every
connection by no longer balancing at all.
"""

from collections.abc import Mapping
from dataclasses import replace

from mooring_api.problems import Problem
from mooring_operator.plan.servers.bearers import Bearer
from mooring_operator.plan.servers.plans import ServerFinding, ServerPlan, ServerReason
from mooring_operator.plan.snapshot import Node, virtual_server_name
from mooring_operator.words.phrases import listed

#: VirtualIP to its VirtualServers with other forwarding than NAT, each with the addresses that it may use.
Direct = Mapping[str, Mapping[str, tuple[str, ...]]]


def unknown_at(
    direct: Direct,
    bearers: Mapping[str, Bearer],
    nodes: Mapping[str, Node],
    hosting: Mapping[str, frozenset[str]],
) -> dict[str, frozenset[str]]:
    """Those that must stay, each with the nodes whose interfaces are not known: candidates, or told to answer for it.

    A node that has never reported is neither.
    """
    unknown = frozenset(node.name for node in nodes.values() if not node.known)
    found: dict[str, frozenset[str]] = {}
    for virtual_ip, servers in direct.items() if unknown else ():
        bearer = bearers.get(virtual_ip)
        near = unknown.intersection(bearer.candidates) if bearer else frozenset[str]()
        for key, addresses in servers.items():
            at = near.union(node for node in unknown if not hosting.get(node, frozenset()).isdisjoint(addresses))
            if at:
                found[key] = at
    return found


def with_kept(plans: Mapping[str, ServerPlan], unknown: Mapping[str, frozenset[str]]) -> dict[str, ServerPlan]:
    """The plans, with a finding for each that stays."""
    found = dict(plans)
    for key, at in unknown.items():
        message = (
            f"what the daemon of {listed(sorted(at))} reports of its interfaces is lost or can't be read; until it"
            " reports, or its Node is deleted, nodes go on with what they run of this, and no change of it reaches them"
        )
        finding = ServerFinding(ServerReason.KEPT_AS_IT_STANDS, Problem(virtual_server_name(key), "spec", message))
        found[key] = replace(found[key], findings=(*found[key].findings, finding))
    return found
