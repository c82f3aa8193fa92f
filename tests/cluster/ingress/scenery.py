"""The cluster of these tests, and the words in which they speak of it."""

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.chart.scenery import IMAGES, NODE_NAMES, SOON_S
from tests.cluster.kubelets import DAEMON_SETS, DEPLOYMENTS, SERVER, Document, is_ready

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_kube.errors import KubeError, NotFound
from mooring_kube.resources import LEASES, NODE_CONFIGS, NODES, PODS, VIRTUAL_IPS
from mooring_lab.api import NAMESPACE
from mooring_lab.api.kubectl import Kubectl
from mooring_lab.api.real import RealApi
from mooring_lab.kubelet.handle import Kubelet
from mooring_lab.lab import Lab
from mooring_lab.node import Node
from mooring_lab.wait import wait_until

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "ingress-controller"
ADDRESS = "10.0.0.140"
VIP = "ingress"
CONTROLLERS = "ingress"
INGRESS = "node-role.kubernetes.io/ingress"
#: The restarts of a container that crashes are some seconds apart, not minutes.
_OPTIONS = ("--bind-all", "--back-off", "4", "--longest-back-off", "4")
#: So long a rollout of a DaemonSet rests at each pod, and so long its controller goes on after it was told to end.
PAUSE_S = 3


def for_the_lab(document: Document) -> Document:
    """The operator as the chart's value operator.hostNetwork makes it, and DaemonSets that are rolled out faster.

    A lab has no network of pods. The DaemonSets' pauses are a part of what users apply, the more so the preStop.
    """
    if document["kind"] == "Deployment" and document["metadata"]["namespace"] == NAMESPACE:
        document["spec"]["template"]["spec"]["hostNetwork"] = True
    if document["kind"] == "DaemonSet":
        document["spec"]["minReadySeconds"] = PAUSE_S
        for container in document["spec"]["template"]["spec"]["containers"]:
            if pause := container.get("lifecycle", {}).get("preStop", {}).get("sleep"):
                pause["seconds"] = PAUSE_S
    return document


