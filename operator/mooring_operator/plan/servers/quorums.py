"""Whether the backends of a port can have a quorum at all: each family has one of its own."""

from collections.abc import Collection, Iterable, Iterator

from mooring_api.balancing import Forwarding, Quorum
from mooring_api.health_check import HealthCheck
from mooring_api.node_server import NodeBackend
from mooring_api.vrrp import Family


def pool_of(
    backends: Iterable[NodeBackend], family: Family, families: Collection[Family], forwarding: Forwarding
) -> tuple[NodeBackend, ...]:
    """Those that a node balances over in a family; `families` are all of the port's, `forwarding` the port's own.

    A tunnel leads through the other family where that has no virtual address.
    """
    return tuple(each for each in backends if _serves(each, family, families, forwarding))


def _serves(backend: NodeBackend, family: Family, families: Collection[Family], forwarding: Forwarding) -> bool:
    own = Family.IPV6 if ":" in backend.address else Family.IPV4
    return own is family or (own not in families and (backend.forwarding or forwarding) is Forwarding.TUNNEL)


def needed(quorum: Quorum) -> int:
    """The weight with which a quorum is gained."""
    return quorum.up + quorum.hysteresis


def weighs_itself(checks: Iterable[HealthCheck]) -> bool:
    """Whether checks set weights, so that nobody knows them beforehand."""
    return any(check.script is not None and check.script.dynamic_weight for check in checks)


def beyond_reach(pool: Iterable[NodeBackend], quorum: Quorum) -> str:
    """What is wrong where all together have too little weight; empty: nothing, or there is no weight at all."""
    weights = [each.weight for each in pool if each.weight]
    total = sum(weights)
    if not weights or total >= needed(quorum):
        return ""
    asked = f"quorum.up with hysteresis needs {needed(quorum)}" if quorum.hysteresis else f"quorum.up needs {quorum.up}"
    together = f"all {len(weights)} backends together have" if len(weights) > 1 else "the only backend has"
    return f"{asked}; {together} {total}: lower spec.quorum.up"


def out_of_reach(
    quorum: Quorum,
    checks: Iterable[HealthCheck],
    backends: Collection[NodeBackend],
    families: Collection[Family],
    forwarding: Forwarding,
) -> Iterator[str]:
    """For each family whose backends can't have a quorum, whatever is up, what is wrong."""
    if weighs_itself(checks):
        return
    for family in sorted(families):
        if wrong := beyond_reach(pool_of(backends, family, families, forwarding), quorum):
            yield f"{family}: {wrong}"
