"""`mooring plan`: input, outputs and exit codes."""

import argparse
import io
import json
import sys

import pytest
import yaml

from mooring_api.nodeconfig import NodeConfig
from mooring_cli import plan

WEB = """
apiVersion: mooring.dev/v1alpha1
kind: VirtualIP
metadata: {name: web}
spec:
  interface: eth0
  addresses: [{address: 10.0.0.100/24, label: "eth0:0"}, {address: 10.0.0.101/24}]
  nodes:
    selector: {matchLabels: {ingress: ""}}
    preferred: [{node: lb-1, priority: 100}, {node: lb-2, priority: 80}]
  distribution: Balanced
  vrrp: {virtualRouterIDs: [66, 88]}
---
apiVersion: v1
kind: Secret
metadata: {name: web-vrrp}
stringData: {password: never-shown}
"""


def node(name, address, labels):
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]},
        },
        {
            "apiVersion": "mooring.dev/v1alpha1",
            "kind": "NodeConfig",
            "metadata": {"name": name},
            "status": {
                "interfaces": [
                    {
                        "name": "eth0",
                        "mac": "02:00:00:00:00:01",
                        "addresses": [f"{address}/16"],
                        "carrier": True,
                        "mtu": 1500,
                    }
                ]
            },
        },
    ]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "web.yaml").write_text(WEB)
    (tmp_path / "manifests" / "README.txt").write_text("{ not yaml")
    ingress = {"ingress": ""}
    items = [*node("lb-1", "10.0.0.18", ingress), *node("lb-2", "10.0.0.28", ingress), *node("w-1", "10.0.0.40", {})]
    (tmp_path / "nodes.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}))
    return tmp_path


@pytest.fixture
def mooring_plan(folder, capsys):
    def run(*arguments, manifests=None):
        parser = argparse.ArgumentParser()
        plan.register(parser.add_subparsers())
        source = manifests if manifests is not None else str(folder / "manifests")
        given = ["plan", "-f", source, *arguments]
        if "--nodes" not in arguments:
            given += ["--nodes", str(folder / "nodes.yaml")]
        options = parser.parse_args(given)
        code = options.run(options)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def test_table_shows_groups_nodes_and_reasons(mooring_plan):
    code, out, err = mooring_plan()
    assert (code, err) == (0, "")
    assert "lb-1 100 (preferred #1)" in out
    assert "lb-2 100 (preferred #2)" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["lb-1", "web-1", "88", "80", "eth0", "10.0.0.18", "10.0.0.28", "10.0.0.101"] in lines
    assert ["w-1", "nothing"] in lines
    assert "never-shown" not in out


def test_one_node_alone_is_told_why_it_gets_nothing(mooring_plan):
    code, out, _ = mooring_plan("--node", "w-1")
    assert code == 0
    assert "not selected: label ingress is missing" in out
    assert "lb-1" not in out


@pytest.mark.parametrize(("output", "read"), [("yaml", yaml.safe_load), ("json", json.loads)])
def test_documents_are_node_configs_that_read_back(mooring_plan, output, read):
    code, out, _ = mooring_plan("-o", output)
    assert code == 0
    listed = read(out)
    assert listed["kind"] == "List"
    configs = [NodeConfig.model_validate(item, by_alias=True, by_name=False) for item in listed["items"]]
    assert [c.metadata.name for c in configs] == ["lb-1", "lb-2", "w-1"]
    assert [i.priority for i in configs[0].spec.instances] == [100, 80]


def test_standard_input(mooring_plan, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(WEB))
    code, out, _ = mooring_plan("-o", "json", manifests="-")
    assert code == 0
    assert len(json.loads(out)["items"][0]["spec"]["instances"]) == 2


def test_a_bad_object_is_told_and_the_others_are_planned(mooring_plan, folder):
    bad = WEB.split("---")[0].replace("name: web", "name: bad").replace("Balanced", "Sideways")
    (folder / "manifests" / "bad.yml").write_text(bad)
    code, out, err = mooring_plan()
    assert code == 1
    assert "VirtualIP/bad: spec.distribution" in err
    assert "web-0" in out


def test_what_would_withdraw_an_address_by_a_typo_is_printed_only_when_asked_for(mooring_plan, folder):
    bad = WEB.split("---")[0].replace("name: web", "name: bad").replace("Balanced", "Sideways")
    (folder / "manifests" / "bad.yml").write_text(bad)
    code, out, err = mooring_plan("-o", "yaml")
    assert (code, out) == (1, "")
    assert "--partial" in err
    code, out, _ = mooring_plan("-o", "yaml", "--partial")
    assert code == 1
    assert "web-0" in out


def test_nothing_to_plan_is_a_problem(mooring_plan, folder):
    empty = folder / "other.yaml"
    empty.write_text("kind: Secret\napiVersion: v1\nmetadata: {name: a}\n")
    code, _, err = mooring_plan(manifests=str(empty))
    assert code == 1
    assert "there is no VirtualIP" in err


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("missing.yaml", None, "No such file"),
        ("junk.yaml", "a: [", "not valid YAML"),
        ("bytes.yaml", b"\xff\xfe\xff", "not UTF-8"),
        ("empty", "folder", "holds no file"),
    ],
)
def test_unreadable_input_is_wrong_usage(mooring_plan, folder, name, text, said):
    path = folder / name
    if text == "folder":
        path.mkdir()
    elif isinstance(text, bytes):
        path.write_bytes(text)
    elif text is not None:
        path.write_text(text)
    code, out, err = mooring_plan(manifests=str(path))
    assert (code, out) == (2, "")
    assert said in err
    assert name in err


def test_unknown_node_and_double_standard_input_are_wrong_usage(mooring_plan):
    code, _, err = mooring_plan("--node", "lb-9")
    assert code == 2
    assert "lb-1, lb-2, w-1" in err
    code, _, err = mooring_plan("--nodes", "-", manifests="-")
    assert code == 2
    assert "only once" in err
