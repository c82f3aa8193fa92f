"""What keeps a part of forwarding from working (pure)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """`server` is a server entry's name, "" where it concerns several; `path` as in the NodeConfig's spec."""

    server: str
    path: str
    message: str


#: With more servers than these a problem of them all is told once.
EACH = 32


def of_servers(servers: Sequence[str], path: str, message: str) -> Iterator[Problem]:
    """The same problem of each server, so that each user finds it on his own object; of very many, one for all."""
    if len(servers) <= EACH:
        yield from (Problem(server, path, message) for server in servers)
    else:
        yield Problem("", path, f"{message} ({len(servers)} virtual servers are concerned)")
