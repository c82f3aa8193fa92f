"""NAT: masquerade where it is wanted and nowhere else, from clients wherever they are."""

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.ipvs.forwarding.conftest import Wire
from tests.ipvs.forwarding.wiring import BIG, Member

from mooring_node.balance.config import BackendConfig, BalanceConfig, ServerConfig, Way
from mooring_node.ipvs.table import SCTP, Method

pytestmark = pytest.mark.guest

VIP = {4: "10.0.0.100", 6: "fd00::100"}
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
KINDS = {TCP: 6, UDP: 17}
ROUTE = {"net__ipv4__ip_forward": "1", "net__ipv6__conf__all__forwarding": "1"}
CONNTRACK = "net/ipv4/vs/conntrack"


def server(family: int, *backends: Member, kind: int = TCP) -> ServerConfig:
    found = tuple(BackendConfig(each.address(family), 8080) for each in backends)
    return ServerConfig("web", addresses=(VIP[family],), port=80, protocol=KINDS[kind], scheduler="rr", backends=found)


@pytest.fixture
def nodes(wire: Wire) -> Iterator[dict[str, Member]]:
    """A director that routes and holds both addresses, two backends, a client of their segment."""
    made = wire(client=9, director=1, one=11, two=12)
    made["director"].set(**ROUTE)
    for address in VIP.values():
        made["director"].hold(address)
    for name in ("one", "two"):
        made[name].serve(8080)
    return made


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", [TCP, UDP])
def test_a_client_on_the_backends_segment_is_answered(nodes: dict[str, Member], family: int, kind: int) -> None:
    director, client = nodes["director"], nodes["client"]
    config = BalanceConfig(1, (server(family, nodes["one"], nodes["two"], kind=kind),))
    assert director.balance(config) == ()
    answers = {client.ask(VIP[family], 80, kind) for _ in range(4)}
    assert answers == {f"one {director.address(family)}", f"two {director.address(family)}"}
    assert director.read(CONNTRACK) == "1"
    director.stop()
    assert director.read(CONNTRACK) == "0"


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("persistence", [0, 60])
def test_with_persistence_a_service_of_a_mark_leaves_the_port_as_it_is(
    nodes: dict[str, Member], family: int, persistence: int
) -> None:
    """The kernel's way (ip_vs_sched_persist), for which the operator refuses another port there."""
    director, client, one = nodes["director"], nodes["client"], nodes["one"]
    config = replace(server(family, one), other_directors=(), persistence_timeout_s=persistence)
    assert director.balance(BalanceConfig(1, (config,))) == ()
    answered = client.ask(VIP[family], 80) == f"one {director.address(family)}"
    assert answered is not bool(persistence)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("masquerade", [True, False])
