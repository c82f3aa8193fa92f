"""`mooring digest`: what it prints can be pasted, and its errors help."""

import hashlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
import yaml
from tests.unit.node.checks.trying import head, serving

from mooring_api.health_check import HTTPRequest
from mooring_cli.main import main

BODY = b"<html>it works</html>\n"
MD5 = hashlib.md5(BODY).hexdigest()


def answering(
    status: int = 200, body: bytes = BODY, heads: list[bytes] | None = None
) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        asked = head(connection)
        if heads is not None:
            heads.append(asked)
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))

    return serve


def request_of(printed: str) -> HTTPRequest:
    """What was printed, as the contract reads it."""
    (request,) = yaml.safe_load(printed)
    return HTTPRequest.model_validate(request)


def test_the_request_is_printed_as_the_contract_wants_it(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answering()) as port:
        assert main(["digest", f"http://127.0.0.1:{port}/a?b=c"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# 22 bytes, status 200\n")
    request = request_of(printed)
    assert (request.path, request.virtual_host) == ("/a?b=c", None)
    assert request.digest is not None
    assert request.digest.md5 == MD5


def test_sha256_and_virtual_host(capsys: pytest.CaptureFixture[str]) -> None:
    heads: list[bytes] = []
    with serving(answering(heads=heads)) as port:
        assert main(["digest", "--sha256", "--virtual-host", "shop.example.com", f"http://127.0.0.1:{port}"]) == 0
    request = request_of(capsys.readouterr().out)
    assert request.virtual_host == "shop.example.com"
    assert request.digest is not None
    assert request.digest.sha256 == hashlib.sha256(BODY).hexdigest()
    assert b"Host: shop.example.com\r\n" in heads[0]


def test_a_name_in_the_url_is_the_virtual_host(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answering()) as port:
        assert main(["digest", f"http://localhost:{port}/"]) == 0
    assert request_of(capsys.readouterr().out).virtual_host == f"localhost:{port}"


def test_the_digest_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answering()) as port:
        assert main(["digest", "-q", f"http://127.0.0.1:{port}/"]) == 0
    assert capsys.readouterr().out == MD5 + "\n"


@pytest.mark.parametrize("status", [404, 301, 503])
def test_another_status_is_no_page(capsys: pytest.CaptureFixture[str], status: int) -> None:
    with serving(answering(status)) as port:
        assert main(["digest", f"http://127.0.0.1:{port}/"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"the status is {status}; if a check is to expect it, say --any-status" in printed.err


def test_another_status_is_written_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answering(404)) as port:
        assert main(["digest", "--any-status", f"http://127.0.0.1:{port}/"]) == 0
    printed = capsys.readouterr()
    assert request_of(printed.out).statuses == ("404",)
    assert printed.err == ""


def test_tls(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("shop.example.com").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with serving(answering(), tls=context) as port:
        url = f"https://127.0.0.1:{port}/"
        assert main(["digest", url]) == 1
        assert "--insecure accepts any" in capsys.readouterr().err
        assert main(["digest", "-q", "--insecure", url]) == 0
        trusted = ["--authorities", str(tmp_path / "ca.pem"), "--server-name", "shop.example.com"]
        assert main(["digest", "-q", *trusted, url]) == 0
    assert capsys.readouterr().out == f"{MD5}\n{MD5}\n"


def test_a_page_that_is_too_large(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answering(body=bytes(1024 * 1024 + 1))) as port:
        assert main(["digest", f"http://127.0.0.1:{port}/"]) == 1
    assert "more than 1 MiB" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("127.0.0.1/x", "is no URL"),
        ("ftp://127.0.0.1/", "is no URL"),
        ("http:///x", "is no URL"),
        ("http://127.0.0.1:banana/", "Port could not be cast"),
        ("http://me:secret@127.0.0.1/", "remove them from the URL"),
        ("http://127.0.0.1/ä", "%20 and the like"),
        ("http://name.invalid/", "name.invalid: "),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], url: str, words: str) -> None:
    assert main(["digest", url]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert not printed.out


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert main(["digest", f"http://127.0.0.1:{port}/"]) == 1
    assert capsys.readouterr().err == f"mooring digest: http://127.0.0.1:{port}/: connection refused\n"
