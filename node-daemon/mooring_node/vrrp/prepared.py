"""Everything that one instance will ever send, built when its configuration arrives: taking over is sending bytes."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from mooring_node.kernel.addresses import LeasedAddress
from mooring_node.vrrp.config import AddressConfig, GroupConfig, MemberConfig
from mooring_node.vrrp.frames import gratuitous_arp, unsolicited_na
from mooring_node.vrrp.packet import AUTHENTICATION_NONE, AUTHENTICATION_PASSWORD, AddressFamily, Advert, encode
from mooring_node.vrrp.packet import ipv4_packet as with_header
from mooring_node.vrrp.receive import Expectation

DEFAULT_GROUPS = {4: ip_address("224.0.0.18").packed, 6: ip_address("ff02::12").packed}
_PASSWORD_BYTES = 8
_ADDRESSES_IN_ADVERT = 255
_IP_HEADER_BYTES = {4: 20, 6: 40}
_MESSAGE_BYTES = {2: 16, 3: 8}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A packet and where it goes; IPv4 with its IP header."""

    packet: bytes
    destination: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """One instance on the wire: what it says as Active, what it says when it leaves, what it accepts."""

    source: bytes
    adverts: tuple[Outgoing, ...]
    releases: tuple[Outgoing, ...]
    expectation: Expectation


def packed(text: str) -> bytes:
    """An address without its zone."""
    return ip_address(text.partition("%")[0]).packed


def multicast_group(member: MemberConfig) -> bytes | None:
    """The group that an instance speaks to; None for unicast."""
    if member.peers is not None:
        return None
    return packed(member.group) if member.group else DEFAULT_GROUPS[member.family]


def advertised(addresses: Sequence[AddressConfig], family: int, version: int, mtu: int) -> tuple[bytes, ...]:
    """The addresses that fit one advert: at most 255, and one packet of the link's MTU; link-local first (IPv6)."""
    room = (mtu - _IP_HEADER_BYTES[family] - _MESSAGE_BYTES[version]) // (4 if family == 4 else 16)
    listed = [packed(each.address) for each in addresses if each.advertise]
    if family == 6:
        listed.sort(key=lambda address: address[:1] != b"\xfe")
    return tuple(listed[: min(room, _ADDRESSES_IN_ADVERT)])


def prepare(group: GroupConfig, member: MemberConfig, source: bytes, mtu: int) -> Prepared:
    """Build an instance's packets. Unicast takes one for each peer: the checksum covers the destination."""
    target = multicast_group(member)
    destinations = (target,) if target is not None else tuple(packed(peer) for peer in member.peers or ())
    addresses = advertised(member.addresses, member.family, member.version, mtu)
    password = (member.password or "").encode().ljust(_PASSWORD_BYTES, b"\0")
    kind = AUTHENTICATION_PASSWORD if member.password else AUTHENTICATION_NONE

    def packets(priority: int) -> tuple[Outgoing, ...]:
        advert = Advert(
            version=member.version,
            virtual_router_id=member.virtual_router_id,
            priority=priority,
            interval_ns=group.interval_ns,
            addresses=addresses,
            authentication_type=kind,
            authentication=password if member.password else b"",
        )
        built = []
        for destination in destinations:
            message = encode(advert, source=source, destination=destination, pseudo_header=member.pseudo_header)
            packet = with_header(message, source=source, destination=destination) if member.family == 4 else message
            built.append(Outgoing(packet, destination))
        return tuple(built)

    expectation = Expectation(
        version=member.version,
        virtual_router_id=member.virtual_router_id,
        family=AddressFamily.IPV4 if member.family == 4 else AddressFamily.IPV6,
        interval_ns=group.interval_ns,
        addresses=addresses,
        source=source,
        peers=None if target is not None else frozenset(destinations),
        group=target,
        minimum_ttl=member.minimum_ttl,
        pseudo_header=member.pseudo_header,
        authentication_type=kind,
        password=password if member.password else b"",
    )
    return Prepared(source, packets(group.priority), packets(0), expectation)


def leased(address: AddressConfig, interface_index: int) -> LeasedAddress:
    """A configured address as the kernel takes it."""
    value = packed(address.address)
    family = socket.AF_INET if len(value) == 4 else socket.AF_INET6
    label = address.label if family == socket.AF_INET else None
    return LeasedAddress(interface_index, family, value, address.prefix_length, label, address.scope)


def announcement_frames(address: bytes, mac: bytes, *, router: bool) -> tuple[bytes, ...]:
    """The frames that announce one address: gratuitous ARP as request and reply, or one unsolicited NA."""
    return gratuitous_arp(mac, address) if len(address) == 4 else (unsolicited_na(mac, address, router=router),)
