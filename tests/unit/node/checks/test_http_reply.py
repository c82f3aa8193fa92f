"""Replies of HTTP, whole and in pieces, good and hostile."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node.checks.http_reply import MOST_HEAD_BYTES, MOST_INTERIM, MOST_LINE_BYTES, MOST_LINES, Reply
from mooring_node.checks.verdict import Failed, Reason

GOOD = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", False),
    "no reason phrase": (b"HTTP/1.1 200\r\ncontent-length:3\r\n\r\nabc", b"abc", False),
    "bare newlines": (b"HTTP/1.0 200 OK\nContent-Length: 3\n\nabc", b"abc", False),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", False),
    "same length twice": (b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n\r\nabc", b"abc", False),
    "to the end": (b"HTTP/1.1 200 OK\r\n\r\nabc", b"abc", True),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;x=y\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n",
        b"abc0123456789",
        False,
    ),
    "chunked wins over length": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"a",
        False,
    ),
    "coded otherwise": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", b"abc", True),
    "interim": (
        b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 103 Hi\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabc",
        b"abc",
        True,
    ),
    "no content": (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 1\r\n\r\nz", b"z", False),
}
BAD = {
    "nothing": (b"", Reason.CLOSED, "before a reply"),
    "not whole": (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", Reason.CLOSED, "middle"),
    "no end of chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", Reason.CLOSED, "middle"),
    "garbage": (b"\x00\xff\x16\x03\r\n", Reason.REPLY_MALFORMED, "status line"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", Reason.REPLY_MALFORMED, "status line"),
    "HTTP/2": (b"HTTP/2 200\r\n", Reason.REPLY_MALFORMED, "status line"),
    "status": (b"HTTP/1.1 999 OK\r\n", Reason.REPLY_MALFORMED, "status line"),
    "no name": (b"HTTP/1.1 200 OK\r\n: x\r\n", Reason.REPLY_MALFORMED, "no name"),
    "no colon": (b"HTTP/1.1 200 OK\r\nabc\r\n", Reason.REPLY_MALFORMED, "no name"),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\n", Reason.REPLY_MALFORMED, "no number"),
    "negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", Reason.REPLY_MALFORMED, "no number"),
    "length with a sign": (b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\n", Reason.REPLY_MALFORMED, "no number"),
    "length of thousands of digits": (
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        Reason.REPLY_MALFORMED,
        "no number",
    ),
    "folded length": (b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 3\r\n\r\n", Reason.REPLY_MALFORMED, "folded"),
    "chunk of nonsense": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        Reason.REPLY_MALFORMED,
        "hexadecimal",
    ),
    "chunk with a sign": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        Reason.REPLY_MALFORMED,
        "hexadecimal",
    ),
    "chunk of 0x": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n", Reason.REPLY_MALFORMED, "hexad"),
    "chunk with a huge size": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n",
        Reason.REPLY_MALFORMED,
        "hexadecimal",
    ),
    "chunk longer than it says": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        Reason.REPLY_MALFORMED,
        "longer",
    ),
    "endless line": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * (MOST_LINE_BYTES + 1), Reason.REPLY_TOO_LARGE, "a line"),
    "endless fields": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (MOST_LINES + 1), Reason.REPLY_TOO_LARGE, "fields"),
    "large fields": (
        b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * (MOST_HEAD_BYTES // 8000 + 1),
        Reason.REPLY_TOO_LARGE,
        "fields",
    ),
    "endless trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * (MOST_LINES + 1),
        Reason.REPLY_TOO_LARGE,
        "fields",
    ),
    "endless interim replies": (
        b"HTTP/1.1 100 Go\r\n\r\n" * (MOST_INTERIM + 1),
        Reason.REPLY_TOO_LARGE,
        "interim",
    ),
}


def read(data: bytes, piece: int, most_body: int = 1000) -> tuple[Reply, bytes]:
    """The reply, and what was taken of its body."""
    body = bytearray()
    reply = Reply(most_body, body.extend)
    for begin in range(0, len(data), piece):
        if not reply.done:
            reply.feed(data[begin : begin + piece])
    if not reply.done:
        reply.end()
    return reply, bytes(body)


@pytest.mark.parametrize("piece", [1, 2, 7, 100_000])
@pytest.mark.parametrize("name", GOOD)
def test_good_replies_in_pieces(name: str, piece: int) -> None:
    data, body, to_the_end = GOOD[name]
    reply, taken = read(data, piece)
    assert (reply.status, taken, reply.cut) == (200, body, False)
    if not to_the_end:
        without_end = Reply(1000, bytearray().extend)
        without_end.feed(data)
        assert without_end.done


@pytest.mark.parametrize("status", [204, 304])
def test_some_replies_have_no_body(status: int) -> None:
    reply = Reply(10, bytearray().extend)
    reply.feed(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status)
    assert reply.done
    assert reply.status == status


@pytest.mark.parametrize("piece", [1, 100_000])
@pytest.mark.parametrize("name", BAD)
def test_bad_replies_in_pieces(name: str, piece: int) -> None:
    data, reason, words = BAD[name]
    with pytest.raises(Failed, match=words) as raised:
        read(data, piece)
    assert raised.value.outcome.reason is reason


@pytest.mark.parametrize(
    "framing", [b"Content-Length: %d\r\n", b"X: %d\r\n", b"Transfer-Encoding: chunked\r\nX: %d\r\n"]
)
@pytest.mark.parametrize("length", [9, 10, 11, 5000])
def test_a_large_body_is_cut_exactly(framing: bytes, length: int) -> None:
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (length, b"x" * length) if b"chunked" in framing else b"x" * length
    reply, taken = read(b"HTTP/1.1 200 OK\r\n" + framing % length + b"\r\n" + body, 100, most_body=10)
    assert (len(taken), reply.cut) == (min(length, 10), length > 10)


def test_an_endless_body_is_kept_to_its_bound() -> None:
    body = bytearray()
    reply = Reply(100_000, body.extend)
    reply.feed(b"HTTP/1.1 200 OK\r\n\r\n")
    fed = 0
    while not reply.done:
        reply.feed(b"x" * 16384)
        fed += 16384
    assert (len(body), reply.cut) == (100_000, True)
    assert fed < 150_000


@given(st.binary(max_size=200), st.integers(1, 50))
def test_nothing_else_is_ever_raised(tail: bytes, piece: int) -> None:
    heads = (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for head in heads:
        with contextlib.suppress(Failed):
            read(head + tail, piece, most_body=50)
