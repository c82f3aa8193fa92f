"""Pods for the tests, as the API server would send them."""

from pathlib import Path
from typing import Any

from mooring_lab.kubelet.facts import Facts, NodeFacts
from mooring_lab.kubelet.images import Images, Installation

Document = dict[str, Any]
INSTALLATION = Installation("/opt/mooring/bin", ("/opt/mooring",))
NODE = NodeFacts(
    "lb-1",
    ("10.0.0.18", "fd00:10::18"),
    "/run/netns/mooring-x-lb-1",
    "/lab/disk",
    "192.168.77.254",
    6443,
    Images(INSTALLATION),
    (1 << 41) - 1,
)


def container(name: str = "main", **fields: Any) -> Document:
    return {"name": name, "image": "example.com/thing:1", "command": ["run"], **fields}


def pod(*containers: Document, **spec: Any) -> Document:
    """A pod on the node's network; without containers it has one called main."""
    metadata = {"name": "web", "namespace": "shop", "uid": "u-1", "labels": {"app": "web"}, "annotations": {}}
    whole = {"hostNetwork": True, "serviceAccountName": "default", "containers": list(containers) or [container()]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": whole | spec, "status": {}}


def facts(**objects: Document) -> Facts:
    """With ConfigMaps (`c_name`) and Secrets (`s_name`); values are their whole documents."""
    kinds = {"c": "ConfigMap", "s": "Secret"}
    found = {(kinds[key[0]], key[2:]): {"metadata": {"name": key[2:]}} | document for key, document in objects.items()}
    return Facts(NODE, Path("/lab/pods/u-1"), found)
