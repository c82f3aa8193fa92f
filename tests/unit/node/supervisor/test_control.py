"""The local socket, and clients that mean it no good."""

import json
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node.supervisor.control import CLIENT_NS, REQUEST_BYTES, Client, ControlSocket, ask

NOW = 10**12


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlSocket]:
    made = ControlSocket(tmp_path / "control.sock")
    yield made
    made.close()


@pytest.fixture
def ends() -> Iterator[tuple[Client, socket.socket]]:
    here, there = socket.socketpair()
    client = Client(here, NOW)
    yield client, there
    client.close()
    there.close()


def test_a_question_is_answered(control: ControlSocket) -> None:
    replies = []
    asking = threading.Thread(target=lambda: replies.append(ask(control.path, {"do": "status"})))
    asking.start()
    control._listener.setblocking(True)
    client = control.accept(NOW)
    assert client is not None
    client.connection.setblocking(True)
    assert client.request() == {"do": "status"}
    client.answer({"text": "ä" * 100_000})
    asking.join(timeout=10)
    assert replies == [{"text": "ä" * 100_000}]


def test_it_is_for_this_user_alone_and_goes_with_the_daemon(control: ControlSocket) -> None:
    assert stat.S_IMODE(control.path.stat().st_mode) == 0o600
    control.close()
    assert not control.path.exists()
    with pytest.raises(FileNotFoundError):
        ask(control.path, {})


def test_a_socket_that_a_dead_daemon_left_is_replaced(control: ControlSocket) -> None:
    again = ControlSocket(control.path)
    again.close()


def test_nobody_there_is_nobody(control: ControlSocket) -> None:
    assert control.accept(NOW) is None


def test_a_request_may_come_in_pieces(ends: tuple[Client, socket.socket]) -> None:
    client, there = ends
    for piece in (b'{"do"', b': "sta', b'tus"}'):
        there.send(piece)
        assert client.request() is None
    assert client.request() is None
    there.send(b"\n")
    assert client.request() == {"do": "status"}
    assert client.until_ns == NOW + CLIENT_NS


@pytest.mark.parametrize(
    "request_bytes",
    [b"\n", b"banana\n", b"[1]\n", b"7\n", b'{"a":\n', b"\xff\xfe\n", b"[" * (REQUEST_BYTES - 1) + b"\n"],
)
def test_what_is_no_request_is_refused(request_bytes: bytes, ends: tuple[Client, socket.socket]) -> None:
    client, there = ends
    there.send(request_bytes)
    with pytest.raises(ValueError, match=r"."):
        client.request()


def test_a_request_without_end_is_refused(ends: tuple[Client, socket.socket]) -> None:
    client, there = ends
    there.send(b"x" * (REQUEST_BYTES + 1))
    assert client.request() is None
    with pytest.raises(ValueError, match="too long"):
        client.request()


def test_a_client_that_goes_is_told(ends: tuple[Client, socket.socket]) -> None:
    client, there = ends
    there.close()
    with pytest.raises(EOFError):
        client.request()


def test_a_client_that_does_not_read_is_dropped(ends: tuple[Client, socket.socket]) -> None:
    client, there = ends
    client.answer({"text": "x" * 10_000_000})
    assert client.fileno() == -1
    there.settimeout(10)
    while there.recv(1 << 20):
        pass


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_refusal(data: bytes) -> None:
    here, there = socket.socketpair()
    client = Client(here, NOW)
    there.send(data + b"\n")
    try:
        value = client.request()
    except ValueError:
        pass
    else:
        assert isinstance(value, dict)
        assert json.loads(data.partition(b"\n")[0]) == value
    client.close()
    there.close()


def test_a_client_that_waits_is_not_gone_also_when_it_sends_no_more(ends: tuple[Client, socket.socket]) -> None:
    client, there = ends
    there.send(b"{}\n")
    assert not client.gone
    there.shutdown(socket.SHUT_WR)
    assert not client.gone
    there.close()
    assert client.gone
