"""Who binds what."""

from typing import Any

from tests.unit.lab.kubelet.fake_client import FakeClient
from tests.unit.lab.kubelet.pods import Document, container, pod
from tests.unit.lab.kubelet.test_fitting import by_name, required

from mooring_kube.errors import Conflict, NotFound, Unreachable
from mooring_lab.kubelet.binder import Binder
from mooring_lab.kubelet.bound import Bound
from mooring_lab.kubelet.services import Services


def waiting(name: str = "web", **spec: Any) -> Document:
    document = pod(**spec)
    document["metadata"] |= {"name": name, "uid": f"uid-{name}"}
    return document


def node(**spec: Any) -> Document:
    return {"metadata": {"name": "lb-1"}, "spec": spec}


def bound_by(services: Services, *, all_pods: bool) -> Binder:
    return Binder(services, Bound(services), all_pods=all_pods)


def test_it_binds_the_pods_that_name_its_node(services: Services, client: FakeClient) -> None:
    binder = bound_by(services, all_pods=False)
    binder.saw_node(node())
    binder.listed([waiting("mine", **required(by_name("lb-1"))), waiting("theirs", **required(by_name("lb-2")))])
    binder.changed(waiting("anybodys"))
    ((method, path, body),) = client.asked
    assert (method, path) == ("POST", "/api/v1/namespaces/shop/pods/mine/binding")
    assert body["target"]["name"] == "lb-1"
    assert body["metadata"]["uid"] == "uid-mine"


def test_asked_for_it_binds_any_that_fits(services: Services, client: FakeClient) -> None:
    binder = bound_by(services, all_pods=True)
    binder.listed([waiting("early")])
    assert client.asked == []
    binder.saw_node(node(unschedulable=True))
    assert client.asked == []
    binder.saw_node(node())
    assert client.wait(1) == [("POST", "/api/v1/namespaces/shop/pods/early/binding")]


def test_a_port_is_given_once(services: Services, client: FakeClient) -> None:
    bound = Bound(services)
    binder = Binder(services, bound, all_pods=True)
    binder.saw_node(node())
    ports = container(ports=[{"containerPort": 80, "hostPort": 80}])
    there = waiting("there", containers=[ports]) | {"status": {"phase": "Succeeded"}}
    bound.listed([there])
    binder.changed(waiting("next", containers=[ports]))
    assert len(client.asked) == 1


def test_two_pods_at_once_do_not_get_one_port(services: Services, client: FakeClient) -> None:
    """The API server has not told yet that the first one is bound."""
    binder = bound_by(services, all_pods=True)
    binder.saw_node(node())
    ports = container(ports=[{"containerPort": 80, "hostPort": 80}])
    binder.listed([waiting("first", containers=[ports]), waiting("second", containers=[ports])])
    assert [path for _, path, _ in client.asked] == ["/api/v1/namespaces/shop/pods/first/binding"]


def test_another_kubelet_may_be_first(services: Services, client: FakeClient) -> None:
    binder = bound_by(services, all_pods=True)
    binder.saw_node(node())
    for error, asked in (
        (Conflict(409, "Conflict", "taken"), 1),
        (NotFound(404, "NotFound", "gone"), 2),
        (Unreachable("no"), 3),
    ):
        client.errors.append(error)
        binder.changed(waiting())
        assert len(client.asked) == asked
    binder.look()
    assert len(client.asked) == 4
    binder.look()
    assert len(client.asked) == 4
