"""How fast kubectl tells the truth, on three lab nodes: apply to Programmed, and a change of holder to its column.

Run as root: python -m benchmarks.cluster.latency [--api embedded|real] [--rounds 100]
"""

import argparse
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mooring_kube.client import Client
from mooring_kube.errors import KubeError
from mooring_kube.follow import Follower
from mooring_kube.resources import VIRTUAL_IPS
from mooring_lab.cluster import ApiKind
from mooring_lab.lab import Lab

NAME = "latency"
_PATIENCE_S = 30.0
_MOVES = 10
Document = dict[str, Any]


class Seen:
    """The last state of each VirtualIP as a watch tells it, the moment it does."""

    def __init__(self) -> None:
        self._statuses: dict[str, Document] = {}
        self._changed = threading.Condition()

    def listed(self, items: Iterable[Document]) -> None:
        for item in items:
            self.changed(item)

    def changed(self, item: Document) -> None:
        with self._changed:
            self._statuses[item["metadata"]["name"]] = item
            self._changed.notify_all()

    def deleted(self, item: Document) -> None:
        with self._changed:
            self._statuses.pop(item["metadata"]["name"], None)
            self._changed.notify_all()

    def failed(self, error: KubeError) -> None:
        sys.stderr.write(f"the watch: {error}\n")

    def wait(self, name: str, predicate: Callable[[Document], bool]) -> float:
        """The time (time.monotonic) at which it is so; TimeoutError when it never is."""
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self._statuses.get(name, {})), _PATIENCE_S):
                raise TimeoutError(f"{name}: {self._statuses.get(name, {}).get('status')}")
            return time.monotonic()


def condition(item: Document, kind: str) -> bool:
    """Whether it is True for the object's present generation."""
    wanted = item.get("metadata", {}).get("generation")
    found = item.get("status", {}).get("conditions", ())
    return any(c["type"] == kind and c["status"] == "True" and c.get("observedGeneration") == wanted for c in found)


def virtual_ip(number: int, nodes: int) -> Document:
    """A VirtualIP of one address, which all nodes may hold."""
    spec = {"addresses": [{"address": f"10.0.100.{number % 200 + 1}/16"}], "nodes": {"maxCandidates": nodes}}
    return {"metadata": {"name": f"latency-{number}"}, "spec": spec}


def apply_to_programmed(client: Client, seen: Seen, rounds: int, nodes: int) -> list[float]:
    """Seconds for each round: from the answer to the apply until all candidates have confirmed."""
    taken = []
    for number in range(rounds):
        client.apply(VIRTUAL_IPS, virtual_ip(number, nodes), manager="benchmark")
        start = time.monotonic()
        taken.append(seen.wait(f"latency-{number}", lambda item: condition(item, "Programmed")) - start)
        client.delete(VIRTUAL_IPS, f"latency-{number}")
        seen.wait(f"latency-{number}", lambda item: not item)
    return taken


def moves(lab: Lab, client: Client, seen: Seen) -> list[float]:
    """Seconds for each move: from the address on the next node until the status names that node."""
    client.apply(VIRTUAL_IPS, virtual_ip(0, len(lab.nodes)), manager="benchmark")
    seen.wait("latency-0", lambda item: condition(item, "Held"))
    return [_move(lab, seen) for _ in range(_MOVES)]


def _move(lab: Lab, seen: Seen) -> float:
    """There, measured, and back."""
    (holder,) = lab.holders()["10.0.100.1"]
    here = f"{holder}(1)"
    lab.node(holder).maintenance(True)
    moved_at = _moved(lab, holder)
    seen_at = seen.wait("latency-0", lambda item: item["status"]["holderSummary"] not in ("", here))
    lab.node(holder).maintenance(False)
    lab.wait_held({holder: {"10.0.100.1"}}, _PATIENCE_S)
    seen.wait("latency-0", lambda item: bool(item["status"]["holderSummary"] == here))
    return seen_at - moved_at


def _moved(lab: Lab, before: str) -> float:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        holders = lab.holders().get("10.0.100.1", ())
        if any(name != before for name in holders):
            return time.monotonic()
    raise TimeoutError(f"{before} still holds 10.0.100.1")


def shown(text: str, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    median = statistics.median(ordered)
    sys.stdout.write(
        f"{text}: p50 {1000 * median:.0f} ms, p99 {1000 * p99:.0f} ms, longest {1000 * ordered[-1]:.0f} ms"
        f" ({len(ordered)} times)\n"
    )
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", choices=[kind.value for kind in ApiKind], default=ApiKind.EMBEDDED.value)
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Lab(NAME, nodes=3, api=ApiKind(options.api)) as lab:
        client = lab.cluster.client()
        seen = Seen()
        follower = Follower(client, VIRTUAL_IPS, seen)
        follower.start()
        try:
            taken = apply_to_programmed(client, seen, options.rounds, len(lab.nodes))
            shown("apply to Programmed on all candidates", taken)
            shown("change of holder to its column", moves(lab, client, seen))
        finally:
            follower.stop()
            follower.join()
            client.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
