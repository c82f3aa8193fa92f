"""Traffic through virtual addresses to HTTP servers that die, come back, and lose their director."""

import time
from typing import Any

import pytest

from mooring_lab.servers import Place

ADDRESS, ADDRESS_V6 = "10.0.0.120", "fd00:10::120"
BOTH = (ADDRESS, ADDRESS_V6)
#: A master-down interval at adverts of 100 ms, with the longest skew.
TAKEOVER_SECONDS = 0.4
WAYS = [
    pytest.param("NAT", Place.POD, BOTH, id="NAT"),
    pytest.param("DirectRoute", Place.NODE, BOTH, id="DirectRoute"),
    pytest.param("Tunnel", Place.NODE, (ADDRESS,), id="Tunnel"),
]


@pytest.mark.parametrize(("forwarding", "place", "addresses"), WAYS)
def test_requests_go_round_all_servers_and_a_dead_one_is_left_out(
    bench: Any, plan: Any, out_seconds: float, forwarding: str, place: Place, addresses: tuple[str, ...]
) -> None:
    bench.start(plan(forwarding, place, addresses))
    names = {server.name for server in bench.backends(place)}
    for address in addresses:
        assert bench.tally(12, address) == dict.fromkeys(sorted(names), 4)

    dead = bench.backends(place)[1]
    dead.kill()
    died = time.monotonic()
    bench.wait_answered_by(names - {dead.name})
    print(f"{forwarding}: out after {time.monotonic() - died:.3f} s, at most {out_seconds:.3f} s")
    assert time.monotonic() - died < out_seconds + 0.25

    dead.start()
    for address in addresses:
        bench.wait_answered_by(names, address)


@pytest.mark.parametrize(("forwarding", "place", "addresses"), WAYS)
def test_the_next_holder_balances_at_once(
    bench: Any, plan: Any, forwarding: str, place: Place, addresses: tuple[str, ...]
) -> None:
    bench.start(plan(forwarding, place, addresses))
    holder, *others = bench.lab.nodes
    holder.fault_node()
    died = time.monotonic()
    for address in addresses:
        while not bench.ask(address, timeout=0.2).good:
            time.sleep(0.01)
            assert time.monotonic() - died < 5, bench.evidence()
        print(f"{forwarding}, {address}: answered again after {time.monotonic() - died:.3f} s")
    bench.wait_held(others[0], addresses)
    left = {server.name for server in bench.backends(place) if server.node != holder.name}
    for address in addresses:
        bench.wait_answered_by(left, address)

    holder.heal()
    bench.wait_held(holder, addresses)
    for address in addresses:
        bench.wait_answered_by({server.name for server in bench.backends(place)}, address)


@pytest.mark.parametrize(("forwarding", "place", "addresses"), WAYS)
def test_the_sorry_server_answers_while_all_are_dead(
    bench: Any, plan: Any, forwarding: str, place: Place, addresses: tuple[str, ...]
) -> None:
    bench.start(plan(forwarding, place, addresses))
    servers = bench.backends(place)
    for server in servers:
        server.kill()
    for address in addresses:
        bench.wait_answered_by({bench.sorry.name}, address)
    servers[0].start()
    for address in addresses:
        bench.wait_answered_by({servers[0].name}, address)


@pytest.mark.parametrize("forwarding", ["NAT", "DirectRoute"])
def test_a_server_that_leaves_the_list_keeps_its_download(bench: Any, plan: Any, forwarding: str) -> None:
    place = Place.POD if forwarding == "NAT" else Place.NODE
    given = plan(forwarding, place, (ADDRESS,), server={"drainTimeout": "20s"})
    bench.start(given)
    download = bench.download(10)
    leaver = bench.lab.server(download.server)
    for node in bench.lab.nodes:
        node.reload_daemon(bench.config(node, given.without(leaver.name)))
    names = {server.name for server in bench.backends(place)} - {leaver.name}
    bench.wait_answered_by(names)
    assert f"{leaver.address}:{8080 if forwarding == 'NAT' else 80}" in bench.table(bench.holder())
    assert download.wait(30), (download.error, download.received)
    time.sleep(20)
    assert leaver.address not in bench.table(bench.holder())


def test_a_failed_server_that_is_inhibited_keeps_its_download(bench: Any, plan: Any) -> None:
    bench.start(plan(on_failure="Inhibit"))
    download = bench.download(10)
    slow = bench.lab.server(download.server)
    slow.behave(status=503)
    bench.wait_answered_by({server.name for server in bench.backends(Place.POD)} - {slow.name})
    assert download.wait(30), (download.error, download.received)
