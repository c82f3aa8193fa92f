"""What passes on a link, with the kernel's own time of arrival: late reading changes no figure."""

import ctypes
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from mooring_lab import namespace

_ETH_P_ALL = 3
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 26, 33, 35
_BUFFER_BYTES = 64 << 20
_FRAME_BYTES = 2048
_TIMESPEC = struct.Struct("@ll")
_ETHERNET, _IPV4_HEADER = 14, 20
#: BPF: give the whole frame where it is VRRP over IPv4 (protocol 112), or ARP; else nothing.
_STEPS = ((0x28, 0, 0, 12), (0x15, 2, 0, 0x0806), (0x30, 0, 0, 23), (0x15, 0, 1, 112), (6, 0, 0, 0xFFFF), (6, 0, 0, 0))


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame and when the kernel had it, in nanoseconds of CLOCK_MONOTONIC."""

    time: int
    data: bytes

    @property
    def is_arp(self) -> bool:
        return self.data[12:14] == b"\x08\x06"

    @property
    def advertiser(self) -> bytes | None:
        """The source address of an advert."""
        return None if self.is_arp else self.data[26:30]

    @property
    def priority(self) -> int:
        """What an advert says."""
        return self.data[_ETHERNET + _IPV4_HEADER + 2]

    @property
    def announced(self) -> bytes | None:
        """The address of a gratuitous ARP."""
        sender, target = self.data[28:32], self.data[38:42]
        return sender if self.is_arp and sender == target else None


class Capture:
    """VRRP and ARP of one interface of a namespace, from now on."""

    def __init__(self, name: str, interface: str) -> None:
        self._socket = namespace.call(name, lambda: _open(interface))

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> list[Frame]:
        """What has come since the last call, in order."""
        return list(self._read())

    def _read(self) -> Iterator[Frame]:
        behind = time.clock_gettime_ns(time.CLOCK_REALTIME) - time.monotonic_ns()
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(_FRAME_BYTES, 64)
            except BlockingIOError:
                return
            for level, kind, value in ancillary:
                if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                    seconds, nanoseconds = _TIMESPEC.unpack(value)
                    yield Frame(seconds * 1_000_000_000 + nanoseconds - behind, data)

    def close(self) -> None:
        self._socket.close()


def _open(interface: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    program = b"".join(struct.pack("=HBBI", *step) for step in _STEPS)
    code = ctypes.create_string_buffer(program, len(program))
    attached = struct.pack("@HP", len(_STEPS), ctypes.addressof(code))
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attached)
    opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    opened.setblocking(False)
    opened.bind((interface, _ETH_P_ALL))
    return opened
