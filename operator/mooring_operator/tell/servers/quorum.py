"""What a holder's report of a port means, in words: who answers, and how much is missing where there is no quorum."""

from collections.abc import Iterable, Mapping, Sequence

from mooring_api.node_server import NodeVirtualServer
from mooring_api.nodeconfig_status import VirtualServerReport
from mooring_api.virtualserver_status import BackendState, BackendStatus, ServerPortStatus
from mooring_api.vrrp import Family
from mooring_operator.plan.servers.quorums import beyond_reach, needed, pool_of, weighs_itself
from mooring_operator.tell.servers.programmed import families_of
from mooring_operator.words.phrases import clipped, listed
from mooring_operator.words.server_reasons import ServerReason

#: So many backends are named in a message, with as much of the reason.
_NAMED, _REASON_LENGTH = 3, 80


def meaning(
    status: ServerPortStatus,
    reports: Sequence[VirtualServerReport],
    entries: Mapping[str, NodeVirtualServer],
    held: Mapping[Family, Sequence[str]],
) -> tuple[ServerReason, str]:
    """What one node's counts mean. `status` sums its `reports` up, of which each is of a family.

    `entries` are those that it runs, by name; `held` the addresses that it holds.
    """
    total = status.up + status.down
    counted = f"{status.up} of {total} backends are up on {status.node}{down_ones(status.backends, status.down)}"
    if status.quorum:
        return (ServerReason.DEGRADED if status.down else ServerReason.READY), counted
    lacking = [report for report in reports if not report.quorum]
    sorry = [report.family for report in lacking if report.sorry]
    alone = [report for report in lacking if not report.sorry]
    if sorry and not alone:
        return ServerReason.SORRY_SERVER, f"the sorry server answers; {counted}"
    if sorry:
        return ServerReason.NO_QUORUM, f"{_half(sorry, alone, held)}; {counted}"
    if not total:
        draining = f"; {status.draining} {_is(status.draining)} draining" if status.draining else ""
        return ServerReason.NO_BACKENDS, f"there are no backends on {status.node}{draining}"
    lacks = (
        f"{f'{each.family}: ' if len(reports) > 1 else ''}{_lack(each, entries.get(each.name))}" for each in lacking
    )
    return ServerReason.NO_QUORUM, f"{listed(lacks, '; ')}; {counted}"


def _half(sorry: Sequence[Family], alone: Sequence[VirtualServerReport], held: Mapping[Family, Sequence[str]]) -> str:
    """A sorry server is of one family."""
    answered = listed(address for family in sorry for address in held.get(family, ()))
    lost = listed(address for report in alone for address in held.get(report.family, ()))
    nobody = f"there is no quorum on {lost}" if any(report.up for report in alone) else f"nobody answers on {lost}"
    return f"the sorry server answers on {answered}; {nobody} (it is {listed(sorry)})"


def _lack(report: VirtualServerReport, entry: NodeVirtualServer | None) -> str:
    """How much weight is up, and how much it takes; what the node runs tells the weights."""
    if entry is None or weighs_itself(entry.health_checks):
        return "no quorum"
    pool = pool_of(entry.backends, report.family, families_of(entry), entry.forwarding)
    weights = {(each.address, each.port or entry.port or 0): each.weight for each in pool}
    up = _up(report, weights)
    if up is None:
        return "no quorum"
    if wrong := beyond_reach(pool, entry.quorum):
        return f"no quorum: weight {up} is up, {wrong}"
    need = needed(entry.quorum)
    return f"no quorum: weight {up} of {sum(weights.values())} is up, {need} {_is(need)} needed"


def _up(report: VirtualServerReport, weights: Mapping[tuple[str, int], int]) -> int | None:
    """The weight that is up; None: the report lists too little to know."""
    if not report.up:
        return 0
    if len(kinds := {weight for weight in weights.values() if weight}) == 1 and len(weights) == report.up + report.down:
        return report.up * kinds.pop()
    out = [each for each in report.backends if each.state is not BackendState.UP]
    if len(out) < report.down + report.draining:
        return None
    return sum(weights.values()) - sum(weights.get((each.address, each.port), 0) for each in out)


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def down_ones(backends: Iterable[BackendStatus], count: int) -> str:
    """`; down: 10.1.0.3:8443 (connection refused)`, for some of those that are; empty where none is."""
    down = [called(backend) for backend in backends if backend.state is BackendState.DOWN][:_NAMED]
    more = f", and {count - len(down)} more" if count > len(down) else ""
    return f"; down: {', '.join(down)}{more}" if down else ""


def called(backend: BackendStatus) -> str:
    """`10.1.0.3:8443 (connection refused)`."""
    host = f"[{backend.address}]" if ":" in backend.address else backend.address
    place = f"{host}:{backend.port}" if backend.port else backend.address
    return f"{place} ({clipped(backend.reason, _REASON_LENGTH)})" if backend.reason else place
