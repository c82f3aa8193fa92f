"""HTTP and HTTPS checks against servers that are good, bad and hostile."""

import gzip
import hashlib
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from tests.unit.node.checks.trying import head, serving, target, tried, until_closed

from mooring_node.checks.config import HTTPProbe, RequestConfig, TLSConfig
from mooring_node.checks.http import MOST_BODY_BYTES
from mooring_node.checks.verdict import Outcome, Reason

BODY = b"<html>it works</html>\n"


def answering(reply: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(reply)

    return serve


def whole(body: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def asked(port: int, *requests: RequestConfig, tls: TLSConfig | None = None, timeout_s: float = 60) -> Outcome:
    return tried(target(HTTPProbe(requests or (RequestConfig(),), tls), port), timeout_s)


def of(reply: bytes, *requests: RequestConfig, timeout_s: float = 60) -> Outcome:
    with serving(answering(reply)) as port:
        return asked(port, *requests, timeout_s=timeout_s)


def test_what_is_asked() -> None:
    heads: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        heads.append(head(connection))
        connection.sendall(whole(BODY))

    requests = (RequestConfig("/a?b=c", virtual_host="shop.example.com"), RequestConfig("/d"))
    with serving(serve) as port:
        assert asked(port, *requests).good
    first, second = heads
    assert first.split(b"\r\n") == [
        b"GET /a?b=c HTTP/1.1",
        b"Host: shop.example.com",
        b"User-Agent: mooring",
        b"Accept: */*",
        b"Accept-Encoding: identity",
        b"Connection: close",
        b"",
        b"",
    ]
    assert b"GET /d " in second
    assert b"Host: 127.0.0.1:%d\r\n" % port in second


def test_ipv6_in_the_host_header() -> None:
    heads: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        heads.append(head(connection))
        connection.sendall(whole(b""))

    with serving(serve, family=socket.AF_INET6) as port:
        assert tried(target(HTTPProbe(), port, "::1")).good
    assert b"Host: [::1]:%d\r\n" % port in heads[0]


@pytest.mark.parametrize(
    ("status", "statuses", "good"),
    [(200, ((200, 299),), True), (302, ((200, 299),), False), (404, ((200, 299), (404, 404)), True), (503, (), False)],
)
def test_status(status: int, statuses: tuple[tuple[int, int], ...], good: bool) -> None:
    outcome = of(whole(BODY, status), RequestConfig(statuses=statuses))
    assert outcome.good is good
    if not good:
        assert outcome.reason is Reason.STATUS_WRONG
        assert str(status) in outcome.words


def test_a_redirection_is_not_followed() -> None:
    reply = b"HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    assert of(reply).reason is Reason.STATUS_WRONG


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_digest(algorithm: str) -> None:
    right = hashlib.new(algorithm, BODY).hexdigest()
    assert of(whole(BODY), RequestConfig(digest=(algorithm, right))).good
    outcome = of(whole(BODY + b"!"), RequestConfig(digest=(algorithm, right)))
    assert outcome.reason is Reason.DIGEST_WRONG
    assert hashlib.new(algorithm, BODY + b"!").hexdigest() in outcome.words


def test_the_digest_of_a_chunked_body_is_of_what_the_chunks_carry() -> None:
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<html\r\n11\r\n>it works</html>\n\r\n0\r\n\r\n"
    assert of(reply, RequestConfig(digest=("md5", hashlib.md5(BODY).hexdigest()))).good


def test_a_digest_of_a_body_beyond_the_bound_is_none() -> None:
    request = RequestConfig(digest=("md5", hashlib.md5(b"x" * MOST_BODY_BYTES).hexdigest()))
    assert of(whole(b"x" * MOST_BODY_BYTES), request).good
    assert of(whole(b"x" * (MOST_BODY_BYTES + 1)), request).reason is Reason.REPLY_TOO_LARGE


def test_genhash_prints_the_same_digest(require_tool: Callable[[str], str]) -> None:
    with serving(answering(whole(BODY))) as port:
        done = subprocess.run(
            [require_tool("genhash"), "-s", "127.0.0.1", "-p", str(port), "-u", "/"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        digest = done.stdout.strip().rpartition(" ")[2]
        assert len(digest) == 32, done.stdout + done.stderr
        assert asked(port, RequestConfig(digest=("md5", digest))).good


def test_body_pattern() -> None:
    assert of(whole(BODY), RequestConfig(body_pattern="^<html>.*works")).good
    outcome = of(whole(BODY), RequestConfig(body_pattern="broken"))
    assert (outcome.reason, outcome.words) == (Reason.PATTERN_NOT_FOUND, "/: the body has no 'broken'")
    assert of(whole("Grüße".encode()), RequestConfig(body_pattern="Grü[ßx]e$")).good


def test_a_body_with_a_pattern_that_is_bad() -> None:
    outcome = of(whole(BODY), RequestConfig(body_pattern="wor[kK]s", pattern_is_bad=True))
    assert (outcome.reason, outcome.words) == (Reason.PATTERN_FOUND, "/: the body has 'wor[kK]s'")
    assert of(whole(BODY), RequestConfig(body_pattern="broken", pattern_is_bad=True)).good
    assert of(whole(b""), RequestConfig(body_pattern="broken", pattern_is_bad=True)).good


def test_a_hostile_body_cannot_keep_a_pattern_busy() -> None:
    began = time.process_time()
    outcome = of(whole(b"a" * 200_000 + b"!"), RequestConfig(body_pattern="(a+)+$"))
    assert outcome.reason is Reason.PATTERN_NOT_FOUND
    assert time.process_time() - began < 20


def test_the_first_request_that_fails_decides() -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(whole(BODY, 500 if b"GET /bad" in head(connection) else 200))

    requests = (RequestConfig("/good"), RequestConfig("/bad"), RequestConfig("/good"))
    with serving(serve) as port:
        assert asked(port, *requests).words == "/bad: status 500, not 200-299"


def test_a_compressed_bomb_is_never_opened() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    reply = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    assert of(reply, RequestConfig(digest=("md5", hashlib.md5(bomb).hexdigest()))).good


@pytest.mark.parametrize("piece", [b"X: y\r\n", b"x" * 1000])
def test_a_head_without_end(piece: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(piece)

    with serving(serve) as port:
        assert asked(port).reason is Reason.REPLY_TOO_LARGE


@pytest.mark.parametrize("digest", [None, ("md5", "0" * 32)])
def test_a_body_without_end(digest: tuple[str, str] | None) -> None:
    def serve(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with serving(serve) as port:
        outcome = asked(port, RequestConfig(digest=digest))
    assert outcome.reason is (Reason.REPLY_TOO_LARGE if digest else Reason.SUCCESS)


@pytest.mark.parametrize("drip", [b"H", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"])
def test_a_byte_now_and_then_does_not_prolong_a_try(drip: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(drip)
        while True:
            time.sleep(0.05)
            connection.sendall(b"x")

    with serving(serve) as port:
        outcome = asked(port, timeout_s=0.5)
    assert outcome.reason is Reason.TIMEOUT
    assert outcome.words == "timed out while waiting for the reply to /"


def test_silence() -> None:
    with serving(until_closed) as port:
        assert asked(port, timeout_s=0.2).reason is Reason.TIMEOUT


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"", Reason.CLOSED),
        (b"\x00" * 100, Reason.CLOSED),
        (b"no\r\n", Reason.REPLY_MALFORMED),
        (whole(BODY)[:-1], Reason.CLOSED),
    ],
)
def test_what_is_no_reply(reply: bytes, reason: Reason) -> None:
    assert of(reply).reason is reason


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def of_server(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_any_certificate_is_good_where_none_is_verified(authority: trustme.CA) -> None:
    with serving(answering(whole(BODY)), tls=of_server(authority, "other.example.com")) as port:
        digest = ("md5", hashlib.md5(BODY).hexdigest())
        assert asked(port, RequestConfig(digest=digest), tls=TLSConfig()).good


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_a_server_of_tls_1_0_alone_is_good_where_nothing_is_verified(authority: trustme.CA) -> None:
    """What it signs with, SHA-1, is below each level of security but 0."""
    context = of_server(authority, "old.example.com")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with serving(answering(whole(BODY)), tls=context) as port:
        assert asked(port, tls=TLSConfig()).good
        trusting = TLSConfig("old.example.com", True, authority.cert_pem.bytes().decode())
        assert asked(port, tls=trusting).reason is Reason.TLS_FAILED


def test_the_name_is_sent(authority: trustme.CA) -> None:
    names: list[str | None] = []
    context = of_server(authority, "shop.example.com")
    context.sni_callback = lambda _, name, __: names.append(name)
    with serving(answering(whole(BODY)), tls=context) as port:
        assert asked(port, tls=TLSConfig(server_name="shop.example.com")).good
        assert asked(port, tls=TLSConfig(server_name="shop.example.com:8443")).good
        assert asked(port, tls=TLSConfig()).good
        assert asked(port, tls=TLSConfig(server_name="[::1]:8443")).good
    assert names == ["shop.example.com", "shop.example.com", None, None], "an address is never sent"


@pytest.mark.parametrize("name", [".example.com", "", "x" * 300, "a..b"])
def test_a_name_that_cannot_be_sent(name: str) -> None:
    with serving(until_closed) as port:
        assert asked(port, tls=TLSConfig(server_name=name)).reason in (Reason.SETTINGS_UNUSABLE, Reason.TLS_FAILED)


def test_verified_certificates(authority: trustme.CA) -> None:
    pem = authority.cert_pem.bytes().decode()
    stranger = trustme.CA().cert_pem.bytes().decode()
    with serving(answering(whole(BODY)), tls=of_server(authority, "shop.example.com", "127.0.0.1")) as port:
        assert asked(port, tls=TLSConfig("shop.example.com", True, pem)).good
        assert asked(port, tls=TLSConfig("127.0.0.1", True, pem)).good
        for config in (TLSConfig("other.example.com", True, pem), TLSConfig("shop.example.com", True, stranger)):
            assert asked(port, tls=config).reason is Reason.CERTIFICATE_INVALID
        assert asked(port, tls=TLSConfig("shop.example.com", True, None)).reason is Reason.CERTIFICATE_INVALID
        nonsense = asked(port, tls=TLSConfig("shop.example.com", True, "no certificate"))
        assert nonsense.reason is Reason.SETTINGS_UNUSABLE


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x03\xff\xff" + b"x" * 70000, b"\x00" * 500]
)
def test_garbage_instead_of_tls(garbage: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(garbage)
        until_closed(connection)

    with serving(serve) as port:
        assert asked(port, tls=TLSConfig()).reason is Reason.TLS_FAILED


def test_tls_that_hangs() -> None:
    with serving(until_closed) as port:
        outcome = asked(port, tls=TLSConfig(), timeout_s=0.2)
    assert (outcome.reason, outcome.words) == (Reason.TIMEOUT, "timed out while shaking hands by TLS")


def test_tls_that_closes() -> None:
    with serving(socket.socket.close) as port:
        assert asked(port, tls=TLSConfig()).reason in (Reason.CLOSED, Reason.RESET)


def test_an_endless_body_through_tls(authority: trustme.CA) -> None:
    def serve(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with serving(serve, tls=of_server(authority, "a")) as port:
        assert asked(port, RequestConfig(digest=("md5", "0" * 32)), tls=TLSConfig()).reason is Reason.REPLY_TOO_LARGE


def test_openssl_agrees(authority: trustme.CA, tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    """A server that is not Python's: `openssl s_server -www`."""
    program = require_tool("openssl")
    certificate = authority.issue_cert("shop.example.com")
    (tmp_path / "key").write_bytes(certificate.private_key_pem.bytes())
    (tmp_path / "chain").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "s_server", "-accept", f"127.0.0.1:{port}", "-key", "key", "-cert", "chain", "-www"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            tls = TLSConfig("shop.example.com", True, authority.cert_pem.bytes().decode())
            until = time.monotonic() + 30
            while (outcome := asked(port, RequestConfig(body_pattern="Ciphers"), tls=tls)).reason is Reason.REFUSED:
                assert time.monotonic() < until
                time.sleep(0.05)
            assert outcome.good, outcome
        finally:
            server.terminate()


MANY_PATTERNS = """
import asyncio, json, random, resource
from mooring_node.balance.assembly import MOST_MEMORY
from mooring_node.checks.bodies import Room
from mooring_node.checks.http import _found
from mooring_node.kernel.process import bound_memory

bound_memory(MOST_MEMORY // 4)
body = bytearray(random.Random(1).choices(b"abcdefghijklmnop", k=2000))

def kept(body):
    kept = Room().enter()
    kept.add(body)
    return kept

async def search():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = [await _found(f"[a-p]*[a-o].{{165}}{number:02}", kept(body)) for number in range(14)]
    found.append(await _found("[a-p]*[a-o].{165}13", kept(body + b"13")))
    print(json.dumps([found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))

asyncio.run(search())
"""


def test_many_costly_patterns_fit_the_checks_process() -> None:
    """150 ways in each of 2,000 states: 17 MiB for each pattern if they were sets, beyond a quarter of the bound."""
    done = subprocess.run(
        [sys.executable, "-c", MANY_PATTERNS], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found, grown_kib = json.loads(done.stdout)
    assert found == [False] * 14 + [True]
    assert grown_kib < 48 * 1024
