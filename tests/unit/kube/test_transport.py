"""Connections that are kept: the server may close them while nobody asks, which costs no request anything."""

import select
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mooring_kube import transport
from mooring_kube.client import Client
from mooring_kube.connection import Connection
from mooring_kube.errors import StaleConnection, Unreachable
from mooring_kube.resources import EVENTS, NODES
from mooring_lab.api.certificates import Certificates

REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Forgetful:
    """A server with TLS that answers one request on each connection, keeps it, and ends it when it is told to."""

    def __init__(self, certificates: Certificates) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.server)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._kept: list[ssl.SSLSocket] = []
        self.asked = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.url = f"https://127.0.0.1:{self._socket.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                connected, _ = self._socket.accept()
            except OSError:
                return
            secured = self._context.wrap_socket(connected, server_side=True)
            self._kept.append(secured)
            secured.recv(65536)
            self.asked += 1
            secured.sendall(REPLY)

    def end_all(self, how: Callable[[ssl.SSLSocket], None]) -> None:
        while self._kept:
            how(self._kept.pop())

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)
        self.end_all(torn)


def said(connection: ssl.SSLSocket) -> None:
    """With the goodbye of TLS, as Go's servers end what is idle for too long."""
    connection.setblocking(False)
    try:
        connection.unwrap()
    except (ssl.SSLWantReadError, OSError):
        pass
    finally:
        connection.close()


def torn(connection: ssl.SSLSocket) -> None:
    """Without, as a process that was killed."""
    connection.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Forgetful]:
    certificates = Certificates(tmp_path / "pki")
    certificates.write()
    found = Forgetful(certificates)
    yield found
    found.close()


@pytest.fixture
def client(server: Forgetful, tmp_path: Path) -> Iterator[Client]:
    found = Client(Connection(server.url, ca=(tmp_path / "pki" / "ca.pem").read_text(), token="secret-token"))
    yield found
    found.close()


def idle(client: Client, count: int) -> None:
    """Leave so many connections behind that were used, as that many threads do."""
    borrowed = []
    for _ in range(count):
        borrowed.append(client._transport.open())
        borrowed[-1].request("GET", "/")
        borrowed[-1].getresponse().read()
    for connection in borrowed:
        client._transport.give_back(connection)


def all_ended(client: Client) -> None:
    for connection in client._transport._idle:
        assert select.select([connection.sock], [], [], 20)[0]


@pytest.mark.parametrize("how", [said, torn])
def test_what_was_closed_while_idle_costs_no_request_anything(
    server: Forgetful, client: Client, how: Callable[[ssl.SSLSocket], None]
) -> None:
    idle(client, 3)
    server.end_all(how)
    all_ended(client)
    # A creation is never sent twice, so it must not go to a connection that is gone.
    assert client.create(EVENTS, {"metadata": {"name": "x"}}, "default") == {}
    assert server.asked == 4


@pytest.mark.parametrize("how", [said, torn])
def test_what_is_closed_in_the_very_moment_is_asked_again(
    server: Forgetful, client: Client, how: Callable[[ssl.SSLSocket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    idle(client, 1)
    server.end_all(how)
    all_ended(client)
    monkeypatch.setattr(transport, "_has_ended", lambda _: False)
    assert client.merge_patch(NODES, "lb-1", {}) == {}
    assert server.asked == 2


@pytest.mark.parametrize("how", [said, torn])
def test_a_creation_that_may_have_arrived_is_not_sent_again(
    server: Forgetful, client: Client, how: Callable[[ssl.SSLSocket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    idle(client, 1)
    server.end_all(how)
    all_ended(client)
    monkeypatch.setattr(transport, "_has_ended", lambda _: False)
    with pytest.raises(StaleConnection):
        client.create(EVENTS, {"metadata": {"name": "x"}}, "default")


def test_what_is_well_is_used_again(server: Forgetful, client: Client) -> None:
    idle(client, 1)
    (kept,) = client._transport._idle
    assert client._transport.borrow() == (kept, True)
    kept.close()
    assert server.asked == 1


LOADED = """
import sys
from pathlib import Path
from mooring_kube.connection import Connection
from mooring_kube.transport import Transport
connection = Transport(Connection(sys.argv[1], ca=Path(sys.argv[2]).read_text()), 20).open()
connection.request("GET", "/")
assert connection.getresponse().read() == b"{}"
print(sorted({"encodings.idna", "stringprep", "tempfile", "unicodedata"} & sys.modules.keys()))
"""


def test_a_daemon_asks_without_what_it_does_not_need(server: Forgetful, tmp_path: Path) -> None:
    """Tables of international names, and temporary files with all their packers."""
    command = [sys.executable, "-c", LOADED, server.url, str(tmp_path / "pki" / "ca.pem")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("host", "sent"),
    [("10.0.0.1", b"10.0.0.1"), ("fd00::1", b"fd00::1"), ("bücher.example", b"xn--bcher-kva.example")],
)
def test_a_host_is_asked_for_as_it_always_is(host: str, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refuse(where: tuple[object, int], _timeout: float) -> socket.socket:
        asked.append(where)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(Unreachable, match=f"{host}:7"):
        transport.Transport(Connection(f"http://{f'[{host}]' if ':' in host else host}:7"), 1).open()
    assert asked == [(sent, 7)]
