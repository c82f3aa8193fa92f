"""A lab whose nodes run pods, on an API server that knows nothing of Mooring yet, and the release that is put there."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.kubelets import Document, is_ready

from mooring_kube.client import Client
from mooring_kube.errors import NotFound
from mooring_kube.resources import LEASES, NODE_CONFIGS, PODS, VIRTUAL_IPS, Resource
from mooring_lab.api import NAMESPACE
from mooring_lab.api.kubectl import Kubectl
from mooring_lab.api.real import RealApi
from mooring_lab.charts import CRDS, MOORING
from mooring_lab.charts.helm import Helm
from mooring_lab.kubelet.handle import Kubelet
from mooring_lab.lab import Lab
from mooring_lab.wait import wait_until

RELEASE = "mooring"
OPERATOR, NODE = "mooring-operator", "mooring-node"
NODE_NAMES = ("lb-1", "lb-2", "lb-3")
#: For what must happen, on a machine that stalls: generous, since a wait ends with its event.
SOON_S = 60.0
#: What stands for the images: the host's own root, with the entry point of the image.
IMAGES = {
    f"registry.example.com/{name}": {"root": "host", "entrypoint": [name], "user": user, "group": user}
    for name, user in ((OPERATOR, 65532), (NODE, 0))
}
#: The lab has no network of pods. A rollout rests less at each node than by default: it loses nothing because a daemon
#: says that it is ready when it is, not because of the pause.
VALUES: Document = {
    "operator": {"hostNetwork": True},
    "node": {"minReadySeconds": 2},
    "verify": {"timeout": "20s"},
}
PATIENCE = ("--wait", "--timeout", "3m")


@dataclass
class Stage:
    """The lab, its API server and its kubelets; `release` is what is installed there."""

    lab: Lab
    api: RealApi
    kubectl: Kubectl
    helms: Mapping[str, Helm]
    """Both, by version."""
    client: Client
    folder: Path
    kubelets: dict[str, Kubelet] = field(default_factory=dict)

    # What a person types.

    def helm(self, version: str, *words: str) -> str:
        """What it prints; the test fails where Helm does."""
        done = self.helms[version](*words, timeout=240.0)
        assert done.returncode == 0, f"helm-{version} {' '.join(words)}:\n{done.stdout}\n{done.stderr}\n{self.story()}"
        return done.stdout

    def install(self, version: str) -> None:
        """Both charts, as the README says; CRDs that stay from before are no hindrance."""
        if not self.installed("mooring-crds"):
            self.helm(version, "install", "mooring-crds", str(CRDS))
        self.helm(version, "install", RELEASE, str(MOORING), "-n", NAMESPACE, *self.values(), *PATIENCE)

    def upgrade(self, version: str, values: Mapping[str, Any]) -> None:
        """With other values; returns when everything is rolled out."""
        self.helm(version, "upgrade", RELEASE, str(MOORING), "-n", NAMESPACE, *self.values(values), *PATIENCE)

    def stop_daemons(self) -> None:
        """The first step of an uninstall by docs/install.md; returns when no daemon is left."""
        self.must("delete", "daemonset", NODE, "-n", NAMESPACE, "--cascade=foreground", "--timeout=60s")
        self.until("the daemons to be gone", lambda: not self.pods("node"))

    def uninstall(self, version: str) -> None:
        """Returns when no pod is left."""
        self.helm(version, "uninstall", RELEASE, "-n", NAMESPACE, *PATIENCE)
        self.until("the pods to be gone", lambda: not self.client.list(PODS, NAMESPACE).items)

    def holds(self, address: str, node: str) -> bool:
        """Whether that node has the address in its kernel, and no other has."""
        return self.lab.holders().get(address) == (node,)

    def values(self, more: Mapping[str, Any] | None = None) -> tuple[str, str]:
        """The flags that give the lab's values, and these."""
        path = self.folder / "values.yaml"
        path.write_text(yaml.safe_dump(merged(VALUES, more or {})))
        return "--values", str(path)

    def installed(self, release: str = RELEASE) -> bool:
        listed = json.loads(self.helm("3", "list", "--all", "--all-namespaces", "-o", "json"))
        return any(each["name"] == release for each in listed)

    def must(self, *words: str, stdin: str | None = None) -> str:
        """kubectl; what it prints."""
        done = self.kubectl(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}\n{done.stderr}"
        return done.stdout

    # What stands in the API.

    def pods(self, component: str) -> list[Document]:
        """Of the operator or of the daemons, those that are not about to go."""
        labels = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component={component}"
        items = self.client.list(PODS, NAMESPACE, label_selector=labels).items
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def daemon(self, node: str) -> Document:
        (pod,) = [pod for pod in self.pods("node") if pod["spec"].get("nodeName") == node]
        return pod

    def ready(self, component: str, count: int) -> bool:
        pods = self.pods(component)
        return len(pods) == count and all(map(is_ready, pods))

    def until_ready(self) -> None:
        """Until the daemon of each node and both operators are Ready, and one of them leads."""
        self.until("all daemons", lambda: self.ready("node", len(self.lab.nodes)))
        self.until("both operators", lambda: self.ready("operator", 2))
        self.until("a leader", self.leader)

    def leader(self) -> str:
        """Which pod holds the Lease; "": none."""
        try:
            return str(self.client.get(LEASES, OPERATOR, NAMESPACE)["spec"].get("holderIdentity") or "")
        except NotFound:
            return ""

    def conditions(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, str]:
        """Type to `status reason` of those that speak of the newest generation."""
        found = self.client.get(resource, name, namespace)
        newest = found["metadata"]["generation"]
        listed = (found.get("status") or {}).get("conditions") or ()
        return {
            each["type"]: f"{each['status']} {each['reason']}"
            for each in listed
            if each.get("observedGeneration") == newest
        }

    def observed(self) -> bool:
        """Whether each node's daemon has confirmed the newest generation of its NodeConfig."""
        configs = self.client.list(NODE_CONFIGS).items
        return {config["metadata"]["name"] for config in configs} == {node.name for node in self.lab.nodes} and all(
            (config.get("status") or {}).get("observedGeneration") == config["metadata"]["generation"]
            for config in configs
        )

    # Waiting, and the story where it was in vain.

    def until(self, what: str, predicate: Callable[[], Any], seconds: float = SOON_S) -> Any:
        try:
            return wait_until(predicate, seconds, what, every=0.1)
        except TimeoutError as error:
            pytest.fail(f"{error}\n{self.story()}", pytrace=False)

    def story(self) -> str:
        """Who is where, and the last words of all."""
        shown = [self.kubectl("get", "pods,vip,nc", "-A", "-o", "wide").stdout, f"held: {self.lab.holders()}"]
        for name, kubelet in self.kubelets.items():
            shown.append(f"--- kubelet of {name}\n{_last(kubelet.log)}")
            for component in ("node", "operator"):
                shown.append(f"--- {component} on {name}\n{_last(self.said(name, component))}")
        return "\n".join(shown)

    def said(self, node: str, component: str) -> str:
        """What the pods of a component have said on a node, oldest pod first."""
        files = (self.kubelets[node].folder / "logs").glob(f"{NAMESPACE}_*-{component}-*/*/*.log")
        return "".join(
            path.read_text(errors="replace") for path in sorted(files, key=lambda path: path.stat().st_mtime)
        )

    def disk(self, node: str) -> Path:
        """What is the node's own disk for its pods."""
        return self.kubelets[node].folder / "disk"


