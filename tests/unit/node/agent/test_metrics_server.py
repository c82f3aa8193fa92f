"""The daemon's metrics on a real socket: for scrapers, and for those who mean no good."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mooring_node.agent import metrics_server
from mooring_node.agent.metrics_server import MOST_CONNECTIONS, MetricsServer
from mooring_node.log import Log, Subject

PATIENCE_S = 30.0
GET = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
HOST = "127.0.0.1"


class Kept(Log):
    """A log that is looked into."""

    def __init__(self) -> None:
        super().__init__(as_json=False)
        self.lines: list[tuple[str, str]] = []

    def write(self, level: str, message: str, about: Subject | None = None) -> None:  # noqa: ARG002
        self.lines.append((level, message))


class Daemon:
    """What is asked; it counts, and answers when `ready` is set."""

    def __init__(self) -> None:
        self.asked = 0
        self.ready = asyncio.Event()
        self.ready.set()
        self.said: dict[str, Any] = {"vrrp": {}, "groups": [], "agent": {}}

    async def read(self) -> dict[str, Any]:
        self.asked += 1
        await self.ready.wait()
        return self.said


@dataclass(frozen=True)
class Scene:
    """A server that is bound, and what it asks."""

    server: MetricsServer
    daemon: Daemon
    port: int


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind((HOST, 0))
        port: int = opened.getsockname()[1]
        return port


def play(scene: Callable[[Scene], Awaitable[None]]) -> Kept:
    """A scene with a server that is bound; what it logged."""
    log = Kept()

    async def run() -> None:
        daemon, port = Daemon(), free_port()
        server = MetricsServer(HOST, port, daemon.read, log)
        server.start()
        try:
            await until(lambda: server.bound)
            await asyncio.wait_for(scene(Scene(server, daemon, port)), PATIENCE_S)
        finally:
            await server.stop()

    asyncio.run(run())
    return log


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def ask(port: int, request: bytes = GET) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and content; the other end closes."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    finally:
        writer.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split(" ")[1]), dict(line.split(": ", 1) for line in lines), content


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What is still said before the connection is closed."""
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE_S)
    except ConnectionResetError:
        return b""


def test_a_scraper_has_the_text_format_and_the_end_of_the_connection() -> None:
    async def scene(at: Scene) -> None:
        status, headers, content = await ask(at.port)
        assert (status, headers["Connection"]) == (200, "close")
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert int(headers["Content-Length"]) == len(content)
        assert b"mooring_vrrp_up 0.0" in content
        head = await ask(at.port, b"HEAD /?a=b HTTP/1.1\r\n\r\n")
        assert head == (200, headers, b"")

    assert play(scene).lines == []


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET /metrics?x HTTP/1.1\r\n\r\n", 200),
        (b"GET /secrets HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"GET /metrics HTTP/2.0\r\n\r\n", 400),
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nA: " + b"a" * 100 + b"\r\n\r\n", 200),
    ],
)
def test_a_request_is_answered_as_it_is(request_: bytes, status: int) -> None:
    async def scene(at: Scene) -> None:
        found, headers, _ = await ask(at.port, request_)
        assert found == status
        assert headers.get("Allow", "") == ("GET, HEAD" if status == 405 else "")

    assert play(scene).lines == []


def test_a_request_that_does_not_end_is_cut_off() -> None:
    async def scene(at: Scene) -> None:
        reader, writer = await asyncio.open_connection(HOST, at.port)
        writer.write(b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 100_000)
        assert (await ended(reader))[9:12] in (b"431", b"")
        writer.close()
        assert at.daemon.asked == 0

    assert play(scene).lines == []


def test_who_sends_slowly_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "REQUEST_S", 0.3)

    async def scene(at: Scene) -> None:
        reader, writer = await asyncio.open_connection(HOST, at.port)

        async def drip() -> None:
            while True:
                writer.write(b"a")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert await ended(reader) == b""
        dripping.cancel()
        writer.close()
        assert at.server.connections == 0

    assert play(scene).lines == []


def test_a_hundred_who_say_nothing_keep_nobody_from_scraping() -> None:
    async def scene(at: Scene) -> None:
        idle = [await asyncio.open_connection(HOST, at.port) for _ in range(100)]
        for _ in range(3):
            assert (await ask(at.port))[0] == 200
        assert at.server.connections <= MOST_CONNECTIONS
        for reader, _ in idle[: -MOST_CONNECTIONS - 3]:
            assert await ended(reader) == b""
        for _, writer in idle:
            writer.close()

    assert play(scene).lines == []


def test_where_all_are_being_answered_one_more_is_closed_at_once() -> None:
    async def scene(at: Scene) -> None:
        at.daemon.ready.clear()
        waiting = [asyncio.create_task(ask(at.port)) for _ in range(MOST_CONNECTIONS)]
        await until(lambda: at.server.answering == MOST_CONNECTIONS)
        reader, writer = await asyncio.open_connection(HOST, at.port)
        assert await ended(reader) == b""
        writer.close()
        at.daemon.ready.set()
        assert [status for status, _, _ in await asyncio.gather(*waiting)] == [200] * MOST_CONNECTIONS
        assert at.daemon.asked == 1, "one answer for all"

    assert play(scene).lines == []


