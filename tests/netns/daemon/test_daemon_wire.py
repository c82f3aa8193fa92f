"""What leaves the node, byte by byte, with scapy's opinion."""

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.vrrp import VRRPv3

pytestmark = pytest.mark.netns


def adverts(frames):
    """VRRP adverts among Ethernet frames."""
    decoded = [Ether(frame) for frame in frames]
    return [each for each in decoded if VRRPv3 in each]


def checksum_by_scapy(packet):
    again = packet.copy()
    del again[VRRPv3].chksum
    return type(packet)(bytes(again))[VRRPv3].chksum


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_each_peer_gets_a_packet_with_a_checksum_of_its_own(make_bench, instance_of, capture, family):
    """The pseudo-header holds the destination, so one packet cannot serve two peers."""
    bench = make_bench(nodes=3)
    _, *others = bench.nodes
    four = family == "IPv4"
    layer, protocol = (IP, 0x0800) if four else (IPv6, 0x86DD)
    held = [{"address": "10.0.0.100/24"}] if four else [{"address": "2001:db8::100/64"}]
    with capture(others[0], protocol) as first, capture(others[1], protocol) as second:
        bench.start(bench.a, instance_of(family=family, addresses=held, priority=150))
        sums = []
        for node, port in zip(others, (first, second), strict=True):
            found = bench.wait(lambda port=port: adverts(port.frames())[:5], f"adverts at {node.name}")
            for packet in found:
                assert packet[layer].dst == (node.address if four else f"fe80::ff:fe00:{node.member.index + 1:x}")
                assert (packet[IP].ttl if four else packet[IPv6].hlim) == 255
                assert packet.dst == node.member.mac
                assert (packet[VRRPv3].vrid, packet[VRRPv3].priority, packet[VRRPv3].adv) == (51, 150, 10)
                assert packet[VRRPv3].chksum == checksum_by_scapy(packet)
            sums.append({packet[VRRPv3].chksum for packet in found})
        # One sum for each peer, and not the same one.
        assert [len(each) for each in sums] == [1, 1]
        assert sums[0] != sums[1]


def test_a_group_of_our_own_is_where_multicast_adverts_go(bench, instance_of, capture):
    transport = {"type": "Multicast", "group": "224.0.0.118"}
    with capture(bench.client, 0x0800) as ip:
        bench.start(bench.a, instance_of(priority=150, transport=transport))
        found = bench.wait(lambda: adverts(ip.frames()), "adverts at the client")
        assert {each[IP].dst for each in found} == {"224.0.0.118"}
        assert {each.dst for each in found} == {"01:00:5e:00:00:76"}
        assert {each[IP].src for each in found} == {bench.a.address}
        assert found[0][VRRPv3].chksum == checksum_by_scapy(found[0])
    bench.start(bench.b, instance_of(transport=transport))
    bench.wait(lambda: (bench.group(bench.b) or {}).get("lastHeard"), "the other member to hear them")
    assert bench.state(bench.b) == "Backup"
