"""Whether a pod may be bound to a node: what kube-scheduler would ask, as far as a lab has it. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from mooring_lab.kubelet.document import View, containers, spec

_UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_KEEPS_AWAY = ("NoSchedule", "NoExecute")
HostPort = tuple[str, int]


def wants_node(pod: View, node: str) -> bool:
    """Whether the pod's affinity names this node by its name, as the pods of a DaemonSet do."""
    return any(
        term.get("key") == "metadata.name" and term.get("operator") == "In" and node in (term.get("values") or ())
        for terms in _required(pod)
        for term in terms.get("matchFields") or ()
    )


def is_waiting(pod: View) -> bool:
    """Whether the default scheduler would bind it now."""
    found = spec(pod)
    taken = found.get("nodeName") or found.get("schedulingGates") or "deletionTimestamp" in pod["metadata"]
    return not taken and found.get("schedulerName", "default-scheduler") == "default-scheduler"


def obstacle(pod: View, node: View, ports: Collection[HostPort]) -> str | None:
    """Why the pod can't be bound to the node; None when it can. `ports` are those that the node's pods have."""
    labels = node["metadata"].get("labels") or {}
    wrong = {key: value for key, value in (spec(pod).get("nodeSelector") or {}).items() if labels.get(key) != value}
    if wrong:
        return f"the node has not the label {next(iter(wrong))}={next(iter(wrong.values()))}"
    terms = _required(pod)
    if terms and not any(_term_matches(term, node) for term in terms):
        return "the pod's node affinity does not match"
    for taint in taints(node):
        if taint["effect"] in _KEEPS_AWAY and not tolerates(spec(pod).get("tolerations") or (), taint):
            return f"the pod does not tolerate the taint {taint['key']}:{taint['effect']}"
    if taken := host_ports(pod) & set(ports):
        protocol, number = min(taken)
        return f"port {number}/{protocol} of the node is taken"
    return None


def taints(node: View) -> tuple[View, ...]:
    """With the one that a cordon means, which a controller adds a moment later."""
    found = tuple((node.get("spec") or {}).get("taints") or ())
    if (node.get("spec") or {}).get("unschedulable") and all(taint["key"] != _UNSCHEDULABLE for taint in found):
        return (*found, {"key": _UNSCHEDULABLE, "effect": "NoSchedule"})
    return found


def tolerates(tolerations: Iterable[View], taint: View) -> bool:
    return any(_tolerates(toleration, taint) for toleration in tolerations)


def host_ports(pod: View) -> set[HostPort]:
    """What it takes of the node, as (protocol, port); whichever address it names."""
    return {
        (port.get("protocol") or "TCP", int(port["hostPort"]))
        for container in containers(pod)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    }


def _tolerates(toleration: View, taint: View) -> bool:
    """As Toleration.ToleratesTaint: no effect means all effects, no key (with Exists) all keys."""
    effect, key = toleration.get("effect"), toleration.get("key")
    if effect and effect != taint["effect"]:
        return False
    if key and key != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(key) and (toleration.get("value") or "") == (taint.get("value") or "")


def _required(pod: View) -> Sequence[View]:
    affinity = (spec(pod).get("affinity") or {}).get("nodeAffinity") or {}
    terms: Sequence[View] = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get(
        "nodeSelectorTerms"
    ) or ()
    return terms


def _term_matches(term: View, node: View) -> bool:
    """All its expressions; a term without any matches nothing."""
    labels = node["metadata"].get("labels") or {}
    fields = {"metadata.name": node["metadata"]["name"]}
    expressions = [(labels, each) for each in term.get("matchExpressions") or ()]
    expressions += [(fields, each) for each in term.get("matchFields") or ()]
    return bool(expressions) and all(_matches(values, each) for values, each in expressions)


_OPERATORS: Mapping[str, Callable[[str | None, Sequence[str]], bool]] = {
    "In": lambda value, wanted: value in wanted,
    "NotIn": lambda value, wanted: value not in wanted,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
    "Gt": lambda value, wanted: _number(value, wanted, lambda a, b: a > b),
    "Lt": lambda value, wanted: _number(value, wanted, lambda a, b: a < b),
}


def _matches(values: Mapping[str, str], expression: Mapping[str, Any]) -> bool:
    value = values.get(expression["key"])
    return _OPERATORS[expression["operator"]](value, expression.get("values") or ())


def _number(value: str | None, wanted: Sequence[str], compare: Callable[[int, int], bool]) -> bool:
    try:
        return value is not None and compare(int(value), int(wanted[0]))
    except (ValueError, IndexError):
        return False
