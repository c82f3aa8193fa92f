"""The sockets that hear who claims an address, against the real kernel, in a namespace of their own."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address

import pytest
from scapy.layers.l2 import ARP, Ether

from mooring_node.agent.claims import ClaimWatch
from mooring_node.agent.conflicts import GRACE_NS
from mooring_node.kernel.process import now_ns
from mooring_node.kernel.rtnetlink import Rtnetlink
from mooring_node.vrrp.config import AddressConfig, GroupConfig, MemberConfig, NodeRuntime

pytestmark = pytest.mark.netns

Ip = Callable[..., None]
ADDRESS, MAC = "10.0.0.100", "02:00:00:00:00:99"
LONG_S = 30.0
RUNTIME = NodeRuntime(
    1, (GroupConfig("web", (MemberConfig("web", "eth0", 4, 1, 3, (AddressConfig(ADDRESS, 24, "eth0"),)),)),)
)


def make(ip: Ip) -> None:
    ip("link", "add", "eth0", "type", "veth", "peer", "name", "far0")
    ip("link", "set", "far0", "up")
    ip("link", "set", "eth0", "up")


def claim() -> None:
    frame = Ether(src=MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(op=2, hwsrc=MAC, psrc=ADDRESS, pdst=ADDRESS)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as port:
        port.bind(("far0", 0))
        port.send(bytes(frame))


@pytest.fixture
def rtnetlink(own_namespace: Ip) -> Iterator[Rtnetlink]:
    make(own_namespace)
    with Rtnetlink() as opened:
        yield opened


async def heard(watch: ClaimWatch) -> None:
    """Until a claim was heard that was made from now on."""
    held = frozenset({ip_address(ADDRESS).packed})
    watch.conflicts.let_go(held)
    before = watch.conflicts.total
    while watch.conflicts.total == before:
        claim()
        await asyncio.sleep(0.01)
        watch.conflicts.confirm(held, now_ns() + GRACE_NS)


def test_an_interface_that_was_made_anew_is_heard(own_namespace: Ip, rtnetlink: Rtnetlink) -> None:
    """Both between two looks, so that it was never seen to be gone."""

    async def listening() -> None:
        watch = ClaimWatch(rtnetlink)
        watch.state_known("web", "Active")
        try:
            watch.configured(RUNTIME)
            await asyncio.wait_for(heard(watch), LONG_S)
            own_namespace("link", "delete", "eth0")
            make(own_namespace)
            watch.configured(RUNTIME)
            await asyncio.wait_for(heard(watch), LONG_S)
        finally:
            watch.configured(NodeRuntime(2))

    asyncio.run(listening())
