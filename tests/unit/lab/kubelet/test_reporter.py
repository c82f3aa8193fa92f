"""What becomes of reports and events, also when nobody listens."""

from collections.abc import Iterator

import pytest
from tests.unit.lab.kubelet.fake_client import FakeClient

from mooring_kube.errors import Conflict, NotFound, Unreachable
from mooring_lab.kubelet import reporter as module
from mooring_lab.kubelet.document import PodKey
from mooring_lab.kubelet.events import Tell
from mooring_lab.kubelet.reporter import Reporter
from mooring_lab.kubelet.services import Services

KEY = PodKey("shop", "web", "u-1")


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


def test_an_event_that_comes_again_is_counted(
    services: Services, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_700_000_000.0]
    monkeypatch.setattr(module.time, "time", lambda: now[0])
    services.teller.start()
    told = Tell("Unhealthy", "Readiness probe failed", warning=True)
    services.teller.tell(KEY, told)
    client.wait(1)
    assert client.asked[0][:2] == ("CREATE", "Event")
    event = client.asked[0][2]
    assert (event["type"], event["reason"], event["count"]) == ("Warning", "Unhealthy", 1)
    assert event["involvedObject"] | {"name": "web", "uid": "u-1"} == event["involvedObject"]
    assert event["source"] == {"component": "kubelet", "host": "lb-1"}

    services.teller.tell(KEY, told)
    now[0] += 5
    services.teller.tell(KEY, told)
    client.wait(2)
    assert client.asked[1] == (
        "PATCH",
        f"Event/{event['metadata']['name']}",
        {"count": 3, "lastTimestamp": "2023-11-14T22:13:25Z"},
    )
    services.teller.tell(KEY, Tell("Started", "Started container main"))
    client.wait(3)
    assert client.asked[2][2]["type"] == "Normal"


def test_an_event_that_nobody_takes_is_lost_and_the_next_is_not(services: Services, client: FakeClient) -> None:
    client.errors.append(Unreachable("no"))
    services.teller.start()
    services.teller.tell(KEY, Tell("A", "a"))
    services.teller.tell(KEY, Tell("B", "b"))
    client.wait(2)
    assert [body["reason"] for _, _, body in client.asked] == ["A", "B"]