def virtual_ip(name: str, address: str, **spec: object) -> Document:
    """With the defaults of everything, first choice lb-1."""
    nodes = {
        "selector": {"matchLabels": {"node-role.kubernetes.io/ingress": ""}},
        "preferred": [{"node": name} for name in NODE_NAMES],
    }
    head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "VirtualIP", "metadata": {"name": name}}
    return head | {"spec": {"addresses": [{"address": f"{address}/16"}], "nodes": nodes, **spec}}


@contextmanager
def held(stage: Stage, name: str, address: str, **spec: object) -> Iterator[None]:
    """While it is there, the first node holds the address in the beginning."""
    stage.client.apply(VIRTUAL_IPS, virtual_ip(name, address, **spec), manager="test")
    stage.until("the address to be held", lambda: stage.holds(address, NODE_NAMES[0]))
    stage.until("Held", lambda: stage.conditions(VIRTUAL_IPS, name).get("Held") == "True Held")
    stage.until("the nodes to have confirmed it", stage.observed)
    try:
        yield
    finally:
        stage.client.delete(VIRTUAL_IPS, name)
    stage.until("the address to be gone", lambda: address not in stage.lab.holders())
    stage.until("the nodes to have confirmed it", stage.observed)


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> Document:
    """`other` over `one`, as Helm merges values."""
    found = dict(one)
    for key, value in other.items():
        below = found.get(key)
        found[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return found


def _last(text: str, lines: int = 25) -> str:
    return "\n".join(text.splitlines()[-lines:])
