"""`python -m benchmarks.node_death`: for how long an address is gone when its holder's power cord is pulled.

Two nodes with an API server, the operator and our daemons, as a user has them: a VirtualIP that says nothing but its
address and its nodes. Prints; decides nothing. Exit codes: 0 when all was measured, 1 when something was not, 2 when
rights are missing.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from mooring_lab import rights
from mooring_lab.cluster import ApiKind
from mooring_lab.lab import Lab, remove
from mooring_lab.node import Node
from mooring_lab.rights import LabError
from mooring_lab.wait import wait_until

LAB = "benchdeath"
ADDRESS = "10.0.0.100"
#: None is a VirtualIP that does not say: adverts each second.
INTERVALS: tuple[str | None, ...] = (None, "100ms", "10ms")
ROUNDS = 7
_PATIENCE_SECONDS = 60.0
_QUIET_SECONDS = 0.3
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Cited:
    """What another system needed for the same, measured on two nodes of a lab like this one; it is not run here."""

    name: str
    text: str


#: kube-vip 1.x by ARP with leader election, over a real API server; packets every few milliseconds.
KUBE_VIP = (
    Cited("kube-vip, default leases (15 s, 10 s, 2 s)", "17.9 s (16.8 to 19.9)"),
    Cited("kube-vip, its fastest (3 s, 2 s, 1 s)", "4.1 s (4.1 to 5.1)"),
)


@dataclass(slots=True)
class Series:
    """The rounds at one interval: seconds without an answer, and packets lost of one each millisecond."""

    interval: str | None
    seconds: list[float] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"Mooring, adverts each {self.interval}" if self.interval else "Mooring, as it comes (adverts each 1s)"

    @property
    def text(self) -> str:
        low, middle, high = min(self.seconds), median(self.seconds), max(self.seconds)
        return f"{_seconds(middle)} ({_seconds(low)} to {_seconds(high)}), {median(self.lost):.0f} packets"

    def to_json(self) -> dict[str, Any]:
        return {"interval": self.interval or "1s", "seconds": self.seconds, "lost": self.lost}


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 1 else f"{1000 * value:.0f} ms"


def virtual_ip(interval: str | None) -> dict[str, Any]:
    """What is applied: defaults, but for the interval where one is asked for."""
    spec: dict[str, Any] = {
        "addresses": [{"address": f"{ADDRESS}/16"}],
        "nodes": {"selector": {"matchLabels": {"node-role.kubernetes.io/ingress": ""}}},
    }
    if interval:
        spec["vrrp"] = {"advertisementInterval": interval}
    return {"apiVersion": "mooring.dev/v1alpha1", "kind": "VirtualIP", "metadata": {"name": "web"}, "spec": spec}


class Bench:
    """The lab, and one death at a time."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def measure(self, interval: str | None, rounds: int) -> Series:
        """So many deaths of the holder, each at a moment of its own between two adverts."""
        self._apply(interval)
        series = Series(interval)
        for _ in range(rounds):
            holder = self._settled()
            seconds, lost = self._death(holder)
            series.seconds.append(seconds)
            series.lost.append(lost)
            sys.stderr.write(f"{series.name}: {_seconds(seconds)}, {lost} packets\n")
            holder.heal()
            self._lab.wait_held({holder.name: {ADDRESS}}, _PATIENCE_SECONDS)
        return series

    def _apply(self, interval: str | None) -> None:
        kubectl = self._lab.cluster.kubectl
        done = kubectl("apply", "-f", "-", stdin=json.dumps(virtual_ip(interval)))
        if not done.returncode:
            done = kubectl("wait", "--for=condition=Programmed", "vip/web", f"--timeout={_PATIENCE_SECONDS:.0f}s")
        if done.returncode:
            raise LabError(done.stderr.strip())

    def _settled(self) -> Node:
        """The holder, when one node alone holds the address and another daemon is there to take it."""

        def so() -> Node | None:
            held = self._lab.holders().get(ADDRESS, ())
            heard = all((node.daemon_status() or {}).get("groups") for node in self._lab.nodes)
            return self._lab.node(held[0]) if len(held) == 1 and heard else None

        found = wait_until(so, _PATIENCE_SECONDS, "one holder and a Backup", every=_POLL_SECONDS)
        assert found
        return found

    def _death(self, holder: Node) -> tuple[float, int]:
        """From the first packet that nobody answered to the first reply of the other node; how many were lost."""
        (other,) = (node for node in self._lab.nodes if node is not holder)
        with self._lab.client.measure([ADDRESS]) as measurement:
            # Not in step with the adverts, of which the longest come each second.
            time.sleep(_QUIET_SECONDS + random.random())
            start = measurement.now()
            holder.fault_node()
            self._lab.wait_held({other.name: {ADDRESS}}, _PATIENCE_SECONDS)
            time.sleep(_QUIET_SECONDS)
        seen = measurement.result(start)[ADDRESS]
        if not seen.answered_at_the_end or seen.last_holder != other.member.mac:
            raise LabError(f"{other.name} has {ADDRESS} and does not answer for it")
        return sum(outage.milliseconds for outage in seen.outages) / 1000, seen.lost


def table(measured: Sequence[Series]) -> str:
    """Ours, then what is cited."""
    rows = [(series.name, series.text) for series in measured] + [(each.name, each.text) for each in KUBE_VIP]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {text}" for name, text in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.node_death", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"at each interval ({ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="one round each, to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to a file, too")
    options = parser.parse_args(arguments)
    try:
        rights.require()
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    remove(LAB)  # one that was killed has left it
    with Lab(LAB, nodes=2, api=ApiKind.EMBEDDED) as lab:
        bench = Bench(lab)
        measured = [bench.measure(interval, 1 if options.quick else options.rounds) for interval in INTERVALS]
    print("Power cord of the holder pulled: the address answers nobody for (median and range; kube-vip's are cited)")
    print(table(measured))
    if options.json:
        options.json.write_text(json.dumps([each.to_json() for each in measured], indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
