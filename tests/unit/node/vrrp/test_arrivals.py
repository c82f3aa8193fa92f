"""What comes in, brought to whom it is for; what is for nobody."""

from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import pytest

from mooring_node.vrrp.arrivals import Arrivals
from mooring_node.vrrp.config import MemberConfig
from mooring_node.vrrp.packet import Advert, encode
from mooring_node.vrrp.receive import Datagram
from mooring_node.vrrp.refusals import Refusal

NOW = 10**12
HERE, PEER = ip_address("10.0.0.18").packed, ip_address("10.0.0.28").packed
ALL_ROUTERS = ip_address("224.0.0.18").packed
MEMBER = MemberConfig(
    name="web", family=4, interface="eth0", virtual_router_id=6, version=3, addresses=(), peers=("10.0.0.28",)
)


class Reports:
    """What is logged."""

    def __init__(self) -> None:
        self.logs: list[str] = []

    def log(self, _level: str, message: str, _group: str = "") -> None:
        self.logs.append(message)


def advert(destination: bytes) -> Datagram:
    said = Advert(3, 7, 100, 10**9, (ip_address("10.0.0.100").packed,))
    return Datagram(PEER, destination, 255, encode(said, source=PEER, destination=destination))


@pytest.mark.parametrize(("destination", "heard"), [(HERE, 1), (ALL_ROUTERS, 0)])
def test_a_peer_s_unknown_id_is_told_where_it_meant_this_node(destination: bytes, heard: int) -> None:
    reports: Any = Reports()
    arrivals = Arrivals(reports, lambda _group: None)
    group: Any = SimpleNamespace(members=[SimpleNamespace(config=MEMBER)])
    arrivals.route((), (group,))
    port: Any = SimpleNamespace(interface="eth0", family=4, receive=lambda _limit: [advert(destination)])
    arrivals.read(port, NOW, 1)
    assert arrivals.refusals.by_reason() == {Refusal.UNKNOWN_VIRTUAL_ROUTER: 1}
    assert len(arrivals.foreign.all()) == 1
    found = arrivals.astray.all()
    assert [(each.virtual_router_id, each.source, each.instances) for each in found] == [
        (7, "10.0.0.28", ("web (6)",))
    ] * heard
    assert Refusal.UNKNOWN_VIRTUAL_ROUTER.remedy in reports.logs[0]
