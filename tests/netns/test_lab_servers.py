"""The lab's HTTP servers: in pods, on nodes, beside them; and what the API server is told of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.netns.command_line import mooring

from mooring_lab import status, visits, workloads
from mooring_lab.apply import apply
from mooring_lab.cluster import ApiKind
from mooring_lab.lab import Lab
from mooring_lab.rights import LabError
from mooring_lab.servers import WebServer
from mooring_lab.wait import wait_until

_SECONDS = 30.0
EXAMPLES = Path(__file__).parents[2] / "examples"
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: web}
spec:
  selector: {app: web}
  ipFamilyPolicy: PreferDualStack
  ports: [{name: http, port: 80, targetPort: http}]
"""


@pytest.fixture
def lab(lab_name: str) -> Iterator[Lab]:
    with Lab(lab_name, servers=1, pods=3, host_servers=1) as built:
        yield built


def asked(lab: Lab, machine: str, address: str) -> str | None:
    """Who answers a machine at an address."""
    host = f"[{address}]" if ":" in address else address
    return visits.visit(lab.machine(machine).namespace, f"http://{host}:8080/").server


def test_each_server_answers_whom_it_can(lab: Lab) -> None:
    for server in lab.servers:
        for address in server.machine.own_addresses:
            assert asked(lab, "lb-2", address) == server.name
            reached = "client-1" if not server.name.startswith("web") else "web-1"
            assert asked(lab, reached, address) == server.name
    assert asked(lab, "client-1", lab.server("web-1").address) is None, "pods are behind their nodes"
    assert [server.node for server in lab.servers] == ["lb-1", "lb-2", "lb-1", "server-1", "lb-1"]


def test_a_server_is_killed_and_started(lab: Lab) -> None:
    server = lab.server("server-1")
    with pytest.raises(LabError, match="runs already"):
        server.start()
    server.kill()
    assert (server.process, server.told()) == (None, None)
    assert "refused" in visits.visit(lab.client.namespace, f"http://{server.address}/").error
    with pytest.raises(LabError, match="mooring lab server start server-1"):
        server.kill()
    server.start()
    assert asked(lab, "client-1", server.address) == "server-1"
    with pytest.raises(LabError, match="there are web-1, web-2, web-3, server-1, edge-1"):
        lab.server("nobody")


def test_a_node_takes_its_pods_along_and_brings_them_back(lab: Lab) -> None:
    lb_1 = lab.node("lb-1")
    here = [lab.server(name) for name in ("web-1", "web-3", "edge-1")]
    lb_1.fault_node()
    assert not any(server.machine.powered for server in here)
    assert lab.server("web-2").told() is not None
    lb_1.heal()
    for server in here:
        wait_until(server.told, _SECONDS, f"{server.name} to answer")
        assert asked(lab, "lb-2", server.address) == server.name


def test_a_download_is_whole_or_broken(lab: Lab) -> None:
    server = lab.server("server-1")
    url = f"http://{server.address}/download/0.5"
    whole = visits.Download(lab.client.namespace, url)
    assert whole.server == "server-1"
    assert whole.wait(_SECONDS), whole.error
    broken = visits.Download(lab.client.namespace, f"http://{server.address}/download/60")
    wait_until(lambda: broken.received, _SECONDS, "the download to begin")
    server.kill()
    assert not broken.wait(_SECONDS)
    assert not broken.running


def test_another_process_finds_the_servers(lab: Lab) -> None:
    found = Lab.open(lab.name)
    assert [s.name for s in found.servers] == [s.name for s in lab.servers]
    assert all(server.told() for server in found.servers)
    found.close()


def test_the_commands(lab: Lab) -> None:
    assert "web-1  pod  10.244.0.11  on lb-1  up, asked 0 times" in mooring(lab, "ls").stdout
    done = mooring(lab, "get", "http://10.0.16.11/", "--count", "3")
    assert (done.stdout, done.returncode) == ("server-1  3\n", 0)
    assert "server-1  segment  10.0.16.11  on server-1  up, asked 3 times" in mooring(lab, "ls").stdout

    assert mooring(lab, "server", "fail", "server-1").returncode == 0
    failed = mooring(lab, "get", "http://10.0.16.11/")
    assert (failed.stdout, failed.returncode) == ("nobody  1\n", 1)
    assert failed.stderr == "status 503 from server-1\n"
    assert mooring(lab, "server", "kill", "server-1").returncode == 0
    assert "server-1  segment  10.0.16.11  on server-1  down" in mooring(lab, "ls").stdout
    assert mooring(lab, "server", "start", "server-1").returncode == 0
    assert mooring(lab, "get", "http://10.0.16.11/").returncode == 0
    assert "has no API server" in mooring(lab, "server", "drain", "web-1").stderr
    assert "no address of HTTP" in mooring(lab, "get", "10.0.16.11").stderr


