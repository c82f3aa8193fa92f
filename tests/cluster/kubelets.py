"""Nodes of a lab that run pods of a real API server: how its kubelets are started, and what is Ready."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from mooring_kube.client import Client
from mooring_kube.resources import NODES, Resource
from mooring_lab import namespace
from mooring_lab.api import NODES_VIEW
from mooring_lab.api.real import RealApi
from mooring_lab.lab import Lab
from mooring_lab.layout import MANAGEMENT_BRIDGE

Document = dict[str, Any]
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet", namespaced=True)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", namespaced=True)
_PORT = 6443
#: Where the nodes reach the API server, while there is a forwarder.
SERVER = f"https://{NODES_VIEW}:{_PORT}"
#: Options of a kubelet: restarts without the pauses that a person's cluster has.
BRISK = ("--bind-all", "--back-off", "0.5", "--longest-back-off", "4", "--renew", "1")


@contextmanager
def forwarder(lab: Lab, api: RealApi) -> Iterator[None]:
    """The way from the lab's nodes to the API server."""
    namespace.batch(lab.layout.switch, [f"addr add {NODES_VIEW}/24 brd + dev {MANAGEMENT_BRIDGE}"])
    target = urlsplit(api.url)
    addresses = [f"{NODES_VIEW}:{_PORT}", f"{target.hostname}:{target.port}"]
    command = [sys.executable, "-m", "mooring_lab.api.forwarder", lab.layout.switch, *addresses]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"listening\n"
            yield
        finally:
            process.kill()


def condition(document: Document, kind: str) -> str | None:
    """The status of an object's condition, None where it has none."""
    said = (document.get("status") or {}).get("conditions") or ()
    return next((each["status"] for each in said if each["type"] == kind), None)


def is_ready(document: Document) -> bool:
    """Whether a node or a pod says so."""
    return condition(document, "Ready") == "True"


def ready_nodes(client: Client) -> set[str]:
    """Their names."""
    return {node["metadata"]["name"] for node in client.list(NODES).items if is_ready(node)}
