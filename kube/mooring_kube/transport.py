"""HTTP to one API server: connections, TLS, tokens. The standard library's http.client does the protocol."""

import http.client
import os
import select
import socket
import ssl
import threading
import time
from urllib.parse import urlsplit

from mooring_kube.connection import Connection
from mooring_kube.errors import Unreachable

#: kubelet replaces a token long before it expires; so often the file is read again.
TOKEN_MAX_AGE_S = 60.0
#: A peer that has vanished is noticed in half a minute, also where nothing is sent.
_KEEPALIVE_IDLE_S, _KEEPALIVE_INTERVAL_S, _KEEPALIVE_PROBES = 15, 5, 3
_IDLE_CONNECTIONS = 8


class Token:
    """The bearer token; a file is read again when it is old or was refused."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._read_at = 0.0
        self._text = connection.token
        self._lock = threading.Lock()

    def text(self) -> str | None:
        """The token; Unreachable when its file cannot be read and none was read before."""
        path = self._connection.token_file
        if path is None:
            return self._text
        with self._lock:
            if self._text is None or time.monotonic() - self._read_at > TOKEN_MAX_AGE_S:
                try:
                    self._text = path.read_text().strip()
                except OSError as error:
                    if self._text is None:
                        raise Unreachable(f"{path}: {error.strerror}") from error
                self._read_at = time.monotonic()
            return self._text

    def refused(self) -> bool:
        """Forget what the server did not know; whether asking again can help."""
        with self._lock:
            self._read_at = -TOKEN_MAX_AGE_S
        return self._connection.token_file is not None


class Transport:
    """Connections to the server, kept for the next request. Every method may be called from any thread."""

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        address = urlsplit(connection.server)
        self._host = address.hostname or ""
        self._port = address.port or (443 if address.scheme == "https" else 80)
        self.prefix = address.path.rstrip("/")
        self._server_name = connection.tls_server_name
        self._context = _tls(connection) if address.scheme == "https" else None
        self._timeout_s = timeout_s
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def borrow(self) -> tuple[http.client.HTTPConnection, bool]:
        """A connection and whether it was used before, in which case the server may close it at any moment."""
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection = self._idle.pop()
            if not _has_ended(connection):
                return connection, True
            connection.close()
        return self.open(), False

    def give_back(self, connection: http.client.HTTPConnection) -> None:
        """For the next request; only after a reply that was read to its end."""
        with self._lock:
            if connection.sock is not None and len(self._idle) < _IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def open(self) -> http.client.HTTPConnection:
        """A new connection, established. Unreachable when there is none to be had."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            where = (_in_bytes(self._host), self._port)
            connection.sock = socket.create_connection(where, self._timeout_s)  # type: ignore[arg-type] # it takes both
            _keep_alive(connection.sock)
            if self._context is not None:
                name = _in_bytes(self._server_name or self._host)
                connection.sock = self._context.wrap_socket(connection.sock, server_hostname=name)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(f"{self._host}:{self._port}: {error}") from error
        return connection

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def _has_ended(idle: http.client.HTTPConnection) -> bool:
    """Whether the server has closed it: where nothing was asked, there is nothing else to be read."""
    if idle.sock is None:
        return True
    poll = select.poll()
    poll.register(idle.sock, select.POLLIN | select.POLLRDHUP)
    return bool(poll.poll(0))


def _in_bytes(host: str) -> bytes:
    """For a text Python loads the tables of international names, 0.4 MiB, also where it is an address."""
    return host.encode("ascii" if host.isascii() else "idna")


def _keep_alive(connected: socket.socket) -> None:
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_S)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL_S)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_PROBES)
    dead_after_ms = 1000 * (_KEEPALIVE_IDLE_S + _KEEPALIVE_INTERVAL_S * _KEEPALIVE_PROBES)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, dead_after_ms)


def _tls(connection: Connection) -> ssl.SSLContext:
    """Unreachable when a certificate is none."""
    try:
        context = ssl.create_default_context(cadata=connection.ca)
        if connection.client_certificate and connection.client_key:
            import tempfile  # only here: a pod has a token, and this costs 0.4 MiB

            # The library reads them from a file alone.
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(f"{connection.client_certificate}\n{connection.client_key}\n")
                file.flush()
                context.load_cert_chain(file.name)
    except (ssl.SSLError, ValueError) as error:
        raise Unreachable(f"{connection.server}: the certificates cannot be used: {error}") from error
    return context
