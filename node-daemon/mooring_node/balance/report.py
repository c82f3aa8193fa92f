"""What the agent and a person are told of pools: VirtualServerReport as wire values. Pure."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from mooring_node.balance.states import Backend, Pool, State
from mooring_node.ipvs.table import DestinationKey

#: As in the API: the counts tell of all.
MOST_LISTED = 64
#: Of a message, with room for what stands around its servers.
PART_BYTES = 128 * 1024


def server_report(
    pool: Pool, timestamp: Callable[[int], str], unchecked: Mapping[DestinationKey, str] = MappingProxyType({})
) -> dict[str, Any]:
    """One server and family. `timestamp` makes RFC 3339 of nanoseconds of CLOCK_BOOTTIME; `unchecked`: why some are."""
    states = [each.state for each in pool.backends.values()]
    worst_first = sorted(pool.backends.items(), key=lambda entry: (entry[1].state is State.UP, entry[0]))
    return {
        "name": pool.config.name,
        "family": f"IPv{pool.family}",
        "quorum": pool.quorum,
        "sorry": pool.sorry is not None,
        "up": states.count(State.UP),
        "down": states.count(State.DOWN),
        "draining": states.count(State.DRAINING),
        "weights": _weights(pool),
        "backends": [_backend(key, each, timestamp, unchecked.get(key)) for key, each in worst_first[:MOST_LISTED]],
    }


def _weights(pool: Pool) -> dict[str, int]:
    """`up`: of all that are up; `needed`: to gain or keep the quorum; `all`: of all; 0 where scripts say it."""
    hysteresis = -pool.config.quorum_hysteresis if pool.quorum else pool.config.quorum_hysteresis
    listed = [each for each in pool.backends.values() if each.leaves_ns is None]
    scripted = any(getattr(check.probe, "dynamic_weight", False) for _, check in pool.config.checks)
    return {
        "up": pool.weight,
        "needed": pool.config.quorum_up + hysteresis,
        "all": 0 if scripted else sum(each.config.weight for each in listed),
        "backends": len(listed),
    }


def parts(servers: Iterable[dict[str, Any]], problems: list[dict[str, str]], kube_proxy: Any) -> list[dict[str, Any]]:
    """The whole report as messages that fit the channel; the problems and kube-proxy are in the first."""
    batches = list(_batches(servers)) or [[]]
    return [
        {
            "report": {
                "part": index,
                "of": len(batches),
                "servers": batch,
                "problems": [] if index else problems,
                "kubeProxy": None if index else kube_proxy,
            }
        }
        for index, batch in enumerate(batches)
    ]


def _batches(servers: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for server in servers:
        cost = len(json.dumps(server))
        if batch and size + cost > PART_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(server)
        size += cost
    if batch:
        yield batch


def _backend(
    key: DestinationKey, backend: Backend, timestamp: Callable[[int], str], unchecked: str | None
) -> dict[str, Any]:
    told: dict[str, Any] = {"address": key.address, "port": key.port, "state": str(backend.state)}
    if backend.config.host is not None:
        told["host"] = backend.config.host
    reasons = [backend.reason] if backend.reason else []
    if unchecked is not None:
        reasons.append(f"not checked: {unchecked}")
    if reasons:
        told["reason"] = "; ".join(reasons)
    return told | {"sinceTime": timestamp(backend.since_ns)}