class Scene:
    """Built once; `settle` waits until it is as in the beginning, `mend` undoes what a test did to it."""

    def __init__(self, lab: Lab, api: RealApi, folder: Path) -> None:
        self.lab, self.api = lab, api
        self.client = Client(from_kubeconfig(api.kubeconfig), agent="tests")
        self._kubectl = Kubectl(api.kubeconfig, folder)
        self._images = folder / "images.json"
        self.kubelets = {name: Kubelet(lab, name) for name in NODE_NAMES}

    # -- its life

    def build(self) -> None:
        """Mooring as a person installs it without Helm, then the example."""
        self.kubectl("apply", "-f", str(ROOT / "crds"))
        self.kubectl("wait", "--for=condition=Established", "-f", str(ROOT / "crds"), "--timeout=30s")
        self.kubectl("apply", "-f", str(ROOT / "deploy" / "namespace.yaml"))
        self.kubectl("apply", "-f", str(ROOT / "deploy"))
        self._images.write_text(json.dumps(IMAGES))
        for kubelet in self.kubelets.values():
            options = (*_OPTIONS, "--images", str(self._images))
            kubelet.start(self.api.kubeconfig, server=SERVER, options=options)
        self.label(*NODE_NAMES)
        self.apply(*sorted((ROOT / "deploy" / "workloads").glob("*.yaml")))
        self.apply(EXAMPLE / "controller.yaml", EXAMPLE / "virtualip.yaml")

    def close(self) -> None:
        self.client.close()

    def settle(self) -> None:
        """Until all is as it should be, and at rest."""
        self.until("all nodes to be Ready", lambda: all(map(is_ready, self._nodes())))
        for place in (NAMESPACE, CONTROLLERS):
            self.until(f"all pods of {place} to be there", partial(self._rolled_out, place))
        self.until(f"the conditions of {VIP} to be True", lambda: self.conditions() == {"True"})
        self.until("the first choice alone to hold the address", lambda: self.holders() == (self.first,))
        self.until("every daemon to run what stands", self._confirmed)

    def mend(self) -> None:
        """Power, network, labels, cordons; pods come again by themselves."""
        for node in self.lab.nodes:
            if not node.powered:
                node.heal()
        for item in self._nodes():
            if item.get("spec", {}).get("unschedulable"):
                self.kubectl("uncordon", item["metadata"]["name"])
        self.label(*NODE_NAMES)

    # -- what a person types

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """What it prints; the test fails where kubectl does."""
        done = self._kubectl(*words, stdin=stdin, timeout=150.0)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}{done.stdout}"
        return done.stdout

    def label(self, *nodes: str, on: bool = True) -> None:
        """Have them run controllers and hold the address, or not."""
        self.kubectl("label", "node", *nodes, f"{INGRESS}{'=' if on else '-'}", "--overwrite")

    def apply(self, *files: Path) -> None:
        """kubectl apply, in the form that is for the lab."""
        documents = [each for file in files for each in yaml.safe_load_all(file.read_text()) if each]
        whole = {"apiVersion": "v1", "kind": "List", "items": [for_the_lab(each) for each in documents]}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(whole))

    def restart(self, place: str, what: str) -> None:
        """kubectl rollout restart, to its end."""
        self.kubectl("-n", place, "rollout", "restart", what)
        self.kubectl("-n", place, "rollout", "status", what, "--timeout=140s")

    def set_interval(self, interval: str | None) -> None:
        """Adverts each so often (None: the default); it goes round while the nodes are there."""
        patch = {"spec": {"vrrp": {"advertisementInterval": interval}}}
        self.client.merge_patch(VIRTUAL_IPS, VIP, patch)

    # -- what is so

    def holders(self) -> tuple[str, ...]:
        """The nodes whose kernels have the address."""
        return self.lab.holders().get(ADDRESS, ())

    @property
    def holder(self) -> Node:
        """The one that has it; the test fails where that is not one."""
        (name,) = self.holders()
        return self.lab.node(name)

    @property
    def first(self) -> str:
        """The node that the plan prefers."""
        return (*self.order(), "")[0]

    def order(self) -> list[str]:
        """The nodes that may take the role, the preferred one first."""
        priorities = {
            item["metadata"]["name"]: instance["priority"]
            for item in self.client.list(NODE_CONFIGS).items
            for instance in item["spec"].get("instances") or ()
            if instance["eligible"]
        }
        return sorted(priorities, key=lambda name: -priorities[name])

    def eligible(self, node: str) -> bool:
        """Whether its NodeConfig lets it take the role."""
        instances = self.client.get(NODE_CONFIGS, node)["spec"].get("instances") or ()
        return all(instance["eligible"] for instance in instances) and bool(instances)

    def leader(self) -> str:
        """The node of the operator that leads."""
        identity = self.client.get(LEASES, "mooring-operator", NAMESPACE)["spec"]["holderIdentity"]
        return str(self.client.get(PODS, identity, NAMESPACE)["spec"]["nodeName"])

    def conditions(self) -> set[str]:
        """The statuses of the VirtualIP's conditions, of this generation."""
        whole = self.client.get(VIRTUAL_IPS, VIP)
        listed = whole.get("status", {}).get("conditions") or [{"status": "none"}]
        return {each["status"] for each in listed if each.get("observedGeneration") == whole["metadata"]["generation"]}

    def nodes_with_controllers(self) -> set[str]:
        """Where one is Ready and stays."""
        pods = self.client.list(PODS, CONTROLLERS, label_selector="app=ingress-controller").items
        return {pod["spec"]["nodeName"] for pod in pods if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]}

    def until(self, what: str, predicate: Callable[[], Any], seconds: float = SOON_S) -> Any:
        """Until it is so; an API server that is away is not yet."""

        def so() -> Any:
            with suppress(KubeError, AssertionError):
                return predicate()
            return None

        try:
            return wait_until(so, seconds, what, every=0.05)
        except TimeoutError as error:
            pytest.fail(f"{error}\n{self.story()}", pytrace=False)

    def story(self) -> str:
        """All that is known, for who reads of a failure."""
        lines = [f"held by the kernels: {self.lab.holders()}"]
        with suppress(KubeError, NotFound):
            lines.append(f"VirtualIP: {self.client.get(VIRTUAL_IPS, VIP).get('status')}")
            for item in self.client.list(NODE_CONFIGS).items:
                lines.append(f"NodeConfig {item['metadata']['name']}: {item.get('spec')} {item.get('status')}")
            for pod in self.client.list(PODS).items:
                metadata, status = pod["metadata"], pod.get("status", {})
                ready = {each["type"]: each["status"] for each in status.get("conditions") or ()}.get("Ready")
                where = pod["spec"].get("nodeName")
                lines.append(
                    f"pod {metadata['namespace']}/{metadata['name']} on {where}: {status.get('phase')} {ready}"
                )
        for name, kubelet in self.kubelets.items():
            logs = sorted((kubelet.folder / "logs").glob("*/*/*.log"))
            for path in [kubelet.log_file, *logs]:
                lines += [f"--- {name}: {path.parent}", *path.read_text(errors="replace").splitlines()[-12:]]
        return "\n".join(lines)

    def _nodes(self) -> list[Document]:
        return list(self.client.list(NODES).items)

    def _confirmed(self) -> bool:
        return all(
            (item.get("status") or {}).get("observedGeneration") == item["metadata"]["generation"]
            for item in self.client.list(NODE_CONFIGS).items
        )

    def _rolled_out(self, place: str) -> bool:
        """Whether each DaemonSet and Deployment of a namespace has all its pods, up to date and available."""
        whole = list(self.client.list(DAEMON_SETS, place).items) + list(self.client.list(DEPLOYMENTS, place).items)
        return bool(whole) and all(_complete(each) for each in whole)


def _complete(document: Document) -> bool:
    status = document.get("status", {})
    if status.get("observedGeneration") != document["metadata"]["generation"]:
        return False
    if "replicas" in document["spec"]:
        wanted = document["spec"]["replicas"]
        counts = (status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas"))
    else:
        wanted = status.get("desiredNumberScheduled", -1)
        names = ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable")
        counts = (status.get(name, 0) for name in names)
    return set(counts) == {wanted}
