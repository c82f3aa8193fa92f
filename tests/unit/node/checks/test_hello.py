"""What is read of our own handshake."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node.checks.hello import key_shares

CHANGE_CIPHER_SPEC = bytes.fromhex("140303000101")


def of_two(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data


def share(group: int, key: bytes = b"k" * 32) -> bytes:
    return group.to_bytes(2) + of_two(key)


def hello(*shares: bytes) -> bytes:
    extensions = b"\x00\x2a" + of_two(b"") + b"\x00\x33" + of_two(of_two(b"".join(shares))) + b"\x00\x17" + of_two(b"")
    body = b"\x03\x03" + b"r" * 32 + b"\x01s" + of_two(b"\x13\x01") + b"\x01\x00" + of_two(extensions)
    return b"\x16\x03\x01" + of_two(b"\x01" + len(body).to_bytes(3) + body)


def test_what_openssl_says() -> None:
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="shop.example.com").do_handshake()
    shares = key_shares(outgoing.read())
    assert shares
    assert all(group < 0x0100 or group > 0x01FF for group in shares), "no finite field before anybody asks for it"


def test_all_shares_of_a_flight() -> None:
    assert key_shares(CHANGE_CIPHER_SPEC + hello(share(0x001D), share(0x0104, b"k" * 1024))) == (0x001D, 0x0104)
    assert key_shares(hello()) == ()


def test_what_only_looks_like_one() -> None:
    encrypted = b"\x16\x03\x03" + of_two(b"\x01" + hello(share(0x0104))[6:] + b"more")
    assert key_shares(encrypted + CHANGE_CIPHER_SPEC) == ()


@given(st.binary(max_size=300), st.integers(0, 299))
def test_no_bytes_break_it(noise: bytes, at: int) -> None:
    """They are our own; but what an old session or a cookie brings into them is not."""
    key_shares(noise)
    whole = hello(share(0x0104, b"k" * 200))
    key_shares(whole[:at] + noise + whole[at + len(noise) :])
