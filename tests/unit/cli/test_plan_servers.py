"""`mooring plan` with VirtualServers: ports, backends, and why some are left out."""

import argparse

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
