"""The daemon's checks process beside the others; on a kernel that takes every table, see balancing_kernel.py."""

import os
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mooring_lab.servers import WebServer

BALANCING = (sys.executable, str(Path(__file__).with_name("balancing_kernel.py")))
TRACKED = {"name": "site", "virtualServer": {"name": "site"}}


@pytest.fixture
def bench(make_bench: Callable[..., Any]) -> Any:
    """One node, and two HTTP servers beside it."""
    return make_bench(nodes=1, servers=2, daemon_command=BALANCING)


def site(servers: tuple[WebServer, ...], **changes: Any) -> dict[str, Any]:
    check = {"name": "web", "interval": "200ms", "timeout": "2s", "retries": 0, "warmup": "0s", "tcp": {}}
    return {
        "name": "site",
        "addresses": ["10.0.0.100"],
        "port": 80,
        "forwarding": "DirectRoute",
        "backends": [{"address": each.address} for each in servers],
        "healthChecks": [check],
        **changes,
    }


def start(bench: Any, instance_of: Any, *servers: dict[str, Any], **instance: Any) -> None:
    bench.a.start_daemon(configuration(bench, instance_of, *servers, **instance))


def configuration(bench: Any, instance_of: Any, *servers: dict[str, Any], **instance: Any) -> str:
    text = bench.config(bench.a, instance_of(transport={"alone": True, "peers": []}, **instance))
    return text + (f"  virtualServers: {list(servers)}\n" if servers else "")


def report(bench: Any) -> dict[str, Any]:
    return ((bench.status(bench.a) or {}).get("checks")) or {}


def test_a_node_whose_backends_are_dead_lets_go_and_takes_the_role_again(bench: Any, instance_of: Any) -> None:
    one, two = bench.lab.servers
    start(bench, instance_of, site((one, two)), tracking=[TRACKED])
    bench.wait_state(bench.a, "Active")
    one.kill()
    bench.wait_log(bench.a, one.address)
    assert bench.state(bench.a) == "Active"
    two.kill()
    bench.wait_state(bench.a, "Fault")
    one.start()
    bench.wait_state(bench.a, "Active")


def test_a_checks_process_that_dies_takes_nothing_with_it(bench: Any, instance_of: Any) -> None:
    start(bench, instance_of, site(bench.lab.servers), tracking=[TRACKED])
    bench.wait_state(bench.a, "Active")
    bench.kill(bench.a, "checks")
    bench.wait(lambda: bench.restarts(bench.a, "checks") == 1, "a successor")
    bench.wait(lambda: report(bench).get("generation"), "its answer")
    assert bench.state(bench.a) == "Active"
    bench.wait(lambda: len(bench.status(bench.a)["transitions"]) > 1, "both transitions to be written down")
    assert [each["after"] for each in bench.status(bench.a)["transitions"]] == ["Backup", "Active"]


def test_a_restart_with_keep_goes_on_with_what_is_known(bench: Any, instance_of: Any) -> None:
    one, two = bench.lab.servers
    # An interval by which a restart may take long on a busy machine.
    slow = {"onStop": "Keep", "priority": 255, "advertisementInterval": "10s"}
    start(bench, instance_of, site((one, two), initialState="Down"), **slow)
    bench.wait_log(bench.a, f"BackendUp {one.address}")
    bench.wait_log(bench.a, f"BackendUp {two.address}")
    bench.wait_state(bench.a, "Active")
    bench.a.stop_daemon()
    bench.a.start_daemon()
    bench.wait_log(bench.a, "Initialize -> Active: adopted from its predecessor")
    bench.wait(lambda: report(bench).get("generation"), "its configuration to be balanced")
    one.kill()
    bench.wait_log(bench.a, f"BackendDown {one.address}")
    assert [bench.a.log.count(each) for each in ("BackendUp", "QuorumUp", "QuorumDown")] == [2, 1, 0]


def test_without_the_supervisor_it_ends_when_the_vrrp_process_has_handed_over(bench: Any, instance_of: Any) -> None:
    """It is asked to end at once, with the others; were it not told of the hand-over's end it would wait for long."""
    start(bench, instance_of, site(bench.lab.servers))
    bench.wait_state(bench.a, "Active")
    bench.wait(lambda: report(bench).get("servers") == 1, "the server to be checked")
    vrrp, checks = (os.pidfd_open(bench.pid(bench.a, name)) for name in ("vrrp", "checks"))
    try:
        bench.kill(bench.a, "vrrp", signal.SIGSTOP)
        bench.kill(bench.a, "supervisor")
        assert not select.select([checks], [], [], 1)[0]
        signal.pidfd_send_signal(vrrp, signal.SIGCONT)
        assert select.select([checks], [], [], 20)[0]
        assert select.select([vrrp], [], [], 0)[0]
    finally:
        os.close(vrrp)
        os.close(checks)


def test_where_only_the_holder_checks_it_learns_that_it_holds(bench: Any, instance_of: Any) -> None:
    one, two = bench.lab.servers
    start(bench, instance_of, site((one, two), checksOn="Holder"))
    bench.wait_state(bench.a, "Active")
    one.kill()
    bench.wait_log(bench.a, f"BackendDown {one.address}")


def test_it_is_there_while_there_is_something_to_run(bench: Any, instance_of: Any) -> None:
    start(bench, instance_of)
    bench.wait_state(bench.a, "Active")
    assert {each["name"] for each in bench.status(bench.a)["processes"]} == {"vrrp", "agent"}
    bench.a.reload_daemon(configuration(bench, instance_of, site(bench.lab.servers)))
    bench.wait(lambda: report(bench).get("servers") == 1, "the server to be checked")
    bench.a.reload_daemon(configuration(bench, instance_of))
    bench.wait(lambda: {each["name"] for each in bench.status(bench.a)["processes"]} == {"vrrp", "agent"}, "its end")
    assert bench.state(bench.a) == "Active"
    assert not (bench.a.state_dir / "balancing").exists()


def test_one_that_hangs_harms_no_role(bench: Any, instance_of: Any) -> None:
    start(bench, instance_of, site(bench.lab.servers))
    bench.wait(lambda: report(bench).get("servers") == 1, "the server to be checked")
    bench.wait_state(bench.a, "Active")
    os.kill(bench.pid(bench.a, "checks"), signal.SIGSTOP)
    bench.wait(lambda: "checks" in bench.status(bench.a)["silent"], "its silence to be told")
    assert bench.state(bench.a) == "Active"
    bench.kill(bench.a, "checks", signal.SIGCONT)
