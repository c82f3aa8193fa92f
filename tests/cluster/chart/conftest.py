"""One lab for the folder: three nodes with kubelets, a client, an API server of its own, Helm 3 and 4."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.chart.scenery import IMAGES, NODE_NAMES, Stage
from tests.cluster.chart.traces import Traces, traces
from tests.cluster.kubelets import BRISK, SERVER, forwarder, ready_nodes

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_lab.api.kubectl import Kubectl
from mooring_lab.api.real import RealApi
from mooring_lab.charts.helm import VERSIONS, Helm
from mooring_lab.kubelet.handle import Kubelet
from mooring_lab.lab import Lab, remove
from mooring_lab.store import write_atomically

_NAME = f"t{os.getpid()}h"


@pytest.fixture(scope="package")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The lab with Ready nodes; nothing of Mooring is there."""
    folder = tmp_path_factory.mktemp("chart")
    api = RealApi(folder / "api")
    remove(_NAME)
    try:
        api.start()
        with Lab(_NAME, nodes=NODE_NAMES, clients=1) as lab, forwarder(lab, api):
            yield from _stage(lab, api, folder)
    finally:
        remove(_NAME)
        api.stop()


def _stage(lab: Lab, api: RealApi, folder: Path) -> Iterator[Stage]:
    kubectl = Kubectl(api.kubeconfig, folder)
    helms = {version: Helm(folder / f"helm-{version}", version, api.kubeconfig) for version in VERSIONS}
    client = Client(from_kubeconfig(api.kubeconfig), agent="tests")
    images = folder / "images.json"
    write_atomically(images, json.dumps(IMAGES))
    stage = Stage(lab, api, kubectl, helms, client, folder, {name: Kubelet(lab, name) for name in NODE_NAMES})
    for kubelet in stage.kubelets.values():
        kubelet.start(api.kubeconfig, server=SERVER, options=(*BRISK, "--images", str(images)))
    stage.until("Ready nodes", lambda: ready_nodes(client) == set(NODE_NAMES))
    for name in NODE_NAMES:
        stage.must("label", "node", name, "node-role.kubernetes.io/ingress=")
    yield stage
    client.close()


@pytest.fixture(scope="package")
def untouched(own: Stage) -> dict[str, Traces]:
    """What each node's kernel showed before there was anything of Mooring."""
    return {node.name: traces(node) for node in own.lab.nodes}


@pytest.fixture
def stage(own: Stage, untouched: dict[str, Traces]) -> Stage:
    """The lab with the release installed, all of it Ready."""
    assert untouched
    if not own.installed():
        own.install("3")
    own.until_ready()
    return own
