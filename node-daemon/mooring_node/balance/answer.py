"""The answer of the checks process to `{"do": "snapshot", "id"}`: plain values, in messages that fit a channel. Pure.

`{"loads": [row, ...], "id"}` as often as it takes, then `{"checks": {...}, "id"}`, which ends the answer:

- `generation`: of the configuration that runs; `targets`: how many things are checked;
- `probes`: `checks.counters.Counters.to_wire()`;
- `ipvs`: `{"writes": messages to the kernel, "refused": {trouble: count}, "drift": what somebody else had changed}`;
- `portGuard`: `[{"address", "mode": "Enforce" | "Monitor", "packets", "bytes"}]`.

What is missing is not known. The state of servers and backends is told in reports, unasked.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

#: A row takes up to 1 KiB (names of 400 bytes, counters of 20 digits each).
ROWS_IN_PART = 160


class Load(NamedTuple):
    """A row: what a service has to do, or one of its backends. Counters as in ipvs.decode.Counters."""

    server: str
    """The server's name."""
    service: str
    """`10.0.0.1:443/TCP`, `[2001:db8::1]:443/TCP`, or `mark 7/IPv4`."""
    backend: str
    """`10.9.0.1:8443`; "": the row is the service's own."""
    weight: int = 0
    active: int = 0
    inactive: int = 0
    persistent: int = 0
    connections: int = 0
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    connection_rate: int = 0
    packet_rate_in: int = 0
    packet_rate_out: int = 0
    byte_rate_in: int = 0
    byte_rate_out: int = 0


def parts(loads: Iterable[Load], about: Mapping[str, Any], number: object) -> Iterator[dict[str, Any]]:
    """The messages of one answer; `number` is the question's id."""
    part: list[Load] = []
    for load in loads:
        part.append(load)
        if len(part) == ROWS_IN_PART:
            yield {"loads": part, "id": number}
            part = []
    if part:
        yield {"loads": part, "id": number}
    yield {"checks": dict(about), "id": number}


def loads_of(message: Mapping[str, Any]) -> Iterator[Load]:
    """The rows of a message; none where it is another."""
    for row in message.get("loads", ()):
        yield Load(*row)