def test_sctp_flows_through_nat(nodes: dict[str, Member], family: int, masquerade: bool) -> None:
    """One-to-one, and so much that the checksum is of the card's, or of IPVS', making."""
    director, client, one = nodes["director"], nodes["client"], nodes["one"]
    way_back = f"{client.address(family)} via {director.address(family)} dev eth0"
    if not masquerade:
        one.ip(f"route add {way_back}")
    backends = (BackendConfig(one.address(family), 8080),)
    config = ServerConfig(
        "signals",
        addresses=(VIP[family],),
        port=2905,
        protocol=SCTP,
        masquerade=masquerade,
        scheduler="rr",
        backends=backends,
    )
    assert director.balance(BalanceConfig(1, (config,))) == ()
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET

    def opened() -> socket.socket:
        made = socket.socket(kind, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
        made.settimeout(5)
        return made

    with one.call(opened) as listener, client.call(opened) as asking:
        listener.bind((one.address(family), 8080))
        listener.listen()
        asking.connect((VIP[family], 2905))
        served, seen = listener.accept()
        with served:
            served.settimeout(5)
            for number in range(20):
                message = bytes((number,)) * 1000
                asking.send(message)
                assert served.recv(2000) == message
                served.send(message[::-1])
                assert asking.recv(2000) == message
    assert seen[0] == (director if masquerade else client).address(family)


@pytest.mark.parametrize("family", [4, 6])
def test_without_masquerade_backends_see_the_client_and_answer_through_the_director(
    nodes: dict[str, Member], family: int
) -> None:
    director, client = nodes["director"], nodes["client"]
    way_back = f"{client.address(family)} via {director.address(family)} dev eth0"
    nodes["one"].ip(f"route add {way_back}")
    config = BalanceConfig(1, (replace(server(family, nodes["one"]), masquerade=False),))
    assert director.balance(config) == ()
    assert client.ask(VIP[family], 80) == f"one {client.address(family)}"
    assert client.download(VIP[family], 80) == BIG
    assert "mooring" not in director.tool("nft", "list", "tables")


@pytest.mark.parametrize("family", [4, 6])
def test_clients_on_the_director_and_on_a_backend_are_answered(nodes: dict[str, Member], family: int) -> None:
    director, one = nodes["director"], nodes["one"]
    assert director.balance(BalanceConfig(1, (server(family, one, nodes["two"]),))) == ()
    for asking in (director, one):
        answers = {asking.ask(VIP[family], 80) for _ in range(2)}
        assert answers == {f"one {director.address(family)}", f"two {director.address(family)}"}


@pytest.mark.parametrize("family", [4, 6])
def test_a_backend_that_is_the_director_itself_is_no_client_of_its_own(nodes: dict[str, Member], family: int) -> None:
    director, client = nodes["director"], nodes["client"]
    director.serve(8080)
    assert director.balance(BalanceConfig(1, (server(family, director, nodes["one"]),))) == ()
    answers = {client.ask(VIP[family], 80) for _ in range(2)}
    assert answers == {f"director {client.address(family)}", f"one {director.address(family)}"}


@pytest.mark.parametrize("family", [4, 6])
def test_direct_routing_beside_nat_in_one_service_is_not_masqueraded(nodes: dict[str, Member], family: int) -> None:
    director, client, one, two = (nodes[name] for name in ("director", "client", "one", "two"))
    two.ip("link add dummy0 type dummy", "link set dummy0 up")
    two.hold(VIP[family], "dummy0")
    two.set(net__ipv4__conf__eth0__arp_ignore="1", net__ipv4__conf__eth0__arp_announce="2")
    two.serve(80, VIP[family])
    mixed = replace(
        server(family, one),
        backends=(
            BackendConfig(one.address(family), 8080),
            BackendConfig(two.address(family), 80, way=Way(Method.DIRECT_ROUTE)),
        ),
    )
    assert director.balance(BalanceConfig(1, (mixed,))) == ()
    answers = {client.ask(VIP[family], 80) for _ in range(4)}
    assert answers == {f"one {director.address(family)}", f"two {client.address(family)}"}
    assert [client.download(VIP[family], 80) for _ in range(2)] == [BIG, BIG]


@pytest.mark.parametrize("family", [4, 6])
def test_a_users_mark_by_nat_is_masqueraded(nodes: dict[str, Member], family: int) -> None:
    director, client = nodes["director"], nodes["client"]
    rule = f"add rule ip{'6' if family == 6 else ''} his marks tcp dport {{ 80, 81 }} meta mark set 7"
    words = "ip6" if family == 6 else "ip"
    chain = f"add chain {words} his marks {{ type filter hook prerouting priority -150; }}"
    director.tool("nft", "-f", "-", text=f"add table {words} his\n{chain}\n{rule}\n")
    config = ServerConfig(
        "his",
        mark=7,
        families=(family,),
        scheduler="rr",
        backends=(BackendConfig(nodes["one"].address(family), 8080),),
    )
    assert director.balance(BalanceConfig(1, (config,))) == ()
    assert client.ask(VIP[family], 81) == f"one {director.address(family)}"


def test_what_is_not_balanced_keeps_its_source(nodes: dict[str, Member]) -> None:
    """Routed through the director, and by somebody else's translation of another port of the address."""
    director, client, one = nodes["director"], nodes["client"], nodes["one"]
    director.balance(BalanceConfig(1, (server(4, one),)))
    one.ip(f"route add {client.address(4)} via {director.address(4)} dev eth0")
    director.set(net__ipv4__conf__eth0__send_redirects="0")
    client.ip(f"route add {one.address(4)}/32 via {director.address(4)} dev eth0")
    assert client.ask(one.address(4), 8080) == f"one {client.address(4)}"
    translation = f"add rule ip his nat ip daddr {VIP[4]} tcp dport 30080 dnat to {one.address(4)}:8080"
    chain = "add chain ip his nat { type nat hook prerouting priority dstnat; }"
    director.tool("nft", "-f", "-", text=f"add table ip his\n{chain}\n{translation}\n")
    assert client.ask(VIP[4], 30080) == f"one {client.address(4)}"


def test_a_node_that_does_not_route_says_so_and_is_not_changed(nodes: dict[str, Member]) -> None:
    director = nodes["director"]
    director.set(net__ipv4__ip_forward="0")
    (problem,) = director.balance(BalanceConfig(1, (server(4, nodes["one"]),)))
    assert problem.server == "web"
    assert "net.ipv4.ip_forward is 0; set it to 1" in problem.message
    assert director.read("net/ipv4/ip_forward") == "0"


def test_settings_that_others_have_set_stay(nodes: dict[str, Member]) -> None:
    director = nodes["director"]
    director.set(net__ipv4__vs__conntrack="1")
    director.balance(BalanceConfig(1, (server(4, nodes["one"]),)))
    director.stop()
    assert director.read(CONNTRACK) == "1"


def test_kube_proxys_ipvs_keeps_the_settings_that_it_needs_too(nodes: dict[str, Member]) -> None:
    director = nodes["director"]
    director.balance(BalanceConfig(1, (server(4, nodes["one"]),)))
    director.ip("link add kube-ipvs0 type dummy")
    director.stop()
    assert director.read(CONNTRACK) == "1"
