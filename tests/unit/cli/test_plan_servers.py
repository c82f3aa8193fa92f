"""`mooring plan` with VirtualServers: ports, backends, and why some are left out."""

import argparse
from pathlib import Path

import pytest
import yaml
from tests.unit.operator.conftest import Cluster
from tests.unit.operator.serving import ALL, EVERYTHING, endpoint, endpoint_slice, virtual_server

from mooring_cli import plan

SHOP = [
    endpoint("10.244.0.1", pod="shop-a"),
    endpoint("10.244.0.2", ready=False, serving=True, terminating=True),
    endpoint("10.244.0.3", ready=False),
]


@pytest.fixture
def mooring_plan(tmp_path, capsys):
    def run(documents, *arguments):
        (tmp_path / "manifests.yaml").write_text(yaml.safe_dump_all(documents))
        (tmp_path / "nodes.yaml").write_text(yaml.safe_dump_all(Cluster.nodes(3)))
        parser = argparse.ArgumentParser()
        plan.register(parser.add_subparsers())
        files = ["-f", str(tmp_path / "manifests.yaml"), "--nodes", str(tmp_path / "nodes.yaml")]
        options = parser.parse_args(["plan", *files, *arguments])
        code = options.run(options)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def web(**spec):
    return Cluster.virtual_ip("web", ["10.0.5.1/16"], allowedNamespaces=ALL, tenantFeatures=EVERYTHING, **spec)


def test_ports_and_backends_are_shown_with_what_is_left_out(mooring_plan):
    code, out, err = mooring_plan([web(), virtual_server("shop/shop"), endpoint_slice("shop/shop", SHOP)])
    assert (code, err) == (0, "")
    assert "443/TCP" in out
    assert "10.244.0.1:8443 shop-a weight 1" in out
    assert "10.244.0.2:8443 drains" in out
    assert "left out: 10.244.0.3 is not ready" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["n-2", "shop/shop:https", "10.0.5.1", "NAT", "to", "2,", "wlc"] in lines


def test_what_nodes_do_beside_is_shown(mooring_plan):
    slices = endpoint_slice("shop/shop", [endpoint("10.0.1.1", node="n-1")], {"https": 443})
    server = virtual_server("shop/shop", forwarding="DirectRoute", connectionSync="Enabled")
    code, out, _ = mooring_plan([web(portGuard="Enforce"), server, slices], "--node", "n-1")
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "n-1 backend address 10.0.5.1 on lo no ARP on eth0" in lines
    assert "n-1 port guard Enforce 10.0.5.1 open: 443/TCP" in lines
    assert "n-1 connection sync eth0 224.0.0.81 ID 0" in lines
    assert any("are its own to answer" in line for line in lines)


def test_what_is_refused_is_told_and_shown_as_nothing(mooring_plan):
    closed = Cluster.virtual_ip("web", ["10.0.5.1/16"])
    code, out, err = mooring_plan([closed, virtual_server("shop/shop"), endpoint_slice("shop/shop", SHOP)])
    assert code == 1
    assert "VirtualServer/shop/shop: metadata.namespace: VirtualIP web allows VirtualServers of no namespace" in err
    assert ["shop/shop", "nothing"] in [line.split() for line in out.splitlines()]


def test_a_virtual_server_that_cannot_be_read_is_told(mooring_plan):
    code, out, err = mooring_plan([web(), virtual_server("shop/shop", scheduler="best")])
    assert code == 1
    assert "VirtualServer/shop/shop: spec.scheduler" in err
    assert "web-0" in out


EXAMPLE = Path(__file__).parents[3] / "examples" / "ingress-nat.yaml"
#: As `kubectl get endpointslices,namespaces -A -o yaml` prints them.
PRINTED = """
apiVersion: v1
items:
- addressType: IPv4
  apiVersion: discovery.k8s.io/v1
  endpoints:
  - addresses: [10.0.1.7]
    conditions: {ready: true, serving: true, terminating: false}
    nodeName: n-1
    targetRef: {kind: Pod, name: web-1, namespace: web, uid: 1c6d1c2e-6f10-4d37-9a0e-5ad7a3f1c001}
  kind: EndpointSlice
  metadata:
    creationTimestamp: "2026-11-21T08:00:00Z"
    generateName: web-
    generation: 1
    labels:
      endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io
      kubernetes.io/service-name: web
    name: web-x7k2p
    namespace: web
    resourceVersion: "4711"
  ports:
  - {name: http, port: 8080, protocol: TCP}
- apiVersion: v1
  kind: Namespace
  metadata:
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: |
        {"apiVersion":"v1","kind":"Namespace","metadata":{"annotations":{},"name":"web"}}
    creationTimestamp: "2026-11-21T08:00:00Z"
    labels: {kubernetes.io/metadata.name: web}
    name: web
    resourceVersion: "12"
    uid: 1c6d1c2e-6f10-4d37-9a0e-5ad7a3f1c000
  spec: {finalizers: [kubernetes]}
  status: {phase: Active}
kind: List
metadata: {resourceVersion: ""}
"""


def planned(tmp_path, capsys, *manifests):
    """`mooring plan` with these files; code, output, complaints."""
    nodes = [dict(each) for each in Cluster.nodes(3)]
    for node in nodes:
        if node["kind"] == "Node":
            node["metadata"].setdefault("labels", {})["node-role.kubernetes.io/ingress"] = ""
    (tmp_path / "nodes.yaml").write_text(yaml.safe_dump_all(nodes))
    parser = argparse.ArgumentParser()
    plan.register(parser.add_subparsers())
    files = [word for each in manifests for word in ("-f", str(each))]
    options = parser.parse_args(["plan", *files, "--nodes", str(tmp_path / "nodes.yaml")])
    code = options.run(options)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_an_example_is_planned_with_what_the_cluster_has(tmp_path, capsys):
    cluster = tmp_path / "eps.yaml"
    cluster.write_text(PRINTED)
    for order in ((EXAMPLE, cluster), (cluster, EXAMPLE)):
        _, out, err = planned(tmp_path, capsys, *order)
        assert "is there twice" not in err
        assert "10.0.1.7:8080" in out


def test_labels_that_contradict_each_other_are_an_error(tmp_path, capsys):
    cluster, other = tmp_path / "eps.yaml", tmp_path / "other.yaml"
    cluster.write_text(PRINTED)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}}
    other.write_text(yaml.safe_dump({**namespace, "metadata": {"name": "web", "labels": {"team": "shop"}}}))
    assert "is there twice" not in planned(tmp_path, capsys, EXAMPLE, cluster, other)[2]
    labels = {"kubernetes.io/metadata.name": "shop"}
    other.write_text(yaml.safe_dump({**namespace, "metadata": {"name": "web", "labels": labels}}))
    code, _, err = planned(tmp_path, capsys, EXAMPLE, cluster, other)
    assert code == 1
    assert "Namespace/web: is there twice and differs" in err
