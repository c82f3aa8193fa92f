"""A cluster for one test of the operator, on the session's real API server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.operator.scenery import Cluster

from mooring_kube.client import Client
from mooring_lab.api.kubectl import Kubectl
from mooring_lab.api.real import RealApi

DEPLOY = Path(__file__).parents[3] / "deploy"


@pytest.fixture
def cluster(real_api: RealApi, client: Client, kubectl: Kubectl, tmp_path: Path) -> Iterator[Cluster]:
    """Nodes, VirtualIPs and operators; the operators have the rights of deploy/ and no others."""
    done = kubectl("apply", "-f", str(DEPLOY))
    assert done.returncode == 0, done.stderr
    kubeconfig = real_api.kubeconfig_for(real_api.token("mooring-operator"), tmp_path / "operator.kubeconfig")
    found = Cluster(client, kubeconfig, tmp_path)
    try:
        yield found
    finally:
        found.clean()
