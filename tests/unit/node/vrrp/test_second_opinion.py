"""scapy as an independent second opinion on every packet that is built: it must build the same bytes."""

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.layers.vrrp import VRRP, VRRPv3
from scapy.utils import checksum

from mooring_node.vrrp.frames import gratuitous_arp, unsolicited_na
from mooring_node.vrrp.packet import Advert, decode, encode, ipv4_packet

MAC = "02:00:00:00:00:0a"


def packed(text: str) -> bytes:
    return ip_address(text).packed


def ipv4_texts() -> st.SearchStrategy[str]:
    return st.ip_addresses(v=4).map(str)


def ipv6_texts() -> st.SearchStrategy[str]:
    return st.ip_addresses(v=6).map(str)


def address_lists(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(texts, min_size=1, max_size=20)


vrids = st.integers(1, 255)
priorities = st.integers(0, 255)
few = settings(max_examples=40)


@few
@given(
    ipv4_texts(), ipv4_texts(), address_lists(ipv4_texts()), vrids, priorities, st.integers(1, 255),
    st.none() | st.binary(min_size=8, max_size=8), st.integers(0, 65535),
)  # fmt: skip
def test_version_2_in_its_ip_packet(
    source: str, destination: str, addresses: list[str], vrid: int, priority: int, seconds: int,
    password: bytes | None, identification: int,
) -> None:  # fmt: skip
    kind, data = (0, b"") if password is None else (1, password)
    advert = Advert(2, vrid, priority, seconds * 1_000_000_000, tuple(map(packed, addresses)), kind, data)
    ends = {"source": packed(source), "destination": packed(destination)}
    halves = data.ljust(8, b"\0")
    theirs = IP(src=source, dst=destination, ttl=255, tos=0xC0, id=identification) / VRRP(
        vrid=vrid, priority=priority, authtype=kind, adv=seconds, addrlist=addresses,
        auth1=int.from_bytes(halves[:4], "big"), auth2=int.from_bytes(halves[4:], "big"),
    )  # fmt: skip
    assert ipv4_packet(encode(advert, **ends), **ends, identification=identification) == bytes(theirs)
    assert decode(bytes(theirs[VRRP]), **ends) == advert


@few
@given(
    ipv4_texts(), ipv4_texts(), address_lists(ipv4_texts()), vrids, priorities, st.integers(1, 4095),
    st.integers(1, 255),
)  # fmt: skip
def test_version_3_over_ipv4_in_both_checksum_forms(
    source: str, destination: str, addresses: list[str], vrid: int, priority: int, centiseconds: int, ttl: int
) -> None:
    advert = Advert(3, vrid, priority, centiseconds * 10_000_000, tuple(map(packed, addresses)))
    ends = {"source": packed(source), "destination": packed(destination)}
    theirs = IP(src=source, dst=destination, ttl=ttl, tos=0xC0, id=0) / VRRPv3(
        vrid=vrid, priority=priority, adv=centiseconds, addrlist=addresses
    )
    assert ipv4_packet(encode(advert, **ends), **ends, ttl=ttl) == bytes(theirs)
    # scapy builds the form with the pseudo-header alone; its plain Internet checksum judges the other.
    without = encode(advert, **ends, pseudo_header=False)
    assert checksum(without) == 0
    assert without[:6] + without[8:] == bytes(theirs)[20:26] + bytes(theirs)[28:]


@few
@given(ipv6_texts(), ipv6_texts(), address_lists(ipv6_texts()), vrids, priorities, st.integers(1, 4095))
def test_version_3_over_ipv6(
    source: str, destination: str, addresses: list[str], vrid: int, priority: int, centiseconds: int
) -> None:
    advert = Advert(3, vrid, priority, centiseconds * 10_000_000, tuple(map(packed, addresses)))
    ends = {"source": packed(source), "destination": packed(destination)}
    theirs = IPv6(src=source, dst=destination, hlim=255) / VRRPv3(
        vrid=vrid, priority=priority, adv=centiseconds, addrlist=addresses
    )
    assert encode(advert, **ends) == bytes(theirs)[40:]


@few
@given(ipv4_texts())
def test_gratuitous_arp(address: str) -> None:
    request, reply = gratuitous_arp(bytes.fromhex(MAC.replace(":", "")), packed(address))
    ether = Ether(src=MAC, dst="ff:ff:ff:ff:ff:ff")
    ours = {"hwsrc": MAC, "psrc": address, "pdst": address}
    assert request == bytes(ether / ARP(op="who-has", hwdst="00:00:00:00:00:00", **ours)).ljust(60, b"\0")
    assert reply == bytes(ether / ARP(op="is-at", hwdst=MAC, **ours)).ljust(60, b"\0")


@few
@given(ipv6_texts(), st.booleans())
def test_unsolicited_neighbour_advertisement(address: str, router: bool) -> None:
    theirs = (
        Ether(src=MAC, dst="33:33:00:00:00:01")
        / IPv6(src=address, dst="ff02::1", hlim=255)
        / ICMPv6ND_NA(R=int(router), S=0, O=1, tgt=address)
        / ICMPv6NDOptDstLLAddr(lladdr=MAC)
    )
    assert unsolicited_na(bytes.fromhex(MAC.replace(":", "")), packed(address), router=router) == bytes(theirs)


@pytest.mark.parametrize("changed", [0, 5, 8])
def test_the_second_opinion_can_differ(changed: int) -> None:
    """The oracle is worth something only if it notices a wrong byte."""
    advert = Advert(3, 66, 100, 1_000_000_000, (packed("10.0.0.100"),))
    message = bytearray(encode(advert, source=packed("10.0.0.18"), destination=packed("10.0.0.28")))
    message[changed] ^= 1
    theirs = IP(src="10.0.0.18", dst="10.0.0.28") / VRRPv3(vrid=66, priority=100, adv=100, addrlist=["10.0.0.100"])
    assert bytes(message) != bytes(theirs[VRRPv3])
