"""Builders of the planner's inputs, as a cluster would hand them over."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mooring_api.virtualip import VirtualIP
from mooring_operator.plan.allocations import Allocations
from mooring_operator.plan.planner import Plan, plan
from mooring_operator.plan.reading import snapshot_of
from mooring_operator.plan.snapshot import Snapshot

Document = dict[str, Any]


class Cluster:
    """Makes documents; the names of the methods are the kinds."""

    @staticmethod
    def virtual_ip(name: str, addresses: Sequence[str | Document], created: int | None = 0, **spec: Any) -> Document:
        """A VirtualIP made `created` minutes after noon, its UID after its name."""
        metadata: Document = {"name": name, "uid": f"uid-{name}", "generation": 1}
        if created is not None:
            metadata["creationTimestamp"] = f"2026-01-01T12:{created:02d}:00Z"
        listed = [{"address": a} if isinstance(a, str) else a for a in addresses]
        body = {"addresses": listed, **spec}
        return {"apiVersion": "mooring.dev/v1alpha1", "kind": "VirtualIP", "metadata": metadata, "spec": body}

    @staticmethod
    def node(
        name: str, address: str | None, labels: Mapping[str, str] | None = None, cordoned: bool = False
    ) -> Document:
        status: Document = {"conditions": [{"type": "Ready", "status": "True"}]}
        if address:
            status["addresses"] = [{"type": "InternalIP", "address": address}]
        metadata = {"name": name, "uid": f"uid-{name}", "labels": dict(labels or {})}
        spec = {"unschedulable": True} if cordoned else {}
        return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": status}

    @staticmethod
    def report(name: str, interfaces: Mapping[str, Sequence[str]], foreign: Sequence[tuple[str, int]] = ()) -> Document:
        reports = [
            {"name": interface, "mac": "02:00:00:00:00:01", "addresses": list(own), "carrier": True, "mtu": 1500}
            for interface, own in interfaces.items()
        ]
        heard = [
            {"interface": interface, "virtualRouterID": vrid, "source": "10.0.9.9", "priority": 100, "version": 3}
            for interface, vrid in foreign
        ]
        return {
            "apiVersion": "mooring.dev/v1alpha1",
            "kind": "NodeConfig",
            "metadata": {"name": name},
            "spec": {"instances": []},
            "status": {"interfaces": reports, "foreignRouters": heard},
        }

    @classmethod
    def nodes(cls, count: int, **options: Any) -> list[Document]:
        """`count` nodes n-1, n-2, ... on 10.0.0.0/16 and 2001:db8::/64, with their reports."""
        found = []
        for number in range(1, count + 1):
            name, address = f"n-{number}", f"10.0.1.{number}"
            found.append(cls.node(name, address, **options))
            own = [f"{address}/16", f"fe80::{number:x}/64", f"2001:db8::{number:x}/64"]
            found.append(cls.report(name, {"eth0": own}))
        return found

    @staticmethod
    def snapshot(documents: Sequence[Document]) -> Snapshot:
        return snapshot_of(documents)

    @staticmethod
    def plan(documents: Sequence[Document], allocations: Allocations | None = None) -> Plan:
        return plan(snapshot_of(documents), allocations or Allocations())


@pytest.fixture(scope="session")
def cluster() -> type[Cluster]:
    return Cluster


@pytest.fixture
def dual_master(cluster: type[Cluster]) -> list[Document]:
    """The installation of the documentation: eleven addresses on two VRIDs and two nodes."""
    ingress = {"node-role.kubernetes.io/ingress": ""}
    addresses = [{"address": f"10.0.0.{100 + i}/24", "label": f"eth0:{i}"} for i in range(11)]
    web = cluster.virtual_ip(
        "web",
        addresses,
        interface="eth0",
        nodes={
            "selector": {"matchLabels": ingress},
            "preferred": [{"node": "lb-1", "priority": 100}, {"node": "lb-2", "priority": 80}],
        },
        distribution="Balanced",
        vrrp={
            "version": 2,
            "virtualRouterIDs": [66, 88],
            "advertisementInterval": "1s",
            "transport": {"type": "Unicast"},
            "authentication": {"type": "Password", "secretRef": {"name": "web-vrrp"}},
            "preemption": {"mode": "Always", "delay": "0s"},
        },
    )
    documents = [web]
    for name, address, labels in (
        ("lb-1", "10.0.0.18", ingress),
        ("lb-2", "10.0.0.28", ingress),
        ("w-1", "10.0.0.40", {}),
    ):
        documents.append(cluster.node(name, address, labels))
        documents.append(cluster.report(name, {"eth0": [f"{address}/16"]}))
    return documents


@pytest.fixture
def virtual_ip() -> type[VirtualIP]:
    return VirtualIP
