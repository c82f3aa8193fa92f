"""The raw sockets of one interface: VRRP in and out for a family, and Ethernet frames out."""

import socket
import struct
from collections.abc import Iterator
from typing import Final

from mooring_node.vrrp.packet import PROTOCOL
from mooring_node.vrrp.receive import Datagram, parse_ipv4
from mooring_node.vrrp.refusals import Refused

_IP_MULTICAST_ALL: Final = 49
_IPV6_MULTICAST_ALL: Final = 29
_PACKET_BYTES = 4096
_RECEIVE_BUFFER_BYTES = 1 << 20
_TRAFFIC_CLASS = 0xC0
_CONTROL_PRIORITY = 6
_NO_PROTOCOL = 0
_PKTINFO = struct.Struct("=16si")


class Port:
    """VRRP of one family on one interface; bound to it, so nothing else is heard."""

    def __init__(self, interface: str, index: int, family: int) -> None:
        self.interface = interface
        self.index = index
        self.family = family
        self._joined: set[bytes] = set()
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        self._socket = socket.socket(kind, socket.SOCK_RAW, PROTOCOL)
        try:
            self._set_up()
        except OSError:
            self._socket.close()
            raise

    def _set_up(self) -> None:
        opened = self._socket
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.interface.encode() + b"\0")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, _CONTROL_PRIORITY)
        if self.family == 4:
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            opened.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", b"", b"", self.index))
            return
        for option, value in (
            (socket.IPV6_MULTICAST_LOOP, 0),
            (socket.IPV6_MULTICAST_IF, self.index),
            (socket.IPV6_MULTICAST_HOPS, 255),
            (socket.IPV6_UNICAST_HOPS, 255),
            (socket.IPV6_RECVHOPLIMIT, 1),
            (socket.IPV6_RECVPKTINFO, 1),
            (socket.IPV6_TCLASS, _TRAFFIC_CLASS),
            (_IPV6_MULTICAST_ALL, 0),
        ):
            opened.setsockopt(socket.IPPROTO_IPV6, option, value)

    def fileno(self) -> int:
        return self._socket.fileno()

    def join(self, group: bytes) -> bool:
        """Receive what is sent to a multicast group; idempotent. False where the kernel refuses one more."""
        if group in self._joined:
            return True
        try:
            self._join(group)
        except OSError:
            return False
        self._joined.add(group)
        return True

    def _join(self, group: bytes) -> None:
        if self.family == 4:
            request = struct.pack("=4s4si", group, bytes(4), self.index)
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        else:
            request = struct.pack("=16si", group, self.index)
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)

    def send(self, packet: bytes, source: bytes, destination: bytes) -> None:
        """Send one prepared packet: with its IP header for IPv4, the VRRP message alone for IPv6. Raises OSError."""
        if self.family == 4:
            self._socket.sendto(packet, (socket.inet_ntoa(destination), 0))
            return
        address = (socket.inet_ntop(socket.AF_INET6, destination), 0, 0, self.index)
        info = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, _PKTINFO.pack(source, self.index))
        self._socket.sendmsg([packet], [info], 0, address)

    def receive(self, limit: int) -> Iterator[Datagram | Refused]:
        """What has arrived, at most `limit` packets."""
        for _ in range(limit):
            try:
                data, ancillary, _, address = self._socket.recvmsg(_PACKET_BYTES, 256)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # The interface went down or away; the link monitor tells what follows from that.
                return
            if self.family == 4:
                try:
                    yield parse_ipv4(data)
                except Refused as refused:
                    yield refused
            else:
                yield _ipv6_datagram(data, ancillary, address)

    def close(self) -> None:
        self._socket.close()


def _ipv6_datagram(
    data: bytes, ancillary: list[tuple[int, int, bytes]], address: tuple[str, int, int, int]
) -> Datagram:
    source = socket.inet_pton(socket.AF_INET6, address[0].partition("%")[0])
    destination, hop_limit = bytes(16), 0
    for level, kind, value in ancillary:
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            destination = value[:16]
        elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_HOPLIMIT:
            hop_limit = struct.unpack("=i", value[:4])[0]
    return Datagram(source, destination, hop_limit, data)


class FramePort:
    """Ethernet frames out of one interface; receives nothing."""

    def __init__(self, interface: str, index: int) -> None:
        self.index = index
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, _NO_PROTOCOL)
        try:
            self._socket.bind((interface, _NO_PROTOCOL))
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _RECEIVE_BUFFER_BYTES)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()
