"""Where the API server is and how to prove who asks: from a kubeconfig, or from a pod's service account."""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class NoConnection(Exception):  # noqa: N818 - it names what is missing
    """Nothing says how to reach the API server; the text names the file, the field and the remedy."""


@dataclass(frozen=True)
class Connection:
    """One API server and one identity. PEM texts; the token stands here or in a file that is read again."""

    server: str
    """`https://10.0.0.1:6443`, without a path at its end."""
    ca: str | None = None
    """The certificates that the server's must follow from; None: those of the system."""
    token: str | None = None
    token_file: Path | None = None
    """Replaced by kubelet before it expires."""
    client_certificate: str | None = None
    client_key: str | None = None
    tls_server_name: str | None = None
    namespace: str = "default"
    """Where the kubeconfig's context or the pod stands."""

    def __repr__(self) -> str:
        """Nothing secret."""
        return f"Connection({self.server})"


def find(kubeconfig: Path | None) -> Connection:
    """The kubeconfig that is named, else this pod's service account; NoConnection when there is neither.

    $KUBECONFIG and ~/.kube are never read: what runs here must not meet somebody's cluster by accident.
    """
    if kubeconfig is not None:
        return from_kubeconfig(kubeconfig)
    if not os.environ.get("KUBERNETES_SERVICE_HOST"):
        raise NoConnection("this is no pod of a cluster (KUBERNETES_SERVICE_HOST is not set); name a --kubeconfig FILE")
    return in_cluster()


def in_cluster(folder: Path = SERVICE_ACCOUNT, environ: Mapping[str, str] = os.environ) -> Connection:
    """The connection of a pod: kubelet mounts CA, token and namespace. NoConnection when one of them is missing."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    token_file = folder / "token"
    try:
        ca = (folder / "ca.crt").read_text()
        namespace = (folder / "namespace").read_text().strip()
        token_file.read_text()
    except OSError as error:
        raise NoConnection(
            f"{error.filename}: {error.strerror}; does the pod mount its service account token?"
        ) from error
    return Connection(
        f"https://{f'[{host}]' if ':' in host else host}:{port}", ca, token_file=token_file, namespace=namespace
    )


def from_kubeconfig(path: Path, context: str | None = None) -> Connection:
    """A kubeconfig's context, the current one by default. NoConnection names the field that is wrong."""
    import yaml  # only here: a pod needs none

    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise NoConnection(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise NoConnection(f"{path}: not valid YAML: {error}") from error
    return _Kubeconfig(path, document).connection(context)


class _Kubeconfig:
    def __init__(self, path: Path, document: object) -> None:
        self._path = path
        if not isinstance(document, Mapping) or document.get("kind") != "Config":
            raise NoConnection(f"{path}: kind: must be Config; is it a kubeconfig?")
        self._document = document

    def connection(self, context: str | None) -> Connection:
        name = context or self._document.get("current-context")
        if not isinstance(name, str) or not name:
            raise NoConnection(f"{self._path}: current-context: is required; set it by kubectl config use-context")
        chosen = self._named("contexts", name, "context")
        cluster = self._named("clusters", chosen.get("cluster"), "cluster")
        user = self._named("users", chosen.get("user"), "user")
        for field in ("exec", "auth-provider"):
            if user.get(field):
                raise NoConnection(
                    f"{self._path}: users: {field} is not supported; use a token or a client certificate"
                )
        server = str(cluster.get("server") or "").rstrip("/")
        if urlsplit(server).scheme not in ("http", "https"):
            raise NoConnection(f"{self._path}: clusters: server must be an address such as https://10.0.0.1:6443")
        if cluster.get("insecure-skip-tls-verify"):
            raise NoConnection(f"{self._path}: clusters: insecure-skip-tls-verify is not supported; give the authority")
        token_file = user.get("tokenFile")
        return Connection(
            server,
            self._pem(cluster, "certificate-authority"),
            user.get("token"),
            self._path.parent / token_file if token_file else None,
            self._pem(user, "client-certificate"),
            self._pem(user, "client-key"),
            cluster.get("tls-server-name"),
            str(chosen.get("namespace") or "default"),
        )

    def _named(self, field: str, name: object, inside: str) -> Mapping[str, Any]:
        for entry in self._document.get(field) or ():
            if isinstance(entry, Mapping) and entry.get("name") == name and isinstance(entry.get(inside), Mapping):
                found: Mapping[str, Any] = entry[inside]
                return found
        raise NoConnection(f"{self._path}: {field}: there is no {inside} {name!r}; correct the context that names it")

    def _pem(self, entry: Mapping[str, Any], field: str) -> str | None:
        """In the file as base64, or in a file of its own, which is named relative to the kubeconfig."""
        data, file = entry.get(f"{field}-data"), entry.get(field)
        try:
            if data:
                return base64.b64decode(data, validate=True).decode()
            return (self._path.parent / file).read_text() if file else None
        except (binascii.Error, UnicodeDecodeError, OSError, TypeError) as error:
            raise NoConnection(f"{self._path}: {field}: cannot be read: {error}") from error
