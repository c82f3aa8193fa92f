"""A group that tracks a virtual server: it lets go, or loses priority, with the quorum of its backends.

The daemons run on a kernel that takes every table, see balancing_kernel.py; one test has what this kernel says.
"""

import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mooring_lab import namespace

pytestmark = pytest.mark.netns

ADDRESS = "10.0.0.100"
PORT = 8080
BALANCING = (sys.executable, str(Path(__file__).with_name("balancing_kernel.py")))


class Backend:
    """A server at the client's address that can be closed and opened; used as a context."""

    def __init__(self, bench: Any) -> None:
        self._bench = bench
        self.address = bench.client.address
        self._socket: socket.socket | None = None

    def open(self) -> None:
        def listen() -> socket.socket:
            # Nobody accepts: whoever connects has been answered by the kernel.
            return socket.create_server(("", PORT), backlog=4096)

        self._socket = namespace.call(self._bench.client.namespace, listen)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@pytest.fixture
def bench(make_bench: Callable[..., Any]) -> Any:
    """Two nodes whose kernels balance, and a client."""
    return make_bench(daemon_command=BALANCING)


@pytest.fixture
def backend(bench: Any) -> Iterator[Backend]:
    made = Backend(bench)
    made.open()
    with closing(made):
        yield made


def server(backend: Backend, **changes: Any) -> dict[str, Any]:
    check = {"name": "tcp", "tcp": {}, "interval": "100ms", "timeout": "1s", "retries": 0, "warmup": "0s"}
    return {
        "name": "shop/web:http",
        "virtualServer": "shop/web",
        "addresses": [ADDRESS],
        "port": PORT,
        "backends": [{"address": backend.address}],
        "healthChecks": [check],
        **changes,
    }


def tracking(**effect: Any) -> list[dict[str, Any]]:
    return [{"name": "web", "virtualServer": {"name": "shop/web"}, **({"effect": effect} if effect else {})}]


@pytest.fixture
def pair(bench: Any, instance_of: Callable[..., Any], backend: Backend) -> Callable[..., None]:
    """Starts a with what is tracked and more priority, and b without."""

    def start(trackings: list[dict[str, Any]], **changes: Any) -> None:
        bench.start(bench.a, instance_of(priority=150, tracking=trackings), virtualServers=[server(backend)])
        bench.wait_state(bench.a, "Active")
        bench.start(bench.b, instance_of(priority=100, **changes))
        bench.wait_state(bench.b, "Backup")

    return start


def test_a_node_whose_quorum_is_lost_lets_go_and_comes_back(bench, pair, backend):
    pair(tracking())
    backend.close()
    bench.wait_held(bench.b, ADDRESS)
    bench.wait_held(bench.a)
    found = bench.group(bench.a)
    assert (found["state"], found["faults"]) == ("Fault", ["Tracked"])
    assert found["remedies"][0].startswith("shop/web: a virtual server")
    backend.open()
    bench.wait_held(bench.a, ADDRESS)
    bench.wait_held(bench.b)


def test_a_node_whose_quorum_is_lost_has_less_priority(bench, pair, backend):
    pair(tracking(type="AdjustPriority", weight=-100))
    backend.close()
    bench.wait_held(bench.b, ADDRESS)
    bench.wait_state(bench.a, "Backup")
    assert bench.group(bench.a)["priority"] == 50
    backend.open()
    bench.wait_held(bench.a, ADDRESS)
    bench.wait_held(bench.b)
    assert bench.group(bench.a)["priority"] == 150


def test_a_peer_that_never_preempts_leaves_the_role_where_it_is(bench, pair, backend):
    pair(tracking(type="AdjustPriority", weight=-100), preemption={"mode": "Never"})
    backend.close()
    bench.wait(lambda: bench.group(bench.a)["priority"] == 50, "the lower priority")
    heard = bench.group(bench.b)["members"][0]["advertsReceived"]
    bench.wait(lambda: bench.group(bench.b)["members"][0]["advertsReceived"] > heard + 20, "two seconds of adverts")
    assert (bench.state(bench.a), bench.state(bench.b)) == ("Active", "Backup")
    assert bench.group(bench.b)["lastHeard"]["priority"] == 50


