"""From `kubectl apply` to the NodeConfigs of the candidates, and back into the VirtualIP's status."""

import pytest

from mooring_kube.resources import VIRTUAL_IPS
from tests.cluster.operator.scenery import Cluster, Daemons, addresses_of

pytestmark = pytest.mark.cluster


def test_one_virtual_ip_the_whole_way(cluster: Cluster) -> None:
    names = ["n1", "n2", "n3"]
    cluster.add_nodes(names)
    operator = cluster.leader()
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8", nodes={"preferred": [{"node": "n2"}]})
        cluster.wait_for("web", "Programmed")
        cluster.wait_for("web", "Held")
    assert {name: list(cluster.instances(name)) for name in names} == {name: ["web-0"] for name in names}
    (group,) = cluster.client.get(VIRTUAL_IPS, "web")["status"]["groups"]
    assert (group["holder"], group["order"][0]["node"]) == ("n2", "n2")
    assert operator.metric("mooring_operator_writes_total", result="failed") == 0
