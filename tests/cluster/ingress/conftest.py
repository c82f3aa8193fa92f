"""One cluster for all: a real API server, three nodes with kubelets, Mooring's pods, the example's controller."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster.chart.scenery import NODE_NAMES
from tests.cluster.ingress.scenery import Scene
from tests.cluster.kubelets import forwarder

from mooring_lab.api.real import RealApi
from mooring_lab.lab import Lab, remove


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory, require_tool: Callable[[str], str]) -> Iterator[Scene]:
    """Its own API server, since a test ends it."""
    require_tool("nginx")
    name = f"t{os.getpid()}i"
    remove(name)
    folder: Path = tmp_path_factory.mktemp("ingress")
    api = RealApi(folder / "api")
    api.start()
    try:
        with Lab(name, nodes=NODE_NAMES, clients=1) as lab, forwarder(lab, api):
            scene = Scene(lab, api, folder)
            try:
                scene.build()
                yield scene
            finally:
                scene.close()
    finally:
        api.stop()
        remove(name)


@pytest.fixture
def scene(built: Scene) -> Iterator[Scene]:
    """Everything is at rest before and after: all pods Ready, the first choice holds the address."""
    built.settle()
    yield built
    built.mend()
