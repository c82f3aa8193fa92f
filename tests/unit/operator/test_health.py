"""The pages that kubelet and Prometheus ask for."""

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mooring_operator.cluster.writes import Verb, Write
from mooring_operator.health import HealthServer
from mooring_operator.metrics import Metrics, Readings

WRONG = {"/healthz": "", "/readyz": ""}


@pytest.fixture
def server() -> Iterator[tuple[HealthServer, Metrics, dict[str, str]]]:
    metrics, wrong = Metrics(), dict(WRONG)
    checks = {path: (lambda of=path: wrong[of]) for path in wrong}
    found = HealthServer("127.0.0.1", 0, metrics.registry, checks)
    found.start()
    yield found, metrics, wrong
    found.stop()


def ask(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10.0) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_check_says_what_is_wrong(server: tuple[HealthServer, Metrics, dict[str, str]]) -> None:
    found, _, wrong = server
    assert ask(found, "/healthz") == (200, "ok\n")
    wrong["/readyz"] = "rights are missing"
    assert ask(found, "/readyz?verbose") == (503, "rights are missing\n")
    assert ask(found, "/healthz") == (200, "ok\n")
    assert ask(found, "/")[0] == 404


def test_metrics_are_what_prometheus_reads(server: tuple[HealthServer, Metrics, dict[str, str]]) -> None:
    found, metrics, _ = server
    metrics.read_from(Readings(lambda: True, lambda: 3, lambda: {"Node": 5}))
    metrics.wrote(Write(Verb.APPLY, "NodeConfig", "n1", ""), "ok")
    families = {family.name: family for family in text_string_to_metric_families(ask(found, "/metrics")[1])}
    assert families["mooring_operator_leader"].samples[0].value == 1
    assert families["mooring_operator_queue"].samples[0].value == 3
    assert families["mooring_operator_objects"].samples[0].labels == {"kind": "Node"}
    (written,) = [s for s in families["mooring_operator_writes"].samples if s.name.endswith("_total")]
    assert written.labels == {"kind": "NodeConfig", "verb": "apply", "result": "ok"}


def test_an_address_that_is_taken_is_an_error(server: tuple[HealthServer, Metrics, dict[str, str]]) -> None:
    found, metrics, _ = server
    with pytest.raises(OSError, match="in use"):
        HealthServer("127.0.0.1", found.port, metrics.registry, {})
