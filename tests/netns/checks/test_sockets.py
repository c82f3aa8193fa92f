"""What a check does with addresses, marks, routes and ICMP, in a network namespace of its own."""

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.node.checks.trying import target, tried

from mooring_node.checks.config import DNSProbe, PingProbe, Probe, TCPProbe, UDPProbe
from mooring_node.checks.connecting import socket_address
from mooring_node.checks.verdict import Reason, Withheld

Ip = Callable[..., None]
pytestmark = pytest.mark.usefixtures("ip")

PING_GROUPS = Path("/proc/sys/net/ipv4/ping_group_range")


@pytest.fixture
def ip(own_namespace: Ip) -> Ip:
    """A namespace with 10.9.0.1 and fd09::1 on one side of a bridge, 10.9.0.2 and fd09::2 too: both are local."""
    own_namespace("link", "add", "near", "type", "bridge")
    for number in (1, 2):
        own_namespace("addr", "add", f"10.9.0.{number}/24", "dev", "near")
        own_namespace("addr", "add", f"fd09::{number}/64", "dev", "near", "nodad")
    own_namespace("link", "set", "near", "up")
    return own_namespace


@contextlib.contextmanager
def listening(address: str) -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """A server of TCP; its port, and where connections came from."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    seen: list[tuple[str, int]] = []
    with socket.create_server((address, 0), family=family) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, sender = server.accept()
                    seen.append((sender[0], sender[1]))
                    connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], seen
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(60)


def nft(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


@pytest.mark.parametrize(("address", "source"), [("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")])
def test_the_source_address_and_port(address: str, source: str) -> None:
    with listening(address) as (port, seen):
        assert tried(target(TCPProbe(), port, address, bind_address=source)).good
        for _ in range(3):
            # Again and again from one port: no TIME_WAIT is in the way.
            assert tried(target(TCPProbe(), port, address, bind_address=source, bind_port=7777)).good
        assert tried(target(TCPProbe(), port, address, bind_port=7778)).good
        until = time.monotonic() + 60
        while len(seen) < 5 and time.monotonic() < until:
            time.sleep(0.01)
    assert seen[0][0] == source
    assert seen[1:4] == [(source, 7777)] * 3
    assert seen[4][1] == 7778


def test_a_source_of_the_other_family_is_not_for_this_backend() -> None:
    with listening("fd09::1") as (port, _):
        assert tried(target(TCPProbe(), port, "fd09::1", bind_address="10.9.0.2")).good


def test_the_check_connects_elsewhere() -> None:
    with listening("10.9.0.2") as (port, _):
        assert tried(target(TCPProbe(), 1, "10.9.0.1", connect_address="10.9.0.2", connect_port=port)).good


@pytest.mark.parametrize("probe", [TCPProbe(), UDPProbe(), PingProbe()])
def test_a_source_that_this_node_lacks_tells_nothing_of_the_backend(probe: Probe) -> None:
    with pytest.raises(Withheld, match=r"connections cannot come from 10\.9\.0\.77 port 0"):
        tried(target(probe, 80, "10.9.0.1", bind_address="10.9.0.77"))


@pytest.mark.parametrize("address", ["10.9.0.1", "fd09::1", "fe80::7"])
def test_the_interface_is_the_way_whatever_the_routes_say(ip: Ip, address: str) -> None:
    """Nobody answers behind `blind`. A link-local address without a zone is found by it alone."""
    ip("link", "add", "blind", "type", "bridge")
    ip("link", "set", "blind", "up")
    ip("addr", "add", "fe80::8/64", "dev", "blind", "nodad")
    ip("addr", "add", "fe80::7/64", "dev", "near", "nodad")
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as server:
        server.bind(socket_address(f"{address}%near" if address.startswith("fe80") else address, 0))
        server.listen()
        port = server.getsockname()[1]
        assert tried(target(TCPProbe(), port, address, bind_interface="near")).good
        assert not tried(target(TCPProbe(), port, address, bind_interface="blind"), timeout_s=0.3).good


@pytest.mark.parametrize("probe", [TCPProbe(), UDPProbe(), DNSProbe(), PingProbe()])
def test_an_interface_that_this_node_lacks_tells_nothing_of_the_backend(probe: Probe) -> None:
    with pytest.raises(Withheld, match="connections cannot leave by gone0: there is no such interface"):
        tried(target(probe, 80, "10.9.0.1", bind_interface="gone0"))


def test_the_mark(require_tool: Callable[[str], str]) -> None:
    require_tool("nft")
    rule = "add rule inet t out meta mark 77 counter accept; add rule inet t out tcp flags & (syn | ack) == syn drop"
    nft(f"add table inet t; add chain inet t out {{ type filter hook output priority 0; }}; {rule}")
    with listening("10.9.0.1") as (port, _):
        assert tried(target(TCPProbe(), port, "10.9.0.1", firewall_mark=77)).good
        assert tried(target(TCPProbe(), port, "10.9.0.1"), timeout_s=0.3).reason is Reason.TIMEOUT


def test_a_link_local_address_with_its_zone(ip: Ip) -> None:
    ip("addr", "add", "fe80::9/64", "dev", "near", "nodad")
    with socket.socket(socket.AF_INET6) as server:
        server.bind(("fe80::9", 0, 0, socket.if_nametoindex("near")))
        server.listen()
        port = server.getsockname()[1]
        assert tried(target(TCPProbe(), port, "fe80::9%near")).good
        nowhere = tried(target(TCPProbe(), port, "fe80::9%gone"))
    assert (nowhere.reason, nowhere.words) == (Reason.UNREACHABLE, "there is no interface gone")


@pytest.mark.parametrize("probe", [TCPProbe(), UDPProbe(), DNSProbe(), PingProbe()])
@pytest.mark.parametrize(
    ("address", "route"),
    [
        ("192.0.2.1", ()),
        ("10.8.0.1", ("unreachable", "10.8.0.0/24")),
        ("2001:db8::1", ("unreachable", "2001:db8::/64")),
    ],
)
def test_no_way_there_is_bad_at_once(ip: Ip, probe: Probe, address: str, route: tuple[str, ...]) -> None:
    if route:
        ip("route", "add", *route)
    assert tried(target(probe, 80, address)).reason is Reason.UNREACHABLE


@pytest.mark.parametrize("kind", ["host-unreachable", "admin-prohibited", "port-unreachable"])
@pytest.mark.parametrize("probe", [UDPProbe(), DNSProbe()])
def test_every_icmp_error_is_a_failure(probe: Probe, kind: str, require_tool: Callable[[str], str]) -> None:
    require_tool("nft")
    rule = f"add rule inet t in ip protocol udp reject with icmp type {kind}"
    nft(f"add table inet t; add chain inet t in {{ type filter hook input priority 0; }}; {rule}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("10.9.0.1", 0))
        outcome = tried(target(probe, server.getsockname()[1], "10.9.0.1"))
    assert outcome.reason is (Reason.REFUSED if kind == "port-unreachable" else Reason.UNREACHABLE)


@pytest.mark.parametrize("groups", ["1 0", "0 0"], ids=["raw", "unprivileged"])
@pytest.mark.parametrize("address", ["10.9.0.1", "fd09::1", "::1"])
def test_ping_by_both_kinds_of_sockets(groups: str, address: str, require_tool: Callable[[str], str]) -> None:
    require_tool("nft")
    PING_GROUPS.write_text(groups)
    assert tried(target(PingProbe(), 80, address)).good
    # Echo replies of others that come meanwhile are not taken for ours.
    rule = "add rule inet t in icmp type echo-request drop; add rule inet t in icmpv6 type echo-request drop"
    nft(f"add table inet t; add chain inet t in {{ type filter hook input priority 0; }}; {rule}")
    stopped = threading.Event()
    home = Path("/proc/thread-self/ns/net").resolve()

    def forge() -> None:
        v6 = ":" in address
        family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
        with socket.socket(family, socket.SOCK_RAW, protocol) as raw:
            for number in range(1_000_000):
                if stopped.wait(0.002):
                    return
                reply = bytes([129 if v6 else 0, 0]) + bytes(2) + number.to_bytes(2, "big") * 2 + bytes(56)
                checksum = 0 if v6 else 0xFFFF - (int.from_bytes(reply, "big") % 0xFFFF or 0xFFFF)
                with contextlib.suppress(OSError):
                    raw.sendto(reply[:2] + checksum.to_bytes(2, "big") + reply[4:], (address, 0))

    thread = threading.Thread(target=forge, daemon=True)
    thread.start()
    try:
        assert Path("/proc/thread-self/ns/net").resolve() == home
        assert tried(target(PingProbe(), 80, address), timeout_s=0.5).reason is Reason.TIMEOUT
    finally:
        stopped.set()
        thread.join(60)
