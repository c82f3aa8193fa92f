"""The bytes of a connection, in the clear or through TLS. What comes is hostile; time and size are bounded."""

import ssl
from functools import lru_cache
from socket import socket
from typing import Protocol

from mooring_node.checks.attempt import Scope, breathe, readable, writable
from mooring_node.checks.config import TLSConfig
from mooring_node.checks.verdict import Failed, Reason

_READ_BYTES = 16384
#: A sender that is never slower than we are must not keep the others waiting.
_READS_IN_A_ROW = 4


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
                await self._exchange()
            except ssl.SSLCertVerificationError as error:
                raise Failed(Reason.CERTIFICATE_INVALID, f"the certificate: {error.verify_message}") from error
            except ssl.SSLError as error:
                raise _tls_failed(error) from error
        await self._flush()

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

    async def _exchange(self) -> None:
        await self._flush()
        data = await self._below.read()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
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


@lru_cache(maxsize=64)
def _context(verify: bool, authorities: str | None) -> ssl.SSLContext:
    """Costs milliseconds and some hundred KiB: one for all checks of the same trust."""
    if not verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # Nothing secret is sent, and an old server can be healthy.
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context
    try:
        return ssl.create_default_context(cadata=authorities)
    except ssl.SSLError as error:
        raise Failed(Reason.SETTINGS_UNUSABLE, "authorities hold no certificates in PEM form") from error


async def secured(scope: Scope, below: Stream, config: TLSConfig) -> Secured:
    """TLS, shaken hands."""
    scope.stage = "shaking hands by TLS"
    stream = Secured(below, config)
    await stream.handshake()
    return stream
