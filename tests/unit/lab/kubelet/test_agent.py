"""Who binds what, and what the reporter does when nobody listens."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.lab.kubelet.pods import NODE, Document, container, pod
from tests.unit.lab.kubelet.test_fitting import by_name, required

from mooring_kube.errors import Conflict, NotFound, Unreachable
from mooring_lab.kubelet.agent import Binder, Bound
from mooring_lab.kubelet.document import PodKey
from mooring_lab.kubelet.reporter import Reporter, Teller
from mooring_lab.kubelet.rules import Pace
from mooring_lab.kubelet.services import Services

KEY = PodKey("shop", "web", "u-1")


class FakeClient:
    """Remembers what it was asked, and answers with the errors it is given, one by one."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Document]] = []
        self.errors: list[Exception] = []
        self.meanwhile: list[Callable[[], None]] = []
        """What happens while it is asked."""
        self.heard = threading.Condition()

    def request(self, method: str, path: str, *, body: Document) -> Document:
        return self._take(method, path, body)

    def apply(self, _resource: object, document: Document, *, namespace: str, **_: Any) -> Document:
        return self._take("APPLY", f"{namespace}/{document['metadata']['name']}", document)

    def wait(self, count: int) -> list[tuple[str, str]]:
        with self.heard:
            assert self.heard.wait_for(lambda: len(self.asked) >= count, 30)
            return [(method, path) for method, path, _ in self.asked]

    def _take(self, method: str, path: str, body: Document) -> Document:
        if self.meanwhile:
            self.meanwhile.pop()()
        with self.heard:
            self.asked.append((method, path, body))
            self.heard.notify_all()
            if self.errors:
                raise self.errors.pop(0)
        return {}


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def services(client: Any, tmp_path: Path) -> Services:
    log: list[str] = []
    return Services(client, NODE, tmp_path, Pace(), Reporter(client, log.append), Teller(client, "lb-1"), log.append)


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


@pytest.fixture
def reporter(services: Services) -> Iterator[Reporter]:
    services.reporter.start()
    yield services.reporter
    services.reporter.stop(0.0)
    services.reporter.join(30)
    assert not services.reporter.is_alive()


def test_a_status_is_written_until_it_is_heard(reporter: Reporter, client: FakeClient) -> None:
    client.errors += [Unreachable("no"), Unreachable("no")]
    reporter.report(KEY, {"phase": "Running"})
    assert client.wait(3) == [("APPLY", "shop/web")] * 3
    assert client.asked[-1][2] == {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u-1"},
        "status": {"phase": "Running"},
    }


def test_only_the_newest_is_written(reporter: Reporter, client: FakeClient) -> None:
    client.errors += [Unreachable("no")]
    reporter.report(KEY, {"phase": "Pending"})
    client.wait(1)
    reporter.report(KEY, {"phase": "Running"})
    client.wait(2)
    assert client.asked[1][2]["status"] == {"phase": "Running"}


def test_what_changes_while_it_is_written_is_written_too(reporter: Reporter, client: FakeClient) -> None:
    client.meanwhile.append(lambda: reporter.report(KEY, {"phase": "Running"}))
    reporter.report(KEY, {"phase": "Pending"})
    client.wait(2)
    assert [body["status"]["phase"] for _, _, body in client.asked] == ["Pending", "Running"]


def test_a_pod_that_is_over_is_deleted_and_no_other_of_its_name(reporter: Reporter, client: FakeClient) -> None:
    reporter.report(KEY, {"phase": "Succeeded"}, over=True)
    assert client.wait(2) == [("APPLY", "shop/web"), ("DELETE", "/api/v1/namespaces/shop/pods/web")]
    body = client.asked[1][2]
    assert (body["gracePeriodSeconds"], body["preconditions"]) == (0, {"uid": "u-1"})


@pytest.mark.parametrize("error", [NotFound(404, "NotFound", "gone"), Conflict(409, "Conflict", "another uid")])
def test_a_pod_that_is_gone_is_forgotten(reporter: Reporter, client: FakeClient, error: Exception) -> None:
    client.errors.append(error)
    reporter.report(KEY, {"phase": "Running"}, over=True)
    client.wait(1)
    reporter.report(PodKey("shop", "other", "u-2"), {"phase": "Running"})
    assert client.wait(2) == [("APPLY", "shop/web"), ("APPLY", "shop/other")]
