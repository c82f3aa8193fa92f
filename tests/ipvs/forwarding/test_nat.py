"""NAT with and without masquerade, with a client on the backends' segment."""

import socket

import pytest

from mooring_node.balance.config import BackendConfig, BalanceConfig, ServerConfig
from tests.ipvs.forwarding.conftest import Wire

pytestmark = pytest.mark.guest

VIP = {4: "10.0.0.100", 6: "fd00::100"}
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
KINDS = {TCP: 6, UDP: 17}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", [TCP, UDP])
def test_a_client_on_the_backends_segment_is_answered(wire: Wire, family: int, kind: int) -> None:
    nodes = wire(client=9, director=1, one=11, two=12)
    director, client = nodes["director"], nodes["client"]
    director.hold(VIP[family])
    director.set(net__ipv4__ip_forward="1", net__ipv6__conf__all__forwarding="1")
    for name in ("one", "two"):
        nodes[name].serve(8080)
    backends = tuple(BackendConfig(nodes[name].address(family), 8080) for name in ("one", "two"))
    server = ServerConfig(
        "web", addresses=(VIP[family],), port=80, protocol=KINDS[kind], scheduler="rr", backends=backends
    )
    assert director.balance(BalanceConfig(1, (server,))) == ()
    answers = {client.ask(VIP[family], 80, kind) for _ in range(4)}
    assert answers == {f"one {director.address(family)}", f"two {director.address(family)}"}