def test_the_daemon_is_asked_once_for_all_who_scrape_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(at: Scene) -> None:
        monkeypatch.setattr(metrics_server, "FRESH_S", PATIENCE_S)
        for _ in range(3):
            assert (await ask(at.port))[0] == 200
        assert at.daemon.asked == 1

    async def later(at: Scene) -> None:
        monkeypatch.setattr(metrics_server, "FRESH_S", 0.0)
        await ask(at.port)
        await until(lambda: at.server.fresh is False)
        await ask(at.port)
        assert at.daemon.asked == 2

    play(scene)
    play(later)


def test_who_has_waited_too_long_does_not_take_the_others_answer_along(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(at: Scene) -> None:
        monkeypatch.setattr(metrics_server, "ANSWER_S", 0.2)
        at.daemon.ready.clear()
        reader, writer = await asyncio.open_connection(HOST, at.port)
        writer.write(GET)
        assert await ended(reader) == b""
        writer.close()
        monkeypatch.setattr(metrics_server, "ANSWER_S", PATIENCE_S)
        other = asyncio.create_task(ask(at.port))
        await until(lambda: at.server.answering == 1)
        at.daemon.ready.set()
        assert (await other)[0] == 200
        assert at.daemon.asked == 1

    assert play(scene).lines == []


def test_a_reader_that_does_not_read_is_cut_off_and_answers_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"a" * (32 * 1024 * 1024)
    monkeypatch.setattr(metrics_server, "render", lambda _: content)
    monkeypatch.setattr(metrics_server, "FRESH_S", 0.0)
    monkeypatch.setattr(metrics_server, "MOST_HELD", len(content) - 1)
    monkeypatch.setattr(metrics_server, "ANSWER_S", 3.0)

    async def scene(at: Scene) -> None:
        # Its own buffer stays small: asyncio reads nothing while nobody reads from the stream.
        _, writer = await asyncio.open_connection(HOST, at.port, limit=1024)
        writer.write(GET)
        await until(lambda: at.server.fresh is False and at.daemon.asked == 1)
        status, _, text = await ask(at.port)
        assert (status, text) == (503, b"slow readers keep too many answers\n")
        await until(lambda: at.server.connections == 0)
        writer.close()
        assert (await ask(at.port))[2] == content, "and whoever reads has all of it"

    assert play(scene).lines == []


def test_an_answer_that_cannot_be_made_is_told() -> None:
    async def scene(at: Scene) -> None:
        at.daemon.said = {"groups": [{}]}
        assert (await ask(at.port))[0] == 500

    assert play(scene).lines == [("error", "a scrape failed: KeyError: 'virtualIP'")]


def test_an_address_that_is_taken_is_tried_again_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "AGAIN_S", 0.01)
    log = Kept()

    async def run() -> None:
        tries = 0

        class Counted(MetricsServer):
            async def _listen(self) -> asyncio.Server:
                nonlocal tries
                tries += 1
                return await super()._listen()

        with socket.socket() as other:
            other.bind((HOST, 0))
            other.listen()
            port = other.getsockname()[1]
            daemon = Daemon()
            server = Counted(HOST, port, daemon.read, log)
            server.start()
            await until(lambda: tries >= 5)
            assert [level for level, _ in log.lines] == ["error"]
            assert not server.bound
        try:
            await until(lambda: server.bound)
            assert (await ask(port))[0] == 200
        finally:
            await server.stop()

    asyncio.run(run())
    (_, refused), served = log.lines
    assert "in use" in refused
    assert "tried again" in refused
    assert served[0] == "info"


def test_it_ends_while_its_address_is_not_there() -> None:
    async def run() -> None:
        # TEST-NET-1 (RFC 5737): nobody's.
        server = MetricsServer("192.0.2.1", 9650, Daemon().read, log)
        server.start()
        await until(lambda: bool(log.lines))
        await asyncio.wait_for(server.stop(), PATIENCE_S)

    log = Kept()
    asyncio.run(run())
    assert "192.0.2.1:9650" in log.lines[0][1]


BOUND = """
import asyncio, sys
from mooring_node.agent.metrics_server import MetricsServer
from mooring_node.log import Log

async def run():
    server = MetricsServer(sys.argv[1], 0, None, Log(as_json=False))
    server.start()
    while not server.bound:
        await asyncio.sleep(0.01)
    await server.stop()

asyncio.run(run())
print(sorted({"encodings.idna", "stringprep", "unicodedata"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("address", [HOST, "0.0.0.0", "::"])
def test_an_address_is_bound_without_the_tables_of_international_names(address: str) -> None:
    command = [sys.executable, "-c", BOUND, address]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    assert done.stdout == "[]\n"
