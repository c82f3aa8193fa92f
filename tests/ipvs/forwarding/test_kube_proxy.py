"""Beside kube-proxy: rules like its own in each mode, and what its traces say."""

from collections.abc import Callable

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
from mooring_node.forwarding.traces import KubeProxy
from mooring_node.ipvs.table import Method

pytestmark = pytest.mark.guest

VIP = {4: "10.0.0.100", 6: "fd00::100"}
CLUSTER_IP = {4: "10.96.0.10", 6: "fd96::10"}
ROUTE = {"net__ipv4__ip_forward": "1", "net__ipv6__conf__all__forwarding": "1"}

#: As kube-proxy writes them (iptables mode): marks of 0x4000 are masqueraded, of 0x8000 dropped.
IPTABLES = """
*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SVC-WEB - [0:0]
:KUBE-SEP-WEB - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -j MASQUERADE --random-fully
-A KUBE-SERVICES -d {cluster} -p tcp -m tcp --dport 80 -j KUBE-SVC-WEB
-A KUBE-SVC-WEB -j KUBE-MARK-MASQ
-A KUBE-SVC-WEB -j KUBE-SEP-WEB
-A KUBE-SEP-WEB -p tcp -m tcp -j DNAT --to-destination {target}
COMMIT
*filter
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
-A INPUT -j KUBE-FIREWALL
-A OUTPUT -j KUBE-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"""
#: The same in nftables mode.
NFTABLES = """
table {word} kube-proxy {{
  chain mark-for-masquerade {{ meta mark set mark or 0x4000; }}
  chain masquerading {{ meta mark & 0x4000 == 0 return; meta mark set mark xor 0x4000; masquerade fully-random; }}
  chain endpoint-web {{ jump mark-for-masquerade; meta l4proto tcp dnat to {target}; }}
  map service-ips {{ type {kind} . inet_proto . inet_service : verdict;
    elements = {{ {cluster} . tcp . 80 : goto endpoint-web }} }}
  chain services {{ {word} daddr . meta l4proto . th dport vmap @service-ips; }}
  chain nat-prerouting {{ type nat hook prerouting priority dstnat; policy accept; jump services; }}
  chain nat-output {{ type nat hook output priority -100; policy accept; jump services; }}
  chain nat-postrouting {{ type nat hook postrouting priority srcnat; policy accept; jump masquerading; }}
  chain filter-forward {{ type filter hook forward priority -110; policy accept; ct state invalid drop; }}
}}
"""


def iptables(variant: str) -> Callable[[Member, int, str], None]:
    def set_rules(node: Member, family: int, target: str) -> None:
        program = f"ip{'6' if family == 6 else ''}tables-{variant}-restore"
        node.tool(program, text=IPTABLES.format(cluster=CLUSTER_IP[family], target=target))

    return set_rules


def nftables(node: Member, family: int, target: str) -> None:
    word, kind = ("ip6", "ipv6_addr") if family == 6 else ("ip", "ipv4_addr")
    text = NFTABLES.format(word=word, kind=kind, cluster=CLUSTER_IP[family], target=target)
    node.tool("nft", "-f", "-", text=text)


MODES = {
    "iptables-nft": (iptables("nft"), "IPTables"),
    "iptables-legacy": (iptables("legacy"), "IPTables"),
    "nftables": (nftables, "NFTables"),
}


def seen(node: Member) -> KubeProxy | None:
    node.run(lambda forwarding: forwarding.turn())
    assert node.forwarding is not None
    return node.forwarding.kube_proxy


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("mode", MODES)
def test_traffic_flows_beside_its_rules(wire: Wire, family: int, mode: str) -> None:
    """Through NAT, direct routing and marks, and to its own Services as before."""
    nodes = wire(client=9, director=1, one=11)
    client, director, one = nodes["client"], nodes["director"], nodes["one"]
    director.set(**ROUTE)
    director.hold(VIP[family])
    one.serve(8080)
    one.serve(81, VIP[family])
    assert one.balance(BalanceConfig(1, (), (BackendAddressConfig(VIP[family], ("eth0",)),))) == ()
    set_rules, word = MODES[mode]
    bracketed = f"[{one.address(family)}]:8080" if family == 6 else f"{one.address(family)}:8080"
    set_rules(director, family, bracketed)
    client.ip(f"route add {CLUSTER_IP[family]} via {director.address(family)} dev eth0")
    before = client.ask(CLUSTER_IP[family], 80)
    nat = ServerConfig(
        "nat", addresses=(VIP[family],), port=80, scheduler="rr", backends=(BackendConfig(one.address(family), 8080),)
    )
    direct = ServerConfig(
        "direct",
        addresses=(VIP[family],),
        port=81,
        scheduler="rr",
        backends=(BackendConfig(one.address(family), 81, way=Way(Method.DIRECT_ROUTE)),),
        other_directors=("02:00:00:00:00:77",),
    )
    guard = PortGuardConfig((VIP[family],), True, ((6, 80), (6, 81)))
    assert director.balance(BalanceConfig(1, (nat, direct), (), (guard,))) == ()
    assert client.ask(VIP[family], 80) == f"one {director.address(family)}"
    assert client.ask(VIP[family], 81) == f"one {client.address(family)}"
    assert director.ask(VIP[family], 80) == f"one {director.address(family)}"
    assert client.ask(CLUSTER_IP[family], 80) == before == f"one {director.address(family)}"
    assert client.ask(VIP[family], 82) == ""
    assert seen(director) == KubeProxy(word)


def test_no_trace_and_ipvs_with_and_without_strict_arp(wire: Wire) -> None:
    node = wire(one=1)["one"]
    node.balance(BalanceConfig(1))
    assert seen(node) is None
    node.ip("link add kube-ipvs0 type dummy", f"address add {CLUSTER_IP[4]}/32 dev kube-ipvs0")
    node.stop()
    assert seen(node) == KubeProxy("IPVS", answers_arp=True)
    node.set(net__ipv4__conf__all__arp_ignore="1")
    node.stop()
    assert seen(node) == KubeProxy("IPVS", answers_arp=False)


def test_looking_brings_no_table_of_iptables_to_life(wire: Wire) -> None:
    node = wire(one=1)["one"]
    assert seen(node) is None
    assert node.tool("cat", "/proc/net/ip_tables_names").split() == []
