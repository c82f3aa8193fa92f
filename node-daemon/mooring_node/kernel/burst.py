"""Many packets with one system call: sendmmsg over arrays that are built once (shell)."""

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeAlias

#: As Python's socket module writes them: (IPv4, port) or (IPv6, port, flow, scope); addresses, never names.
SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MsgHdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MMsgHdr(ctypes.Structure):
    _fields_ = (("header", _MsgHdr), ("sent", ctypes.c_uint))


_sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
_sendmmsg.restype = ctypes.c_int


class Burst:
    """Frames ready to be sent, in order, as often as wanted.

    Without destinations the socket must be bound (AF_PACKET to an interface) or connected.
    """

    def __init__(self, frames: Sequence[bytes], destinations: Sequence[SocketAddress] | None = None) -> None:
        if destinations is not None and len(destinations) != len(frames):
            raise ValueError(f"{len(frames)} frames, but {len(destinations)} destinations")
        names = [b""] * len(frames) if destinations is None else [_sockaddr(each) for each in destinations]
        self._count = len(frames)
        self._frames = _Store(frames)
        self._names = _Store(names)
        self._vectors = (_IoVec * self._count)()
        self._headers = (_MMsgHdr * self._count)()
        for place, (frame, name) in enumerate(zip(frames, names, strict=True)):
            self._vectors[place].base = self._frames.address(place)
            self._vectors[place].length = len(frame)
            header = self._headers[place].header
            header.vectors = ctypes.addressof(self._vectors) + place * ctypes.sizeof(_IoVec)
            header.vector_count = 1
            if name:
                header.name = self._names.address(place)
                header.name_length = len(name)

    def __len__(self) -> int:
        return self._count

    def send(self, fileno: int, start: int = 0, stop: int | None = None) -> int:
        """Send frames `start` to `stop` (exclusive) without waiting; how many were sent.

        Fewer than asked: the frame behind them was refused (EAGAIN, ENOBUFS, ENETDOWN, ...). OSError only when
        not a single frame was sent, so a further call that starts at that frame tells why.
        """
        end = self._count if stop is None else min(stop, self._count)
        if start < 0:
            raise ValueError(f"start is {start}")
        place = start
        while place < end:
            first = ctypes.addressof(self._headers) + place * ctypes.sizeof(_MMsgHdr)
            # The kernel takes 1024 (UIO_MAXIOV) at most, and says how many.
            sent = _sendmmsg(fileno, first, end - place, socket.MSG_DONTWAIT)
            if sent > 0:
                place += sent
                continue
            code = ctypes.get_errno()
            if code == errno.EINTR:
                continue
            if place == start:
                raise OSError(code, os.strerror(code))
            break
        return max(place - start, 0)


class _Store:
    """Byte strings one behind the other in memory that stays where it is."""

    def __init__(self, items: Sequence[bytes]) -> None:
        joined = b"".join(items)
        self._memory = ctypes.create_string_buffer(joined, max(len(joined), 1))
        self._offsets = [0, *accumulate(len(item) for item in items)]

    def address(self, place: int) -> int:
        return ctypes.addressof(self._memory) + self._offsets[place]


def _sockaddr(destination: SocketAddress) -> bytes:
    if len(destination) == 2:
        host, port = destination
        head = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port)
        return head + socket.inet_pton(socket.AF_INET, host) + bytes(8)
    host, port, flow, scope = destination
    head = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, flow)
    return head + socket.inet_pton(socket.AF_INET6, host) + struct.pack("=I", scope)
