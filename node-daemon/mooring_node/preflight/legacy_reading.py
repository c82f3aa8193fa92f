"""Asks the kernel for the tables of iptables-legacy (shell); only for those in use, as the question makes a table."""

import ctypes
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mooring_node.preflight.legacy import INFO, PRIORITIES, listed

_FAMILIES = {
    4: (socket.AF_INET, "/proc/thread-self/net/ip_tables_names", socket.SOL_IP),
    6: (socket.AF_INET6, "/proc/thread-self/net/ip6_tables_names", socket.IPPROTO_IPV6),
}
_GET_INFO, _GET_ENTRIES = 64, 65
_ENTRIES = struct.Struct("@32sI4x")
_C = ctypes.CDLL(None, use_errno=True)


def read() -> tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]:
    """What all tables in use have, as nft would list it, and those that could not be read, with the reason."""
    found: list[Mapping[str, Any]] = []
    unread: list[str] = []
    for number, (family, names, level) in _FAMILIES.items():
        for table in _in_use(names):
            try:
                with socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_RAW) as raw:
                    found += listed(number, table, *_table(raw, level, table.encode()))
            except (OSError, ValueError) as error:
                unread.append(f"{table} of IPv{number}: {error}")
    return tuple(found), tuple(unread)


def _in_use(names: str) -> list[str]:
    try:
        return [each for each in Path(names).read_text().split() if each in PRIORITIES]
    except OSError:
        return []


def _table(raw: socket.socket, level: int, name: bytes) -> tuple[bytes, bytes]:
    info = ctypes.create_string_buffer(INFO.pack(name, *[0] * 13), INFO.size)
    _getsockopt(raw, level, _GET_INFO, info)
    size: int = INFO.unpack(info.raw)[-1]
    entries = ctypes.create_string_buffer(_ENTRIES.pack(name, size), _ENTRIES.size + size)
    _getsockopt(raw, level, _GET_ENTRIES, entries)
    return info.raw, entries.raw[_ENTRIES.size : _ENTRIES.size + size]


def _getsockopt(opened: socket.socket, level: int, option: int, buffer: "ctypes.Array[ctypes.c_char]") -> None:
    """Python's own cannot: the kernel reads the question from the buffer that it answers into."""
    length = ctypes.c_uint32(len(buffer))
    if _C.getsockopt(opened.fileno(), level, option, buffer, ctypes.byref(length)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
