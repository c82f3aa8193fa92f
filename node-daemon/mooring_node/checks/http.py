"""Requests over HTTP and HTTPS, and what their replies are worth."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from mooring_node.checks.attempt import Scope, breathe
from mooring_node.checks.bodies import Body, Kept, Room
from mooring_node.checks.config import HTTPProbe, RequestConfig, Target, TLSConfig
from mooring_node.checks.connecting import connect, destination
from mooring_node.checks.http_reply import Reply
from mooring_node.checks.stream import Plain, Stream, secured
from mooring_node.checks.verdict import GOOD, Failed, Outcome, Reason, Withheld
from mooring_pattern import Automaton, Memory, PatternError

MOST_BODY_BYTES = 1024 * 1024
#: Nothing is asked of the body but that it comes; no more of it is waited for than this.
_ENOUGH_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Fetched:
    """A reply. `cut`: the body is longer."""

    status: int
    cut: bool


async def http(room: Room, scope: Scope, target: Target) -> Outcome:
    """All requests are answered well; the first that is not says why. `room` is for what is searched."""
    probe = target.check.probe
    assert isinstance(probe, HTTPProbe)
    for request in probe.requests:
        kept = room.enter()
        scope.at_end(kept.leave)
        body = Body(request.digest[0] if request.digest else None, kept if request.body_pattern is not None else None)
        most = MOST_BODY_BYTES if request.digest else _ENOUGH_BYTES
        fetched = await fetch(scope, target, probe.tls, request, most, body)
        outcome = await _judged(request, fetched, body, kept)
        kept.leave()
        if not outcome.good:
            return outcome
    return GOOD


async def fetch(
    scope: Scope, target: Target, tls: TLSConfig | None, request: RequestConfig, most_body: int, body: Body
) -> Fetched:
    """Ask once, over a connection of its own; `body` gets what comes. Failed or OSError where no reply comes."""
    scope.stage = "connecting"
    stream: Stream = Plain(await connect(scope, target))
    if tls is not None:
        stream = await secured(scope, stream, tls)
    scope.stage = f"waiting for the reply to {request.path}"
    await stream.send(_asked(target, request, secure=tls is not None))
    reply = Reply(most_body, body.take)
    while not reply.done:
        data = await stream.read()
        if data:
            reply.feed(data)
        else:
            reply.end()
    return Fetched(reply.status, reply.cut)


def _asked(target: Target, request: RequestConfig, *, secure: bool) -> bytes:
    lines = (
        f"GET {request.path} HTTP/1.1",
        f"Host: {request.virtual_host or _host(target, secure)}",
        "User-Agent: mooring",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
        "\r\n",
    )
    return "\r\n".join(lines).encode("latin-1")


def _host(target: Target, secure: bool) -> str:
    address, port = destination(target)
    host = f"[{address.partition('%')[0]}]" if ":" in address else address
    return host if port == (443 if secure else 80) else f"{host}:{port}"


async def _judged(request: RequestConfig, fetched: Fetched, body: Body, kept: Kept) -> Outcome:
    if not any(low <= fetched.status <= high for low, high in request.statuses):
        return Outcome(Reason.STATUS_WRONG, f"{request.path}: status {fetched.status}, not {_ranges(request.statuses)}")
    if request.digest is not None:
        algorithm, wanted = request.digest
        if fetched.cut:
            return Outcome(Reason.REPLY_TOO_LARGE, f"{request.path}: a body of more than 1 MiB has no digest here")
        found = body.digest()
        if found != wanted:
            return Outcome(Reason.DIGEST_WRONG, f"{request.path}: the body's {algorithm} is {found}")
    if request.body_pattern is not None:
        found_pattern = await _found(request.body_pattern, kept)
        if found_pattern and request.pattern_is_bad:
            return Outcome(Reason.PATTERN_FOUND, f"{request.path}: the body has {request.body_pattern!r}")
        if not found_pattern and not request.pattern_is_bad:
            return Outcome(Reason.PATTERN_NOT_FOUND, f"{request.path}: the body has no {request.body_pattern!r}")
    return GOOD


def _ranges(statuses: Iterable[tuple[int, int]]) -> str:
    return " or ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in statuses)


async def _found(pattern: str, kept: Kept) -> bool:
    kept.search(_automaton(pattern).searching)
    while True:
        try:
            await breathe()
        except TimeoutError as error:
            # The backend has answered: how long a search takes is the pattern's doing, and that of those beside it.
            raise Withheld("this node has no time for the search for bodyPattern; a simpler one costs less") from error
        found = kept.step()
        if found is not None:
            return found


#: The bound is that of the process, whoever's patterns they are: one tenant's must not cost all others their checks.
_memory = Memory()


@lru_cache(maxsize=256)
def _automaton(pattern: str) -> Automaton:
    try:
        return Automaton(pattern, _memory)
    except PatternError as error:
        raise Failed(Reason.SETTINGS_UNUSABLE, f"bodyPattern {error}") from error
