"""Raw documents to a Snapshot; one bad object is one reported problem set."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from mooring_api.nodeconfig import HostAddress, Instance, Metadata
from mooring_api.problems import InvalidObject, Problem
from mooring_api.virtualip import VirtualIP, VirtualIPStatus
from mooring_api.virtualserver import VirtualServer
from mooring_api.wire import API_VERSION, Wire, parse_object, problems_of
from mooring_operator.plan.endpoints import EndpointSlice, endpoint_slice, service_of
from mooring_operator.plan.pods import PodNodes, nodes_with, ready_pod, selection_of
from mooring_operator.plan.reports import Report, report_of, reported
from mooring_operator.plan.snapshot import Node, Snapshot, by_name, named_service

Document = Mapping[str, Any]
ModelT = TypeVar("ModelT", bound=BaseModel)
#: `namespace/service` to its slices.
Endpoints = Mapping[str, tuple[EndpointSlice, ...]]


class _Read(Wire):
    """The part of an object that is read; the rest of it is not ours to judge."""

    model_config = Wire.model_config | {"extra": "ignore"}


class _NodeSpec(_Read):
    unschedulable: bool = False


class _NodeAddress(_Read):
    type: str
    address: str


class _NodeCondition(_Read):
    type: str
    status: str


class _NodeStatus(_Read):
    conditions: tuple[_NodeCondition, ...] = ()
    addresses: tuple[_NodeAddress, ...] = ()


class _NodeObject(_Read):
    metadata: Metadata
    spec: _NodeSpec = _NodeSpec()
    status: _NodeStatus = _NodeStatus()


class _InternalAddress(_Read):
    address: HostAddress


def _lenient(model: type[ModelT], document: Any, name: str, prefix: str = "") -> ModelT:
    """As parse_object, but fields of a newer version are ignored at every depth: the daemon may be newer."""
    try:
        return model.model_validate(document, extra="ignore", by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidObject(problems_of(error, name, prefix)) from error


def snapshot_of(
    documents: Iterable[Document], pod_nodes: PodNodes | None = None, endpoints: Endpoints | None = None
) -> Snapshot:
    """Sort the documents by kind and read each; other kinds (Secret, ...) are passed over.

    `pod_nodes` is where pods are Ready; left out: as the Pods among the documents say, where there are any.
    `endpoints` is what is known of Services; left out: all that the EndpointSlices among the documents say.
    Never raises for what stands in a document. The order of the documents does not matter.
    """
    return Reading().snapshot(documents, pod_nodes, endpoints)


class Reading:
    """snapshot_of with a memory: what is as it was last time is not read again, and stays the identical object.

    A document that changes must be another object than before. A report of a daemon that changes neither
    interfaces nor foreign routers leaves its Node identical.
    """

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], _Seen] = {}
        self._now: dict[tuple[str, str], _Seen] = {}

    def snapshot(
        self, documents: Iterable[Document], pod_nodes: PodNodes | None = None, endpoints: Endpoints | None = None
    ) -> Snapshot:
        """Equal to snapshot_of() with the same arguments."""
        self._before, self._now = self._now, {}
        documents = list(documents)
        problems: list[Problem] = []
        sorted_out = _by_kind(documents, problems)
        configs = sorted_out["NodeConfig"]
        virtual_ips = self._all("VirtualIP", sorted_out["VirtualIP"], _virtual_ip, problems)
        objects = self._all("Node", sorted_out["Node"], _node, problems)
        reports = self._all("NodeConfig", {n: reported(d) for n, d in configs.items()}, report_of, problems)
        problems += [problem for report in reports.values() for problem in report.problems]
        instances = self._all("instances", {n: _listed(d) for n, d in configs.items()}, _instances, problems)
        pairs = {name: (node, reports.get(name)) for name, node in sorted(objects.items())}
        nodes = self._all("joined", pairs, _joined, problems)
        servers = self._all("VirtualServer", sorted_out["VirtualServer"], _virtual_server, problems)
        if endpoints is None:
            endpoints = _endpoints(servers.values(), sorted_out["EndpointSlice"])
        return Snapshot(
            by_name(virtual_ips.values()),
            tuple(nodes.values()),
            tuple(sorted(problems)),
            frozenset(sorted_out["VirtualIP"]) - frozenset(virtual_ips),
            {name: found for name, found in sorted(instances.items()) if found},
            _pod_nodes(virtual_ips.values(), documents) if pod_nodes is None else pod_nodes,
            tuple(servers[key] for key in sorted(servers)),
            frozenset(sorted_out["VirtualServer"]) - frozenset(servers),
            endpoints,
            {name: _labels(document) for name, document in sorted_out["Namespace"].items()},
        )

    def _all(
        self, kind: str, given: Mapping[str, Any], read: Callable[[Any, str], Any], problems: list[Problem]
    ) -> dict[str, Any]:
        found = {}
        for name, part in given.items():
            seen = self._one(kind, name, part, read)
            problems.extend(seen.problems)
            if not seen.problems:
                found[name] = seen.outcome
        return found

    def _one(self, kind: str, name: str, part: Any, read: Callable[[Any, str], Any]) -> "_Seen":
        before = self._before.get((kind, name))
        if before is not None and (before.part is part or _alike(before.part, part)):
            seen = before
        else:
            try:
                seen = _Seen(part, read(part, f"{kind}/{name}"), ())
            except InvalidObject as error:
                seen = _Seen(part, None, error.problems)
            if before is not None and before.outcome == seen.outcome and not seen.problems:
                seen = _Seen(part, before.outcome, ())
        self._now[kind, name] = seen
        return seen


def _pod_nodes(virtual_ips: Iterable[VirtualIP], documents: Iterable[Document]) -> PodNodes:
    """Of no Pod at all nothing follows: a file of manifests rarely has any."""
    given = [document for document in documents if document.get("kind") == "Pod"]
    if not given:
        return {}
    pods = [pod for document in given if (pod := ready_pod(document))]
    wanted = (virtual_ip.spec.nodes.pods for virtual_ip in virtual_ips)
    return {selection_of(each): nodes_with(pods, each) for each in wanted if each}


def _endpoints(servers: Iterable[VirtualServer], slices: Mapping[str, Document]) -> Endpoints:
    """Of each Service that is named the slices that there are, in the order of their names."""
    found: dict[str, list[EndpointSlice]] = {name: [] for server in servers if (name := named_service(server))}
    for _, document in sorted(slices.items()):
        service = service_of(document)
        if service in found and (read := endpoint_slice(document)):
            found[service].append(read)
    return {service: tuple(own) for service, own in found.items()}


def _labels(document: Document) -> Mapping[str, str]:
    metadata = document.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return labels if isinstance(labels, Mapping) else {}


class _Seen(NamedTuple):
    """A part of a document, and what it was read as, or what is wrong with it."""

    part: Any
    outcome: Any
    problems: tuple[Problem, ...]


def _alike(one: Any, other: Any) -> bool:
    """Whether two parts that were made for the comparison hold the same; whole documents are told by identity."""
    if isinstance(one, tuple) and len(one) == len(other):
        return all(a is b or (isinstance(a, list) and a == b) for a, b in zip(one, other, strict=True))
    return isinstance(one, list) and bool(one == other)


_OURS = ("VirtualIP", "VirtualServer", "NodeConfig")
#: Kubernetes' own with their apiVersion: other groups have kinds of the same names.
_FOREIGN = {"Node": "v1", "Namespace": "v1", "EndpointSlice": "discovery.k8s.io/v1"}
_NAMESPACED = ("VirtualServer", "EndpointSlice")


def _by_kind(documents: Iterable[Document], problems: list[Problem]) -> dict[str, dict[str, Document]]:
    found: dict[str, dict[str, Document]] = {kind: {} for kind in (*_OURS, *_FOREIGN)}
    for document in documents:
        kind = document.get("kind")
        if kind not in found or (kind in _FOREIGN and document.get("apiVersion", _FOREIGN[kind]) != _FOREIGN[kind]):
            continue
        metadata = document.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        if not isinstance(metadata, Mapping) or not isinstance(name, str) or not name:
            problems.append(Problem(str(kind), "metadata.name", "is required; add it"))
            continue
        if kind in _NAMESPACED:
            name = f"{metadata.get('namespace') or 'default'}/{name}"
        other = found[kind].setdefault(name, document)
        if other is not document and _stable(other) != _stable(document):
            # Chosen by content, so that the order of files decides nothing.
            found[kind][name] = min(other, document, key=_stable)
            problems.append(Problem(f"{kind}/{name}", "", "is there twice and differs; remove one of the two"))
    return found


def _stable(document: Document) -> str:
    return json.dumps(document, sort_keys=True, default=str)


def _virtual_ip(document: Document, name: str) -> VirtualIP:
    _check_version(document, name)
    virtual_ip = parse_object(VirtualIP, {k: v for k, v in document.items() if k != "status"}, name)
    status = _status(document.get("status"), name)
    return virtual_ip.model_copy(update={"status": status}) if status else virtual_ip


def _virtual_server(document: Document, name: str) -> VirtualServer:
    """Without its status, of which nothing is planned. As kubectl means it, no namespace is `default`."""
    _check_version(document, name)
    server = parse_object(VirtualServer, {k: v for k, v in document.items() if k != "status"}, name)
    if server.metadata.namespace:
        return server
    return server.model_copy(update={"metadata": server.metadata.model_copy(update={"namespace": "default"})})


def _check_version(document: Document, name: str) -> None:
    if document.get("apiVersion") != API_VERSION:
        message = f"{document.get('apiVersion')!r} is not known here; write {API_VERSION}"
        raise InvalidObject([Problem(name, "apiVersion", message)])


def _status(document: Any, name: str) -> VirtualIPStatus | None:
    """The status is Mooring's own and only remembered: what can't be read of it must not cost the address."""
    if not document:
        return None
    try:
        return _lenient(VirtualIPStatus, document, name, "status")
    except InvalidObject:
        return None


def _node(document: Document, name: str) -> Node:
    node = _lenient(_NodeObject, document, name)
    addresses = [
        _lenient(_InternalAddress, {"address": a.address}, name, f"status.addresses[{i}]").address
        for i, a in enumerate(node.status.addresses)
        if a.type == "InternalIP"
    ]
    return Node(
        name=node.metadata.name,
        labels=node.metadata.labels,
        uid=node.metadata.uid or "",
        ready=any(c.type == "Ready" and c.status == "True" for c in node.status.conditions),
        cordoned=node.spec.unschedulable,
        internal_addresses=tuple(addresses),
        created=node.metadata.creation_timestamp or "",
    )


def _listed(document: Document) -> list[Any]:
    spec = document.get("spec")
    entries = spec.get("instances") if isinstance(spec, Mapping) else None
    return entries if isinstance(entries, list) else []


def _instances(entries: list[Any], _name: str) -> tuple[Instance, ...]:
    """The instances of a spec that can be read; they are only remembered, so a bad one is passed over."""
    found = []
    for entry in entries:
        try:
            found.append(_lenient(Instance, entry, "NodeConfig"))
        except InvalidObject:
            continue
    return tuple(found)


def _joined(pair: tuple[Node, Report | None], _name: str) -> Node:
    node, report = pair
    if report is None:
        return node
    found = replace(node, interfaces=report.interfaces, unread=report.unread)
    # Where it hears a stranger follows from its interfaces.
    return found if report.interfaces is None else replace(found, foreign_routers=report.foreign_routers)
