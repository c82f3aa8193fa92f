"""`mooring digest`: what a page hashes to, as a health check wants it; keepalived's genhash."""

import argparse
import asyncio
import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from mooring_node.checks.attempt import Scope, in_asyncio
from mooring_node.checks.bodies import Body
from mooring_node.checks.config import CheckConfig, HTTPProbe, RequestConfig, Target, TLSConfig
from mooring_node.checks.http import MOST_BODY_BYTES, Fetched, fetch
from mooring_node.checks.verdict import Failed, Withheld, outcome_of

DONE, FAILED, USAGE = 0, 1, 2
_PORTS = {"http": 80, "https": 443}
_FINE = range(200, 300)


class Unusable(Exception):  # noqa: N818  (the user's words, not an error of ours)
    """Arguments that make no sense; the words say which."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `digest`."""
    parser = commands.add_parser(
        "digest",
        help="print the digest of a page for a health check (keepalived: genhash)",
        description="Fetch a page as a health check does (HTTP/1.1, no redirection followed, nothing compressed, at"
        " most 1 MiB) and print the request with its digest as it belongs into healthChecks[].http.requests."
        " Exit code: 0 printed, 1 there is no such page (a status that is not 2xx, too), 2 wrong usage.",
    )
    parser.add_argument("url", help="http:// or https://, with the backend's address or a name")
    parser.add_argument("--sha256", action="store_true", help="by SHA-256; else by MD5, as genhash")
    parser.add_argument("--virtual-host", metavar="NAME", help="the Host header; left out: the name in the URL")
    parser.add_argument(
        "--server-name", metavar="NAME", help="the name in the TLS handshake; left out: the virtual host"
    )
    parser.add_argument("--insecure", action="store_true", help="accept any certificate, as keepalived does")
    parser.add_argument("--authorities", type=Path, metavar="FILE", help="trusted authorities, PEM")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS", help="10 s by default")
    parser.add_argument(
        "--any-status", action="store_true", help="print it for another status than 2xx too, which a check then expects"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print the digest alone")
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, and where it may be."""

    addresses: tuple[str, ...]
    port: int
    request: RequestConfig
    tls: TLSConfig | None


def run(options: argparse.Namespace) -> int:
    """Fetch and print; the exit code."""
    try:
        question = _question(options)
    except Unusable as error:
        print(f"mooring digest: {error}", file=sys.stderr)
        return USAGE
    algorithm = "sha256" if options.sha256 else "md5"
    try:
        fetched, body = _fetched(question, options.timeout, algorithm)
    except (Failed, Withheld, OSError) as error:
        print(f"mooring digest: {options.url}: {_words(error)}", file=sys.stderr)
        return FAILED
    if fetched.cut:
        print(f"mooring digest: {options.url}: more than 1 MiB; a check would not accept it", file=sys.stderr)
        return FAILED
    if fetched.status not in _FINE and not options.any_status:
        hint = "if a check is to expect it, say --any-status"
        print(f"mooring digest: {options.url}: the status is {fetched.status}; {hint}", file=sys.stderr)
        return FAILED
    print(body.digest() if options.quiet else "\n".join(_manifest(question.request, fetched, algorithm, body)))
    return DONE


def _question(options: argparse.Namespace) -> _Question:
    url = urlsplit(options.url)
    host, port, path = _read(url)
    name = None if _is_address(host) else host
    default = name and (name if port == _PORTS[url.scheme] else f"{name}:{port}")
    request = RequestConfig(path, virtual_host=options.virtual_host or default)
    tls = None
    if url.scheme == "https":
        server_name = options.server_name or (options.virtual_host or host).partition(":")[0]
        tls = TLSConfig(server_name, not options.insecure, _read_authorities(options.authorities))
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unusable(f"{host}: {error.strerror or error}") from error
    return _Question(tuple(dict.fromkeys(str(each[4][0]) for each in found)), port, request, tls)


def _read(url: SplitResult) -> tuple[str, int, str]:
    """Host, port, path and query."""
    try:
        host, port = url.hostname, url.port
    except ValueError as error:
        raise Unusable(f"{url.geturl()}: {error}") from error
    if url.scheme not in _PORTS or not host:
        raise Unusable(f"{url.geturl()} is no URL; write http://10.1.0.7:8080/path or https://...")
    if url.username is not None:
        raise Unusable("a check sends no user and password; remove them from the URL")
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    if not all("!" <= letter <= "~" for letter in path):
        raise Unusable("blanks and letters beyond ASCII must be written as %20 and the like in the URL")
    return host, _PORTS[url.scheme] if port is None else port, path


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _read_authorities(file: Path | None) -> str | None:
    try:
        return file.read_text(encoding="ascii") if file else None
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{file}: {error}") from error


def _fetched(question: _Question, timeout_s: float, algorithm: str) -> tuple[Fetched, Body]:
    """From the first address that lets us connect."""
    check = CheckConfig(HTTPProbe((question.request,), question.tls))

    async def ask(address: str) -> tuple[Fetched, Body]:
        scope, body = Scope(), Body(algorithm)
        target = Target(check, address, question.port)
        work = fetch(scope, target, question.tls, question.request, MOST_BODY_BYTES, body)
        return await in_asyncio(scope, work, timeout_s), body

    *others, last = question.addresses
    for address in others:
        try:
            return asyncio.run(ask(address))
        except OSError:
            continue
    return asyncio.run(ask(last))


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        try:
            return outcome_of(error).words
        except Withheld as withheld:
            return str(withheld)
    hint = ""
    if isinstance(error, Failed) and "certificate" in str(error):
        hint = "; --insecure accepts any, --authorities names those to trust"
    return f"{error}{hint}"


def _manifest(request: RequestConfig, fetched: Fetched, algorithm: str, body: Body) -> Iterator[str]:
    """YAML; a text in JSON is one in YAML, too."""
    yield f"# {body.size_bytes} bytes, status {fetched.status}"
    yield f"- path: {json.dumps(request.path)}"
    if request.virtual_host:
        yield f"  virtualHost: {json.dumps(request.virtual_host)}"
    if fetched.status not in _FINE:
        yield f'  statuses: ["{fetched.status}"]'
    yield f"  digest: {{{algorithm}: {body.digest()}}}"
