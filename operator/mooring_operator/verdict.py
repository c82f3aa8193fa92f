"""Whether an installation works, judged by what was read of it: `mooring-operator verify`. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mooring_api.problems import REMARK
from mooring_kube.resources import NODE_CONFIGS, VIRTUAL_IPS, VIRTUAL_SERVERS

Document = Mapping[str, Any]
KINDS = tuple(resource.plural for resource in (VIRTUAL_IPS, VIRTUAL_SERVERS, NODE_CONFIGS))
#: Where a Lease does not say how long it holds.
_LEASE_S = 15.0


@dataclass(frozen=True, slots=True)
class Place:
    """What an installation is called."""

    namespace: str
    lease: str
    daemons: str
    """The label selector of the daemons' pods."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and what to type."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}\n      {self.remedy}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look read. `leader` is what `Leadership` makes of the Lease."""

    kinds: frozenset[str]
    """Plurals that the API server knows of mooring.dev/v1alpha1."""
    leader: str | Finding
    pods: Sequence[Document] = ()
    """Of the daemons."""
    configs: Sequence[Document] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wrong` keeps the installation from working; `remarks` do not."""

    right: tuple[str, ...] = ()
    wrong: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        yield from (f"ok    {text}" for text in self.right)
        yield from (f"note  {text}" for text in self.remarks)
        yield from (f"FAIL  {finding}" for finding in self.wrong)


@dataclass(slots=True)
class Leadership:
    """Who leads, by a Lease that is seen to be written: no clock of another machine is compared with ours."""

    place: Place
    _version: str = ""
    _changed_at: float | None = field(default=None)
    """When another version was seen than the one before."""

    def see(self, lease: Document | None, now: float) -> str | Finding:
        """The leader's name; `lease` was just read (None: there is none), `now` is in seconds of any steady clock."""
        namespace, name = self.place.namespace, self.place.lease
        remedy = f"kubectl -n {namespace} get pods; kubectl -n {namespace} logs deployment/{name}"
        if lease is None:
            return Finding(f"no operator has led yet: there is no Lease {namespace}/{name}", remedy)
        spec = lease.get("spec") or {}
        version = str((lease.get("metadata") or {}).get("resourceVersion"))
        if version != self._version:
            self._changed_at = now if self._version else None
            self._version = version
        holder = str(spec.get("holderIdentity") or "")
        if not holder:
            return Finding(f"no operator leads: the last one gave the Lease {namespace}/{name} back", remedy)
        if self._changed_at is None or now - self._changed_at > float(spec.get("leaseDurationSeconds") or _LEASE_S):
            return Finding(f"{holder} has the Lease {namespace}/{name} and was not seen to renew it", remedy)
        return holder


def judge(seen: Seen, place: Place) -> Verdict:
    """All that is right and wrong, each with its object."""
    if absent := [kind for kind in KINDS if kind not in seen.kinds]:
        what = f"the API server does not know {', '.join(absent)} of mooring.dev/v1alpha1"
        return Verdict(
            wrong=(Finding(what, "helm install mooring-crds charts/mooring-crds, or kubectl apply -f crds/"),)
        )
    right = [f"the API server knows {', '.join(KINDS)} of mooring.dev/v1alpha1"]
    wrong, remarks = [], []
    if isinstance(seen.leader, Finding):
        wrong.append(seen.leader)
    else:
        right.append(f"{seen.leader} leads")
    configs = {str(config["metadata"]["name"]): config for config in seen.configs}
    pods = [pod for pod in seen.pods if not pod["metadata"].get("deletionTimestamp")]
    if not pods:
        remedy = f"kubectl -n {place.namespace} get daemonsets; kubectl -n {place.namespace} get events"
        wrong.append(Finding(f"no daemon runs: {place.namespace} has no pod with {place.daemons}", remedy))
    for pod in sorted(pods, key=_node):
        node = _node(pod)
        if _awaits_its_node(pod):
            remarks.append(f"{node}: the node does not report, so nothing is known of its daemon")
        elif finding := _not_ready(pod, place) or _not_observed(pod, configs.get(node), place):
            wrong.append(finding)
        else:
            right.append(f"{node}: its daemon runs generation {_generation(configs[node])}")
            remarks += _problems(configs[node])
    return Verdict(tuple(right), tuple(wrong), tuple(remarks))


def _node(pod: Document) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _generation(config: Document) -> int:
    return int(config["metadata"]["generation"])


def _is_ready(pod: Document) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _awaits_its_node(pod: Document) -> bool:
    """The control plane made the pod unready while its containers were well: kubelet is silent."""
    containers = (pod.get("status") or {}).get("containerStatuses") or ()
    return not _is_ready(pod) and bool(containers) and all(each.get("ready") for each in containers)


def _not_ready(pod: Document, place: Place) -> Finding | None:
    if _is_ready(pod):
        return None
    name, node = pod["metadata"]["name"], _node(pod)
    where = f" on {node}" if node else ", which no node has taken,"
    remedy = f"kubectl -n {place.namespace} describe pod {name}; kubectl -n {place.namespace} logs {name}"
    return Finding(f"the daemon's pod {name}{where} is not Ready{_why(pod)}", remedy)


def _why(pod: Document) -> str:
    """The first word that says more than that it is so."""
    status = pod.get("status") or {}
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state = container.get("state") or {}
        said = state.get("waiting") or state.get("terminated") or {}
        if said.get("reason"):
            return f": {': '.join(filter(None, (said['reason'], said.get('message'))))}"
    words = (status.get("message"), *(each.get("message") for each in status.get("conditions") or ()))
    return next((f": {text}" for text in words if text), "")


def _not_observed(pod: Document, config: Document | None, place: Place) -> Finding | None:
    node, name = _node(pod), pod["metadata"]["name"]
    if config is None:
        remedy = f"kubectl get node {node}; kubectl -n {place.namespace} logs deployment/{place.lease}"
        return Finding(f"{node}: there is no NodeConfig; the operator makes one for each Node", remedy)
    observed, newest = (config.get("status") or {}).get("observedGeneration"), _generation(config)
    if observed == newest:
        return None
    remedy = f"kubectl get nc {node} -o yaml (status.problems); kubectl -n {place.namespace} logs {name}"
    if observed is None:
        return Finding(f"{node}: its daemon {name} is Ready and has never reported", remedy)
    return Finding(f"{node}: its daemon {name} runs generation {observed} of its NodeConfig, not {newest}", remedy)


def _problems(config: Document) -> Iterator[str]:
    """What a daemon says of its configuration: no fault of the installation."""
    node = config["metadata"]["name"]
    for each in (config.get("status") or {}).get("problems") or ():
        about = each.get("instance") or (each.get("path") if each.get("path") != REMARK else "")
        yield ": ".join(filter(None, (node, about, each.get("message"))))
