"""What a hostile server can have a TLS handshake cost: no step of one keeps the checks of all others waiting.

Costs are counted in processor time of the thread that checks, and bounded generously: what is bounded here took many
times as long.
"""

import contextlib
import datetime
import select
import socket
import ssl
import subprocess
import threading
import time
from base64 import encodebytes
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.unit.node.checks.trying import LONG_S, head, serving, target, tried, until_closed

from mooring_node.checks import stream
from mooring_node.checks.attempt import Attempt, Driver
from mooring_node.checks.config import HTTPProbe, TLSConfig
from mooring_node.checks.probes import Probes
from mooring_node.checks.stream import MOST_HANDSHAKE_BYTES
from mooring_node.checks.verdict import Outcome, Reason

#: All that a modulus of the server's choice is used for, by the first and last number of their blocks at IANA: DHE and
#: DH_anon, DHE_PSK, SRP.
FINITE_FIELD = {
    *range(0x000B, 0x001C),
    *range(0x0030, 0x0035),
    *range(0x0036, 0x003B),
    0x003E,
    0x003F,
    0x0040,
    *range(0x0042, 0x0047),
    *range(0x0067, 0x006E),
    *range(0x0085, 0x008A),
    *range(0x008E, 0x0092),
    *range(0x0097, 0x009C),
    *range(0x009E, 0x00A8),
    0x00AA,
    0x00AB,
    *range(0x00B2, 0x00B6),
    *range(0x00BB, 0x00C0),
    *range(0x00C1, 0x00C6),
    *range(0xC01A, 0xC023),
    0xCCAA,
    0xCCAD,
    *range(0xC09E, 0xC0A0),
    *range(0xC0A2, 0xC0A4),
    *range(0xC0A6, 0xC0A8),
    *range(0xC0AA, 0xC0AC),
}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trust(authority: trustme.CA) -> TLSConfig:
    return TLSConfig("shop.example.com", True, authority.cert_pem.bytes().decode())


def asked(port: int, tls: TLSConfig) -> tuple[Outcome, float]:
    """What one try comes to, and its processor time in seconds."""
    began = time.thread_time()
    outcome = tried(target(HTTPProbe(tls=tls), port))
    return outcome, time.thread_time() - began


def answer(connection: socket.socket) -> None:
    head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def suites(hello: bytes) -> set[int]:
    """What a ClientHello offers: behind the heads, the version, the random and the session."""
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    end = at + 2 + int.from_bytes(hello[at : at + 2])
    return {int.from_bytes(hello[each : each + 2]) for each in range(at + 2, end, 2)}


@pytest.mark.parametrize("verify", [True, False])
def test_nothing_is_offered_whose_modulus_the_server_chooses(verify: bool, trust: TLSConfig) -> None:
    hellos: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        hellos.append(connection.recv(16384))

    with serving(serve) as port:
        asked(port, trust if verify else TLSConfig())
    offered = suites(hellos[0])
    assert not offered & FINITE_FIELD
    assert {0x1301, 0xC02F, 0xC030} <= offered
    assert (0x002F in offered) is not verify, "the key exchange of old servers, where nothing is verified"


