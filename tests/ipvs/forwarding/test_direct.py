"""Direct routing: backends with the address on lo, and nodes that are director and backend at once."""

import socket
import time
from dataclasses import replace

import pytest
from tests.ipvs.forwarding.conftest import Wire
from tests.ipvs.forwarding.wiring import BIG, Member

from mooring_node.balance.config import (
    BackendAddressConfig,
    BackendConfig,
    BalanceConfig,
    ServerConfig,
    SyncConfig,
    Way,
)
from mooring_node.ipvs.kernel import Ipvs
from mooring_node.ipvs.sync import both_roles
from mooring_node.ipvs.table import Method

pytestmark = pytest.mark.guest

VIP = {4: "10.0.0.100", 6: "fd00::100"}
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
KINDS = {TCP: 6, UDP: 17}
DIRECT = Way(Method.DIRECT_ROUTE)


def server(family: int, kind: int, *backends: Member) -> ServerConfig:
    found = tuple(BackendConfig(each.address(family), 80, way=DIRECT) for each in backends)
    return ServerConfig("web", addresses=(VIP[family],), port=80, protocol=KINDS[kind], scheduler="rr", backends=found)


def backend(family: int) -> BalanceConfig:
    return BalanceConfig(1, (), (BackendAddressConfig(VIP[family], ("eth0",)),))


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", [TCP, UDP])
def test_backends_answer_the_client_themselves(wire: Wire, family: int, kind: int) -> None:
    nodes = wire(client=9, director=1, one=11, two=12)
    client, director = nodes["client"], nodes["director"]
    director.hold(VIP[family])
    for name in ("one", "two"):
        nodes[name].serve(80, VIP[family])
        assert nodes[name].balance(backend(family)) == ()
    assert director.balance(BalanceConfig(1, (server(family, kind, nodes["one"], nodes["two"]),))) == ()
    answers = {client.ask(VIP[family], 80, kind) for _ in range(4)}
    assert answers == {f"one {client.address(family)}", f"two {client.address(family)}"}


@pytest.mark.parametrize("family", [4, 6])
def test_nobody_but_the_holder_answers_for_the_address(wire: Wire, family: int) -> None:
    nodes = wire(client=9, director=1, one=11, two=12)
    client, director = nodes["client"], nodes["director"]
    for name in ("one", "two"):
        nodes[name].serve(80, VIP[family])
        nodes[name].balance(backend(family))
    # Nobody holds it: silence, though two nodes have it on lo.
    assert client.ask(VIP[family], 80) in ("", "OSError")
    neighbours = client.tool("ip", "neigh", "show", VIP[family])
    assert "lladdr" not in neighbours
    director.hold(VIP[family])
    director.balance(BalanceConfig(1, (server(family, TCP, nodes["one"]),)))
    client.ip("neigh flush all")
    assert client.ask(VIP[family], 80) == f"one {client.address(family)}"
    assert director.mac in client.tool("ip", "neigh", "show", VIP[family])


def both(
    family: int, kind: int, one: Member, two: Member, *, leave_out: bool = True
) -> tuple[BalanceConfig, BalanceConfig]:
    """Both nodes are directors and backends."""
    common = server(family, kind, one, two)
    addresses = (BackendAddressConfig(VIP[family], ("eth0",)),)
    first = replace(common, other_directors=(two.mac,) if leave_out else None)
    second = replace(common, other_directors=(one.mac,) if leave_out else None)
    return BalanceConfig(1, (first,), addresses), BalanceConfig(1, (second,), addresses)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", [TCP, UDP])
def test_two_directors_that_are_backends_do_not_loop(wire: Wire, family: int, kind: int) -> None:
    nodes = wire(client=9, one=1, two=2)
    client, pair = nodes["client"], (nodes["one"], nodes["two"])
    for node, config in zip(pair, both(family, kind, *pair), strict=True):
        node.serve(80, VIP[family])
        assert node.balance(config) == ()
    for holder, other in (pair, pair[::-1]):
        holder.hold(VIP[family])
        client.ip("neigh flush all")
        before = other.received()
        answers = [client.ask(VIP[family], 80, kind) for _ in range(10)]
        assert sorted(set(answers)) == [f"one {client.address(family)}", f"two {client.address(family)}"]
        assert "" not in answers
        assert other.received() - before < 60
        if kind == TCP:
            assert [client.download(VIP[family], 80) for _ in range(2)] == [BIG, BIG]
        holder.release(VIP[family])


def test_without_the_marks_packets_would_go_round(wire: Wire) -> None:
    nodes = wire(client=9, one=1, two=2)
    client, pair = nodes["client"], (nodes["one"], nodes["two"])
    for node, config in zip(pair, both(4, TCP, *pair, leave_out=False), strict=True):
        node.serve(80, VIP[4])
        node.balance(config)
    pair[0].hold(VIP[4])
    answers = [client.ask(VIP[4], 80) for _ in range(4)]
    assert {"", "OSError"} & set(answers)


