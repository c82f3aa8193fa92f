"""Who may ask an API server: kubeconfigs and tokens, the same for every server of the lab."""

import base64
from pathlib import Path
from typing import Any

import yaml

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_kube.errors import KubeError
from mooring_kube.resources import SERVICE_ACCOUNTS
from mooring_lab.rights import LabError
from mooring_lab.store import write_atomically


def write_kubeconfig(path: Path, server: str, ca: Path, user: dict[str, Any]) -> Path:
    """A kubeconfig of one context (mode 0600); `user` as in its format: `token`, `client-certificate-data`, ..."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {"server": server, "certificate-authority-data": encoded(ca)}}],
        "users": [{"name": "lab", "user": user}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        "current-context": "lab",
    }
    write_atomically(path, yaml.safe_dump(document, sort_keys=False), 0o600)
    return path


def encoded(file: Path) -> str:
    """A file's content as a kubeconfig holds it."""
    return base64.b64encode(file.read_bytes()).decode()


def request_token(
    kubeconfig: Path, service_account: str, namespace: str, node: str | None, pod: str | None, seconds: int
) -> str:
    """A token by TokenRequest, bound to a Node or a Pod where one is named; LabError says why there is none."""
    if node is not None and pod is not None:
        raise LabError("a token is bound to a node or to a pod, not to both")
    spec: dict[str, Any] = {"expirationSeconds": seconds}
    if node is not None:
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Node", "name": node}
    if pod is not None:
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    client = Client(from_kubeconfig(kubeconfig), agent="mooring-lab")
    try:
        reply = client.request("POST", SERVICE_ACCOUNTS.path(namespace, service_account, "token"), body=body)
    except KubeError as error:
        raise LabError(f"no token for the service account {namespace}/{service_account}: {error}") from error
    finally:
        client.close()
    return str(reply["status"]["token"])
