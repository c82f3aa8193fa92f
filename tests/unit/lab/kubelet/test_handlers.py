"""Probes and hooks that need no container: HTTP, TCP, a pause. tests/cluster/kubelet has those inside of one."""

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from tests.unit.lab.kubelet.pods import NODE, container

from mooring_lab.kubelet import handlers
from mooring_lab.kubelet.facts import NodeFacts
from mooring_lab.kubelet.handlers import Outcome, Place, handle

SECONDS = 5.0


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names; /who with what the X-Who header says."""

    def do_GET(self) -> None:
        if self.path == "/drip":
            self._drip()
            return
        self.send_response(200 if self.path == "/who" else int(self.path[1:]))
        self.end_headers()
        self.wfile.write(f"{self.headers['X-Who']} {self.headers['User-Agent']}".encode())

    def _drip(self) -> None:
        """A reply that never ends, and never pauses for long."""
        try:
            self.wfile.write(b"HTTP/1.0 200 OK\r\n")
            while True:
                self.wfile.write(b"X: y\r\n")
                time.sleep(0.05)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        return


def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def port() -> Iterator[int]:
    yield from serving()


@pytest.fixture
def secure_port() -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("example.com").configure_cert(context)
    yield from serving(context)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, port: int) -> Place:
    """Its node is this machine."""

    def connect(_: NodeFacts, host: str, port: int, timeout_s: float) -> socket.socket:
        return socket.create_connection((host, port), timeout_s)

    monkeypatch.setattr(handlers, "_connect", connect)
    node = replace(NODE, addresses=("127.0.0.1",))
    return Place(node, container(ports=[{"name": "web", "containerPort": port}]), Path("/none"))


@pytest.mark.parametrize(
    ("path", "passed"),
    [("/200", True), ("299", True), ("/302", True), ("/399", True), ("/400", False), ("/503", False)],
)
def test_a_status_says_it(place: Place, path: str, passed: bool) -> None:
    outcome = handle({"httpGet": {"port": "web", "path": path}}, place, SECONDS)
    assert outcome.passed == passed
    if not passed:
        assert outcome.message == f"HTTP probe failed with statuscode: {path[1:]}"


def test_headers_and_host(place: Place, port: int) -> None:
    said = {"port": str(port), "host": "localhost", "path": "/who", "httpHeaders": [{"name": "X-Who", "value": "me"}]}
    assert handle({"httpGet": said}, place, SECONDS) == Outcome(True, "me kube-probe/mooring-lab")


def test_no_certificate_is_verified(place: Place, secure_port: int) -> None:
    said = {"port": secure_port, "path": "/200", "scheme": "HTTPS"}
    assert handle({"httpGet": said}, place, SECONDS).passed
    assert not handle({"httpGet": said | {"scheme": "HTTP"}}, place, SECONDS).passed


def test_a_reply_that_drips_for_ever_is_cut_off(place: Place) -> None:
    begun = time.monotonic()
    assert not handle({"httpGet": {"port": "web", "path": "/drip"}}, place, 0.3).passed
    assert time.monotonic() - begun < 30


def test_tcp(place: Place) -> None:
    assert handle({"tcpSocket": {"port": "web"}}, place, SECONDS) == Outcome(True)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        outcome = handle({"tcpSocket": {"port": closed.getsockname()[1]}}, place, SECONDS)
    assert not outcome.passed
    assert "refused" in outcome.message


def test_what_cannot_be_done_is_an_answer_too(place: Place) -> None:
    unknown = handle({"tcpSocket": {"port": "nameless"}}, place, SECONDS)
    assert unknown == Outcome(False, "the container has no port called 'nameless'")
    assert "grpc" in handle({"grpc": {"port": 1}}, place, SECONDS).message


def test_a_pause_is_no_longer_than_it_may(place: Place) -> None:
    assert handle({"sleep": {"seconds": 1000}}, place, 0.01) == Outcome(True)