def test_a_killed_checks_process_is_replaced_before_its_silence_counts(bench, pair):
    pair(tracking())
    transitions = bench.group(bench.a)["transitions"]
    bench.kill(bench.a, "checks")
    bench.wait(lambda: bench.restarts(bench.a, "checks") == 1, "its successor")
    heard = bench.group(bench.b)["members"][0]["advertsReceived"]
    bench.wait(lambda: bench.group(bench.b)["members"][0]["advertsReceived"] > heard + 50, "five seconds of adverts")
    assert bench.group(bench.a)["transitions"] == transitions


def test_a_checks_process_that_is_silent_is_not_believed_for_ever(bench, pair):
    pair(tracking())
    bench.kill(bench.a, "checks", signal.SIGSTOP)
    bench.wait_held(bench.b, ADDRESS)
    assert bench.group(bench.a)["faults"] == ["Tracked"]
    bench.kill(bench.a, "checks", signal.SIGCONT)
    bench.wait_held(bench.a, ADDRESS)


def test_a_vrrp_process_that_is_replaced_knows_its_priority_before_it_elects(bench, pair, backend):
    pair(tracking(type="AdjustPriority", weight=-100))
    backend.close()
    bench.wait_held(bench.b, ADDRESS)
    before = bench.group(bench.b)["transitions"]
    bench.kill(bench.a, "vrrp")
    bench.wait(lambda: bench.restarts(bench.a, "vrrp") == 1, "its successor")
    bench.wait(lambda: (bench.group(bench.a) or {}).get("priority") == 50, "its word on the priority")
    heard = bench.group(bench.b)["members"][0]["advertsSent"]
    bench.wait(lambda: bench.group(bench.b)["members"][0]["advertsSent"] > heard + 10, "a second of adverts")
    assert bench.group(bench.b)["transitions"] == before


def test_what_is_tracked_and_not_there_is_told_by_name(bench, instance_of, backend):
    bench.start(bench.a, instance_of(transport={"alone": True}), virtualServers=[server(backend)])
    bench.wait_state(bench.a, "Active")
    wrong = instance_of(transport={"alone": True}, tracking=tracking(), priority=7)
    bench.a.reload_daemon(bench.config(bench.a, wrong, virtualServers=[server(backend, virtualServer="shop/other")]))
    bench.wait(lambda: any("there is no virtual server shop/web" in each for each in bench.problems(bench.a)), "it")
    assert bench.group(bench.a)["priority"] == 100, "the last good form goes on"
    assert bench.state(bench.a) == "Active"


@pytest.mark.skipif(Path("/proc/net/ip_vs").exists(), reason="this kernel balances")
def test_a_node_whose_kernel_cannot_balance_does_not_hold_what_it_would_drop(make_bench, instance_of):
    bench = make_bench()
    backend = Backend(bench)
    backend.open()
    with closing(backend):
        bench.start(bench.a, instance_of(priority=150, tracking=tracking()), virtualServers=[server(backend)])
        bench.wait_state(bench.a, "Fault")
        bench.start(bench.b, instance_of(priority=100))
        bench.wait_held(bench.b, ADDRESS)
        assert bench.group(bench.a)["remedies"] == ["shop/web: the kernel cannot balance it (ip_vs is missing)"]
        transitions = bench.group(bench.a)["transitions"]
        bench.kill(bench.a, "checks")
        bench.wait(lambda: bench.restarts(bench.a, "checks") == 1, "its successor")
        heard = bench.group(bench.b)["members"][0]["advertsSent"]
        bench.wait(lambda: bench.group(bench.b)["members"][0]["advertsSent"] > heard + 50, "five seconds of adverts")
        assert bench.group(bench.a)["transitions"] == transitions, "a successor does not believe in the kernel either"
