"""The port guard, with IPVS behind it."""

import socket
import time
from dataclasses import replace

import pytest
from tests.ipvs.forwarding.conftest import Wire
from tests.ipvs.forwarding.wiring import Member

from mooring_node.balance.config import (
    BackendAddressConfig,
    BackendConfig,
    BalanceConfig,
    PortGuardConfig,
    ServerConfig,
    Way,
)
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


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, UDP])
def test_the_nodes_own_program_on_a_balanced_port_never_answers(
    nodes: dict[str, Member], family: int, kind: socket.SocketKind
) -> None:
    """While IPVS has no such service: its module is missing, it was refused, it is not set yet, somebody removed it."""
    client, director, one = nodes["client"], nodes["director"], nodes["one"]
    director.serve(80, VIP[family], director.address(family))
    protocol = 17 if kind == UDP else 6
    guarded = config(family, one, enforce=True)
    guarded = replace(
        guarded,
        servers=(replace(guarded.servers[0], protocol=protocol),),
        port_guards=(PortGuardConfig((VIP[family],), True, ((protocol, 80),)),),
    )
    assert client.ask(VIP[family], 80, kind).startswith("director")
    assert director.balance(guarded) == ()
    assert client.ask(VIP[family], 80, kind) == f"one {director.address(family)}"
    director.tool("ipvsadm", "--clear")
    assert client.ask(VIP[family], 80, kind) == ""
    assert client.ask(director.address(family), 80, kind).startswith("director")
    assert director.ask(VIP[family], 80, kind).startswith("director")
    counted = director.run(lambda forwarding: forwarding.counters())
    assert counted["refused", VIP[family]][0] >= 1


def test_a_connection_that_ipvs_does_not_know_is_reset(nodes: dict[str, Member]) -> None:
    """So its client begins anew at once, instead of waiting for its own time limit after a takeover."""
    client, director, one = nodes["client"], nodes["director"], nodes["one"]
    director.balance(config(4, one, enforce=True))
    with client.call(lambda: socket.create_connection((VIP[4], 80), 3)) as opened:
        director.tool("ipvsadm", "--clear")
        director.balance(config(4, one, enforce=True))
        director.tool("conntrack", "-F")
        opened.settimeout(3)
        opened.send(b"who?")
        with pytest.raises(ConnectionResetError):
            opened.recv(1)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("others", [None, (), ("02:00:00:00:00:77",)])
def test_a_director_that_is_a_backend_itself_answers(
    nodes: dict[str, Member], family: int, others: tuple[str, ...] | None
) -> None:
    client, director = nodes["client"], nodes["director"]
    director.serve(80)
    direct = config(family, director, enforce=True, way=Way(Method.DIRECT_ROUTE))
    server = replace(direct.servers[0], virtual_server="shop/web", other_directors=others)
    hosted = (BackendAddressConfig(VIP[family], ("eth0",)),)
    assert director.balance(replace(direct, servers=(server,), backend_addresses=hosted)) == ()
    assert client.ask(VIP[family], 80) == f"director {client.address(family)}"
    # In a file nobody says that this node answers for the address.
    assert director.balance(direct) == ()
    assert client.ask(VIP[family], 80) == f"director {client.address(family)}"


@pytest.mark.parametrize("family", [4, 6])
def test_a_director_that_is_a_backend_by_nat_answers(nodes: dict[str, Member], family: int) -> None:
    client, director = nodes["client"], nodes["director"]
    director.serve(8080)
    assert director.balance(config(family, director, enforce=True)) == ()
    assert client.ask(VIP[family], 80) == f"director {client.address(family)}"
