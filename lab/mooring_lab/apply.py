"""`apply`: from manifests to running daemons."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from mooring_api.documents import parse_documents
from mooring_api.nodeconfig import InterfaceReport, NodeConfig
from mooring_api.problems import Problem, Severity
from mooring_lab import endpoints
from mooring_lab.keepalived import configuration
from mooring_lab.lab import Lab
from mooring_lab.layout import MANAGEMENT_LINK, POD_BRIDGE, SERVICE_LINK, Member
from mooring_lab.manifests import LabNode, passwords, planner_documents, with_passwords
from mooring_lab.node import KEEPALIVED, Node
from mooring_lab.rights import LabError
from mooring_lab.servers import Place
from mooring_operator.plan.allocations import adopt
from mooring_operator.plan.planner import plan
from mooring_operator.plan.reading import snapshot_of

_MANIFESTS = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Applied:
    """What was handed to the nodes, and what could not be planned."""

    configs: dict[str, NodeConfig]
    """Empty where an error kept everything as it was."""
    problems: tuple[Problem, ...]


def read_manifests(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """All objects in these files and folders; LabError names a path that is not there."""
    found: list[dict[str, Any]] = []
    for path in paths:
        if not path.exists():
            raise LabError(f"{path} is not there")
        files = sorted(file for file in path.iterdir() if file.suffix in _MANIFESTS) if path.is_dir() else [path]
        for file in files:
            found.extend(parse_documents(file.read_text(encoding="utf-8"), str(file)))
    return found


def apply(lab: Lab, paths: Sequence[Path], *, partial: bool = False) -> Applied:
    """Plan the manifests for the lab's nodes and hand each node its part. What is not in the manifests is withdrawn.

    A node without power keeps its place, as one that is NotReady does; it finds its part when it is healed.
    An error in any object leaves every node as it is, since a typo must not withdraw an address; with `partial` what
    is good is applied all the same, and what is bad is withdrawn.
    """
    documents = read_manifests(paths)
    documents += endpoint_slices(lab, documents)
    seen = [_report(node) for node in lab.nodes]
    snapshot = snapshot_of(planner_documents(documents, seen))
    planned = plan(snapshot, adopt(snapshot.virtual_ips, snapshot.configured))
    known, unreadable = passwords(documents)
    found = [*planned.problems, *unreadable]
    configs = {}
    for node in lab.nodes:
        config, wrong = with_passwords(planned.node_configs[node.name], known)
        found.extend(wrong)
        configs[node.name] = config
    problems = tuple(dict.fromkeys(found))
    if not partial and (any(each.severity is Severity.ERROR for each in problems) or not snapshot.virtual_ips):
        return Applied({}, problems)
    for node in lab.nodes:
        hand_over(lab, node, configs[node.name])
    return Applied(configs, problems)


def endpoint_slices(lab: Lab, documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What Kubernetes' controller would write for the manifests' Services: which of the lab's servers they select."""
    pods = [
        endpoints.pod(server.name, server.node, server.machine.own_addresses, on_host=server.place is Place.NODE)
        for server in lab.servers
        if server.place is not Place.SEGMENT
    ]
    services = (document for document in documents if document.get("kind") == "Service")
    return [made for service in services for made in endpoints.slices_of(endpoints.with_families(service), pods)]


def hand_over(lab: Lab, node: Node, config: NodeConfig) -> None:
    """Give a node its configuration; its daemon is started where it does not run."""
    if not node.powered:
        node.write_config(config)
    elif node.name in lab.keepalived:
        node.write_config(config)
        text = configuration(config)
        if node.running(KEEPALIVED):
            node.reload_keepalived(text)
        elif config.spec.instances:
            node.start_keepalived(text)
    elif node.daemon:
        node.reload_daemon(config)
    else:
        node.start_daemon(config)


def _report(node: Node) -> LabNode:
    """What the node's daemon would report of its interfaces: loopback and what is held for others left out."""
    interfaces = tuple(_seen(node)) if node.powered else _expected(node.member)
    return LabNode(node.name, node.address, interfaces, node.read_config(), node.powered, node.member.labels)


def _seen(node: Node) -> Iterator[InterfaceReport]:
    for link in json.loads(node.exec("ip", "-json", "addr", "show").stdout):
        if link.get("link_type") == "loopback" or POD_BRIDGE in (link["ifname"], link.get("master")):
            continue
        own = [
            str(ip_interface(f"{a['local']}/{a['prefixlen']}"))
            for a in link["addr_info"]
            if a["local"] in node.member.base_addresses or a["scope"] == "link"
        ]
        yield InterfaceReport(
            name=link["ifname"],
            mac=link["address"],
            addresses=tuple(own),
            carrier="LOWER_UP" in link["flags"],
            mtu=link["mtu"],
        )


def _expected(member: Member) -> tuple[InterfaceReport, ...]:
    """What a node without power last reported: a lab's node comes back with what it had."""
    service = (f"{member.ipv4}/16", f"{member.ipv6}/64", f"{member.link_local}/64")
    return (
        InterfaceReport(name=SERVICE_LINK, mac=member.mac, addresses=service, carrier=False, mtu=1500),
        InterfaceReport(
            name=MANAGEMENT_LINK,
            mac=member.management_mac,
            addresses=(f"{member.management}/24",),
            carrier=False,
            mtu=1500,
        ),
    )
