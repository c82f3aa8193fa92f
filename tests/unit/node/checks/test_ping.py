"""Echo requests: what is sent, and what is taken for the reply."""

import os
import socket

import pytest
from tests.unit.node.checks.trying import target, tried

from mooring_node.checks import ping
from mooring_node.checks.config import PingProbe
from mooring_node.checks.verdict import Withheld

V4, V6 = socket.AF_INET, socket.AF_INET6


def test_the_checksum_is_right() -> None:
    for payload in (b"", b"a", b"abc", bytes(56), b"\xff" * 7):
        message = ping.request(V4, 0x1234, 0xFFFF, payload)
        padded = message + b"\0" * (len(message) % 2)
        assert int.from_bytes(padded, "big") % 0xFFFF == 0


def test_only_the_reply_to_this_request_counts() -> None:
    for family, kind in ((V4, 0), (V6, 129)):
        reply = bytes([kind]) + ping.request(family, 7, 9, b"cookie")[1:]
        assert ping.is_reply(family, reply, 7, 9, b"cookie")
        assert ping.is_reply(family, reply, None, 9, b"cookie")
        assert not ping.is_reply(family, reply, 8, 9, b"cookie"), "somebody else's"
        assert not ping.is_reply(family, reply, 7, 8, b"cookie"), "an older one"
        assert not ping.is_reply(family, reply, 7, 9, b"other!"), "with another content"
        assert not ping.is_reply(family, reply[:7], 7, 9, b""), "too short"
        assert not ping.is_reply(family, ping.request(family, 7, 9, b"cookie"), 7, 9, b"cookie"), "the request"
        assert not ping.is_reply(family, b"\3\1" + reply[2:], 7, 9, b"cookie"), "an error that quotes it"


def test_the_header_of_ipv4_has_any_length() -> None:
    assert ping.without_header(b"\x45" + bytes(19) + b"x") == b"x"
    assert ping.without_header(b"\x4f" + bytes(59) + b"x") == b"x"
    for packet in (b"", b"\x60" + bytes(60), b"\x45"):
        assert ping.without_header(packet) == b""


@pytest.mark.parametrize("payload", [0, 1, 56, 1400])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_this_host_answers(address: str, payload: int) -> None:
    try:
        assert tried(target(PingProbe(payload), 80, address)).good
    except Withheld:
        if os.geteuid() == 0:
            raise
        pytest.skip("this user may not ping: run it as root")
