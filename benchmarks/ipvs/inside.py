"""One measurement, inside the guest: `python -m benchmarks.ipvs.inside ours|keepalived|ipvsadm`. Prints JSON."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from mooring_node.ipvs.kernel import Ipvs
from mooring_node.ipvs.owned import Owned
from mooring_node.ipvs.reconcile import Reconciler
from mooring_node.ipvs.table import TCP, Balanced, Destination, DestinationKey, Service, ServiceKey

SERVICES, BACKENDS = 1000, 10
CHANGES = 50
POLL_SECONDS = 0.02
LIMIT_SECONDS = 120.0

Figures = dict[str, float]


def table() -> dict[ServiceKey, Balanced]:
    """What is set: each service with backends of its own."""
    made = {}
    for number in range(SERVICES):
        high, low = divmod(number, 250)
        backends = {DestinationKey(f"10.{high}.{low}.{last}", 8080): Destination(1) for last in range(1, BACKENDS + 1)}
        made[ServiceKey(4, TCP, f"198.18.{high}.{low + 1}", 80)] = Balanced(Service("wlc"), backends)
    return made


def ours(folder: Path) -> Figures:
    """The reconciler, from an empty kernel; then changes of one backend, and an audit."""
    wanted = table()
    with Ipvs() as ipvs:
        reconciler = Reconciler(ipvs, Owned(folder / "ipvs.json"))
        start = time.perf_counter()
        reconciler.want(wanted)
        _run(reconciler)
        figures = {"table_s": time.perf_counter() - start, "table_writes": float(ipvs.writes)}
        _check(ipvs, wanted)
        figures |= _changes(ipvs, reconciler, wanted)
        figures |= _audit(reconciler)
    return figures


def keepalived(folder: Path) -> Figures:
    """From the start of its checker alone to the whole table."""
    configuration = folder / "keepalived.conf"
    configuration.write_text("global_defs {\n    router_id bench\n}\n" + "\n".join(_keepalived(table())))
    program = ["keepalived", "--dont-fork", "--check", "--use-file", str(configuration)]
    start = time.perf_counter()
    with subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        try:
            return {"table_s": _until_whole(start)}
        finally:
            daemon.kill()


def ipvsadm(_folder: Path) -> Figures:
    """`ipvsadm --restore`, from its start to its end."""
    lines = []
    for key, each in table().items():
        lines.append(f"-A -t {key.address}:{key.port} -s {each.service.scheduler}")
        lines += [f"-a -t {key.address}:{key.port} -r {to.address}:{to.port} -m -w 1" for to in each.destinations]
    start = time.perf_counter()
    subprocess.run(["ipvsadm", "--restore"], input="\n".join(lines), text=True, check=True)
    took = time.perf_counter() - start
    with Ipvs() as ipvs:
        _check(ipvs, table())
    return {"table_s": took}


def _run(reconciler: Reconciler, now_ns: int = 0) -> float:
    """Turns until nothing is left to do; the longest, in seconds."""
    longest = 0.0
    while True:
        start = time.perf_counter()
        due_ns = reconciler.turn(now_ns)
        longest = max(longest, time.perf_counter() - start)
        if due_ns > now_ns:
            return longest


def _changes(ipvs: Ipvs, reconciler: Reconciler, wanted: Mapping[ServiceKey, Balanced]) -> Figures:
    """A backend of one service after another gets weight 0."""
    took, writes, messages = [], ipvs.writes, ipvs.messages_sent
    current = dict(wanted)
    for key in list(current)[:: SERVICES // CHANGES]:
        before = current[key]
        first = next(iter(before.destinations))
        start = time.perf_counter()
        changed = Balanced(
            before.service, {**before.destinations, first: replace(before.destinations[first], weight=0)}
        )
        current = {**current, key: changed}
        reconciler.want(current)
        _run(reconciler)
        took.append(time.perf_counter() - start)
    _check(ipvs, current)
    return {
        "change_ms": 1000 * sorted(took)[len(took) // 2],
        "change_worst_ms": 1000 * max(took),
        "change_writes": (ipvs.writes - writes) / len(took),
        "change_messages": (ipvs.messages_sent - messages) / len(took),
    }


def _audit(reconciler: Reconciler) -> Figures:
    reconciler.audit_soon()
    start = time.perf_counter()
    longest = _run(reconciler)
    return {"audit_s": time.perf_counter() - start, "audit_turn_ms": 1000 * longest}


def _until_whole(start: float) -> float:
    last = list(table())[-1]
    with Ipvs() as ipvs:
        while time.perf_counter() - start < LIMIT_SECONDS:
            if len(ipvs.destinations(last)) == BACKENDS:
                took = time.perf_counter() - start
                if len(ipvs.services()) == SERVICES:
                    _check(ipvs, table())
                    return took
            time.sleep(POLL_SECONDS)
    raise TimeoutError("the table did not become whole")


def _check(ipvs: Ipvs, wanted: Mapping[ServiceKey, Balanced]) -> None:
    found = ipvs.read()
    if found != wanted:
        raise AssertionError(f"{len(found)} services, and not as they were to be")


def _keepalived(wanted: Mapping[ServiceKey, Balanced]) -> list[str]:
    lines = []
    for key, each in wanted.items():
        lines.append(f"virtual_server {key.address} {key.port} {{")
        lines.append(f"    lvs_sched {each.service.scheduler}\n    lvs_method NAT\n    protocol TCP")
        lines += [f"    real_server {to.address} {to.port} {{\n        weight 1\n    }}" for to in each.destinations]
        lines.append("}")
    return lines


SYSTEMS: Mapping[str, Callable[[Path], Figures]] = {"ours": ours, "keepalived": keepalived, "ipvsadm": ipvsadm}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(SYSTEMS[sys.argv[1]](Path(folder))))


if __name__ == "__main__":
    main()