def test_manifests_are_planned_with_the_servers_that_there_are(lab_name: str) -> None:
    """In a lab without API server the examples become files; whether this kernel can balance is another matter."""
    with Lab(lab_name, nodes=3, servers=1, pods=3, host_servers=3) as lab:
        applied = apply(lab, [EXAMPLES / "ingress-nat.yaml", EXAMPLES / "ingress-dr.yaml"])
        assert applied.problems == ()
        config = lab.node("lb-1").read_config()
        assert config is not None
        hosts = {
            address: sorted({backend.host or "" for backend in server.backends})
            for server in config.spec.virtual_servers
            for address in server.addresses
        }
        web, edge = ["web-1", "web-2", "web-3"], ["edge-1", "edge-2", "edge-3"]
        assert hosts == {"10.0.0.130": edge, "10.0.0.120": web, "fd00:10::120": web}
        assert [each.address for each in config.spec.backend_addresses] == ["10.0.0.130"]
        assert config.spec.connection_sync is not None


def endpoints(lab: Lab, family: str) -> list[dict[str, Any]]:
    done = lab.cluster.kubectl("-n", "web", "get", "endpointslice", f"web-{family}", "-o", "json")
    return list(json.loads(done.stdout)["endpoints"]) if done.returncode == 0 else []


def states(lab: Lab, family: str = "ipv4") -> dict[str, tuple[bool, bool]]:
    """Of each endpoint whether it is ready, and whether it serves."""
    return {
        each["targetRef"]["name"]: (each["conditions"]["ready"], each["conditions"]["serving"])
        for each in endpoints(lab, family)
    }


def wait_states(lab: Lab, **expected: tuple[bool, bool]) -> None:
    wanted = {name.replace("_", "-"): state for name, state in expected.items()}
    for family in ("ipv4", "ipv6"):
        wait_until(lambda f=family: states(lab, f) == wanted, _SECONDS, f"{wanted}", every=0.1)  # type: ignore[misc]


def act(lab: Lab, what: Any, server: WebServer, *words: Any) -> None:
    client = lab.cluster.client()
    what(client, server, *words)
    client.close()


def test_the_api_server_has_pods_and_the_slices_of_services(lab_name: str, tmp_path: Path) -> None:
    (tmp_path / "service.yaml").write_text(SERVICE)
    good, draining, unready = (True, True), (False, True), (False, False)
    with Lab(lab_name, servers=1, pods=2, host_servers=1, api=ApiKind.EMBEDDED) as lab:
        kubectl = lab.cluster.kubectl
        pods = {}
        for space in ("web", "edge"):
            done = kubectl("-n", space, "get", "pods", "-l", f"app={space}", "-o", "jsonpath={.items[*].metadata.name}")
            pods[space] = done.stdout
        assert pods == {"web": "web-1 web-2", "edge": "edge-1"}
        assert kubectl("apply", "-f", str(tmp_path / "service.yaml")).returncode == 0
        wait_states(lab, web_1=good, web_2=good)
        assert [each["addresses"] for each in endpoints(lab, "ipv4")] == [["10.244.0.11"], ["10.244.1.12"]]

        act(lab, workloads.drain, lab.server("web-2"))
        wait_states(lab, web_1=good, web_2=draining)
        act(lab, workloads.set_ready, lab.server("web-1"), False)
        wait_states(lab, web_1=unready, web_2=draining)
        act(lab, workloads.register, lab.server("web-2"))
        act(lab, workloads.set_ready, lab.server("web-1"), True)
        wait_states(lab, web_1=good, web_2=good)

        kubectl("-n", "web", "delete", "service", "web")
        wait_until(lambda: not endpoints(lab, "ipv4"), _SECONDS, "the slices to go")


def test_the_lab_says_what_of_its_cluster_does_not_run(lab_name: str) -> None:
    with Lab(lab_name, api=ApiKind.EMBEDDED) as lab:
        assert status.gather(lab).missing == ()
        lab.cluster.stop_operator()
        (operator,) = status.gather(lab).missing
        assert operator == f"the operator does not answer; start it again: mooring lab operator --name {lab_name} start"
        lab.cluster.api.kill_server()
        api, _ = status.gather(lab).missing
        assert api == f"the API server does not answer; start it again: mooring lab api --name {lab_name} start"
        lab.cluster.api.restart_server()
        lab.cluster.start_operator()
        assert status.gather(lab).missing == ()
