"""The lab's HTTP server, on this machine's loopback."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from mooring_lab.web_server import LINE_BYTES


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = int(free.getsockname()[1])
    command = [sys.executable, "-m", "mooring_lab.web_server", "web-1", "--port", str(number)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout
        assert process.stdout.readline() == b"listening\n"
        yield number
    finally:
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=30)
        assert (process.returncode, error) == (0, b"")


def ask(port: int, method: str, path: str, body: str = "") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {"Connection": "close"})
    return connection.getresponse()


def test_it_says_its_name_and_counts(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for _ in range(3):  # over one connection
        connection.request("GET", "/")
        reply = connection.getresponse()
        assert (reply.status, reply.getheader("Server"), reply.read()) == (200, "web-1", b"web-1\n")
    connection.close()
    told = json.loads(ask(port, "GET", "/told").read())
    assert told["requests"] == {"/": 3, "/told": 1}
    assert told["connections"] == 2


def test_it_behaves_as_it_is_told(port: int) -> None:
    assert ask(port, "GET", "/healthz").status == 200
    assert ask(port, "PUT", "/behave", '{"status": 503}').status == 200
    assert ask(port, "GET", "/healthz").status == 503
    assert ask(port, "GET", "/").status == 503
    ask(port, "PUT", "/behave", "{}")
    assert ask(port, "GET", "/").status == 200
    assert ask(port, "GET", "/nothing").status == 404


def test_a_download_is_as_long_as_it_says(port: int) -> None:
    reply = ask(port, "GET", "/download/0.3")
    assert reply.getheader("Content-Length") == str(3 * LINE_BYTES)
    lines = reply.read().decode().splitlines()
    assert [line.split() for line in lines] == [["web-1", "0"], ["web-1", "1"], ["web-1", "2"]]


def test_who_waits_keeps_nobody_waiting(port: int) -> None:
    slow = threading.Thread(target=lambda: ask(port, "GET", "/wait/2").read())
    slow.start()
    assert ask(port, "GET", "/").status == 200
    assert slow.is_alive()
    slow.join(30)
    assert not slow.is_alive()


@pytest.mark.parametrize(
    "said", [b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"x" * 70000]
)
def test_a_client_that_speaks_no_http_ends_alone(port: int, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 30) as rude:
        rude.sendall(said)
        rude.shutdown(socket.SHUT_WR)
        try:
            assert rude.recv(100) == b""
        except ConnectionResetError:
            assert len(said) > 60000  # what it had not read
    assert ask(port, "GET", "/").status == 200