def mark(node: Member, family: int, number: int) -> None:
    """The rule of a user's own, as docs/balancing.md has it."""
    word = "ip6" if family == 6 else "ip"
    match = f"{word} daddr {VIP[family]} meta l4proto {{ tcp, udp }} th dport {{ 80, 81 }}"
    hook = "type filter hook prerouting priority mangle; policy accept;"
    rules = f"chain prerouting {{ {hook} {match} meta mark set {number}; }}"
    node.tool("nft", "-f", "-", text=f"table inet his {{ {rules}\n}}")


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", [TCP, UDP])
def test_two_directors_of_a_users_mark_that_are_backends_do_not_loop(wire: Wire, family: int, kind: int) -> None:
    nodes = wire(client=9, one=1, two=2)
    client, pair = nodes["client"], (nodes["one"], nodes["two"])
    backends = tuple(BackendConfig(each.address(family), 0, way=DIRECT) for each in pair)
    his = ServerConfig("his", mark=7, families=(family,), scheduler="rr", backends=backends)
    for node, other in (pair, pair[::-1]):
        for port in (80, 81):
            node.serve(port, VIP[family])
        mark(node, family, 7)
        mine = replace(his, other_directors=(other.mac,))
        assert node.balance(BalanceConfig(1, (mine,), (BackendAddressConfig(VIP[family], ("eth0",)),))) == ()
    expected = [f"one {client.address(family)}", f"two {client.address(family)}"]
    for holder, other in (pair, pair[::-1]):
        holder.hold(VIP[family])
        client.ip("neigh flush all")
        before = other.received()
        # The same ports again: what the former holder remembers does not matter.
        for port in (80, 81):
            answers = [client.ask(VIP[family], port, kind, (client.address(family), 4000 + n)) for n in range(6)]
            assert sorted(set(answers)) == expected
        assert other.received() - before < 80
        holder.release(VIP[family])


@pytest.mark.parametrize("family", [4, 6])
def test_a_director_that_is_no_backend_at_present_has_the_same_service(wire: Wire, family: int) -> None:
    nodes = wire(client=9, one=1, two=2)
    client, (one, two) = nodes["client"], (nodes["one"], nodes["two"])
    for node in (one, two):
        node.serve(80, VIP[family])
    one.hold(VIP[family])
    two.balance(backend(family))
    both_are, _ = both(family, TCP, one, two)
    alone = replace(server(family, TCP, two), other_directors=())
    one.balance(both_are)
    services = one.tool("ipvsadm", "-Sn").split(" -s")[0]
    for config, names in ((BalanceConfig(2, (alone,)), ["two"]), (both_are, ["one", "two"])):
        assert one.balance(config) == ()
        assert one.tool("ipvsadm", "-Sn").split(" -s")[0] == services
        assert sorted({client.ask(VIP[family], 80).split()[0] for _ in range(4)}) == names


@pytest.mark.parametrize("family", [4, 6])
def test_a_former_holder_does_not_send_back_what_it_remembers(wire: Wire, family: int) -> None:
    """Its IPVS still knows the client's port, and that the other node served it."""
    nodes = wire(client=9, one=1, two=2)
    client, (one, two) = nodes["client"], (nodes["one"], nodes["two"])
    for node, config in zip((one, two), both(family, TCP, one, two), strict=True):
        node.serve(80, VIP[family])
        node.balance(config)
    ports = {4000: "two", 4001: "one"}
    one.hold(VIP[family])
    for port, name in ports.items():
        assert client.ask(VIP[family], 80, source=(client.address(family), port)).split()[0] == name
    one.release(VIP[family])
    two.hold(VIP[family])
    client.ip("neigh flush all")
    # In the other order, so the same ports go to the other servers.
    for port, name in zip(reversed(ports), ports.values(), strict=True):
        assert client.ask(VIP[family], 80, source=(client.address(family), port)).split()[:1] == [name]


@pytest.mark.parametrize("family", [4, 6])
def test_with_connection_sync_a_reused_port_is_answered_always(wire: Wire, family: int) -> None:
    nodes = wire(client=9, one=1, two=2)
    client, pair = nodes["client"], (nodes["one"], nodes["two"])
    for node, config in zip(pair, both(family, TCP, *pair), strict=True):
        node.serve(80, VIP[family])
        assert node.balance(replace(config, sync=SyncConfig("eth0"))) == ()
        assert node.read("net/ipv4/vs/sync_threshold").split() == ["0", "0"]
        node.call(start_sync_daemons)
    try:
        pair[0].hold(VIP[family])
        for _ in range(12):
            answer = client.ask(VIP[family], 80, source=(client.address(family), 4000))
            assert answer.split()[-1] == client.address(family)
            time.sleep(2)
    finally:
        for node in pair:
            for role in ("master", "backup"):
                node.tool("ipvsadm", "--stop-daemon", role)


def start_sync_daemons() -> None:
    with Ipvs() as ipvs:
        for daemon in both_roles("eth0"):
            ipvs.sync_start(daemon)


def test_a_bigger_segment_than_the_wires_is_hidden_and_shown_whole(wire: Wire) -> None:
    """What the network card has put together stays in one piece, and is right."""
    nodes = wire(client=9, one=1, two=2)
    client, pair = nodes["client"], (nodes["one"], nodes["two"])
    for node, config in zip(pair, both(4, TCP, *pair), strict=True):
        node.serve(80, VIP[4])
        node.balance(config)
    pair[0].hold(VIP[4])
    assert [client.upload(VIP[4], 80, BIG) for _ in range(4)] == [BIG] * 4
