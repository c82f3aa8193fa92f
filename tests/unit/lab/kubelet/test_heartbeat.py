"""The node is registered and said to be Ready."""

from typing import Any

from tests.unit.lab.kubelet.fake_client import FakeClient
from tests.unit.lab.kubelet.pods import NODE, Document

from mooring_kube.errors import Unreachable
from mooring_lab.kubelet.heartbeat import Heartbeat


def ended(client: Any, requests: int) -> list[tuple[str, str]]:
    """What it asks until it has asked so much, and at its end."""
    log: list[str] = []
    beating = Heartbeat(client, NODE, log.append)
    beating.start()
    client.wait(requests)
    beating.stop()
    return [(method, path) for method, path, _ in client.asked]


def registered(**fields: Any) -> Document:
    return {"metadata": {"name": "lb-1", "uid": "u-7", "resourceVersion": "5"} | fields, "status": {}}


def test_a_node_is_made_where_there_is_none(client: FakeClient) -> None:
    asked = ended(client, 3)
    assert asked[:3] == [("CREATE", "Node"), ("PATCH", "Node/lb-1"), ("APPLY", "kube-node-lease/lb-1")]
    assert client.asked[0][2]["metadata"]["labels"]["kubernetes.io/hostname"] == "lb-1"


def test_a_node_that_is_there_gets_its_labels_and_keeps_what_others_say(client: FakeClient) -> None:
    found = registered(labels={"zone": "a"})
    others = {"type": "NetworkUnavailable", "status": "False"}
    found["status"]["conditions"] = [others, {"type": "Ready", "status": "Unknown"}]
    client.objects[None, "lb-1"] = found
    asked = ended(client, 3)
    assert asked[:3] == [("PATCH", "Node/lb-1"), ("PATCH", "Node/lb-1"), ("APPLY", "kube-node-lease/lb-1")]
    assert set(client.asked[0][2]["metadata"]["labels"]) == {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
    }
    status = client.asked[1][2]
    assert status["metadata"] == {"resourceVersion": "5"}
    assert others in status["status"]["conditions"]
    assert [c["status"] for c in status["status"]["conditions"] if c["type"] == "Ready"] == ["True"]
    lease = client.asked[2][2]
    assert lease["metadata"]["ownerReferences"][0]["uid"] == "u-7"


def test_at_its_end_it_says_so_if_it_is_heard(client: FakeClient) -> None:
    client.objects[None, "lb-1"] = registered()
    ended(client, 2)
    last = client.asked[-1][2]["status"]["conditions"]
    assert [c["status"] for c in last if c["type"] == "Ready"] == ["False"]


def test_an_end_that_nobody_hears_is_an_end(client: FakeClient) -> None:
    client.objects[None, "lb-1"] = registered()
    log: list[str] = []
    beating = Heartbeat(client, NODE, log.append)  # type: ignore[arg-type]
    beating.start()
    client.wait(2)
    client.deaf = Unreachable("no")
    beating.stop()
    assert log[-1:] == ["heartbeat: no"]