def hostile_parameters(bits: int) -> bytes:
    """Diffie-Hellman parameters in PEM; nobody asks whether the modulus is a prime."""
    numbers = (
        b"\x02\x82" + len(each).to_bytes(2) + each
        for each in ((b"\x00\xff" + b"\x5b" * (bits // 8 - 1)), b"\x00" * 255 + b"\x05")
    )
    body = b"".join(numbers)
    der = b"\x30\x82" + len(body).to_bytes(2) + body
    return b"-----BEGIN DH PARAMETERS-----\n" + encodebytes(der) + b"-----END DH PARAMETERS-----\n"


@pytest.mark.parametrize("verify", [True, False])
def test_a_server_with_a_modulus_of_10000_bits(
    verify: bool, authority: trustme.CA, trust: TLSConfig, tmp_path: Path
) -> None:
    """It took 0.9 s in one step; a node with eight such targets heard nothing for ten seconds."""
    (tmp_path / "parameters").write_bytes(hostile_parameters(10_000))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("shop.example.com").configure_cert(context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DHE-RSA-AES128-GCM-SHA256:ADH-AES128-SHA:DHE-RSA-AES128-SHA:@SECLEVEL=0")
    context.load_dh_params(str(tmp_path / "parameters"))
    with serving(answer, tls=context) as port:
        outcome, cost_s = asked(port, trust if verify else TLSConfig())
    assert outcome.reason is Reason.TLS_FAILED
    assert cost_s < 0.3


@contextlib.contextmanager
def openssl_serving(program: str, folder: Path, authority: trustme.CA, *options: str) -> Iterator[int]:
    """`openssl s_server`, which has options that Python's server has not."""
    certificate = authority.issue_cert("shop.example.com")
    (folder / "key").write_bytes(certificate.private_key_pem.bytes())
    (folder / "chain").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "s_server", "-accept", f"127.0.0.1:{port}", "-key", "key", "-cert", "chain", "-www", *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            until = time.monotonic() + LONG_S
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    assert time.monotonic() < until
                    time.sleep(0.05)
            yield port
        finally:
            server.terminate()


@pytest.mark.parametrize(
    ("groups", "good"), [("P-521", True), ("ffdhe4096", True), ("ffdhe6144", False), ("ffdhe8192", False)]
)
def test_groups_that_a_server_of_tls_1_3_asks_for(
    groups: str, good: bool, authority: trustme.CA, trust: TLSConfig, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    with openssl_serving(require_tool("openssl"), tmp_path, authority, "-groups", groups) as port:
        for tls in (trust, TLSConfig()):
            outcome, _ = asked(port, tls)
            assert outcome.good is good, outcome
            if not good:
                assert outcome.words == "TLS: the server asks for a key that costs too much (more than 4096 bits)"


class Chain:
    """Certificates that are as costly as can be for their size, each signed by the next. They share a key."""

    def __init__(self, count: int, bits: int) -> None:
        self._key = rsa.generate_private_key(65537, bits)
        self.leaf, *self.others = (self._certificate(each, each + 1) for each in range(count))
        self.root = self._certificate(count, count)

    def served(self, file: Path, *others: bytes) -> ssl.SSLContext:
        key = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(key + self.leaf + b"".join(others))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _certificate(self, number: int, issuer: int) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        building = (
            x509.CertificateBuilder(_name(issuer), _name(number), self._key.public_key(), number + 1)
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.BasicConstraints(number > 0, None), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example.com")]), critical=False)
        )
        return building.sign(self._key, SHA256()).public_bytes(Encoding.PEM)


def _name(number: int) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {number}")])


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain(60, 2048)


def test_a_chain_of_certificates_is_bounded(chain: Chain, tmp_path: Path) -> None:
    trust = TLSConfig("shop.example.com", True, chain.root.decode())
    with serving(answer, tls=chain.served(tmp_path / "short", *chain.others[:9])) as port:
        assert asked(port, TLSConfig())[0].good
        assert asked(port, TLSConfig("shop.example.com", True, chain.others[9].decode()))[0].good
        assert asked(port, trust)[0].reason is Reason.CERTIFICATE_INVALID
    with serving(answer, tls=chain.served(tmp_path / "long", *chain.others)) as port:
        for tls in (trust, TLSConfig()):
            outcome, _ = asked(port, tls)
            assert outcome == Outcome(Reason.TLS_FAILED, "TLS: the handshake has more than 32 KiB")
    assert MOST_HANDSHAKE_BYTES == 32 * 1024


def test_a_chain_is_not_followed_beyond_the_first_that_is_trusted(chain: Chain, tmp_path: Path) -> None:
    """`authorities` has room for many more of them than a handshake; here the last one, the root, is missing."""
    trust = TLSConfig("shop.example.com", True, b"".join(chain.others).decode())
    with serving(answer, tls=chain.served(tmp_path / "leaf")) as port:
        assert asked(port, trust)[0].good


def test_a_server_cannot_begin_again(trust: TLSConfig) -> None:
    for tls in (trust, TLSConfig()):
        assert stream._context(tls.verify, tls.authorities).options & ssl.OP_NO_RENEGOTIATION


def test_what_a_server_says_is_looked_at_in_the_turn_of_those_that_compute(authority: trustme.CA) -> None:
    """There all of them share a slice of each turn; what else happens is served before."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("a").configure_cert(context)
    driver = Driver()
    ended: list[Outcome | None] = []
    speak = threading.Event()

    def serve(connection: socket.socket) -> None:
        speak.wait(LONG_S)
        with context.wrap_socket(connection, server_side=True) as secure:
            until_closed(secure)

    with serving(serve) as port:
        attempt = Attempt(driver, lambda _, outcome: ended.append(outcome))
        attempt.run(Probes()(attempt, target(HTTPProbe(tls=TLSConfig()), port)))
        try:
            while attempt.stage == "connecting":
                assert select.select([driver], [], [], LONG_S)[0]
                driver.turn()
            speak.set()
            assert select.select([driver], [], [], LONG_S)[0]
            attempt.hear_out()
            assert attempt.breathing
            assert attempt.stage == "shaking hands by TLS"
            attempt.expire()
        finally:
            speak.set()
            attempt.cancel()
            driver.close()
    assert ended == [None]
    assert "no time for so many TLS handshakes" in str(attempt.error)
