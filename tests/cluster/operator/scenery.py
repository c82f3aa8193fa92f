"""What the operator's tests share: operators as processes, nodes that are none, and daemons that say what is asked."""

import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mooring_kube.client import Client
from mooring_kube.errors import Conflict, KubeError, NotFound
from mooring_kube.follow import Follower
from mooring_kube.resources import (
    ENDPOINT_SLICES,
    LEASES,
    NAMESPACES,
    NODE_CONFIGS,
    NODES,
    VIRTUAL_IPS,
    VIRTUAL_SERVERS,
    Resource,
)
from mooring_lab.api import NAMESPACE
from mooring_lab.api.process import free_ports
from mooring_lab.wait import wait_until

Document = dict[str, Any]
#: Ten times what anything here takes on two busy cores.
SOON_S = 60.0
#: Where VirtualServers and their endpoints are.
SHOP = "shop"


class Operator:
    """One `mooring-operator run`, as a process."""

    def __init__(self, kubeconfig: Path, folder: Path, *flags: str) -> None:
        (self._port,) = free_ports(1)
        self.log = folder / f"operator-{self._port}.log"
        address = f"127.0.0.1:{self._port}"
        words = ["run", "--kubeconfig", str(kubeconfig), "--metrics-address", address, *flags]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mooring_operator.main", *words],
                stdin=subprocess.DEVNULL,
                stderr=log,
                stdout=log,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code; what was signalled is minus the signal."""
        self.send(number)
        return self._process.wait(SOON_S)

    def wait(self) -> int:
        """Until it ends by itself: its exit code."""
        return self._process.wait(SOON_S)

    def destroy(self) -> None:
        """However the test left it."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(SOON_S)

    def ask(self, path: str) -> tuple[int, str]:
        """Status and text of one of its pages; 0 where nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5.0) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str, **labels: str) -> float:
        """The sum over all series of that name that bear these labels; 0 where there is none."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        total = 0.0
        for line in self.ask("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(each in series for each in wanted):
                total += float(value)
        return total

    def leads(self) -> bool:
        return self.metric("mooring_operator_leader") == 1.0

    def written(self, **labels: str) -> float:
        """Writes that were done."""
        return self.metric("mooring_operator_writes_total", result="ok", **labels)

    def settled(self) -> bool:
        """It leads, has listed everything, and has nothing to write."""
        return self.leads() and self.ask("/readyz")[0] == 200 and self.metric("mooring_operator_queue") == 0.0


class Cluster:
    """Nodes and VirtualIPs for a test, and the operators on them; `clean` leaves the API server as it was."""

    def __init__(self, client: Client, kubeconfig: Path, folder: Path) -> None:
        self.client, self.kubeconfig, self.folder = client, kubeconfig, folder
        self._operators: list[Operator] = []

    def operator(self, *flags: str) -> Operator:
        """Start one more."""
        found = Operator(self.kubeconfig, self.folder, *flags)
        self._operators.append(found)
        return found

    def leader(self, *flags: str) -> Operator:
        """Start one and wait until it leads and has settled."""
        found = self.operator(*flags)
        wait_until(found.settled, SOON_S, f"the operator to lead; {found.log}", every=0.05)
        return found

    def add_nodes(self, names: Iterable[str], labels: Mapping[str, str] | None = None) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: self._add_node(name, dict(labels or {})), names))

    def _add_node(self, name: str, labels: Mapping[str, str]) -> None:
        self.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
        ready = [{"type": "Ready", "status": "True", "reason": "Test"}]
        self.client.merge_patch(NODES, name, {"status": {"conditions": ready}}, subresource="status")

    def apply(self, name: str, *addresses: str, annotations: Mapping[str, str] | None = None, **spec: Any) -> Document:
        """Write a VirtualIP as a user does."""
        document = {
            "metadata": {"name": name, "annotations": dict(annotations or {})},
            "spec": {"addresses": [{"address": each} for each in addresses], **spec},
        }
        return self.client.apply(VIRTUAL_IPS, document, manager="kubectl", force=True)

    def balance(self, name: str, virtual_ip: str = "web", **spec: Any) -> Document:
        """Write a VirtualServer in the namespace `shop`, over the Service of its name."""
        with suppress(Conflict):
            self.client.create(NAMESPACES, {"metadata": {"name": SHOP}})
        body = {
            "virtualIPRef": {"name": virtual_ip},
            "ports": [{"name": "https", "port": 443}],
            "backends": {"service": {"name": name}},
        } | spec
        document = {"metadata": {"name": name, "namespace": SHOP}, "spec": body}
        return self.client.apply(VIRTUAL_SERVERS, document, manager="kubectl", force=True, namespace=SHOP)

    def endpoints(self, service: str, *addresses: str) -> Document:
        """Have the Service's only slice be of these."""
        document = {
            "metadata": {"name": f"{service}-1", "namespace": SHOP, "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": 8443, "protocol": "TCP"}],
            "endpoints": [{"addresses": [each], "conditions": {"ready": True}} for each in addresses],
        }
        return self.client.apply(ENDPOINT_SLICES, document, manager="test", force=True, namespace=SHOP)

    def backends(self, node: str) -> list[str]:
        """What the node is to balance over."""
        servers = self.config(node).get("spec", {}).get("virtualServers", [])
        return [backend["address"] for server in servers for backend in server["backends"]]

    def server_status(self, name: str) -> Document:
        return dict(self.client.get(VIRTUAL_SERVERS, name, SHOP).get("status", {}))

    def server_reasons(self, name: str) -> dict[str, str]:
        """Condition to its reason."""
        return {each["type"]: each["reason"] for each in self.server_status(name).get("conditions", [])}

    def config(self, node: str) -> Document:
        """Its NodeConfig; empty where there is none."""
        try:
            return self.client.get(NODE_CONFIGS, node)
        except NotFound:
            return {}

    def instances(self, node: str) -> dict[str, Document]:
        """The instances that the node is to run, by name."""
        listed = self.config(node).get("spec", {}).get("instances", [])
        return {instance["name"]: instance for instance in listed}

    def generations(self) -> dict[str, int]:
        return {d["metadata"]["name"]: d["metadata"]["generation"] for d in self.client.list(NODE_CONFIGS).items}

    def versions(self, resource: Resource = NODE_CONFIGS) -> dict[str, str]:
        return {d["metadata"]["name"]: d["metadata"]["resourceVersion"] for d in self.client.list(resource).items}

    def confirmed(self) -> bool:
        """Whether every daemon has said that it runs what stands."""
        found = self.client.list(NODE_CONFIGS).items
        return all(d.get("status", {}).get("observedGeneration") == d["metadata"]["generation"] for d in found)

    def condition(self, virtual_ip: str, kind: str) -> Document:
        """One condition of a VirtualIP; empty where it has none."""
        conditions = self.client.get(VIRTUAL_IPS, virtual_ip).get("status", {}).get("conditions", [])
        return next((each for each in conditions if each["type"] == kind), {})

    def is_true(self, virtual_ip: str, kind: str) -> bool:
        """Whether the condition is True for the generation that stands."""
        found = self.condition(virtual_ip, kind)
        generation = self.client.get(VIRTUAL_IPS, virtual_ip)["metadata"]["generation"]
        return found.get("status") == "True" and found.get("observedGeneration") == generation

    def wait_for(self, virtual_ip: str, kind: str = "Programmed") -> None:
        wait_until(
            lambda: self.is_true(virtual_ip, kind),
            SOON_S,
            f"{kind} of {virtual_ip}; it is {self.condition(virtual_ip, kind)}",
            every=0.05,
        )

    def clean(self) -> None:
        for operator in self._operators:
            operator.destroy()
        for resource, namespace in (
            (VIRTUAL_SERVERS, SHOP),
            (ENDPOINT_SLICES, SHOP),
            (VIRTUAL_IPS, None),
            (NODE_CONFIGS, None),
            (NODES, None),
        ):
            names = [item["metadata"]["name"] for item in self.client.list(resource, namespace).items]
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda name, of=resource, at=namespace: self._delete(of, name, at), names))
        for item in self.client.list(LEASES, NAMESPACE).items:
            self.client.delete(LEASES, item["metadata"]["name"], NAMESPACE)

    def _delete(self, resource: Resource, name: str, namespace: str | None) -> None:
        try:
            self.client.delete(resource, name, namespace)
        except NotFound:
            return


