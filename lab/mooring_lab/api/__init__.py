"""API servers of the lab and of the tests: `real` (etcd and kube-apiserver) or `embedded`, behind one interface."""

from pathlib import Path
from typing import Protocol

#: Where Mooring's own objects live: its service accounts, its Leases and the Secrets of its credentials.
NAMESPACE = "mooring-system"
#: Where the lab's nodes reach an API server that listens on the host's loopback: the switch's management address.
NODES_VIEW = "192.168.77.254"


class ApiServer(Protocol):
    """An API server on 127.0.0.1 with TLS, whose processes outlive the command that started it.

    All that it needs is in one folder, so any later process finds it again. Each method raises LabError when it
    cannot do what it is asked, and says what to do; a start that fails leaves no process.
    """

    @property
    def url(self) -> str:
        """`https://127.0.0.1:PORT`; the port stays the same until `stop`."""

    @property
    def ca(self) -> Path:
        """The certificate (PEM) that its own is signed with; it names 127.0.0.1, localhost and NODES_VIEW."""

    @property
    def kubeconfig(self) -> Path:
        """An administrator's, for kubectl and for our client."""

    def start(self) -> None:
        """Start it and wait until it answers."""

    def stop(self) -> None:
        """End its processes and forget its data; nothing happens when it does not run."""

    def kill_server(self) -> None:
        """SIGKILL to what answers requests; the data stays."""

    def restart_server(self) -> None:
        """Start what answers requests again, on the same port with the same data; kills it first where it runs."""

    def token(
        self,
        service_account: str,
        *,
        namespace: str = NAMESPACE,
        node: str | None = None,
        pod: str | None = None,
        seconds: int = 3600,
    ) -> str:
        """A token of a service account that exists (TokenRequest), bound to a Node or to a pod of its namespace.

        A pod-bound token names the pod's node too. `seconds`: at least 600.
        """

    def kubeconfig_for(self, token: str, path: Path, *, server: str | None = None) -> Path:
        """Write a kubeconfig with this token (mode 0600) and return its path; `server` left out: `url`."""
