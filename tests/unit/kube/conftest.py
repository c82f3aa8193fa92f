"""A server that says what a test tells it to, over real sockets."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mooring_kube.client import LARGEST_REPLY, Client
from mooring_kube.connection import Connection


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """`lines` is a stream that ends when `hold` is set, or at once where there is none; `raw` is sent as it is."""

    document: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    lines: list[Any] | None = None
    hold: threading.Event | None = None
    raw: bytes | None = None
    before: Callable[[], None] = lambda: None


class ApiStub:
    """Replies in the order given; a request beyond them gets 500."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.replies: list[Reply] = []
        self.came = threading.Condition()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                address = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(address.query).items()}
                asked = Asked(self.command, address.path, query, dict(self.headers), body)
                stub.answer(self, asked)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that goes away in the middle is what some tests want."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        with self.came:
            self.asked.append(asked)
            reply = self.replies.pop(0) if self.replies else Reply({"message": "the test has no more replies"}, 500)
            self.came.notify_all()
        reply.before()
        if reply.raw is not None:
            handler.wfile.write(reply.raw)
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if reply.lines is None:
            text = json.dumps(reply.document).encode()
            handler.send_header("Content-Length", str(len(text)))
            handler.end_headers()
            handler.wfile.write(text)
            return
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for line in reply.lines:
            text = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
            handler.wfile.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
            handler.wfile.flush()
        if reply.hold is not None:
            reply.hold.wait(30)
        handler.wfile.write(b"0\r\n\r\n")

    def wait_asked(self, count: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.asked) >= count, 20), self.asked

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def api() -> Iterator[ApiStub]:
    stub = ApiStub()
    yield stub
    stub.close()


Connect = Callable[..., Client]


@pytest.fixture
def connect(api: ApiStub) -> Iterator[Connect]:
    """Makes clients of the stub, or of another `server`, and closes them."""
    made: list[Client] = []

    def new(
        server: str | None = None, *, timeout_s: float = 5.0, largest_reply: int = LARGEST_REPLY, **connection: Any
    ) -> Client:
        made.append(
            Client(Connection(server or api.url, **connection), timeout_s=timeout_s, largest_reply=largest_reply)
        )
        return made[-1]

    yield new
    for client in made:
        client.close()


@pytest.fixture
def client(connect: Connect) -> Client:
    return connect(token="secret-token")
