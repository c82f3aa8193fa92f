"""Frames of a real keepalived 2.2.7 (Debian bookworm), captured by tcpdump on a veth pair: we must say the same.

Both ends were network namespaces: the sender 10.0.0.18/16 and fe80::ff:fe00:a with MAC 02:00:00:00:00:0a, the
receiver 10.0.0.28/16. Each capture names the lines of `vrrp_instance` that it differs by. ("RELEASED": at stop.)
"""

from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from mooring_node.vrrp.frames import Claim, arp_claim, neighbour_claim, unsolicited_na
from mooring_node.vrrp.packet import AddressFamily, Advert, encode, ipv4_packet
from mooring_node.vrrp.receive import Datagram, Expectation, Judged, judge, parse_ipv4

MAC = bytes.fromhex("02000000000a")
SENDER, RECEIVER, VIRTUAL, VIRTUAL2 = (ip_address(f"10.0.0.{n}").packed for n in (18, 28, 100, 101))
SENDER6, VIRTUAL6, GLOBAL6 = (ip_address(a).packed for a in ("fe80::ff:fe00:a", "fe80::100", "2001:db8::100"))
GROUP, GROUP6 = (ip_address(a).packed for a in ("224.0.0.18", "ff02::12"))
SECOND = 1_000_000_000
PASSWORD = b"666\0\0\0\0\0"


@dataclass(frozen=True)
class Capture:
    frame: str
    advert: Advert
    destination: bytes
    identification: int = 1

    @property
    def datagram(self) -> Datagram:
        frame = bytes.fromhex(self.frame)
        if frame[12:14] == b"\x08\x00":
            return parse_ipv4(frame[14:])
        return Datagram(frame[22:38], frame[38:54], frame[21], frame[54:])


CAPTURES = {
    # version 2; priority 100; advert_int 1; unicast_src_ip, unicast_peer { 10.0.0.28 };
    # authentication { auth_type PASS; auth_pass 666 }; virtual_ipaddress { 10.0.0.100/24; 10.0.0.101/24 }
    "version 2, password, unicast": Capture(
        "fa074147d795 02000000000a 0800 45c0002c00010000ff70a673 0a000012 0a00001c"
        "21426402 0101 f8ba 0a000064 0a000065 3636360000000000",
        Advert(2, 66, 100, SECOND, (VIRTUAL, VIRTUAL2), 1, PASSWORD),
        RECEIVER,
    ),
    "version 2, password, unicast, RELEASED": Capture(
        "fa074147d795 02000000000a 0800 45c0002c00040000ff70a670 0a000012 0a00001c"
        "21420002 0101 5cbb 0a000064 0a000065 3636360000000000",
        Advert(2, 66, 0, SECOND, (VIRTUAL, VIRTUAL2), 1, PASSWORD),
        RECEIVER,
        identification=4,
    ),
    # the same without authentication
    "version 2, open, unicast": Capture(
        "fa074147d795 02000000000a 0800 45c0002c00010000ff70a673 0a000012 0a00001c"
        "21426402 0001 65f1 0a000064 0a000065 0000000000000000",
        Advert(2, 66, 100, SECOND, (VIRTUAL, VIRTUAL2)),
        RECEIVER,
    ),
    # version 3; priority 100; advert_int 0.1; unicast_src_ip, unicast_peer { 10.0.0.28 };
    # virtual_ipaddress { 10.0.0.100/24 }
    "version 3, unicast": Capture(
        "fa074147d795 02000000000a 0800 45c0002000010000ff70a67f 0a000012 0a00001c 31426401 000a 4ba4 0a000064",
        Advert(3, 66, 100, SECOND // 10, (VIRTUAL,)),
        RECEIVER,
    ),
    # version 3; priority 150; advert_int 1; virtual_ipaddress { 10.0.0.100/24 }
    "version 3, multicast": Capture(
        "01005e000012 02000000000a 0800 45c0002000010000ff70d088 0a000012 e0000012 31429601 0064 4353 0a000064",
        Advert(3, 66, 150, SECOND, (VIRTUAL,)),
        GROUP,
    ),
    # version 3; virtual_router_id 67; priority 200; advert_int 1;
    # virtual_ipaddress { fe80::100/64; 2001:db8::100/64 }
    "version 3, multicast, IPv6": Capture(
        "333300000012 02000000000a 86dd 6c089841002870ff fe80000000000000000000fffe00000a"
        "ff020000000000000000000000000012 3143c802 0064 dae3"
        "fe800000000000000000000000000100 20010db8000000000000000000000100",
        Advert(3, 67, 200, SECOND, (VIRTUAL6, GLOBAL6)),
        GROUP6,
    ),
    "version 3, multicast, IPv6, RELEASED": Capture(
        "333300000012 02000000000a 86dd 6c089841002870ff fe80000000000000000000fffe00000a"
        "ff020000000000000000000000000012 31430002 0064 a2e4"
        "fe800000000000000000000000000100 20010db8000000000000000000000100",
        Advert(3, 67, 0, SECOND, (VIRTUAL6, GLOBAL6)),
        GROUP6,
    ),
}
captures = pytest.mark.parametrize("capture", CAPTURES.values(), ids=CAPTURES.keys())


@captures
def test_we_say_what_keepalived_says(capture: Capture) -> None:
    frame, datagram = bytes.fromhex(capture.frame), capture.datagram
    message = encode(capture.advert, source=datagram.source, destination=capture.destination)
    assert message == datagram.message
    if len(datagram.source) == 4:
        ends = {"source": SENDER, "destination": capture.destination}
        assert ipv4_packet(message, **ends, identification=capture.identification) == frame[14:]


@captures
def test_we_accept_what_keepalived_says(capture: Capture) -> None:
    advert, six = capture.advert, len(capture.destination) == 16
    unicast = capture.destination == RECEIVER
    expected = Expectation(
        advert.version, advert.virtual_router_id, AddressFamily.IPV6 if six else AddressFamily.IPV4,
        advert.interval_ns, advert.addresses, source=RECEIVER,
        peers=frozenset({SENDER}) if unicast else None, group=None if unicast else capture.destination,
        authentication_type=advert.authentication_type, password=advert.authentication,
    )  # fmt: skip
    assert judge(capture.datagram, expected) == Judged(advert, ())


def test_the_last_frame_of_an_ipv6_sender_came_from_its_link_local_address() -> None:
    assert CAPTURES["version 3, multicast, IPv6"].datagram.source == SENDER6


def test_keepaliveds_gratuitous_arp_is_understood() -> None:
    frame = "ffffffffffff 02000000000a 0806 0001080006040001 02000000000a 0a000064 ffffffffffff 0a000064"
    assert arp_claim(bytes.fromhex(frame)) == Claim(MAC, VIRTUAL)


@pytest.mark.parametrize(("address", "total"), [(VIRTUAL6, "5594"), (GLOBAL6, "f723")], ids=["link-local", "global"])
def test_our_neighbour_advertisement_is_keepaliveds(address: bytes, total: str) -> None:
    captured = bytes.fromhex(
        f"333300000001 02000000000a 86dd 6000000000203aff {address.hex()} ff020000000000000000000000000001"
        f"8800{total}20000000 {address.hex()} 0201 02000000000a"
    )
    assert unsolicited_na(MAC, address, router=False) == captured
    assert neighbour_claim(captured) == Claim(MAC, address)
