"""What becomes of connections that are established when their director goes."""

import socket
import time
from typing import Any

import pytest

from mooring_lab import visits
from mooring_lab.node import Node
from mooring_lab.servers import Place
from mooring_lab.wait import wait_until

ADDRESS = "10.0.0.120"
DOWNLOADS = 12
#: A connection is told of when the next one is, and 20 ms later by the kernel's sync daemon.
TOLD_SECONDS = 0.05
#: So long at most the kernel keeps back what it has to tell of one that no other follows.
KEPT_BACK_SECONDS = 3.0
#: A pool's spare connection waits longer than that.
SPARE_SECONDS = 8.0
#: One of three servers is on the node that goes, and turns are taken: two of three downloads are served elsewhere.
ELSEWHERE = DOWNLOADS // 2
WAYS = [pytest.param("DirectRoute", id="DirectRoute"), pytest.param("Tunnel", id="Tunnel")]


def _downloads(bench: Any, seconds: float) -> list[Any]:
    return [bench.download(seconds) for _ in range(DOWNLOADS)]


def _idle(bench: Any) -> socket.socket:
    """A connection whose client has sent two packets: the kernel's own setting tells of a third one."""
    return visits.connect(bench.lab.client.namespace, ADDRESS, 80, 5.0)


def _answered(idle: socket.socket) -> bool:
    """Whether a request over it is answered; it is closed."""
    with idle:
        try:
            idle.sendall(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
            return idle.recv(100).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


def _knows(node: Node, idle: socket.socket) -> bool:
    """Whether a node's IPVS has the connection."""
    host, port = idle.getsockname()
    return f" {host}:{port} " in node.exec("ipvsadm", "-Lcn").stdout


def _move(bench: Any) -> None:
    holder, other, *_ = bench.lab.nodes
    holder.maintenance(True)
    bench.wait_held(other, (ADDRESS,))


@pytest.mark.parametrize("forwarding", WAYS)
def test_none_is_lost_at_a_graceful_move(
    bench: Any, plan: Any, forwarding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """However young, where any other connection has come since."""
    bench.start(plan(forwarding, Place.NODE, (ADDRESS,), sync=True))
    downloads = _downloads(bench, 20)
    following = _idle(bench)
    time.sleep(TOLD_SECONDS)
    _move(bench)
    assert [each.wait(60) for each in downloads] == [True] * DOWNLOADS, [each.error for each in downloads]
    following.close()
    silence = max(each.longest_silence for each in downloads)
    with capsys.disabled():
        print(f"\n{forwarding}: {DOWNLOADS} of {DOWNLOADS} whole, silent for {silence:.3f} s at most")


@pytest.mark.parametrize("forwarding", WAYS)
def test_none_is_lost_when_the_holders_own_server_goes_and_comes_back(bench: Any, plan: Any, forwarding: str) -> None:
    """The holder is no backend meanwhile, and is told of no other directors; its service stays the same."""
    given = plan(forwarding, Place.NODE, (ADDRESS,), server={"drainTimeout": "30s"})
    bench.start(given)
    downloads = _downloads(bench, 20)
    holder = bench.holder()
    (own,) = (each for each in bench.backends(Place.NODE) if each.node == holder.name)
    others = {each.name for each in bench.backends(Place.NODE)} - {own.name}
    assert {each.server for each in downloads} == others | {own.name}
    for now, answering in ((given.without(own.name), others), (given, others | {own.name})):
        holder.reload_daemon(bench.config(holder, now))
        bench.wait_answered_by(answering)
    assert all(each.running for each in downloads), [each.error for each in downloads]
    assert [each.wait(60) for each in downloads] == [True] * DOWNLOADS, [each.error for each in downloads]


def test_spares_that_have_sent_nothing_outlive_a_graceful_move(bench: Any, plan: Any) -> None:
    bench.start(plan("DirectRoute", Place.NODE, (ADDRESS,), sync=True))
    spares = [_idle(bench) for _ in range(DOWNLOADS)]
    time.sleep(SPARE_SECONDS)
    _move(bench)
    assert [_answered(each) for each in spares] == [True] * DOWNLOADS


@pytest.mark.parametrize("age", [0.0, TOLD_SECONDS, 0.3, 1.0, 2.0, KEPT_BACK_SECONDS])
def test_the_youngest_alone_may_be_lost(bench: Any, plan: Any, age: float, capsys: pytest.CaptureFixture[str]) -> None:
    """As the docs say; of connections of no age at all nothing is said."""
    bench.start(plan("DirectRoute", Place.NODE, (ADDRESS,), sync=True))
    time.sleep(KEPT_BACK_SECONDS)
    spares = [_idle(bench) for _ in range(DOWNLOADS)]
    time.sleep(age)
    _move(bench)
    kept = [_answered(each) for each in spares]
    with capsys.disabled():
        print(f"\n{age:g} s after the last of {DOWNLOADS} connections: {kept.count(True)} outlived the move")
    if age >= TOLD_SECONDS:
        assert all(kept[:-1])
    if age >= KEPT_BACK_SECONDS:
        assert all(kept)


def test_one_is_told_of_when_the_next_comes_or_after_three_seconds(
    bench: Any, plan: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.start(plan("DirectRoute", Place.NODE, (ADDRESS,), sync=True))
    _holder, other, *_ = bench.lab.nodes
    time.sleep(KEPT_BACK_SECONDS)
    took = {}
    for what, next_ones in (("alone", 0), ("followed by another", 1)):
        begun = time.monotonic()
        opened = [_idle(bench) for _ in range(1 + next_ones)]
        wait_until(lambda first=opened[0]: _knows(other, first), 4.0, "the other node to know it", every=0.01)
        took[what] = time.monotonic() - begun
        time.sleep(KEPT_BACK_SECONDS)
        for each in opened:
            each.close()
        time.sleep(KEPT_BACK_SECONDS)
    with capsys.disabled():
        print("\ntold of " + ", ".join(f"{what}: after {seconds:.3f} s" for what, seconds in took.items()))
    assert took["alone"] <= KEPT_BACK_SECONDS + 0.1
    assert took["followed by another"] <= TOLD_SECONDS


@pytest.mark.parametrize("forwarding", WAYS)
def test_those_that_the_next_director_knows_outlive_their_director(
    bench: Any, plan: Any, forwarding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.start(plan(forwarding, Place.NODE, (ADDRESS,), sync=True))
    downloads = _downloads(bench, 20)
    time.sleep(KEPT_BACK_SECONDS)
    assert all(each.running and each.received for each in downloads)
    holder, other, *_ = bench.lab.nodes
    holder.fault_node()
    bench.wait_held(other, (ADDRESS,))
    whole = [each.wait(60) for each in downloads]
    served_elsewhere = [
        ok for each, ok in zip(downloads, whole, strict=True) if bench.lab.server(each.server).node != holder.name
    ]
    with capsys.disabled():
        print(f"\n{forwarding}: {whole.count(True)} of {DOWNLOADS} outlived the node that directed them,")
        print(f"  {served_elsewhere.count(True)} of the {len(served_elsewhere)} that other nodes served")
    assert len(served_elsewhere) >= ELSEWHERE
    assert all(served_elsewhere)


def test_masqueraded_ones_end_with_their_director(bench: Any, plan: Any) -> None:
    """As the docs say: the way back leads through an address and a port of the node that is gone."""
    bench.start(plan("NAT", Place.POD, (ADDRESS,)))
    downloads = _downloads(bench, 10)
    time.sleep(KEPT_BACK_SECONDS)
    holder, other, *_ = bench.lab.nodes
    holder.fault_node()
    bench.wait_held(other, (ADDRESS,))
    assert not any(each.wait(20) for each in downloads)
    bench.wait_answered_by({s.name for s in bench.backends(Place.POD) if s.node != holder.name})
