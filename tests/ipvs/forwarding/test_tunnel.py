"""Tunnels: what IPVS wraps, backends unwrap, and a node that is director and backend at once sends nothing back."""

from dataclasses import replace

import pytest
from tests.ipvs.forwarding.conftest import Wire
from tests.ipvs.forwarding.wiring import BIG, Member

from mooring_lab import namespace
from mooring_node.balance.config import BackendAddressConfig, BackendConfig, BalanceConfig, ServerConfig, Way
from mooring_node.ipvs.table import Method, TunnelFlag, TunnelKind

pytestmark = pytest.mark.guest

VIP = {4: "10.0.0.100", 6: "fd00::100"}
GUE_PORT = 6080
# GRE's checksum is not among them: Linux 6.1 leaves GRE's own header out of the sum, and its receivers drop that.
WAYS = {
    "ipip": Way(Method.TUNNEL, TunnelKind.IPIP),
    "gre": Way(Method.TUNNEL, TunnelKind.GRE),
    "gue": Way(Method.TUNNEL, TunnelKind.GUE, GUE_PORT),
    "gue-checksum": Way(Method.TUNNEL, TunnelKind.GUE, GUE_PORT, TunnelFlag.CHECKSUM),
    "gue-remote": Way(Method.TUNNEL, TunnelKind.GUE, GUE_PORT, TunnelFlag.REMOTE_CHECKSUM),
}


def server(family: int, way: Way, *backends: Member) -> ServerConfig:
    found = tuple(BackendConfig(each.address(family), 80, way=way) for each in backends)
    return ServerConfig("web", addresses=(VIP[family],), port=80, scheduler="rr", backends=found)


def address(family: int, way: Way) -> BackendAddressConfig:
    return BackendAddressConfig(VIP[family], ("eth0",), way.tunnel, way.tunnel_port)


def state(node: Member) -> str:
    """Links, ports, addresses and settings that unwrapping changes."""
    asked = "link show\nfou show\naddress show lo\n"
    shown = namespace.run(["ip", "-n", node.namespace, "-br", "-batch", "-"], asked)
    lines = [line for line in shown.splitlines() if "eth0" not in line]
    return "\n".join([*lines, *(node.read(f"net/ipv4/conf/{name}/rp_filter") for name in ("tunl0", "gre0"))])


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", WAYS)
def test_backends_unwrap_what_the_director_has_wrapped(wire: Wire, family: int, kind: str) -> None:
    way = WAYS[kind]
    nodes = wire(client=9, director=1, one=11, two=12)
    client, director, pair = nodes["client"], nodes["director"], (nodes["one"], nodes["two"])
    director.hold(VIP[family])
    before = {}
    for node in pair:
        node.set(net__ipv4__conf__all__rp_filter="1", net__ipv4__conf__eth0__rp_filter="1")
        node.serve(80, VIP[family])
        before[node.name] = state(node)
        assert node.balance(BalanceConfig(1, (), (address(family, way),))) == ()
        assert node.balance(BalanceConfig(2, (), (address(family, way),))) == ()
    assert director.balance(BalanceConfig(1, (server(family, way, *pair),))) == ()
    answers = {client.ask(VIP[family], 80) for _ in range(4)}
    assert answers == {f"one {client.address(family)}", f"two {client.address(family)}"}
    assert [client.download(VIP[family], 80) for _ in range(2)] == [BIG, BIG]
    assert [client.upload(VIP[family], 80) for _ in range(2)] == [BIG, BIG]
    for node in pair:
        node.stop()
        assert state(node) == before[node.name]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", ["ipip", "gre", "gue"])
def test_two_directors_that_are_backends_do_not_loop(wire: Wire, family: int, kind: str) -> None:
    way = WAYS[kind]
    nodes = wire(client=9, one=1, two=2)
    client, pair = nodes["client"], (nodes["one"], nodes["two"])
    for node, other in (pair, pair[::-1]):
        node.serve(80, VIP[family])
        mine = replace(server(family, way, *pair), other_directors=(other.mac,))
        assert node.balance(BalanceConfig(1, (mine,), (address(family, way),))) == ()
    for holder in pair:
        holder.hold(VIP[family])
        client.ip("neigh flush all")
        # The same port twice: what the former holder remembers does not matter.
        answers = [client.ask(VIP[family], 80, source=(client.address(family), 4000 + n % 5)) for n in range(10)]
        assert set(answers) == {f"one {client.address(family)}", f"two {client.address(family)}"}
        holder.release(VIP[family])


def test_a_tunnel_that_was_up_before_stays_as_it_was(wire: Wire) -> None:
    node = wire(one=1)["one"]
    node.ip("link set tunl0 up")
    node.tool("ip", "fou", "add", "port", str(GUE_PORT), "gue")
    before = state(node)
    assert node.balance(BalanceConfig(1, (), (address(4, WAYS["gue"]),))) == ()
    node.stop()
    assert state(node) == before


def test_a_port_that_somebody_else_listens_on_is_told(wire: Wire) -> None:
    node = wire(one=1)["one"]
    node.serve(GUE_PORT)
    (problem,) = node.balance(BalanceConfig(1, (), (address(4, WAYS["gue"]),)))
    assert problem.path == "spec.backendAddresses[0].tunnel"
    assert f"UDP port {GUE_PORT}" in problem.message
