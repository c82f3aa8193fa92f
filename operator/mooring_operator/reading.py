"""Raw documents (kind VirtualIP, Node, NodeConfig) to a Snapshot; one bad object is one reported problem set."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mooring_api.nodeconfig import ForeignRouter, HostAddress, Instance, InterfaceReport, Metadata
from mooring_api.problems import InvalidObject, Problem
from mooring_api.virtualip import VirtualIP, VirtualIPStatus
from mooring_api.wire import API_VERSION, Wire, parse_object, problems_of
from mooring_operator.snapshot import Node, Snapshot, by_name

Document = Mapping[str, Any]
ModelT = TypeVar("ModelT", bound=BaseModel)


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


class _Report(_Read):
    interfaces: tuple[InterfaceReport, ...] | None = None
    foreign_routers: tuple[ForeignRouter, ...] = ()


def _lenient(model: type[ModelT], document: Any, name: str, prefix: str = "") -> ModelT:
    """As parse_object, but fields of a newer version are ignored at every depth: the daemon may be newer."""
    try:
        return model.model_validate(document, extra="ignore", by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidObject(problems_of(error, name, prefix)) from error


def snapshot_of(documents: Iterable[Document]) -> Snapshot:
    """Sort the documents by kind and read each; other kinds (Secret, ...) are passed over.

    Never raises for what stands in a document. The order of the documents does not matter.
    """
    problems: list[Problem] = []
    sorted_out = _by_kind(documents, problems)
    virtual_ips = _read_all(sorted_out["VirtualIP"], _virtual_ip, "VirtualIP", problems)
    objects = _read_all(sorted_out["Node"], _node, "Node", problems)
    reports = _read_all(sorted_out["NodeConfig"], _report, "NodeConfig", problems)
    configured = {name: found for name, document in sorted_out["NodeConfig"].items() if (found := _instances(document))}
    nodes = tuple(_joined(node, reports.get(name)) for name, node in sorted(objects.items()))
    return Snapshot(
        by_name(virtual_ips.values()),
        nodes,
        tuple(sorted(problems)),
        frozenset(sorted_out["VirtualIP"]) - frozenset(virtual_ips),
        dict(sorted(configured.items())),
    )


def _by_kind(documents: Iterable[Document], problems: list[Problem]) -> dict[str, dict[str, Document]]:
    found: dict[str, dict[str, Document]] = {"VirtualIP": {}, "Node": {}, "NodeConfig": {}}
    for document in documents:
        kind = document.get("kind")
        if kind not in found or (kind == "Node" and document.get("apiVersion", "v1") != "v1"):
            continue
        metadata = document.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        if not isinstance(name, str) or not name:
            problems.append(Problem(str(kind), "metadata.name", "is required; add it"))
            continue
        other = found[kind].setdefault(name, document)
        if _stable(other) != _stable(document):
            # Chosen by content, so that the order of files decides nothing.
            found[kind][name] = min(other, document, key=_stable)
            problems.append(Problem(f"{kind}/{name}", "", "is there twice and differs; remove one of the two"))
    return found


def _stable(document: Document) -> str:
    return json.dumps(document, sort_keys=True, default=str)


def _read_all(
    documents: Mapping[str, Document],
    read: Callable[[Document, str], ModelT | Node],
    kind: str,
    problems: list[Problem],
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, document in documents.items():
        try:
            found[name] = read(document, f"{kind}/{name}")
        except InvalidObject as error:
            problems.extend(error.problems)
    return found


def _virtual_ip(document: Document, name: str) -> VirtualIP:
    if document.get("apiVersion") != API_VERSION:
        message = f"{document.get('apiVersion')!r} is not known here; write {API_VERSION}"
        raise InvalidObject([Problem(name, "apiVersion", message)])
    virtual_ip = parse_object(VirtualIP, {k: v for k, v in document.items() if k != "status"}, name)
    status = _status(document.get("status"), name)
    return virtual_ip.model_copy(update={"status": status}) if status else virtual_ip


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
    )


def _report(document: Document, name: str) -> _Report:
    return _lenient(_Report, document.get("status") or {}, name, "status")


def _instances(document: Document) -> tuple[Instance, ...]:
    """The instances of the spec that can be read; they are only remembered, so a bad one is passed over."""
    spec = document.get("spec")
    entries = spec.get("instances") if isinstance(spec, Mapping) else None
    found = []
    for entry in entries if isinstance(entries, list) else ():
        try:
            found.append(_lenient(Instance, entry, "NodeConfig"))
        except InvalidObject:
            continue
    return tuple(found)


def _joined(node: Node, report: _Report | None) -> Node:
    if report is None or report.interfaces is None:
        return node
    return Node(
        node.name,
        node.labels,
        node.uid,
        node.ready,
        node.cordoned,
        node.internal_addresses,
        report.interfaces,
        report.foreign_routers,
    )
