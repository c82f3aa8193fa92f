"""What arrives of VRRP, and what of it comes through (shell): two sockets for each interface and family.

A packet socket sees an advert before any firewall, a raw IP socket behind it. So what the first one sees and the
second one does not was dropped here, by whatever means: rules of any kind, the check of the reverse path, a program
of BPF. Nothing is sent.
"""

import ctypes
import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from mooring_node.preflight.facts import Heard, Wanted
from mooring_node.preflight.packets import VRRP
from mooring_node.vrrp.config import DEFAULT_GROUPS

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_ETHERTYPES = {4: 0x0800, 6: 0x86DD}
#: Where the network header says the protocol, and where it says the sender.
_PROTOCOL_AT, _SOURCE_AT, _LENGTH = {4: 9, 6: 6}, {4: 12, 6: 8}, {4: 4, 6: 16}
_TO_US = (socket.PACKET_HOST, socket.PACKET_MULTICAST)
_SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("=HBBI")
_LOAD_BYTE, _JUMP_EQUAL, _RETURN = 0x30, 0x15, 0x06
_IPV6_HEADER = 40
_MOST = 4096


@dataclass(frozen=True, slots=True)
class _Ear:
    """One socket; `wire`: before the firewall."""

    opened: socket.socket
    interface: str
    family: int
    wire: bool

    def fileno(self) -> int:
        return self.opened.fileno()


def listen(wanted: Iterable[Wanted], seconds: float) -> tuple[Heard, ...] | None:
    """Whom these instances would hear; None where the rights are missing."""
    ears: list[_Ear] = []
    places = {(each.interface, each.family): each.group or DEFAULT_GROUPS[each.family] for each in wanted}
    try:
        for (interface, family), group in sorted(places.items()):
            # The raw one first: what the other one sees before it is there would seem lost.
            ears.append(_Ear(_raw(interface, family, group), interface, family, wire=False))
            ears.append(_Ear(_packet(interface, family), interface, family, wire=True))
        return _count(ears, seconds)
    except PermissionError:
        return None
    except OSError:
        # An interface that is missing or down is a finding of its own.
        return ()
    finally:
        for ear in ears:
            ear.opened.close()


def _count(ears: list[_Ear], seconds: float) -> tuple[Heard, ...]:
    counts: Counter[tuple[str, int, int, str, bool]] = Counter()
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        for ear in select.select(ears, [], [], left)[0]:
            for router, source in _read(ear):
                counts[ear.interface, ear.family, router, source, ear.wire] += 1
    # What is under way between the two sockets.
    for ear in (ear for ear in ears if not ear.wire):
        for router, source in _read(ear):
            counts[ear.interface, ear.family, router, source, False] += 1
    return tuple(
        Heard(*sender, on_the_wire=counts[*sender, True], received=counts[*sender, False])
        for sender in sorted({key[:4] for key in counts})
    )


def _read(ear: _Ear) -> list[tuple[int, str]]:
    found = []
    try:
        while True:
            data, sender = ear.opened.recvfrom(_MOST)
            if ear.wire and sender[2] not in _TO_US:
                continue
            source, message = _parts(ear, data, sender)
            if len(message) >= 2:
                found.append((message[1], source))
    except BlockingIOError:
        return found


def _parts(ear: _Ear, data: bytes, sender: tuple[str, ...]) -> tuple[str, bytes]:
    """The sender and the VRRP message; an IPv6 raw socket gives the message alone."""
    if ear.family == 6 and not ear.wire:
        return str(ip_address(sender[0].partition("%")[0])), data
    at = _SOURCE_AT[ear.family]
    source = str(ip_address(data[at : at + _LENGTH[ear.family]]))
    return source, data[(data[0] & 15) * 4 :] if ear.family == 4 else data[_IPV6_HEADER:]


def _raw(interface: str, family: int, group: str) -> socket.socket:
    opened = socket.socket(_FAMILIES[family], socket.SOCK_RAW, VRRP)
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    index = socket.if_nametoindex(interface)
    if family == 4:
        request = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), index)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    else:
        request = struct.pack("=16si", socket.inet_pton(socket.AF_INET6, group), index)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    return opened


def _packet(interface: str, family: int) -> socket.socket:
    """Of VRRP alone, by a filter in the kernel: on a balancer's interface everything else would be too much."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    opened.setblocking(False)
    program = b"".join(
        _INSTRUCTION.pack(*each)
        for each in (
            (_LOAD_BYTE, 0, 0, _PROTOCOL_AT[family]),
            (_JUMP_EQUAL, 0, 1, VRRP),
            (_RETURN, 0, 0, _MOST),
            (_RETURN, 0, 0, 0),
        )
    )
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_program = struct.pack("HxxxxxxP", len(program) // _INSTRUCTION.size, ctypes.addressof(buffer))
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_program)
    opened.bind((interface, _ETHERTYPES[family]))
    return opened
