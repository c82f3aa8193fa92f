"""Records what this release writes, for the tests of all later ones: `python -m tests.upgrades.record`.

A real run: a lab of three nodes with their daemons, an operator and an API server is asked for asked.yaml, in the guest
kernel where this one has no IPVS. What stands then in the API and in a node's state folder is kept under
tests/upgrades/releases/VERSION, with the definitions. docs/upgrades.md says when a maintainer does that.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mooring_api.levels import LEVEL
from mooring_api.version import VERSION
from mooring_kube.client import Client
from mooring_kube.resources import (
    ENDPOINT_SLICES,
    NAMESPACES,
    NODE_CONFIGS,
    NODES,
    SECRETS,
    VIRTUAL_IPS,
    VIRTUAL_SERVERS,
    Resource,
)
from mooring_lab.cluster import ApiKind
from mooring_lab.guest_again import has_ipvs, run_again
from mooring_lab.lab import Lab, remove
from mooring_lab.node import Node
from mooring_lab.wait import wait_until

Document = dict[str, Any]
HERE = Path(__file__).parent
RELEASES = HERE / "releases"
CRDS = HERE.parents[1] / "crds"
_NAME = f"record{os.getpid()}"
_SETTLE_S = 90.0
_SERVICES = Resource("", "v1", "services", "Service", namespaced=True)
_KINDS = (_SERVICES, SECRETS, VIRTUAL_IPS, VIRTUAL_SERVERS)
#: What is kept of each kind in a file of its own.
_KEPT = (VIRTUAL_IPS, VIRTUAL_SERVERS, NODE_CONFIGS, NODES, NAMESPACES, ENDPOINT_SLICES)
#: What a running daemon has in its state folder, and what it leaves to the next one.
_WHILE_IT_RUNS = (
    "accepted.json",
    "balance.json",
    "forwarding.json",
    "ipvs-owned.json",
    "keys.json",
    "ledger.json",
    "origin.json",
    "results.jsonl",
    "transitions.json",
)
_AFTER_IT = ("kept.json",)


def asked() -> list[Document]:
    return list(yaml.safe_load_all((HERE / "asked.yaml").read_text()))


def main(arguments: list[str]) -> int:
    """0: recorded, and the folder is printed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--into", type=Path, default=RELEASES / VERSION, help="the folder; it is replaced")
    parser.add_argument("--here", action="store_true", help="on this kernel, even where it does not balance")
    chosen = parser.parse_args(arguments)
    into: Path = chosen.into
    if not has_ipvs() and not chosen.here:
        return run_again("tests.upgrades.record", ["--into", str(into)], time_travel=True)
    try:
        with Lab(_NAME, nodes=3, api=ApiKind.EMBEDDED, servers=1, pods=3, host_servers=3) as lab:
            record(lab, into)
    finally:
        remove(_NAME)
    print(into)
    return 0


def record(lab: Lab, into: Path) -> None:
    """Ask for everything, wait until it is so, and keep what stands."""
    client = lab.cluster.client()
    for resource in _KINDS:
        for document in (each for each in asked() if each["kind"] == resource.kind):
            place = document["metadata"].get("namespace") if resource.namespaced else None
            client.apply(resource, document, manager="mooring-lab", force=True, namespace=place)
    try:
        wait_until(lambda: settled(client), _SETTLE_S, "everything to be as it was asked for", every=0.2)
    except TimeoutError as error:
        raise TimeoutError(f"{error}\n{_words(client)}") from error
    shutil.rmtree(into, ignore_errors=True)
    (into / "state").mkdir(parents=True)
    node = lab.node("lb-1")
    _keep_state(node, _WHILE_IT_RUNS, into / "state")
    for resource in _KEPT:
        items = [_kept(resource, item) for item in client.list(resource).items]
        _write(into / f"{resource.plural}.yaml", yaml.safe_dump_all(items, sort_keys=True, width=110))
    client.close()
    node.stop_daemon()
    _keep_state(node, _AFTER_IT, into / "state")
    (into / "crds").mkdir()
    for path in sorted(CRDS.glob("*.yaml")):
        shutil.copy(path, into / "crds" / path.name)
    _write(into / "release.json", json.dumps({"version": VERSION, "level": LEVEL}) + "\n")


def settled(client: Client) -> bool:
    """Whether all nodes have confirmed, all conditions are True, and all addresses are held."""
    configs = client.list(NODE_CONFIGS).items
    confirmed = all(_status(c).get("observedGeneration") == c["metadata"]["generation"] for c in configs)
    objects = [*client.list(VIRTUAL_IPS).items, *client.list(VIRTUAL_SERVERS).items]
    judged = objects if has_ipvs() else client.list(VIRTUAL_IPS).items
    told = [_status(each).get("conditions") or [{}] for each in judged]
    wanted = sum(each["kind"].startswith("Virtual") for each in asked())
    true = all(condition.get("status") == "True" for conditions in told for condition in conditions)
    preferred = any(i["state"] == "Active" for i in _instances(configs, "lb-1") if i["name"].startswith("web-0"))
    return confirmed and len(objects) == wanted and true and preferred


def _instances(configs: tuple[Document, ...], node: str) -> list[Document]:
    found = [_status(each).get("instances") or [] for each in configs if each["metadata"]["name"] == node]
    return found[0] if found else []


def _status(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = document.get("status") or {}
    return found


def _words(client: Client) -> str:
    objects = [*client.list(VIRTUAL_IPS).items, *client.list(VIRTUAL_SERVERS).items, *client.list(NODE_CONFIGS).items]
    lines = []
    for each in objects:
        status = _status(each)
        told = [f"{c['type']} {c['status']} {c.get('message')}" for c in status.get("conditions") or ()]
        lines.append(f"{each['kind']} {each['metadata']['name']}: {told or status.get('problems')}")
    return "\n".join(lines)


def _kept(resource: Resource, item: Document) -> Document:
    """The object with its kind, as a watch shows it; who wrote which field is of no release."""
    metadata = {k: v for k, v in item["metadata"].items() if k not in ("managedFields",)}
    return {**item, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def _keep_state(node: Node, names: tuple[str, ...], into: Path) -> None:
    for name in names:
        if name != "ipvs-owned.json" or has_ipvs():
            shutil.copyfile(node.state_dir / name, into / name)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def load(release: Path, plural: str) -> list[Document]:
    """The recorded objects of a kind."""
    return list(yaml.safe_load_all((release / f"{plural}.yaml").read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
