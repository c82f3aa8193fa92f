"""The bytes of a connection, in the clear or through TLS. What comes is hostile; time and size are bounded."""

import ssl
from functools import lru_cache
from socket import socket
from typing import Protocol

from mooring_node.checks.attempt import Scope, breathe, readable, writable
from mooring_node.checks.config import TLSConfig
from mooring_node.checks.hello import MOST_FLIGHT_BYTES, key_shares
from mooring_node.checks.verdict import Failed, Reason, Withheld

#: A chain of certificates, and the names of the authorities whose certificates the server would take from us. Who may
#: name authorities himself can have each KiB of a chain cost us 5 ms in one step.
MOST_HANDSHAKE_BYTES = 32 * 1024

_READ_BYTES = 16384
#: A sender that is never slower than we are must not keep the others waiting.
_READS_IN_A_ROW = 4
#: Of all other ways to agree on a key (DHE, SRP) the server chooses the modulus, and one of 10,000 bits keeps this
#: process busy for a second in a single step.
_AFFORDABLE_KEYS = frozenset({"kx-any", "kx-ecdhe", "kx-rsa"})
#: ffdhe6144 and ffdhe8192 (RFC 7919), which TLS 1.3 has as well: 50 and 110 ms in a single step.
_COSTLY_GROUPS = frozenset({0x0103, 0x0104})


class Stream(Protocol):
    """What comes and goes."""

    async def read(self) -> bytes:
        """What has come, at least one byte; b"" at the end."""

    async def send(self, data: bytes) -> None:
        """All of it."""


class Plain:
    """A connected socket."""

    def __init__(self, sock: socket) -> None:
        self._sock = sock
        self._reads = 0

    async def read(self) -> bytes:
        """What has come, at least one byte; b"" at the end."""
        self._reads += 1
        if self._reads >= _READS_IN_A_ROW:
            self._reads = 0
            await breathe()
        while True:
            try:
                return self._sock.recv(_READ_BYTES)
            except BlockingIOError:
                self._reads = 0
                await readable(self._sock.fileno())

    async def send(self, data: bytes) -> None:
        """All of it."""
        left = memoryview(data)
        while left:
            try:
                left = left[self._sock.send(left) :]
            except BlockingIOError:
                await writable(self._sock.fileno())


class Secured:
    """TLS over another stream."""

    def __init__(self, below: Stream, config: TLSConfig) -> None:
        self._below = below
        self._heard_bytes = 0
        self._shaken = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = _context(config.verify, config.authorities)
        try:
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=_host(config.server_name))
        except ValueError as error:
            raise Failed(Reason.SETTINGS_UNUSABLE, f"serverName {config.server_name!r} cannot be sent") from error

    async def handshake(self) -> None:
        """Failed where the server cannot, or its certificate is not accepted."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._hear_more()
            except ssl.SSLCertVerificationError as error:
                raise Failed(Reason.CERTIFICATE_INVALID, f"the certificate: {error.verify_message}") from error
            except ssl.SSLError as error:
                raise _tls_failed(error) from error
        await self._flush()
        self._shaken = True

    async def read(self) -> bytes:
        """What has come, at least one byte; b"" at the end, whether or not it was announced."""
        while True:
            try:
                return self._tls.read(_READ_BYTES)
            except ssl.SSLWantReadError:
                await self._exchange()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise _tls_failed(error) from error

    async def send(self, data: bytes) -> None:
        """All of it."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise _tls_failed(error) from error
        await self._flush()

    async def _hear_more(self) -> None:
        """Of the handshake. What comes may cost a lot: it is looked at when it is our turn to compute."""
        self._heard_bytes += await self._exchange()
        if self._heard_bytes > MOST_HANDSHAKE_BYTES:
            raise Failed(Reason.TLS_FAILED, f"TLS: the handshake has more than {MOST_HANDSHAKE_BYTES // 1024} KiB")
        try:
            await breathe()
        except TimeoutError as error:
            raise Withheld("this node has no time for so many TLS handshakes") from error

    async def _exchange(self) -> int:
        await self._flush()
        data = await self._below.read()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return len(data)

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            if not self._shaken:
                _refuse_costly(data)
            await self._below.send(data)


def _host(name: str | None) -> str | None:
    """Without the port that a Host header may have."""
    if name is None or name.startswith("["):
        return name and name[1:].partition("]")[0]
    return name.partition(":")[0] if name.count(":") == 1 else name


def _tls_failed(error: ssl.SSLError) -> Failed:
    if isinstance(error, ssl.SSLEOFError):
        return Failed(Reason.CLOSED, "the connection was closed in the TLS handshake")
    return Failed(Reason.TLS_FAILED, f"TLS: {(error.reason or str(error)).lower().replace('_', ' ')}")


def _refuse_costly(flight: bytes) -> None:
    # Python cannot tell OpenSSL which groups to offer. But before the costly step our side says which was agreed on.
    if len(flight) > MOST_FLIGHT_BYTES or not _COSTLY_GROUPS.isdisjoint(key_shares(flight)):
        raise Failed(Reason.TLS_FAILED, "TLS: the server asks for a key that costs too much (more than 4096 bits)")


@lru_cache(maxsize=64)
def _context(verify: bool, authorities: str | None) -> ssl.SSLContext:
    """Costs milliseconds and some hundred KiB: one for all checks of the same trust."""
    context = _verifying(authorities) if verify else _lenient()
    context.set_ciphers(":".join(each["name"] for each in context.get_ciphers() if each["kea"] in _AFFORDABLE_KEYS))
    # Else a server could begin again and again, beyond the bounds of the handshake.
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def _lenient() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Nothing secret is sent, and an old server can be healthy.
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _verifying(authorities: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=authorities)
    except ssl.SSLError as error:
        raise Failed(Reason.SETTINGS_UNUSABLE, "authorities hold no certificates in PEM form") from error
    # Whoever is named as an authority is trusted himself (so does Python 3.13): a chain is not followed beyond him,
    # through all that `authorities` has room for.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


async def secured(scope: Scope, below: Stream, config: TLSConfig) -> Secured:
    """TLS, shaken hands."""
    scope.stage = "shaking hands by TLS"
    stream = Secured(below, config)
    await stream.handshake()
    return stream
