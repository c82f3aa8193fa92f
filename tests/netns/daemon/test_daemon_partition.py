"""A segment that falls apart and heals, and MACs that claim what they do not hold."""

import socket

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from mooring_lab import namespace
from mooring_lab.faults import Direction

pytestmark = pytest.mark.netns

ADDRESS = "10.0.0.100"
SIX = "2001:db8::100"
#: Announced once when taken, never again of itself: what is heard later is an answer to something.
QUIET = {"announcements": {"count": 1, "delay": "0s"}}
#: The survivor announces "at once": a poll, a frame, and a machine that stalls.
AT_ONCE_S = 2.0


def silent(node):
    node.fault_link(silent=True)


def mute(node):
    node.fault_one_way(Direction.FROM)


@pytest.mark.parametrize("cut", [silent, mute])
def test_the_survivor_of_a_healed_partition_announces_again_at_once(bench, capture, cut):
    bench.pair(**QUIET)
    cut(bench.a)
    bench.wait_held(bench.b, ADDRESS)
    assert bench.a.held() == {ADDRESS}, "without a way to know better, it holds on"
    with capture(bench.client, 0x0806) as arp:
        assert arp.announced(bench.a.member.mac, ADDRESS) == 0
        bench.a.heal()
        bench.wait(lambda: arp.announced(bench.a.member.mac, ADDRESS), "the survivor to announce", within=AT_ONCE_S)
        bench.wait_held(bench.b)
        bench.wait_state(bench.b, "Backup")
    assert bench.a.held() == {ADDRESS}
    # And the client's packets arrive there.
    with bench.client.measure([ADDRESS]) as measured:
        bench.wait(lambda: bench.group(bench.b)["members"][0]["advertsReceived"] > 5, "some adverts")
    result = measured.result()[ADDRESS]
    assert (result.last_holder, result.lost) == (bench.a.member.mac, 0)


def test_a_losing_advert_is_answered_until_it_is_heard(bench, capture, instance_of):
    """A Backup that went deaf takes the role; as soon as it hears again it hears its better."""
    bench.start(bench.a, instance_of(priority=150, **QUIET))
    bench.wait_state(bench.a, "Active")
    bench.start(bench.b, instance_of(priority=100, **QUIET))
    bench.wait_state(bench.b, "Backup")
    bench.b.fault_one_way(Direction.TOWARDS)
    bench.wait_held(bench.b, ADDRESS)
    # It spoke, and was answered: the client hears of it, though the deaf one does not.
    with capture(bench.client, 0x0806) as arp:
        bench.wait(lambda: arp.announced(bench.a.member.mac, ADDRESS), "the better one to announce again")
    bench.b.heal()
    bench.wait_held(bench.b)
    bench.wait_state(bench.b, "Backup")
    assert bench.state(bench.a) == "Active"


def claim(bench, frame):
    """Send a frame from the client."""

    def send():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as port:
            port.bind(("eth0", 0))
            port.send(bytes(frame))

    namespace.call(bench.client.namespace, send)


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_a_foreign_claim_of_a_held_address_is_counted_and_shown(bench, instance_of, family):
    address = ADDRESS if family == "IPv4" else SIX
    length = 24 if family == "IPv4" else 64
    held = [{"address": f"{address}/{length}"}]
    bench.start(bench.a, instance_of(family=family, transport={"alone": True}, addresses=held))
    bench.wait_held(bench.a, address)
    mac = bench.client.member.mac
    if family == "IPv4":
        frame = Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(
            op=1, hwsrc=mac, psrc=address, hwdst="00:00:00:00:00:00", pdst=address
        )
    else:
        advertisement = ICMPv6ND_NA(R=0, S=0, O=1, tgt=address) / ICMPv6NDOptDstLLAddr(lladdr=mac)
        frame = Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src="fe80::1", dst="ff02::1", hlim=255) / advertisement
    bench.wait(lambda: bench.status(bench.a)["agent"]["conflictsTotal"] == 0, "nothing to be claimed before")
    claim(bench, frame)
    bench.wait(lambda: bench.status(bench.a)["agent"]["conflictsTotal"] == 1, "the claim to be counted")
    (conflict,) = bench.status(bench.a)["agent"]["conflicts"]
    assert conflict.pop("secondsAgo") < 60
    assert conflict == {"address": address, "mac": mac, "interface": "eth0", "count": 1}
    bench.wait_log(bench.a, f"{mac} claims {address} on eth0")
    shown = bench.run(bench.a, "status", "--state-dir", str(bench.a.state_dir)).stdout
    assert f"{mac} claimed {address}" in shown


def test_hand_overs_are_no_conflicts(bench):
    bench.pair()
    for switch in (True, False):
        bench.a.maintenance(switch)
        bench.wait_held(bench.b if switch else bench.a, ADDRESS)
        bench.wait_held(bench.a if switch else bench.b)
    # A true one afterwards, so that the claims of the hand-overs have been weighed when it is counted.
    mac = bench.client.member.mac
    frame = ARP(op=2, hwsrc=mac, psrc=ADDRESS, hwdst="ff:ff:ff:ff:ff:ff", pdst=ADDRESS)
    claim(bench, Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / frame)
    bench.wait(lambda: bench.status(bench.a)["agent"]["conflictsTotal"], "the true one to be counted")
    assert [each["mac"] for each in bench.status(bench.a)["agent"]["conflicts"]] == [mac]
    assert bench.status(bench.b)["agent"]["conflicts"] == []
