"""The lab's Kubernetes: an API server, its Node objects, the operator, and the way there for the nodes."""

import os
import shutil
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from mooring_api.documents import parse_documents
from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_kube.errors import ApiError, KubeError
from mooring_kube.resources import CUSTOM_RESOURCE_DEFINITIONS, NODES, Resource
from mooring_lab import faults, namespace
from mooring_lab.api import NODES_VIEW, ApiServer
from mooring_lab.api.kubectl import Kubectl
from mooring_lab.api.process import free_ports
from mooring_lab.faults import Direction
from mooring_lab.layout import CLUSTER, MANAGEMENT_BRIDGE, Layout, Member
from mooring_lab.machine import spawn
from mooring_lab.rights import LabError
from mooring_lab.store import Started, Store
from mooring_lab.wait import wait_until

#: The manifests of this checkout, in the order in which they are applied.
_ROOT = Path(__file__).parents[2]
_MANIFESTS = (_ROOT / "crds", _ROOT / "deploy")
_PORT = 6443
_FORWARDER = "forwarder"
_ENDPOINTS = "endpoints"
#: The operator of every lab; a second one has another name.
OPERATOR = "operator"
_DAY_S = 24 * 3600
_READY_SECONDS = 30.0
_STOP_SECONDS = 10.0
_ASK_SECONDS = 5.0
_POLL_SECONDS = 0.05
_ADDRESS_FLAG = "--metrics-address"
_MANAGER = "mooring-lab"
_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"
#: What the manifests hold, in the order in which it must be there.
_KINDS = (
    Resource("", "v1", "namespaces", "Namespace"),
    CUSTOM_RESOURCE_DEFINITIONS,
    Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True),
    Resource(_RBAC, "v1", "clusterroles", "ClusterRole"),
    Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding"),
    Resource(_RBAC, "v1", "roles", "Role", namespaced=True),
    Resource(_RBAC, "v1", "rolebindings", "RoleBinding", namespaced=True),
    Resource(_ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy"),
    Resource(_ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"),
)


class ApiKind(StrEnum):
    """Which API server a lab has."""

    EMBEDDED = "embedded"
    REAL = "real"


class Cluster:
    """What a lab with an API server has beside its machines. Works on a lab that another process started."""

    def __init__(self, layout: Layout, store: Store, kind: ApiKind, server_flags: Sequence[str] = ()) -> None:
        """`server_flags` are for kube-apiserver; LabError for any other kind."""
        self.folder = store.folder / "api"
        self.api = _server(kind, self.folder, server_flags)
        self._kind = kind
        self._layout = layout
        self._store = store

    @property
    def kubeconfig(self) -> Path:
        """An administrator's."""
        return self.api.kubeconfig

    @property
    def operator_log(self) -> Path:
        return self._operator_log(OPERATOR)

    def _operator_log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    @property
    def kubectl(self) -> Kubectl:
        """An administrator's kubectl: `kubectl("get", "vip")`."""
        return Kubectl(self.kubeconfig, self.folder, version=None)

    def client(self) -> Client:
        """An administrator's requests; to be closed."""
        return Client(from_kubeconfig(self.kubeconfig), agent=_MANAGER)

    def api_listens(self) -> bool:
        """Whether anybody takes connections where the API server does."""
        place = urlsplit(self.api.url)
        try:
            with socket.create_connection((str(place.hostname), int(place.port or 443)), _ASK_SECONDS):
                return True
        except OSError:
            return False

    # -- life

    def up(self) -> None:
        """Everything but the daemons; LabError names what did not come up and where it says why."""
        self.api.start()
        try:
            self._install()
            self._launch_operator(OPERATOR)
            for member in self._layout.nodes:
                self._register(member)
        except KubeError as error:
            raise LabError(f"the API server {self.api.url}: {error}") from error
        namespace.batch(self._layout.switch, [f"addr add {NODES_VIEW}/24 brd + dev {MANAGEMENT_BRIDGE}"])
        self._start_forwarder()
        for member in self._layout.nodes:
            self._give_access(member)
        self._wait_for_operator(OPERATOR)

    def down(self) -> None:
        """The API server's end; the lab's own processes end with the lab."""
        self.api.stop()

    def start_endpoints(self) -> None:
        """Keep the EndpointSlices of Services; a real API server's controllers do that by themselves."""
        if self._kind is ApiKind.EMBEDDED:
            module = [sys.executable, "-m", "mooring_lab.endpoint_process", str(self.kubeconfig)]
            self._spawn(_ENDPOINTS, module, self.folder / "endpoints.log")

    # -- the operator

    def start_operator(self, name: str = OPERATOR) -> None:
        """Start an operator and wait until it answers; LabError when it ends before, with its last words.

        It leads as soon as no other does. The name is its identity in the Lease: one that was killed leads some seconds
        after it is started again, as a container does in its pod; another one waits for the end of the Lease.
        """
        if self._running(name):
            raise LabError(f"the {name} runs already")
        self._launch_operator(name)
        self._wait_for_operator(name)

    def stop_operator(self, number: signal.Signals = signal.SIGTERM, name: str = OPERATOR) -> None:
        """End an operator, as a rollout does; with SIGKILL as a power cut does."""
        with self._store.edit() as record:
            started = record.processes.get(CLUSTER, {}).pop(name, None)
        if started is None or not started.identity.send(number):
            raise LabError(f"no {name} runs; start it with: mooring lab operator start")
        wait_until(lambda: not started.identity.alive(), _STOP_SECONDS, f"the {name} to end")

    def ask_operator(self, path: str, name: str = OPERATOR) -> tuple[int, str]:
        """Status and text of its `/healthz`, `/readyz` or `/metrics`; (0, "") where nothing answers."""
        started = self._store.load().processes.get(CLUSTER, {}).get(name)
        if started is None:
            return 0, ""
        address = started.command[started.command.index(_ADDRESS_FLAG) + 1]
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=_ASK_SECONDS) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def _launch_operator(self, name: str) -> None:
        token = self.api.token("mooring-operator", seconds=_DAY_S)
        kubeconfig = self.api.kubeconfig_for(token, self.folder / f"{name}.kubeconfig")
        (port,) = free_ports(1)
        # One that loses its Lease ends, and its cluster starts it again.
        keeper = [sys.executable, "-m", "mooring_lab.keeper", _program("mooring-operator"), "run"]
        flags = ["--kubeconfig", str(kubeconfig), "--identity", name, _ADDRESS_FLAG, f"127.0.0.1:{port}"]
        self._spawn(name, [*keeper, *flags], self._operator_log(name))

    def _wait_for_operator(self, name: str) -> None:
        def settled() -> bool:
            return not self._running(name) or self.ask_operator("/healthz", name)[0] == 200

        log = self._operator_log(name)
        wait_until(settled, _READY_SECONDS, f"the {name} to answer; see {log}", every=_POLL_SECONDS)
        if not self._running(name):
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise LabError(f"the {name} ended at once; {log} says:\n{last}")

    # -- the nodes

    def admit(self, node: str) -> None:
        """Its Node object, and a new token for its daemon: after somebody has deleted the Node."""
        member = self._member(node)
        self._register(member)
        self._give_access(member)

    def cut(self, node: str) -> None:
        """Drop everything on the node's management link: its daemon hears no API server, and nobody tells it why."""
        self._nft(faults.drop(self._member(node).management_port, Direction.BOTH))

    def mend(self, node: str) -> None:
        """Undo `cut`."""
        self._nft(faults.restore(self._member(node).management_port))

    def _member(self, node: str) -> Member:
        for member in self._layout.nodes:
            if member.name == node:
                return member
        raise LabError(f"no node is called {node}")

    def _nft(self, text: str) -> None:
        namespace.run(namespace.inside(self._layout.switch, ["nft", "-f", "-"]), text)

    def set_ready(self, node: str, ready: bool) -> None:
        """Say of a node what the node controller says 40 s after its power went; a complaint when no API answers."""
        try:
            client = self.client()
            client.merge_patch(NODES, node, {"status": {"conditions": _conditions(ready)}}, subresource="status")
            client.close()
        except KubeError as error:
            sys.stderr.write(f"Node {node} could not be marked {'Ready' if ready else 'not ready'}: {error}\n")

    # -- parts

    def _install(self) -> None:
        """The definitions, the namespace, the rights and the policy, from this checkout."""
        documents = [
            document
            for folder in _MANIFESTS
            for path in sorted(folder.glob("*.yaml"))
            for document in parse_documents(path.read_text(), str(path.relative_to(_ROOT)))
        ]
        client = self.client()
        for resource in _KINDS:
            for document in (d for d in documents if d["kind"] == resource.kind):
                place = document["metadata"].get("namespace") if resource.namespaced else None
                client.apply(resource, document, manager=_MANAGER, force=True, namespace=place)
            if resource is CUSTOM_RESOURCE_DEFINITIONS:
                wait_until(lambda: _established(client), _READY_SECONDS, "the definitions to be established")
        client.close()

    def _register(self, member: Member) -> None:
        client = self.client()
        client.apply(NODES, {"metadata": {"name": member.name, "labels": member.labels}}, manager=_MANAGER, force=True)
        addresses = [{"type": "InternalIP", "address": member.ipv4}, {"type": "Hostname", "address": member.name}]
        status = {"addresses": addresses, "conditions": _conditions(ready=True)}
        client.merge_patch(NODES, member.name, {"status": status}, subresource="status")
        client.close()

    def _give_access(self, member: Member) -> None:
        """A kubeconfig for the node's daemon, with a token that names the node."""
        token = self.api.token("mooring-node", node=member.name, seconds=7 * _DAY_S)
        path = self._store.node_folder(member.name) / "kubeconfig"
        self.api.kubeconfig_for(token, path, server=f"https://{NODES_VIEW}:{_PORT}")

    def _start_forwarder(self) -> None:
        target = urlsplit(self.api.url)
        module = [sys.executable, "-m", "mooring_lab.api.forwarder", self._layout.switch]
        log = self.folder / "forwarder.log"
        self._spawn(_FORWARDER, [*module, f"{NODES_VIEW}:{_PORT}", f"{target.hostname}:{target.port}"], log)
        wait_until(lambda: "listening" in log.read_text(), _READY_SECONDS, f"the forwarder to listen; see {log}")

    def _running(self, role: str) -> bool:
        started = self._store.load().processes.get(CLUSTER, {}).get(role)
        return started is not None and started.identity.alive()

    def _spawn(self, role: str, command: Sequence[str], log: Path) -> None:
        with self._store.edit() as record:
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                identity = spawn(command, output)
            finally:
                os.close(output)
            record.processes.setdefault(CLUSTER, {})[role] = Started(identity, tuple(command), str(log))


def _server(kind: ApiKind, folder: Path, flags: Sequence[str]) -> ApiServer:
    # Only the one that is used: neither is a small import.
    if kind is ApiKind.REAL:
        from mooring_lab.api.real import RealApi

        return RealApi(folder, server_flags=flags)
    from mooring_lab.api.embedded_api import EmbeddedApi

    if flags:
        raise LabError(f"flags of kube-apiserver need the API server {ApiKind.REAL.value}")
    return EmbeddedApi(folder)


def _program(name: str) -> str:
    """A program of this installation."""
    beside = Path(sys.executable).with_name(name)
    return str(beside if beside.exists() else shutil.which(name) or beside)


def _conditions(ready: bool) -> list[dict[str, str]]:
    status = "True" if ready else "Unknown"
    reason = "KubeletReady" if ready else "NodeStatusUnknown"
    return [{"type": "Ready", "status": status, "reason": reason}]


def _established(client: Client) -> bool:
    try:
        items = client.list(CUSTOM_RESOURCE_DEFINITIONS).items
    except ApiError:
        return False
    conditions = [item.get("status", {}).get("conditions") or () for item in items]
    return all(any(c["type"] == "Established" and c["status"] == "True" for c in each) for each in conditions)
