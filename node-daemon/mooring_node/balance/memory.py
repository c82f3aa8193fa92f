"""What a pool knows, as the values of the results file, and back. Pure; see results.py for why."""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mooring_node.balance.config import BackendConfig, ServerConfig
from mooring_node.balance.states import Backend, Finding, Pool
from mooring_node.checks.config import CheckConfig, Target
from mooring_node.ipvs.table import DestinationKey
from mooring_node.records import from_plain, to_plain

#: For so many of its intervals a result of a predecessor counts as our own.
HELD_INTERVALS = 3
_DRAINING = "draining "


@dataclass(frozen=True, slots=True)
class Recalled:
    """A finding of a predecessor; `at_ns`: up to then it was looked after (CLOCK_BOOTTIME)."""

    finding: Finding
    at_ns: int

    def held_until_ns(self, check: CheckConfig) -> int:
        """From then on nothing is known of its target."""
        return self.at_ns + HELD_INTERVALS * max(check.interval_ns, check.interval_down_ns)


def target_key(target: Target) -> str:
    """Names a target for as long as its check is the same."""
    return f"target {_digest(target.check)} {target.address} {target.port}"


def quorum_key(server: str, family: int) -> str:
    return f"quorum {server} {family}"


def draining_key(server: str, family: int, backend: DestinationKey) -> str:
    """Of one that left: what has changed is written, however many drain beside it."""
    return f"{_DRAINING}{server} {family} {backend.address} {backend.port}"


def told(finding: Finding, as_of_ns: int | None = None) -> dict[str, Any]:
    """A finding; one that is a predecessor's with the time up to which that one looked after it."""
    plain = {"finding": to_plain(finding)}
    return plain if as_of_ns is None else plain | {"asOf": as_of_ns}


def recalled(results: Mapping[str, Any], target: Target, vouched_ns: int) -> Recalled | None:
    """What a predecessor that lived until `vouched_ns` knew of a target; None where it is nothing, or not readable."""
    raw = results.get(target_key(target))
    try:
        return Recalled(from_plain(Finding, raw["finding"]), int(raw.get("asOf", vouched_ns))) if raw else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def draining(backend: Backend) -> list[Any]:
    """One that left."""
    return [to_plain(backend.config), backend.up, backend.since_ns, backend.leaves_ns]


def left(results: Mapping[str, Any]) -> dict[tuple[str, int], list[Any]]:
    """What `draining` wrote, by server and family; a key that is none of ours is passed over."""
    found: dict[tuple[str, int], list[Any]] = {}
    for key, raw in results.items():
        if key.startswith(_DRAINING):
            with suppress(ValueError):
                server, family, _address, _port = key.removeprefix(_DRAINING).rsplit(" ", 3)
                found.setdefault((server, int(family)), []).append(raw)
    return found


def begun(config: ServerConfig, family: int, results: Mapping[str, Any], leaving: Iterable[Any]) -> Pool:
    """A pool without its listed backends: with the quorum and with those that left, as a predecessor knew them."""
    quorum = results.get(quorum_key(config.name, family)) is True
    backends = {}
    for raw in leaving:
        with suppress(ValueError, TypeError):
            plain, up, since_ns, leaves_ns = raw
            one = from_plain(BackendConfig, plain)
            key = DestinationKey(one.address, one.port)
            backends[key] = Backend(one, bool(up), (), int(since_ns), leaves_ns=int(leaves_ns))
    return Pool(config, family, backends, quorum=quorum)


@lru_cache(maxsize=8192)
def _digest(check: CheckConfig) -> str:
    return hashlib.blake2b(repr(check).encode(), digest_size=8).hexdigest()
