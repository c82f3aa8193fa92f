"""Sockets towards a backend, as a check's common options want them."""

import errno
import os
import socket

from mooring_node.checks.attempt import Scope, writable
from mooring_node.checks.config import Target
from mooring_node.checks.verdict import Withheld

_IP_BIND_ADDRESS_NO_PORT = 24
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_RESET_AT_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger {1, 0}

SocketAddress = tuple[str, int] | tuple[str, int, int, int]


def destination(target: Target) -> tuple[str, int]:
    """Where the check connects to."""
    check = target.check
    return check.connect_address or target.address, check.connect_port or target.port


def family_of(address: str) -> socket.AddressFamily:
    """Of an address in text form."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def socket_address(address: str, port: int) -> SocketAddress:
    """As system calls want it; a zone (fe80::1%eth0) is looked up among the interfaces."""
    if "%" not in address:
        return address, port
    host, _, zone = address.partition("%")
    try:
        return host, port, 0, int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)
    except OSError as error:
        raise OSError(errno.ENODEV, f"there is no interface {zone}") from error


def prepared(scope: Scope, target: Target, kind: int, protocol: int = 0) -> socket.socket:
    """A socket with the check's mark, interface and source; an address is one for backends of its own family."""
    check = target.check
    family = family_of(destination(target)[0])
    sock = scope.socket(family, kind, protocol)
    if check.firewall_mark is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, check.firewall_mark)
        except PermissionError as error:
            raise Withheld("a firewall mark needs CAP_NET_ADMIN, which this process lacks") from error
    if check.bind_interface is not None:
        _bind_to_interface(sock, check.bind_interface)
    source = check.bind_address if check.bind_address and family_of(check.bind_address) == family else None
    if source is not None or check.bind_port is not None:
        _bind(sock, source, check.bind_port or 0, kind)
    return sock


def _bind_to_interface(sock: socket.socket, name: str) -> None:
    """Before an address is bound: the kernel looks for a link-local one on the socket's interface."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode() + b"\0")
    except PermissionError as error:  # before Linux 5.7
        raise Withheld("an interface of choice needs CAP_NET_RAW, which this process lacks") from error
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        raise Withheld(f"connections cannot leave by {name}: there is no such interface") from error


def _bind(sock: socket.socket, address: str | None, port: int, kind: int) -> None:
    if port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.SOCK_STREAM:
            # A port of its own would be in TIME_WAIT for a minute after each check.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    elif kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
    anywhere = "::" if sock.family == socket.AF_INET6 else "0.0.0.0"
    try:
        sock.bind(socket_address(address or anywhere, port))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Withheld(f"connections cannot come from {address or anywhere} port {port}: {why}") from error


async def connect(scope: Scope, target: Target) -> socket.socket:
    """A TCP connection; OSError where there is none."""
    sock = prepared(scope, target, socket.SOCK_STREAM)
    failure = sock.connect_ex(socket_address(*destination(target)))
    if failure == errno.EINPROGRESS:
        failed = await writable(sock.fileno())
        failure = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if failed else 0
    if failure == errno.EADDRNOTAVAIL:
        raise Withheld("no local port or address is free for a connection")
    if failure:
        raise OSError(failure, os.strerror(failure))
    return sock


def datagrams(scope: Scope, target: Target, kind: int = socket.SOCK_DGRAM, protocol: int = 0) -> socket.socket:
    """A socket that exchanges datagrams with the backend alone, and is told of every ICMP error.

    With a protocol named, one that has no ports.
    """
    sock = prepared(scope, target, kind, protocol)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    address, port = destination(target)
    sock.connect(socket_address(address, 0 if protocol else port))
    return sock
