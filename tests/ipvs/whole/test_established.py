"""What becomes of connections that are established when their director goes."""

import time
from typing import Any

import pytest

from mooring_lab.servers import Place

ADDRESS = "10.0.0.120"
DOWNLOADS = 12
#: The kernel's sync daemon tells of a connection after some packets, and sends what it has each second.
SYNC_SECONDS = 3.0
#: One of three servers is on the node that goes, and turns are taken: two of three downloads are served elsewhere.
ELSEWHERE = DOWNLOADS // 2
WAYS = [pytest.param("DirectRoute", id="DirectRoute"), pytest.param("Tunnel", id="Tunnel")]


def _downloads(bench: Any, seconds: float) -> list[Any]:
    found = [bench.download(seconds) for _ in range(DOWNLOADS)]
    time.sleep(SYNC_SECONDS)
    assert all(each.running and each.received for each in found)
    return found


@pytest.mark.parametrize("forwarding", WAYS)
def test_none_is_lost_at_a_graceful_move(
    bench: Any, plan: Any, forwarding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.start(plan(forwarding, Place.NODE, (ADDRESS,), sync=True))
    downloads = _downloads(bench, 20)
    holder, other, *_ = bench.lab.nodes
    holder.maintenance(True)
    bench.wait_held(other, (ADDRESS,))
    assert [each.wait(60) for each in downloads] == [True] * DOWNLOADS, [each.error for each in downloads]
    silence = max(each.longest_silence for each in downloads)
    with capsys.disabled():
        print(f"\n{forwarding}: {DOWNLOADS} of {DOWNLOADS} whole, silent for {silence:.3f} s at most")


@pytest.mark.parametrize("forwarding", WAYS)
def test_those_that_the_next_director_knows_outlive_their_director(
    bench: Any, plan: Any, forwarding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.start(plan(forwarding, Place.NODE, (ADDRESS,), sync=True))
    downloads = _downloads(bench, 20)
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
    holder, other, *_ = bench.lab.nodes
    holder.fault_node()
    bench.wait_held(other, (ADDRESS,))
    assert not any(each.wait(20) for each in downloads)
    bench.wait_answered_by({s.name for s in bench.backends(Place.POD) if s.node != holder.name})
