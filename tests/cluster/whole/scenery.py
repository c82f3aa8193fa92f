"""A lab with an API server, the operator and three daemons, and the words in which the tests speak of it."""

import json
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from tests.cluster.whole.watching import Watch

from mooring_api.duration import Duration
from mooring_api.virtualip import EXCLUSION_LABEL
from mooring_kube.client import Client
from mooring_kube.errors import KubeError, NotFound
from mooring_kube.resources import (
    ENDPOINT_SLICES,
    EVENTS,
    NODE_CONFIGS,
    NODES,
    SECRETS,
    VIRTUAL_IPS,
    VIRTUAL_SERVERS,
)
from mooring_lab.api import NAMESPACE
from mooring_lab.cluster import OPERATOR
from mooring_lab.lab import Lab
from mooring_lab.rights import LabError
from mooring_lab.wait import wait_until

Document = dict[str, Any]
#: For what must happen, on a machine that stalls: generous, since a wait ends with its event.
SOON_S = 30.0
#: After an outage of the API all clients come back by themselves, after a pause that grows to 15 s.
BACK_S = 60.0
INGRESS = "node-role.kubernetes.io/ingress"
SELECTED = {"matchLabels": {INGRESS: ""}}
SECOND = "operator-2"
#: Labels of this beginning are a test's own.
POOL = "pool-"


def virtual_ip(name: str, *addresses: str, interval: str = "200ms", **spec: Any) -> Document:
    """A VirtualIP whose first choices are lb-1, lb-2, lb-3; `nodes` and `vrrp` are added to what these have."""
    nodes = {
        "selector": SELECTED,
        "preferred": [{"node": "lb-1"}, {"node": "lb-2"}, {"node": "lb-3"}],
        **spec.pop("nodes", {}),
    }
    vrrp = {"advertisementInterval": interval, **spec.pop("vrrp", {})}
    listed = [{"address": f"{address}/16"} for address in addresses]
    return {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VirtualIP",
        "metadata": {"name": name},
        "spec": {"addresses": listed, "nodes": nodes, "vrrp": vrrp, **spec},
    }


def secret(name: str, password: str, kind: str = "mooring.dev/credentials") -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "type": kind,
        "stringData": {"password": password},
    }


def with_password(secret_name: str) -> Document:
    """The part of `vrrp` for adverts with a password of a Secret."""
    return {"version": 2, "authentication": {"type": "Password", "secretRef": {"name": secret_name}}}


