"""Addresses as users write them: canonical text, or a ValueError that says what to write instead."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface

_HELD_REMEDY = "write an address that a host can have"
#: A cluster's addresses come again and again: in each member's list of peers, and with each change.
_kept = lru_cache(maxsize=4096)


@_kept
def read_interface_address(text: str) -> str:
    """Canonical `address/prefix`; a missing prefix means the host alone (/32, /128)."""
    remedy = "write 10.0.0.100/24, or 2001:db8::10 for one host alone"
    try:
        interface = ip_interface(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an address; {remedy}") from error
    _, _, prefix = text.partition("/")
    if "%" in text or (prefix and prefix != str(interface.network.prefixlen)):
        raise ValueError(f"{text!r} is not an address with a prefix length; {remedy}")
    if isinstance(interface, IPv6Interface) and interface.ip.ipv4_mapped:
        raise ValueError(f"{text!r} is an IPv4 address in IPv6's form; write {interface.ip.ipv4_mapped}")
    return str(interface)


@_kept
def read_host_address(text: str) -> str:
    """A bare address, canonical; IPv6 may name its zone (`fe80::1%eth0`)."""
    try:
        address = ip_address(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an address; write 10.0.0.28 or fe80::28") from error
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        raise ValueError(f"{text!r} is an IPv4 address in IPv6's form; write {address.ipv4_mapped}")
    return str(address)


def read_group_address(text: str) -> str:
    """A multicast address, canonical."""
    canonical = read_host_address(text)
    if not ip_address(canonical).is_multicast:
        raise ValueError(f"{text!r} is not a multicast address; write 224.0.0.18, ff02::12 or your own group")
    return canonical


@_kept
def read_unicast_address(text: str) -> str:
    """The address of one host on the wire, canonical; IPv6 may name its zone."""
    canonical = read_host_address(text)
    address = ip_address(canonical)
    if address.is_multicast or address.is_unspecified or _limited_broadcast(address):
        raise ValueError(f"{text!r} is no other node's address; write one such as 10.0.0.28 or fe80::28")
    return canonical


@_kept
def read_plain_address(text: str) -> str:
    """The address of one host, canonical, where it says everything: without a zone."""
    canonical = read_unicast_address(text)
    if "%" in canonical:
        raise ValueError(
            f"{text!r} has a zone, and the kernel balances by addresses alone; write one that needs none, such as"
            " 2001:db8::28"
        )
    return canonical


@_kept
def read_held_address(text: str) -> str:
    """Canonical `address/prefix` that can be a virtual address: no group, loopback, network or broadcast."""
    canonical = read_interface_address(text)
    interface = ip_interface(canonical)
    address = interface.ip
    for what, wrong in (
        ("a multicast address", address.is_multicast),
        ("the unspecified address", address.is_unspecified),
        ("a loopback address", address.is_loopback),
        ("the broadcast address", _limited_broadcast(address)),
    ):
        if wrong:
            raise ValueError(f"{address} is {what}, which no node can hold; {_HELD_REMEDY}")
    _refuse_ends_of_network(interface)
    return canonical


def _limited_broadcast(address: IPv4Address | IPv6Address) -> bool:
    return address == IPv4Address("255.255.255.255")


def _refuse_ends_of_network(interface: IPv4Interface | IPv6Interface) -> None:
    """The first address of a subnet names it, IPv4's last is its broadcast; not so in /31, /32, /127, /128."""
    address, network = interface.ip, interface.network
    if network.prefixlen >= network.max_prefixlen - 1:
        return
    alone = f"{address}/{network.max_prefixlen}"
    if address == network.network_address:
        raise ValueError(
            f"{interface} is the address of the subnet itself; write a host's, such as"
            f" {address + 1}/{network.prefixlen}, or {alone} for the host alone"
        )
    if isinstance(address, IPv4Address) and address == network.broadcast_address:
        raise ValueError(
            f"{interface} is the broadcast address of {network}; write a host's, such as"
            f" {address - 1}/{network.prefixlen}, or {alone} for the host alone"
        )


@lru_cache(maxsize=16384)  # a plan asks for each address once for every node that may hold it
def address_key(address: str, interface: str | None) -> str:
    """What makes a held address one and the same on a node: itself, and for link-local IPv6 its interface."""
    host = ip_interface(address).ip
    if isinstance(host, IPv6Address) and host.is_link_local:
        return f"{host}%{interface or ''}"
    return str(host)
