"""Static pods: those of a folder of manifests, which need no API server (pure)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import yaml

from mooring_lab.kubelet.document import Document, View, references, spec, volumes

SOURCE = "kubernetes.io/config.source"
HASH = "kubernetes.io/config.hash"
FILE = "file"
_SUFFIXES = (".yaml", ".yml", ".json")


def is_static(pod: View) -> bool:
    """Whether it is of a file; the API server knows nothing of it."""
    return bool((pod["metadata"].get("annotations") or {}).get(SOURCE) == FILE)


def is_manifest(name: str) -> bool:
    """Whether kubelet reads a file of this name."""
    return not name.startswith(".") and name.endswith(_SUFFIXES)


def static_pod(text: str, node: str) -> Document:
    """The pod of one manifest, as kubelet makes it for its node; ValueError says what is wrong.

    Its uid is a hash of all that it says, so another text is another pod.
    """
    try:
        said: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from error
    if not isinstance(said, dict) or said.get("kind") != "Pod" or not isinstance(said.get("metadata"), dict):
        raise ValueError("not a Pod")
    metadata = said["metadata"]
    if not metadata.get("name") or not spec(said).get("containers"):
        raise ValueError("a Pod must have a name and containers")
    if reason := _refused(said):
        raise ValueError(f"a static pod may not name API objects: {reason}")
    uid = hashlib.md5(json.dumps([node, said], sort_keys=True).encode(), usedforsecurity=False).hexdigest()
    annotations = {**(metadata.get("annotations") or {}), SOURCE: FILE, HASH: uid}
    own = {"name": f"{metadata['name']}-{node}", "namespace": metadata.get("namespace", "default"), "uid": uid}
    return {
        **said,
        "metadata": {**metadata, **own, "annotations": annotations},
        "spec": {**spec(said), "nodeName": node},
    }


def _refused(pod: Mapping[str, Any]) -> str:
    """As kubelet's HasAPIObjectReference."""
    if spec(pod).get("serviceAccountName"):
        return "a service account"
    if named := sorted(references(pod)):
        kind, name = named[0]
        return f"{kind} {name}"
    if any("projected" in volume or "persistentVolumeClaim" in volume for volume in volumes(pod)):
        return "a volume"
    return ""
