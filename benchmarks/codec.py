"""What a VRRP packet costs: ours beside scapy's, in one run. Usage: python benchmarks/codec.py

Prints microseconds for each call: the median and the range of the rounds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from statistics import median
from timeit import Timer

from scapy.layers.inet import IP
from scapy.layers.l2 import ARP, Ether
from scapy.layers.vrrp import VRRPv3

from mooring_node.vrrp.frames import arp_claim, gratuitous_arp, unsolicited_na
from mooring_node.vrrp.packet import AddressFamily, Advert, decode, encode, ipv4_packet
from mooring_node.vrrp.receive import Expectation, judge, parse_ipv4

ROUNDS = 7
ROUND_SECONDS = 0.15
ADDRESSES = 6
MAC = "02:00:00:00:00:0a"


@dataclass(frozen=True)
class Row:
    name: str
    ours: Callable[[], object]
    scapys: Callable[[], object] | None = None


def rows() -> list[Row]:
    """All calls to measure, over one version 3 unicast advert of six addresses."""
    texts = [f"10.0.0.{100 + n}" for n in range(ADDRESSES)]
    source_text, destination_text = "10.0.0.18", "10.0.0.28"
    source, destination = ip_address(source_text).packed, ip_address(destination_text).packed
    addresses = tuple(ip_address(text).packed for text in texts)
    advert = Advert(3, 66, 100, 100_000_000, addresses)
    message = encode(advert, source=source, destination=destination)
    packet = ipv4_packet(message, source=source, destination=destination)
    peers = frozenset({source})
    expected = Expectation(3, 66, AddressFamily.IPV4, 100_000_000, addresses, destination, peers=peers)
    mac, address6 = bytes.fromhex(MAC.replace(":", "")), ip_address("2001:db8::100").packed
    request = gratuitous_arp(mac, addresses[0])[0]

    def scapy_builds() -> bytes:
        payload = VRRPv3(vrid=66, priority=100, adv=10, addrlist=texts)
        return bytes(IP(src=source_text, dst=destination_text, ttl=255, tos=0xC0, id=0) / payload)

    def scapy_announces() -> bytes:
        ether = Ether(src=MAC, dst="ff:ff:ff:ff:ff:ff")
        return bytes(ether / ARP(op="who-has", hwsrc=MAC, psrc=texts[0], pdst=texts[0]))

    def encode_packet() -> bytes:
        built = encode(advert, source=source, destination=destination)
        return ipv4_packet(built, source=source, destination=destination)

    return [
        Row("encode, message", lambda: encode(advert, source=source, destination=destination)),
        Row("encode, IP packet", encode_packet, scapy_builds),
        Row("decode, message", lambda: decode(message, source=source, destination=destination)),
        Row("parse IP and judge", lambda: judge(parse_ipv4(packet), expected), lambda: IP(packet)),
        Row("gratuitous ARP", lambda: gratuitous_arp(mac, addresses[0]), scapy_announces),
        Row("neighbour advertisement", lambda: unsolicited_na(mac, address6, router=False)),
        Row("claim of an ARP frame", lambda: arp_claim(request), lambda: Ether(request)),
    ]


def measured(call: Callable[[], object]) -> str:
    """Median and range of the rounds, in microseconds a call."""
    timer = Timer(call)
    number, took = timer.autorange()
    number = max(1, int(number * ROUND_SECONDS / took))
    micros = sorted(seconds / number * 1e6 for seconds in timer.repeat(ROUNDS, number))
    return f"{median(micros):8.1f} ({micros[0]:.1f} to {micros[-1]:.1f})"


def main() -> None:
    pressure = Path("/proc/pressure/cpu")
    before = pressure.read_text().splitlines()[0] if pressure.exists() else "not known"
    print(f"CPU pressure before: {before}")
    print(f"microseconds a call, median of {ROUNDS} rounds (range); an advert of {ADDRESSES} IPv4 addresses")
    print(f"{'':26}{'Mooring':28}scapy")
    for row in rows():
        theirs = measured(row.scapys) if row.scapys else "       -"
        print(f"{row.name:26}{measured(row.ours):28}{theirs}", flush=True)


if __name__ == "__main__":
    main()
