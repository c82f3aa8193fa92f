"""The port guard, with IPVS behind it."""

import socket
import time

import pytest
from tests.ipvs.forwarding.conftest import Wire
from tests.ipvs.forwarding.wiring import Member

from mooring_node.balance.config import BackendConfig, BalanceConfig, PortGuardConfig, ServerConfig, Way
from mooring_node.ipvs.table import Method

pytestmark = pytest.mark.guest

VIP = {4: "10.0.0.100", 6: "fd00::100"}
UDP = socket.SOCK_DGRAM


def config(family: int, backend: Member, *, enforce: bool, way: Way = Way()) -> BalanceConfig:  # noqa: B008
    port = 80 if way.method is Method.DIRECT_ROUTE else 8080
    backends = (BackendConfig(backend.address(family), port, way=way),)
    web = ServerConfig("web", addresses=(VIP[family],), port=80, scheduler="rr", backends=backends)
    return BalanceConfig(1, (web,), (), (PortGuardConfig((VIP[family],), enforce, ((6, 80),)),))


@pytest.fixture
def nodes(wire: Wire) -> dict[str, Member]:
    made = wire(client=9, director=1, one=11)
    made["director"].set(net__ipv4__ip_forward="1", net__ipv6__conf__all__forwarding="1")
    for address in VIP.values():
        made["director"].hold(address)
    # What the node's own services are, on all addresses, and its like: a node port of kube-proxy's.
    made["director"].serve(22)
    made["one"].serve(8080)
    return made


@pytest.mark.parametrize("family", [4, 6])
def test_only_the_named_ports_answer(nodes: dict[str, Member], family: int) -> None:
    client, director, one = nodes["client"], nodes["director"], nodes["one"]
    assert client.ask(VIP[family], 22).startswith("director")
    assert director.balance(config(family, one, enforce=True)) == ()
    assert client.ask(VIP[family], 80) == f"one {director.address(family)}"
    assert client.ask(VIP[family], 22) == ""
    assert client.ask(VIP[family], 22, UDP) == ""
    assert client.ask(VIP[family], 81) == ""
    # Its own addresses are not guarded, and it may speak from the guarded one.
    assert client.ask(director.address(family), 22).startswith("director")
    assert director.ask(one.address(family), 8080, source=(VIP[family], 0)) == f"one {VIP[family]}"
    assert client.ping(VIP[family])
    counted = director.run(lambda forwarding: forwarding.counters())
    packets, octets = counted["refused", VIP[family]]
    assert packets >= 3
    assert octets > packets * 20


@pytest.mark.parametrize("family", [4, 6])
def test_a_neighbour_finds_the_address(nodes: dict[str, Member], family: int) -> None:
    client, director = nodes["client"], nodes["director"]
    director.balance(config(family, nodes["one"], enforce=True))
    client.ip("neigh flush all")
    assert client.ask(VIP[family], 80).startswith("one")
    # Asked again, a neighbour is asked at the address itself; an echo says nothing of it.
    client.ip(f"neigh change {VIP[family]} lladdr {director.mac} dev eth0 nud stale")
    assert client.ping(VIP[family])
    time.sleep(8)
    assert "REACHABLE" in client.tool("ip", "neigh", "show", VIP[family])


def test_monitor_counts_and_lets_pass(nodes: dict[str, Member]) -> None:
    client, director = nodes["client"], nodes["director"]
    assert director.balance(config(4, nodes["one"], enforce=False)) == ()
    assert client.ask(VIP[4], 22).startswith("director")
    counted = director.run(lambda forwarding: forwarding.counters())
    assert counted["watched", VIP[4]][0] == 1
    assert ("refused", VIP[4]) not in counted


def test_a_node_port_on_the_address_is_guarded(nodes: dict[str, Member]) -> None:
    client, director, one = nodes["client"], nodes["director"], nodes["one"]
    rules = [
        "add table ip kube-proxy",
        "add chain ip kube-proxy nat { type nat hook prerouting priority dstnat; }",
        f"add rule ip kube-proxy nat fib daddr type local tcp dport 30080 dnat to {one.address(4)}:8080",
        "add chain ip kube-proxy out { type nat hook postrouting priority srcnat; }",
        "add rule ip kube-proxy out ct status dnat masquerade",
    ]
    director.tool("nft", "-f", "-", text="\n".join(rules) + "\n")
    assert client.ask(VIP[4], 30080).startswith("one")
    director.balance(config(4, one, enforce=True))
    assert client.ask(VIP[4], 30080) == ""
    assert client.ask(director.address(4), 30080).startswith("one")


def test_what_the_node_merely_routes_to_the_address_goes_on(nodes: dict[str, Member]) -> None:
    """The guard's rules are on every candidate; the address is on one."""
    client, director, one = nodes["client"], nodes["director"], nodes["one"]
    director.balance(config(4, one, enforce=True))
    director.release(VIP[4])
    one.hold(VIP[4])
    client.ip(f"neigh replace {VIP[4]} lladdr {director.mac} dev eth0")
    assert client.ask(VIP[4], 8080).startswith("one")