class Daemons:
    """The daemons of many nodes in one thread pool: they report one interface, and confirm what they are given.

    The eligible member of highest priority of each instance says that it is Active. Nodes in `silent` say nothing.
    Backends are up but for those in `down`, which are with a reason.
    """

    def __init__(self, client: Client, addresses: Mapping[str, str]) -> None:
        """`addresses`: node to the address of its eth0, with prefix length."""
        self._client, self._addresses = client, addresses
        self.silent: set[str] = set()
        self.down: dict[str, str] = {}
        self._servers: dict[str, list[Document]] = {}
        self._lock = threading.Lock()
        self._given: dict[str, tuple[int, dict[str, Document]]] = {}
        self._unplanned: set[str] = set()
        self._said: dict[str, Document] = {}
        self._since: dict[tuple[str, str], tuple[str, str, int]] = {}
        self._asked: set[str] = set()
        self._turns = {node: threading.Lock() for node in addresses}
        self._pool = ThreadPoolExecutor(8)
        self._follower = Follower(client, NODE_CONFIGS, self)

    @contextmanager
    def running(self) -> Iterator["Daemons"]:
        self._follower.start()
        try:
            yield self
        finally:
            self._follower.stop()
            self._follower.join(SOON_S)
            self._pool.shutdown(cancel_futures=True)

    # -- what the follower tells

    def listed(self, items: Iterable[Document]) -> None:
        for item in items:
            self.changed(item)

    def changed(self, item: Document) -> None:
        name = item["metadata"]["name"]
        if name not in self._addresses:
            return
        given = {instance["name"]: instance for instance in item["spec"].get("instances", [])}
        with self._lock:
            before = self._given.get(name, (0, {}))
            if before[0] == item["metadata"]["generation"] and "interfaces" in item.get("status", {}):
                return
            self._given[name] = (item["metadata"]["generation"], given)
            # What lists nothing yet is reported in, and not observed.
            (self._unplanned.discard if "instances" in item["spec"] else self._unplanned.add)(name)
            self._servers[name] = item["spec"].get("virtualServers", [])
            groups = {each["name"] for each in (*before[1].values(), *given.values())}
            touched = {name} | {node for node, (_, own) in self._given.items() if groups & own.keys()}
        for node in sorted(touched):
            self._ask(node)

    def deleted(self, item: Document) -> None:
        with self._lock:
            self._given.pop(item["metadata"]["name"], None)
            self._said.pop(item["metadata"]["name"], None)

    def failed(self, error: KubeError) -> None:
        """It is tried again."""

    def speak(self, node: str) -> None:
        """One that was silent says what there is to say."""
        self.silent.discard(node)
        self._ask(node)

    def fail(self, **down: str) -> None:
        """From now on these backends are down, by `a10_2_0_1="reason"`."""
        self.down = {name.removeprefix("a").replace("_", "."): reason for name, reason in down.items()}
        for node in self._addresses:
            self._ask(node)

    # -- what they say

    def _ask(self, node: str) -> None:
        """Have the node report soon; one node's reports keep their order."""
        with self._lock:
            begins = node not in self._asked
            self._asked.add(node)
        if begins:
            self._pool.submit(self._report_all, node)

    def _report_all(self, node: str) -> None:
        with self._turns[node]:
            with self._lock:
                self._asked.discard(node)
            self._report(node)

    def _report(self, node: str) -> None:
        with self._lock:
            if node in self.silent or node not in self._given:
                return
            generation, own = self._given[node]
            observed = {} if node in self._unplanned else {"observedGeneration": generation}
            status = {
                **observed,
                "daemonVersion": "test",
                "instances": [self._state(node, instance) for instance in own.values()],
                "virtualServers": [self._health(server) for server in self._servers[node]],
                "interfaces": [
                    {
                        "name": "eth0",
                        "mac": "02:00:00:00:00:01",
                        "addresses": [self._addresses[node]],
                        "carrier": True,
                        "mtu": 1500,
                    }
                ],
            }
            if self._said.get(node) == status:
                return
            self._said[node] = status
        document = {"metadata": {"name": node}, "status": status}
        for _ in range(50):
            try:
                self._client.apply(NODE_CONFIGS, document, manager="mooring-node", force=True, subresource="status")
            except (Conflict, NotFound):
                return
            except KubeError:
                time.sleep(0.2)
            else:
                return

    def _health(self, server: Document) -> Document:
        since = "2026-01-01T00:00:00Z"
        backends = [
            {"address": each["address"], "port": each.get("port", 443)}
            | ({"state": "Down", "reason": why, "sinceTime": since} if why else {"state": "Up"})
            for each in server["backends"]
            for why in [self.down.get(each["address"])]
        ]
        down = sum(each["state"] == "Down" for each in backends)
        up = len(backends) - down
        counts = {"quorum": up > 0, "up": up, "down": down, "backends": backends[:64]}
        return {"name": server["name"], "family": "IPv4"} | counts

    def _state(self, node: str, instance: Document) -> Document:
        name = instance["name"]
        members = [
            (own[name]["priority"], other)
            for other, (_, own) in self._given.items()
            if name in own and own[name].get("eligible", True) and other not in self.silent
        ]
        state = "Active" if members and max(members)[1] == node else "Backup"
        then, since, count = self._since.get((node, name), ("", "", 0))
        if then != state:
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            since, count = now, count + 1
            self._since[node, name] = (state, since, count)
        return {
            "name": name,
            "state": state,
            "sinceTime": since,
            "priority": instance["priority"],
            "transitions": count,
        }


def addresses_of(names: Iterable[str]) -> dict[str, str]:
    """Each node's address in 10.0.0.0/8."""
    return {name: f"10.1.{index >> 8}.{index & 255}/8" for index, name in enumerate(names, start=1)}
