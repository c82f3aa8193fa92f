"""SMTP checks against servers that are good, bad and hostile."""

import socket
from collections.abc import Callable

import pytest
from tests.unit.node.checks.trying import serving, target, tried, until_closed

from mooring_node.checks.config import SMTPProbe
from mooring_node.checks.smtp import MOST_LINES
from mooring_node.checks.verdict import Outcome, Reason


def speaking(*replies: bytes, heard: list[bytes] | None = None) -> Callable[[socket.socket], None]:
    """Says the first at once, and each other one after a line has come."""

    def serve(connection: socket.socket) -> None:
        lines = connection.makefile("rb")
        for number, reply in enumerate(replies):
            if number:
                line = lines.readline()
                if heard is not None:
                    heard.append(line)
            connection.sendall(reply)
        lines.close()

    return serve


def of(*replies: bytes) -> Outcome:
    with serving(speaking(*replies)) as port:
        return tried(target(SMTPProbe(), port))


def test_the_conversation() -> None:
    heard: list[bytes] = []
    with serving(speaking(b"220 mail\r\n", b"250 hello\r\n", b"221 bye\r\n", heard=heard)) as port:
        assert tried(target(SMTPProbe("lb.example.com"), port)).good
    assert heard == [b"HELO lb.example.com\r\n", b"QUIT\r\n"]


def test_replies_of_several_lines_and_an_end_instead_of_the_last() -> None:
    assert of(b"220-mail\r\n220-says much\n220\r\n", b"250-a\r\n250 b\r\n", b"").good


@pytest.mark.parametrize(
    ("replies", "reason", "words"),
    [
        ((b"554 go away\r\n",), Reason.REPLY_WRONG, "the greeting is 554 go away, not 220"),
        ((b"220 a\r\n", b"502 no\r\n"), Reason.REPLY_WRONG, "the reply to HELO is 502 no, not 250"),
        ((b"220 a\r\n", b"250 b\r\n", b"421 x\r\n"), Reason.REPLY_WRONG, "the reply to QUIT is 421 x, not 221"),
        ((b"HTTP/1.1 400\r\n",), Reason.REPLY_MALFORMED, "the greeting is none of SMTP: HTTP/1.1 400"),
        ((b"\x1b[31m\r\n",), Reason.REPLY_MALFORMED, "the greeting is none of SMTP: ?[31m"),
        ((b"",), Reason.CLOSED, "the connection was closed before the reply was whole"),
        ((b"220 a\r\n", b"250-more\r\n"), Reason.CLOSED, "the connection was closed before the reply was whole"),
        ((b"220-x\r\n" * (MOST_LINES + 1),), Reason.REPLY_TOO_LARGE, "the greeting has no end"),
        ((b"220 " + b"x" * 100_000,), Reason.REPLY_TOO_LARGE, "a line of the reply has more than 2048 bytes"),
    ],
)
def test_what_is_bad(replies: tuple[bytes, ...], reason: Reason, words: str) -> None:
    outcome = of(*replies)
    assert (outcome.reason, outcome.words) == (reason, words)


def test_a_greeting_without_end() -> None:
    def serve(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"220-again\r\n")

    with serving(serve) as port:
        assert tried(target(SMTPProbe(), port)).reason is Reason.REPLY_TOO_LARGE


def test_silence() -> None:
    with serving(until_closed) as port:
        outcome = tried(target(SMTPProbe(), port), timeout_s=0.2)
    assert (outcome.reason, outcome.words) == (Reason.TIMEOUT, "timed out while waiting for the greeting")
