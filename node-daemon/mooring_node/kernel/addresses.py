"""Addresses of interfaces as rtnetlink messages (pure); layout as in Linux' uapi/linux/if_addr.h."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, AF_UNSPEC
from typing import TypeAlias

from mooring_node.kernel.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    NetlinkFormatError,
    Request,
    attribute,
    attributes,
    build_batch,
    number,
    string,
    text,
    unpack,
)
from mooring_node.kernel.netlink import Batch as Batch

RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22

IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_CACHEINFO, IFA_FLAGS, IFA_PROTO = 1, 2, 3, 6, 8, 11

IFA_F_SECONDARY = 0x01
IFA_F_NODAD = 0x02
IFA_F_DADFAILED = 0x08
IFA_F_DEPRECATED = 0x20
IFA_F_TENTATIVE = 0x40
IFA_F_PERMANENT = 0x80
IFA_F_NOPREFIXROUTE = 0x200

#: Who set an address, as `ip -d address` shows it from Linux 5.18 on: "m" for Mooring. Older kernels forget it.
PROTOCOL = 0x6D

#: A lifetime that never ends, in seconds on the wire.
FOREVER = 0xFFFFFFFF

#: Bytes of an address by family.
LENGTHS: dict[int, int] = {AF_INET: 4, AF_INET6: 16}

#: What makes an address one and the same to the kernel: interface, family, address, prefix length.
AddressKey: TypeAlias = tuple[int, int, bytes, int]

_IFADDRMSG = struct.Struct("=BBBBI")
_CACHEINFO = struct.Struct("=IIII")
_FLAGS = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class LeasedAddress:
    """An address that we set: `address` in network byte order, `label` for IPv4 only."""

    interface_index: int
    family: int
    address: bytes
    prefix_length: int
    label: str | None = None
    scope: int = 0

    def __post_init__(self) -> None:
        length = LENGTHS.get(self.family)
        if length != len(self.address) or not 0 <= self.prefix_length <= 8 * len(self.address):
            raise ValueError(f"no address of family {self.family}: {self.address.hex()}/{self.prefix_length}")
        if self.label is not None and not 0 < len(self.label.encode()) < 16:
            raise ValueError(f"label {self.label!r} is not 1 to 15 bytes long")

    @property
    def key(self) -> AddressKey:
        return (self.interface_index, self.family, self.address, self.prefix_length)


@dataclass(frozen=True, slots=True)
class KernelAddress:
    """An address as the kernel has it; `valid_lifetime_s` None means that it never ends."""

    interface_index: int
    family: int
    address: bytes
    prefix_length: int
    label: str | None
    scope: int
    valid_lifetime_s: int | None
    flags: int
    permanent: bool
    protocol: int = 0

    @property
    def key(self) -> AddressKey:
        return (self.interface_index, self.family, self.address, self.prefix_length)


def add_batch(addresses: Sequence[LeasedAddress], lease_s: int | None) -> Batch:
    """Add addresses that end after `lease_s` seconds (None: never); EEXIST for one that is there already.

    On that interface, that is; for IPv4 the kernel compares address and prefix length, for IPv6 the address.
    """
    return _set_batch(addresses, lease_s, NLM_F_CREATE | NLM_F_EXCL)


def renew_batch(addresses: Sequence[LeasedAddress], lease_s: int | None) -> Batch:
    """Let addresses live for `lease_s` seconds from now (None: for ever).

    One that is gone is created again, and one that somebody else set is made a leased one: the kernel has no
    other way.
    """
    return _set_batch(addresses, lease_s, NLM_F_CREATE | NLM_F_REPLACE)


def delete_batch(addresses: Sequence[LeasedAddress | KernelAddress]) -> Batch:
    """Delete addresses, the last one first, so that an IPv4 primary goes after its secondaries."""
    numbered = reversed(list(enumerate(addresses)))
    return build_batch(Request(index, RTM_DELADDR, 0, _head(each, 0) + _identity(each)) for index, each in numbered)


def addresses_request() -> bytes:
    """The body of an RTM_GETADDR dump of all families and interfaces."""
    return _IFADDRMSG.pack(AF_UNSPEC, 0, 0, 0, 0)


def parse_address(received: Message) -> KernelAddress | None:
    """The IPv4 or IPv6 address of an RTM_NEWADDR or RTM_DELADDR message, None for anything else."""
    if received.kind not in (RTM_NEWADDR, RTM_DELADDR):
        return None
    family, prefix_length, low_flags, scope, index = unpack(_IFADDRMSG, received.body)
    if family not in LENGTHS:
        return None
    members = attributes(received.body, _IFADDRMSG.size)
    address = members.get(IFA_LOCAL, members.get(IFA_ADDRESS, b""))
    if len(address) != LENGTHS[family] or prefix_length > 8 * len(address):
        raise NetlinkFormatError(f"no address of family {family}: {len(address)} bytes, prefix {prefix_length}")
    flags = number(members, IFA_FLAGS)
    flags = low_flags if flags is None else flags
    valid_s = _valid_lifetime(members)
    return KernelAddress(
        interface_index=index,
        family=family,
        address=address,
        prefix_length=prefix_length,
        label=string(members, IFA_LABEL),
        scope=scope,
        valid_lifetime_s=valid_s,
        flags=flags,
        permanent=bool(flags & IFA_F_PERMANENT),
        protocol=members.get(IFA_PROTO, b"\0")[0] if members.get(IFA_PROTO) else 0,
    )


def _valid_lifetime(members: dict[int, bytes]) -> int | None:
    if IFA_CACHEINFO not in members:
        return None
    _preferred, valid, _created, _updated = unpack(_CACHEINFO, members[IFA_CACHEINFO])
    return None if valid == FOREVER else valid


def _set_batch(addresses: Sequence[LeasedAddress], lease_s: int | None, flags: int) -> Batch:
    lifetime = FOREVER if lease_s is None else lease_s
    if not 1 <= lifetime <= FOREVER:
        raise ValueError(f"a lease of {lease_s} s is not at least 1 s and below {FOREVER} s")
    return build_batch(
        Request(index, RTM_NEWADDR, flags, _new_address(each, lifetime)) for index, each in enumerate(addresses)
    )


def _new_address(each: LeasedAddress, lifetime: int) -> bytes:
    flags = IFA_F_NOPREFIXROUTE
    preferred = lifetime
    if each.family == AF_INET6:
        flags |= IFA_F_NODAD
        # Deprecated from the start: the kernel never chooses it as a source address.
        preferred = 0
    body = _head(each, flags & 0xFF) + _identity(each)
    if each.label is not None and each.family == AF_INET:
        body += attribute(IFA_LABEL, text(each.label))
    body += attribute(IFA_CACHEINFO, _CACHEINFO.pack(preferred, lifetime, 0, 0))
    return body + attribute(IFA_FLAGS, _FLAGS.pack(flags)) + attribute(IFA_PROTO, bytes((PROTOCOL,)))


def _head(each: LeasedAddress | KernelAddress, low_flags: int) -> bytes:
    return _IFADDRMSG.pack(each.family, each.prefix_length, low_flags, each.scope, each.interface_index)


def _identity(each: LeasedAddress | KernelAddress) -> bytes:
    return attribute(IFA_LOCAL, each.address) + attribute(IFA_ADDRESS, each.address)
