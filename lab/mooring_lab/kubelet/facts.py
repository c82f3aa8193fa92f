"""What a container's plan needs to know beside the pod: the node, and what the pod's spec refers to. Pure."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mooring_lab.kubelet.document import View
from mooring_lab.kubelet.images import Images


class CannotRun(Exception):  # noqa: N818 - it says what is so
    """The pod's spec, or what it refers to, does not allow it; `reason` is the one that the status shows."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


CONFIG_ERROR = "CreateContainerConfigError"
CREATE_ERROR = "CreateContainerError"


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node of the lab, as its pods see it."""

    name: str
    addresses: tuple[str, ...]
    """Its InternalIPs, the first of them is the pods' address."""
    network: str
    """The file of its network namespace."""
    disk: str
    """A folder that stands for the node's own disk: where a hostPath leads that is not the system's."""
    api_host: str
    api_port: int
    images: Images
    capabilities: int
    """What the lab itself may do, a bit for each: nobody can have more."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The node, the pod's folder, and the ConfigMaps and Secrets that the pod names, where they exist."""

    node: NodeFacts
    pod_folder: Path
    objects: Mapping[tuple[str, str], View] = field(default_factory=dict)
    """By kind and name."""

    @property
    def variables(self) -> dict[str, str]:
        """What every container finds in its environment."""
        host, port = self.node.api_host, str(self.node.api_port)
        return {
            "HOSTNAME": self.node.name,
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
            "KUBERNETES_SERVICE_PORT_HTTPS": port,
        }

    def data(self, kind: str, name: str, *, optional: bool = False) -> dict[str, bytes]:
        """What a ConfigMap or Secret holds; {} where it is optional and missing, else CannotRun."""
        found = self.objects.get((kind, name))
        if found is None:
            if optional:
                return {}
            raise CannotRun(CONFIG_ERROR, f'{kind.lower()} "{name}" not found')
        return contents(kind, found)


def contents(kind: str, document: View) -> dict[str, bytes]:
    """The data of a ConfigMap (text and binary) or a Secret (base64)."""
    plain = {} if kind == "Secret" else {key: text.encode() for key, text in (document.get("data") or {}).items()}
    encoded: Mapping[str, Any] = document.get("data" if kind == "Secret" else "binaryData") or {}
    try:
        return plain | {key: base64.b64decode(text, validate=True) for key, text in encoded.items()}
    except binascii.Error as error:
        raise CannotRun(CONFIG_ERROR, f"{kind.lower()} {document['metadata']['name']}: {error}") from error
