"""A daemon that balances: with nothing to hold, without VRRP, and what a person is told.

The kernel here need not know IPVS: what it lacks is told as a problem, and everything else goes on.
"""

import shlex
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mooring_lab import namespace
from mooring_lab.lab import default_daemon_command
from mooring_node.files import read_json

pytestmark = pytest.mark.netns

PORT = 8080


@pytest.fixture
def backend(bench: Any) -> Iterator[str]:
    """Where a server listens beside the nodes, as long as the test lasts; nobody accepts."""

    def listen() -> socket.socket:
        return socket.create_server(("", PORT), backlog=4096)

    with namespace.call(bench.client.namespace, listen):
        yield bench.client.address


def server(name: str, *backends: str, **changes: Any) -> dict[str, Any]:
    check = {"name": "tcp", "tcp": {}, "interval": "100ms", "timeout": "1s", "retries": 0, "warmup": "0s"}
    listed = [{"address": each} for each in backends]
    plain = {"name": name, "addresses": ["10.0.0.100"], "port": PORT, "backends": listed, "healthChecks": [check]}
    return plain | changes


def reports(bench: Any, node: Any) -> dict[str, Any]:
    """What the daemon tells of its servers, by name."""
    agent = (bench.status(node) or {}).get("agent") or {}
    return {each["name"]: each for each in (agent.get("balance") or {}).get("listed", ())}


def processes(bench: Any, node: Any) -> list[str]:
    return [each["name"] for each in (bench.status(node) or {}).get("processes", ())]


def test_a_node_that_holds_nothing_balances(bench, backend):
    bench.start(bench.a, virtualServers=[server("web", backend), server("lost", "10.0.255.254", port=PORT + 1)])
    bench.wait(lambda: reports(bench, bench.a).get("web", {}).get("quorum"), "the quorum of web")
    bench.wait(lambda: reports(bench, bench.a)["lost"]["down"] == 1, "the backend that is not there to be down")
    lines = bench.run(bench.a, "status", "--state-dir", str(bench.a.state_dir)).stdout.splitlines()
    assert lines[0] == "No groups are configured."
    assert lines[2].split() == ["VIRTUAL", "SERVER", "FAMILY", "QUORUM", "UP", "DOWN", "DRAINING"]
    assert lines[3].split() == ["lost", "IPv4", "NO", "(0", "of", "1)", "0", "1", "0"]
    assert lines[4].strip().startswith(f"10.0.255.254:{PORT + 1} down since ")
    assert lines[5].split() == ["web", "IPv4", "yes", "1", "0", "0"]
    bench.wait_log(bench.a, f"lost IPv4: BackendDown 10.0.255.254:{PORT + 1}")


def test_one_bad_server_keeps_its_last_good_form_and_the_others_change(bench, backend):
    web, api = server("web", backend), server("api", backend, port=PORT + 1)
    bench.start(bench.a, virtualServers=[web, api])
    bench.wait(lambda: len(reports(bench, bench.a)) == 2, "both servers")
    more = server("more", backend, port=PORT + 2)
    bench.a.reload_daemon(bench.config(bench.a, virtualServers=[web | {"scheduler": "best"}, more]))
    bench.wait(lambda: reports(bench, bench.a).keys() == {"web", "more"}, "api to go, and web to stay as it was")
    assert any("(virtual server web)" in each for each in bench.problems(bench.a))


def test_what_is_balanced_no_more_needs_no_process(bench, backend):
    bench.start(bench.a, virtualServers=[server("web", backend)])
    bench.wait(lambda: reports(bench, bench.a).get("web", {}).get("quorum"), "the quorum of web")
    assert "checks" in processes(bench, bench.a)
    bench.a.reload_daemon(bench.config(bench.a))
    bench.wait(lambda: "checks" not in processes(bench, bench.a), "the checks process to end")
    assert not (bench.a.state_dir / "balance.json").exists()
    bench.a.reload_daemon(bench.config(bench.a, virtualServers=[server("web", backend)]))
    bench.wait(lambda: reports(bench, bench.a).get("web", {}).get("quorum"), "the quorum of web again")
    assert bench.restarts(bench.a, "checks") == 0


def test_checks_only(make_bench: Callable[..., Any], instance_of: Callable[..., Any], tmp_path: Path) -> None:
    wrapper = tmp_path / "mooring-node"
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(default_daemon_command()[0])} "$@" --checks-only\n')
    wrapper.chmod(0o755)
    bench = make_bench(daemon_command=(str(wrapper),))
    alone = instance_of(transport={"alone": True})
    bench.start(bench.a, alone, virtualServers=[server("lost", "10.0.255.254")])
    bench.wait(lambda: reports(bench, bench.a).get("lost", {}).get("down") == 1, "the backend to be down")
    assert processes(bench, bench.a) == ["agent", "checks"]
    status = bench.status(bench.a)
    assert (status["groups"], status["silent"]) == ([], [])
    assert any("spec.instances: warning: are not run" in each for each in bench.problems(bench.a))
    assert bench.a.held() == set()
    lines = bench.run(bench.a, "status", "--state-dir", str(bench.a.state_dir)).stdout.splitlines()
    assert lines[0] == "No VRRP is spoken (--checks-only)."
    bench.a.stop_daemon()
    assert read_json(bench.a.state_dir / "accepted.json")["groups"] == []  # type: ignore[index]
