"""What keepalived is told; that it understands it is seen in tests/netns."""

from typing import Any

from mooring_api.nodeconfig import NodeConfig
from mooring_lab.keepalived import configuration


def text(**instance: Any) -> str:
    full = {
        "name": "web-0",
        "interface": "eth0",
        "virtualRouterID": 66,
        "transport": {"type": "Unicast", "source": "10.0.0.18", "peers": ["10.0.0.28"]},
        "addresses": [{"address": "10.0.0.100/24", "label": "eth0:0"}],
    } | instance
    document = {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "NodeConfig",
        "metadata": {"name": "lb-1"},
        "spec": {"instances": [full]},
    }
    return configuration(NodeConfig.model_validate(document))


def test_the_dual_master_s_words() -> None:
    said = text(version=2, authentication={"type": "Password", "password": "666"}, priority=80)
    for line in (
        "virtual_router_id 66",
        "version 2",
        "priority 80",
        "advert_int 1",
        "auth_pass 666",
        "unicast_src_ip 10.0.0.18",
        "10.0.0.28",
        "10.0.0.100/24 scope global label eth0:0",
    ):
        assert f"  {line}\n" in said


def test_short_intervals_and_preemption() -> None:
    assert "advert_int 0.01\n" in text(advertisementInterval="10ms")
    assert "nopreempt" in text(preemption={"mode": "Never"})
    assert "preempt_delay 5" in text(preemption={"mode": "Always", "delay": "5s"})
    assert "preempt" not in text()


def test_multicast_has_no_peers() -> None:
    said = text(transport={"type": "Multicast", "source": "10.0.0.18"})
    assert "unicast" not in said
    assert "mcast_src_ip 10.0.0.18" in said


def test_what_is_not_advertised_stands_apart() -> None:
    said = text(addresses=[{"address": "10.0.0.100/24"}, {"address": "10.0.0.101/24", "advertise": False}])
    assert said.index("10.0.0.100/24") < said.index("virtual_ipaddress_excluded") < said.index("10.0.0.101/24")
