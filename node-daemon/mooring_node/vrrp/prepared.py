"""Everything that one instance will ever send, built when its configuration arrives: taking over is sending bytes."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from mooring_node.kernel.addresses import LeasedAddress
from mooring_node.vrrp.config import DEFAULT_GROUPS, AddressConfig, FormConfig, GroupConfig, MemberConfig
from mooring_node.vrrp.frames import gratuitous_arp, unsolicited_na
from mooring_node.vrrp.packet import AUTHENTICATION_NONE, AUTHENTICATION_PASSWORD, AddressFamily, Advert, encode
from mooring_node.vrrp.packet import ipv4_packet as with_header
from mooring_node.vrrp.receive import Expectation

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
    """One instance on the wire: what it says as Active, what it says when it leaves, what it accepts.

    Of `expectations` the first is of the form that it sends itself.
    """

    source: bytes
    adverts: tuple[Outgoing, ...]
    releases: tuple[Outgoing, ...]
    expectations: tuple[Expectation, ...]


def packed(text: str) -> bytes:
    """An address without its zone."""
    return ip_address(text.partition("%")[0]).packed


def multicast_group(form: FormConfig | MemberConfig, family: int) -> bytes | None:
    """The group that adverts of this form go to; None for unicast."""
    if form.peers is not None:
        return None
    return packed(form.group or DEFAULT_GROUPS[family])


def joined_groups(member: MemberConfig) -> tuple[bytes, ...]:
    """The groups that an instance listens to."""
    forms: tuple[FormConfig | MemberConfig, ...] = (member, *member.accepted)
    found = (multicast_group(form, member.family) for form in forms)
    return tuple(dict.fromkeys(target for target in found if target is not None))


def advertised(addresses: Sequence[AddressConfig], family: int, version: int, mtu: int) -> tuple[bytes, ...]:
    """The addresses that fit one advert: at most 255, and one packet of the link's MTU; link-local first (IPv6)."""
    room = (mtu - _IP_HEADER_BYTES[family] - _MESSAGE_BYTES[version]) // (4 if family == 4 else 16)
    listed = [packed(each.address) for each in addresses if each.advertise]
    if family == 6:
        listed.sort(key=lambda address: address[:1] != b"\xfe")
    return tuple(listed[: min(room, _ADDRESSES_IN_ADVERT)])


def prepare(group: GroupConfig, member: MemberConfig, source: bytes, mtu: int) -> Prepared:
    """Build an instance's packets. Unicast takes one for each peer: the checksum covers the destination."""
    own = own_form(group, member)
    destinations = _destinations(own, member.family)
    addresses = advertised(member.addresses, member.family, member.version, mtu)

    def packets(priority: int) -> tuple[Outgoing, ...]:
        kind, password = _authentication(own)
        advert = Advert(
            version=own.version,
            virtual_router_id=own.virtual_router_id,
            priority=priority,
            interval_ns=own.interval_ns,
            addresses=addresses,
            authentication_type=kind,
            authentication=password,
        )
        built = []
        for destination in destinations:
            message = encode(advert, source=source, destination=destination, pseudo_header=own.pseudo_header)
            packet = with_header(message, source=source, destination=destination) if member.family == 4 else message
            built.append(Outgoing(packet, destination))
        return tuple(built)

    expectations = tuple(_expectation(form, member, addresses, source) for form in (own, *member.accepted))
    return Prepared(source, packets(group.priority), packets(0), expectations)


def own_form(group: GroupConfig, member: MemberConfig) -> FormConfig:
    """The form in which an instance sends."""
    return FormConfig(
        virtual_router_id=member.virtual_router_id,
        version=member.version,
        interval_ns=group.interval_ns,
        peers=member.peers,
        group=member.group,
        pseudo_header=member.pseudo_header,
        password=member.password,
    )


def _destinations(form: FormConfig, family: int) -> tuple[bytes, ...]:
    target = multicast_group(form, family)
    return (target,) if target is not None else tuple(packed(peer) for peer in form.peers or ())


def _authentication(form: FormConfig) -> tuple[int, bytes]:
    if form.password is None:
        return AUTHENTICATION_NONE, b""
    return AUTHENTICATION_PASSWORD, form.password.encode().ljust(_PASSWORD_BYTES, b"\0")


def _expectation(form: FormConfig, member: MemberConfig, addresses: tuple[bytes, ...], source: bytes) -> Expectation:
    target = multicast_group(form, member.family)
    kind, password = _authentication(form)
    return Expectation(
        version=form.version,
        virtual_router_id=form.virtual_router_id,
        family=AddressFamily.IPV4 if member.family == 4 else AddressFamily.IPV6,
        interval_ns=form.interval_ns,
        addresses=addresses,
        source=source,
        peers=None if target is not None else frozenset(_destinations(form, member.family)),
        group=target,
        minimum_ttl=member.minimum_ttl,
        pseudo_header=form.pseudo_header,
        authentication_type=kind,
        password=password,
        unlisted=frozenset(packed(each.address) for each in member.addresses).difference(addresses),
    )


def leased(address: AddressConfig, interface_index: int) -> LeasedAddress:
    """A configured address as the kernel takes it."""
    value = packed(address.address)
    family = socket.AF_INET if len(value) == 4 else socket.AF_INET6
    label = address.label if family == socket.AF_INET else None
    return LeasedAddress(interface_index, family, value, address.prefix_length, label, address.scope)


def announcement_frames(address: bytes, mac: bytes, *, router: bool) -> tuple[bytes, ...]:
    """The frames that announce one address: gratuitous ARP as request and reply, or one unsolicited NA."""
    return gratuitous_arp(mac, address) if len(address) == 4 else (unsolicited_na(mac, address, router=router),)
