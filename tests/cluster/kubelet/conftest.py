"""A lab of two nodes with a stand-in for kubelet on each, on the session's real API server."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.kubelets import BRISK, DAEMON_SETS, DEPLOYMENTS, SERVER, Document, forwarder, is_ready, ready_nodes

from mooring_kube.client import Client
from mooring_kube.errors import Conflict, NotFound
from mooring_kube.resources import NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS, Resource
from mooring_lab.api.real import RealApi
from mooring_lab.kubelet.handle import Kubelet
from mooring_lab.lab import Lab, remove
from mooring_lab.wait import wait_until

NODE_NAMES = ("knode-1", "knode-2")
SECONDS = 20.0


@dataclass
class Nodes:
    """The lab and its kubelets, which a test may kill and start."""

    lab: Lab
    kubeconfig: Path
    kubelets: dict[str, Kubelet] = field(default_factory=dict)

    def start(self, name: str) -> None:
        self.kubelets[name].start(self.kubeconfig, server=SERVER, options=BRISK)

    def mend(self) -> None:
        """Whatever a test did, both kubelets run after it."""
        for name, kubelet in self.kubelets.items():
            if not self.lab.node(name).powered:
                self.lab.node(name).heal()
            if not kubelet.running:
                self.start(name)

    def folder(self, name: str) -> Path:
        return self.kubelets[name].folder

    def dump(self) -> str:
        return "\n".join(f"--- {name}\n{kubelet.log}" for name, kubelet in self.kubelets.items())


@pytest.fixture(scope="module")
def nodes(real_api: RealApi, client: Client) -> Iterator[Nodes]:
    """Two Ready nodes; what a test breaks of them it mends."""
    name = f"t{os.getpid()}k"
    remove(name)
    try:
        with Lab(name, nodes=NODE_NAMES, clients=0) as lab, forwarder(lab, real_api):
            found = Nodes(lab, real_api.kubeconfig, {each: Kubelet(lab, each) for each in NODE_NAMES})
            for each in NODE_NAMES:
                found.start(each)
            try:
                wait_until(lambda: ready_nodes(client) >= set(NODE_NAMES), SECONDS, "Ready nodes", every=0.2)
            except TimeoutError as error:
                raise TimeoutError(f"{error}\n{found.dump()}") from error
            yield found
    finally:
        remove(name)
        for each in NODE_NAMES:
            with suppress(NotFound):
                client.delete(NODES, each)


@dataclass
class Place:
    """A namespace of a test."""

    client: Client
    name: str
    nodes: Nodes

    def pods(self, **labels: str) -> list[Document]:
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        return list(self.client.list(PODS, self.name, label_selector=selector).items)

    def pod(self, name: str) -> Document:
        return self.client.get(PODS, name, self.name)

    def create(self, resource: Resource, document: Document) -> Document:
        return self.client.create(resource, document, self.name)

    def run(self, name: str, spec: Document, node: str = NODE_NAMES[0], **metadata: Any) -> Document:
        """A pod bound to a node from its beginning."""
        whole = {"nodeName": node, "hostNetwork": True, "terminationGracePeriodSeconds": 5} | spec
        return self.create(PODS, {"metadata": {"name": name, **metadata}, "spec": whole})

    def until(self, what: str, predicate: Callable[[], Any], seconds: float = SECONDS) -> Any:
        try:
            return wait_until(predicate, seconds, what, every=0.1)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.nodes.dump()}\n{self.pods()}") from error

    def until_pod(
        self, name: str, what: str, predicate: Callable[[Document], Any], seconds: float = SECONDS
    ) -> Document:
        """Wait until a pod is so, and give it back."""

        def so() -> Document | None:
            found = self.pod(name)
            return found if predicate(found) else None

        found: Document = self.until(f"{name}: {what}", so, seconds)
        return found

    def delete(self, resource: Resource, name: str, **options: Any) -> None:
        """`options` are those of DeleteOptions."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions"} | options
        with suppress(NotFound, Conflict):
            self.client.request("DELETE", resource.path(self.name, name), body=body)

    def swept(self) -> bool:
        """Whether there are no pods; those that are there are told to go."""
        pods = self.pods()
        for pod in pods:
            self.delete(PODS, pod["metadata"]["name"], gracePeriodSeconds=1)
        return not pods

    def ready(self, name: str) -> Document:
        return self.until_pod(name, "to be Ready", is_ready)

    def gone(self, name: str, seconds: float = SECONDS) -> None:
        def so() -> bool:
            try:
                self.pod(name)
            except NotFound:
                return True
            return False

        self.until(f"{name} to be gone", so, seconds)

    def said(self, pod: Document, container: str) -> str:
        """What a container has written so far."""
        kubelet = self.nodes.kubelets[pod["spec"]["nodeName"]]
        return kubelet.container_log(self.name, pod["metadata"]["name"], container)


@pytest.fixture
def place(client: Client, nodes: Nodes, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A namespace for the test, in which pods can be made; it goes with all its pods."""
    name = f"k{os.getpid()}-{abs(hash(request.node.nodeid)) % 10**6}"
    client.create(NAMESPACES, {"metadata": {"name": name}})

    def has_account() -> bool:
        try:
            return bool(client.get(SERVICE_ACCOUNTS, "default", name))
        except NotFound:
            return False

    wait_until(has_account, SECONDS, f"the service account of {name}", every=0.1)
    here = Place(client, name, nodes)
    try:
        yield here
    finally:
        nodes.mend()
        # First whoever would make new pods, and pods with no more patience than needed.
        for resource in (DAEMON_SETS, DEPLOYMENTS):
            for owner in client.list(resource, name).items:
                here.delete(resource, owner["metadata"]["name"])
        here.until("all pods to be gone", here.swept)
        client.delete(NAMESPACES, name)


def container(name: str = "main", **fields: Any) -> Document:
    return {"name": name, "image": "lab", **fields}


def shell(script: str, name: str = "main", **fields: Any) -> Document:
    """A container that runs a shell script."""
    return container(name, command=["/bin/sh", "-c", script], **fields)
