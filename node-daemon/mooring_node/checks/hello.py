"""What our own side of a TLS handshake says, as far as it tells what the server has asked for. Pure."""

from collections.abc import Iterator

#: A flight of ours has some 600 bytes without what a server makes us say again, its cookie.
MOST_FLIGHT_BYTES = 4096

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_KEY_SHARE = 51


def key_shares(flight: bytes) -> tuple[int, ...]:
    """The groups that ClientHellos of a flight of whole records carry keys of, by their numbers (RFC 8446, 4.2.8)."""
    return tuple(group for hello in _hellos(flight) for group in _groups(hello))


def _hellos(flight: bytes) -> Iterator[bytes]:
    while flight:
        kind, size = flight[0], int.from_bytes(flight[3:5])
        body, flight = flight[5 : 5 + size], flight[5 + size :]
        # What is encrypted may look like one, but hardly with its own length.
        if kind == _HANDSHAKE and body[:1] == bytes([_CLIENT_HELLO]) and int.from_bytes(body[1:4]) == len(body) - 4:
            yield body[4:]


def _groups(hello: bytes) -> Iterator[int]:
    """Version and random have 34 bytes; session, suites and compressions have their lengths before them."""
    rest = hello[34:]
    for size in (1, 2, 1):
        _, rest = _taken(rest, size)
    extensions, _ = _taken(rest, 2)
    while extensions:
        number = int.from_bytes(extensions[:2])
        value, extensions = _taken(extensions[2:], 2)
        if number == _KEY_SHARE:
            shares, _ = _taken(value, 2)
            while shares:
                yield int.from_bytes(shares[:2])
                _, shares = _taken(shares[2:], 2)


def _taken(data: bytes, size: int) -> tuple[bytes, bytes]:
    """What has its length in `size` bytes before it, and what follows."""
    end = size + int.from_bytes(data[:size])
    return data[size:end], data[end:]
