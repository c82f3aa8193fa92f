"""Manifests become files for the lab's nodes."""

import base64
from typing import Any

import pytest

from mooring_api.nodeconfig import InterfaceReport, NodeConfig
from mooring_lab.manifests import LabNode, passwords, planner_documents, with_passwords

SECRET: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "web-vrrp"},
    "type": "mooring.dev/credentials",
}
REPORT = InterfaceReport(name="eth0", mac="02:00:00:00:00:01", addresses=("10.0.0.18/16",), carrier=True, mtu=1500)


def config(*secrets: str | None) -> NodeConfig:
    instances = [
        {
            "name": f"web-{index}",
            "virtualIP": "web",
            "interface": "eth0",
            "virtualRouterID": 66 + index,
            "version": 2,
            "transport": {"type": "Unicast", "source": "10.0.0.18", "peers": ["10.0.0.28"]},
            "addresses": [{"address": f"10.0.0.{100 + index}/24"}],
            **({"authentication": {"type": "Password", "secretRef": {"name": secret}}} if secret else {}),
        }
        for index, secret in enumerate(secrets)
    ]
    return NodeConfig.model_validate(
        {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": "lb-1"}}
        | {"spec": {"instances": instances}}
    )


def test_the_lab_s_nodes_stand_in_for_those_of_the_manifests() -> None:
    documents = [
        {"kind": "Node", "metadata": {"name": "lb-1", "labels": {"pool": "edge"}}, "spec": {"unschedulable": True}},
        {"kind": "Node", "metadata": {"name": "stranger"}},
        {"kind": "NodeConfig", "metadata": {"name": "lb-1"}, "status": {"interfaces": []}},
        {"kind": "VirtualIP", "metadata": {"name": "web"}},
    ]
    virtual_ip, node, report = planner_documents(documents, [LabNode("lb-1", "10.0.0.18", (REPORT,))])
    assert virtual_ip["kind"] == "VirtualIP"
    assert node["metadata"]["labels"] == {"kubernetes.io/hostname": "lb-1", "pool": "edge"}
    assert node["spec"]["unschedulable"] is True
    assert report["status"]["interfaces"] == [REPORT.to_wire()]
    assert "spec" not in report


def test_the_configuration_that_a_node_has_is_there_to_be_adopted() -> None:
    _, report = planner_documents([], [LabNode("lb-1", "10.0.0.18", (REPORT,), config(None))])
    assert report["spec"]["instances"][0]["virtualRouterID"] == 66


@pytest.mark.parametrize(
    "content",
    [
        {"stringData": {"password": "666"}},
        {"data": {"password": base64.b64encode(b"666").decode()}},
        {"stringData": {"password": "666"}, "data": {"password": "bm9wZQ=="}},
    ],
    ids=["stringData", "data", "both"],
)
def test_a_password_is_read_as_the_api_server_reads_it(content: dict[str, Any]) -> None:
    assert passwords([SECRET | content]) == ({"web-vrrp": "666"}, ())


@pytest.mark.parametrize(
    "content",
    [{}, {"data": {}}, {"data": {"password": "???"}}, {"data": {"password": "/w=="}}, {"data": {"password": 3}}],
)
def test_a_secret_without_a_usable_password_is_reported(content: dict[str, Any]) -> None:
    found, problems = passwords([SECRET | content])
    assert found == {}
    assert [p.object for p in problems] == ["Secret/web-vrrp"]


def test_secrets_of_another_type_are_not_touched() -> None:
    assert passwords([SECRET | {"type": "Opaque", "stringData": {"password": "666"}}]) == ({}, ())


def test_the_password_is_put_in_place_of_the_reference() -> None:
    filled, problems = with_passwords(config("web-vrrp", None), {"web-vrrp": "666"})
    assert problems == ()
    first, second = filled.spec.instances
    assert first.authentication
    assert (first.authentication.password, first.authentication.secret_ref) == ("666", None)
    assert second.authentication is None


def test_a_missing_secret_costs_its_instances_alone() -> None:
    filled, problems = with_passwords(config("absent", None), {})
    assert [instance.name for instance in filled.spec.instances] == ["web-1"]
    assert [(p.object, p.path) for p in problems] == [("VirtualIP/web", "spec.vrrp.authentication.secretRef")]


def test_a_password_that_does_not_fit_is_reported_without_being_shown() -> None:
    filled, problems = with_passwords(config("web-vrrp"), {"web-vrrp": "far-too-long"})
    assert filled.spec.instances == ()
    assert [p.object for p in problems] == ["Secret/web-vrrp"]
    assert "far-too-long" not in str(problems)
