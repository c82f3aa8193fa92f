"""Why a node takes no part in a VirtualIP, in words: worked out only for whom somebody asks."""

from collections.abc import Mapping

from mooring_api.virtualip import LabelSelector, VirtualIP
from mooring_operator.plan.allocations import group_name
from mooring_operator.plan.labels import selects
from mooring_operator.plan.planner import Plan
from mooring_operator.plan.snapshot import Node


def why_here(plan: Plan, virtual_ip: VirtualIP, node: Node) -> dict[str, str]:
    """Group name to the reason that this node has, or has not, a place in it; "" stands for all groups at once."""
    selector = virtual_ip.spec.nodes.selector
    if not selects(selector, node.labels):
        return {"": f"not selected: {_first_unmet(selector, node.labels)}"}
    allocation = plan.allocations.virtual_ips.get(virtual_ip.metadata.name)
    found = {}
    for index in range(len(allocation.groups) if allocation else 0):
        name = group_name(virtual_ip.metadata.name, index)
        if name in plan.reasons:
            most = virtual_ip.spec.nodes.max_candidates
            found[name] = plan.reasons[name].get(node.name, f"not among the first {most} (maxCandidates)")
    return found or {"": "nothing is planned for it"}


def _first_unmet(selector: LabelSelector, labels: Mapping[str, str]) -> str:
    for key, wanted in sorted(selector.match_labels.items()):
        if labels.get(key) != wanted:
            return f"label {key} is {_shown(labels.get(key))}, not {wanted!r}"
    for term in selector.match_expressions:
        if not selects(LabelSelector(match_expressions=(term,)), labels):
            values = f" ({', '.join(term.values)})" if term.values else ""
            return f"label {term.key} is {_shown(labels.get(term.key))}, not {term.operator}{values}"
    return "the selector does not choose it"


def _shown(value: str | None) -> str:
    return "missing" if value is None else repr(value)