class Scene:
    """The lab, and what is asked of it; `clean` makes it as it was in the beginning."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.cluster = lab.cluster
        self.client: Client = lab.cluster.client()
        self.names = [node.name for node in lab.nodes]

    def close(self) -> None:
        self.client.close()

    # What a person types.

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """What it prints; the test fails where kubectl does."""
        done = self.cluster.kubectl(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def apply(self, *documents: Document) -> None:
        """kubectl apply."""
        whole = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(whole))

    def label(self, node: str, *, on: bool) -> None:
        """Have the selector of the tests' VirtualIPs choose this node, or not."""
        self.kubectl("label", "node", node, f"{INGRESS}=" if on else f"{INGRESS}-", "--overwrite")

    def line(self, name: str) -> dict[str, str]:
        """The row of `kubectl get vip NAME`: column to what stands in it."""
        head, row = self.kubectl("get", "vip", name).splitlines()
        starts = [head.index(column) for column in head.split()]
        ends = [*starts[1:], len(row)]
        cells = [row[start:end].strip() for start, end in zip(starts, ends, strict=True)]
        return dict(zip(head.split(), cells, strict=True))

    # What stands in the API.

    def virtual_ip(self, name: str) -> Document:
        return self.client.get(VIRTUAL_IPS, name)

    def condition(self, name: str, kind: str) -> Document:
        """One condition of a VirtualIP; empty where it has none."""
        listed = self.virtual_ip(name).get("status", {}).get("conditions", [])
        return next((each for each in listed if each["type"] == kind), {})

    def config(self, node: str) -> Document:
        """Its NodeConfig; empty where there is none."""
        try:
            return self.client.get(NODE_CONFIGS, node)
        except NotFound:
            return {}

    def node(self, name: str) -> Document:
        """The Node object; empty where there is none."""
        try:
            return self.client.get(NODES, name)
        except NotFound:
            return {}

    def instances(self, node: str) -> dict[str, Document]:
        """What the node is to run, by name."""
        listed = self.config(node).get("spec", {}).get("instances") or []
        return {instance["name"]: instance for instance in listed}

    def generations(self) -> dict[str, tuple[str, int]]:
        """Each NodeConfig as it was written last: its uid and its generation."""
        items = self.client.list(NODE_CONFIGS).items
        return {i["metadata"]["name"]: (i["metadata"]["uid"], i["metadata"]["generation"]) for i in items}

    def events(self, name: str) -> dict[str, str]:
        """Reason to message of what was told of a VirtualIP, a NodeConfig or a Node."""
        items = self.client.list(EVENTS, "default", field_selector=f"involvedObject.name={name}").items
        return {item["reason"]: item["message"] for item in items}

    # What the daemons say.

    def groups(self, node: str) -> list[Document]:
        """As `mooring-node status -o json` has them."""
        answer = self.lab.node(node).daemon_status()
        assert answer is not None, f"the daemon of {node} does not answer"
        found: list[Document] = answer["groups"]
        return found

    def states(self, node: str) -> dict[str, str]:
        return {group["name"]: group["state"] for group in self.groups(node)}

    def refused(self) -> list[Document]:
        """What daemons refused of what they heard."""
        return [
            {"node": node, "instance": member["name"]} | each
            for node in self.names
            for group in self.groups(node)
            for member in group["members"]
            for each in member["refused"]
        ]

    # Waiting.

    def until(self, what: str, predicate: Callable[[], Any], seconds: float = SOON_S) -> Any:
        """Until it is so; the test fails with what was awaited, what is held, and the last words of all."""
        try:
            return wait_until(predicate, seconds, what, every=0.05)
        except TimeoutError as error:
            pytest.fail(f"{error}\n{self.story()}", pytrace=False)

    def until_condition(self, name: str, kind: str, status: str = "True", *, saying: str = "") -> Document:
        """Until a condition speaks of the present generation, has this status, and its words hold this text."""

        def so() -> Document | None:
            whole = self.virtual_ip(name)
            listed = whole.get("status", {}).get("conditions", [])
            found: Document = next((each for each in listed if each["type"] == kind), {})
            told = f"{found.get('reason')}: {found.get('message')}"
            fresh = found.get("observedGeneration") == whole["metadata"]["generation"]
            return found if fresh and found.get("status") == status and saying in told else None

        found: Document = self.until(f"{kind} of {name} to be {status} and to say {saying!r}", so)
        return found

    def until_programmed(self, *names: str) -> None:
        for name in names:
            self.until_condition(name, "Programmed")

    def until_held(self, *names: str) -> None:
        for name in names:
            self.until_condition(name, "Held")

    def until_holder(self, node: str, *addresses: str) -> None:
        """Until this node's kernel has these addresses and no other's has one of them."""
        wanted = dict.fromkeys(addresses, (node,))
        self.until(
            f"{node} alone to hold {', '.join(addresses)}",
            lambda: {a: held for a, held in self.lab.holders().items() if a in wanted} == wanted,
        )

    def until_settled(self, seconds: float = SOON_S) -> None:
        """Until an operator leads that has nothing to write, and every daemon has confirmed what stands."""

        def settled() -> bool:
            leads = any(self.settled_operator(name) for name in (OPERATOR, SECOND))
            return leads and all(confirmed(item) for item in self.client.list(NODE_CONFIGS).items)

        self.until("all to be settled", settled, seconds)

    def until_true_again(self, *names: str) -> None:
        """After an outage of the API: until every daemon's word there is what it does, and all conditions are True."""

        def true() -> bool:
            for config in self.client.list(NODE_CONFIGS).items:
                said = {each["name"]: each["state"] for each in config["status"]["instances"]}
                if not confirmed(config) or said != self.states(config["metadata"]["name"]):
                    return False
            listed = [each for name in names for each in self.virtual_ip(name)["status"]["conditions"]]
            return {each["status"] for each in listed} == {"True"}

        self.until("all statuses to be true again", true, BACK_S)
        self.until_settled(BACK_S)

    def settled_operator(self, name: str = OPERATOR) -> bool:
        """Whether this operator leads, has listed everything and has nothing to write."""
        lines = self.cluster.ask_operator("/metrics", name)[1].splitlines()
        ready = self.cluster.ask_operator("/readyz", name)[0] == 200
        return ready and {"mooring_operator_leader 1.0", "mooring_operator_queue 0.0"} <= set(lines)

    def settle(self, *documents: Document) -> None:
        """Apply VirtualIPs, and wait until lb-1 holds them and everything is at rest."""
        self.apply(*documents)
        for document in documents:
            if document["kind"] == "VirtualIP":
                name = document["metadata"]["name"]
                self.until_programmed(name)
                self.until_holder("lb-1", *addresses_of(document))
                self.until_held(name)
        self.until_settled()

    def watch(self, *documents: Document, interval_ms: float = 1.0) -> Watch:
        """A client and the kernels on the addresses of these VirtualIPs."""
        addresses = [address for each in documents for address in addresses_of(each)]
        interval_s = max(interval_of(each).seconds for each in documents)
        return Watch(self.lab, addresses, 4 * interval_s + 1.0, interval_ms)

    # The end.

    def clean(self) -> None:
        """As in the beginning, whatever a test did and wherever it ended; TimeoutError when it can't be done."""
        for node in self.lab.nodes:
            node.heal()
            self.cluster.mend(node.name)
            if not self.node(node.name):
                self.cluster.admit(node.name)
                node.stop_daemon()
            if not node.daemon:
                node.start_daemon()
        with suppress(LabError):
            self.cluster.stop_operator(signal.SIGTERM, SECOND)
        if not self.cluster.ask_operator("/healthz")[0]:
            with suppress(LabError):
                self.cluster.stop_operator(signal.SIGKILL)
            self.cluster.start_operator()
        for item in self.client.list(NODES).items:
            labels = {label: None for label in item["metadata"]["labels"] if label.startswith(POOL)}
            labels |= {INGRESS: "", EXCLUSION_LABEL: None}
            patch = {"metadata": {"labels": labels}, "spec": {"unschedulable": None}}
            self.client.merge_patch(NODES, item["metadata"]["name"], patch)
        for resource, namespace in ((VIRTUAL_SERVERS, "default"), (ENDPOINT_SLICES, "default"), (VIRTUAL_IPS, None)):
            names = [item["metadata"]["name"] for item in self.client.list(resource, namespace).items]
            # The API server's own slice is of its Service, `kubernetes`.
            for name in (each for each in names if each != "kubernetes"):
                with suppress(NotFound):
                    self.client.delete(resource, name, namespace)
        for item in self.client.list(SECRETS, NAMESPACE).items:
            self.client.delete(SECRETS, item["metadata"]["name"], NAMESPACE)
        for item in self.client.list(EVENTS, "default").items:
            with suppress(NotFound):
                self.client.delete(EVENTS, item["metadata"]["name"], "default")
        wait_until(lambda: not self.lab.holders(), SOON_S, f"nothing to be held; {self.lab.holders()}", every=0.05)
        wait_until(self._is_empty, SOON_S, "empty NodeConfigs, confirmed", every=0.05)

    def _is_empty(self) -> bool:
        items = self.client.list(NODE_CONFIGS).items
        return [i["metadata"]["name"] for i in items] == self.names and all(
            not i["spec"].get("instances") and confirmed(i) for i in items
        )

    def story(self) -> str:
        """All that is known, for who reads of a failure."""
        lines = [f"held by the kernels: {self.lab.holders()}"]
        try:
            for item in self.client.list(VIRTUAL_IPS).items:
                lines.append(f"VirtualIP {item['metadata']['name']}: {item.get('status')}")
            for item in self.client.list(NODE_CONFIGS).items:
                told = {
                    key: (item.get("status") or {}).get(key) for key in ("observedGeneration", "instances", "problems")
                }
                lines.append(f"NodeConfig {item['metadata']['name']} {item['metadata']['generation']}: {told}")
        except KubeError as error:
            lines.append(f"the API server: {error}")
        logs = [self.cluster.operator_log, *(node.log_file for node in self.lab.nodes)]
        for log in logs:
            if log.exists():
                lines += [f"--- {log}", *log.read_text(errors="replace").splitlines()[-25:]]
        return "\n".join(lines)


def addresses_of(document: Mapping[str, Any]) -> Sequence[str]:
    """The addresses of a VirtualIP, without prefix."""
    listed: Iterable[Document] = document.get("spec", {}).get("addresses", ())
    return [each["address"].partition("/")[0] for each in listed]


def interval_of(document: Mapping[str, Any]) -> Duration:
    return Duration.parse(document["spec"]["vrrp"]["advertisementInterval"])


def confirmed(config: Document) -> bool:
    """Whether the daemon says that it runs what stands."""
    return (config.get("status") or {}).get("observedGeneration") == config["metadata"]["generation"]
