"""How fast kubectl tells the truth, on three lab nodes: apply to Programmed, and a change of holder to its column.

The second is measured for moves after a quiet time, as in a cluster that is well, and for moves that follow at once on
the one before: a daemon writes its status at most once a second.

Run as root: python -m benchmarks.cluster.latency [--api embedded|real] [--rounds 100] [--moves 20]
"""

import argparse
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from mooring_kube.client import Client
from mooring_kube.errors import KubeError
from mooring_kube.follow import Follower
from mooring_kube.resources import VIRTUAL_IPS
from mooring_lab.cluster import ApiKind
from mooring_lab.lab import Lab
from mooring_lab.wait import wait_until

NAME = "latency"
_PATIENCE_S = 30.0
#: Longer than a daemon waits after one status before it writes the next.
_QUIET_S = 1.5
_MOVED = "10.0.100.1"
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


def virtual_ip(number: int, nodes: int, interval: str = "1s") -> Document:
    """A VirtualIP of one address, which all nodes may hold."""
    spec = {
        "addresses": [{"address": f"10.0.100.{number % 200 + 1}/16"}],
        "nodes": {"maxCandidates": nodes},
        "vrrp": {"advertisementInterval": interval},
    }
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


def moves(lab: Lab, seen: Seen, home: str, rounds: int, pause_s: float) -> list[float]:
    """Seconds for each move: from the address on the next node until the status names that node."""
    taken = []
    for _ in range(rounds):
        for away in (True, False):
            # What is measured is what comes after a time in which nothing was written.
            time.sleep(pause_s)
            lab.node(home).maintenance(away)
            moved_at = _moved(lab, home, away=away)
            taken.append(seen.wait("latency-0", partial(_says, home, away)) - moved_at)
    return taken


def settled(lab: Lab, client: Client, seen: Seen) -> str:
    """Have an address held; the node that holds it whenever it can."""
    client.apply(VIRTUAL_IPS, virtual_ip(0, len(lab.nodes), "100ms"), manager="benchmark")
    seen.wait("latency-0", lambda item: condition(item, "Held"))
    home = str(client.get(VIRTUAL_IPS, "latency-0")["status"]["groups"][0]["order"][0]["node"])
    lab.wait_held({home: {_MOVED}}, _PATIENCE_S)
    seen.wait("latency-0", partial(_says, home, False))
    return home


def _says(home: str, away: bool, item: Document) -> bool:
    """Whether the status names `home`, or another node, as the holder."""
    found = str(item.get("status", {}).get("holderSummary") or "").partition("(")[0]
    return bool(found) and (found != home) is away


def _moved(lab: Lab, home: str, *, away: bool) -> float:
    """When another node than `home`, or `home` again, has the address."""

    def there() -> bool:
        holders = lab.holders().get(_MOVED, ())
        return any((name != home) is away for name in holders)

    wait_until(there, _PATIENCE_S, "the address to move", [node.kernel for node in lab.nodes])
    return time.monotonic()


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
    parser.add_argument("--moves", type=int, default=20)
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
            home = settled(lab, client, seen)
            for text, pause_s in (("after a quiet time", _QUIET_S), ("one after the other", 0.0)):
                shown(f"change of holder to its column, {text}", moves(lab, seen, home, options.moves, pause_s))
        finally:
            follower.stop()
            follower.join()
            client.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
