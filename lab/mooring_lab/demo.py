"""The demo: kubectl apply, and a pair of nodes that loses one, gets it back, is drained, and loses the API server.

`python -m mooring_lab.demo [--keep] [--api real]`; exit code 0 only if everything it claims was seen by a client's
packets, the kernels, and kubectl.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mooring_kube.errors import KubeError
from mooring_kube.resources import VIRTUAL_IPS
from mooring_lab import status
from mooring_lab.cluster import ApiKind
from mooring_lab.demo_steps import Steps
from mooring_lab.demo_view import View, shown
from mooring_lab.lab import Lab
from mooring_lab.node import Node
from mooring_lab.probe import Recording, Result, analyse
from mooring_lab.rights import LabError
from mooring_lab.wait import wait_until

EXAMPLE = Path(__file__).parents[2] / "examples" / "dual-master"
NAME = "demo"
MOST_LOST_AT_STOP = 5
#: Adverts go out once a second: master-down is 3 s and a skew; the rest is for a machine that is busy.
_MOVE_SECONDS = 30.0
_AROUND_SECONDS = 1.0
_PLAN_SECONDS = 20.0


@dataclass(slots=True)
class Demo(Steps):
    """One run."""

    first: frozenset[str] = frozenset()
    second: frozenset[str] = frozenset()

    @property
    def lb_1(self) -> Node:
        return self.lab.nodes[0]

    @property
    def lb_2(self) -> Node:
        return self.lab.nodes[1]

    @property
    def addresses(self) -> tuple[str, ...]:
        return status.in_order(self.first | self.second)

    def run(self) -> bool:
        """All steps; whether everything was seen."""
        self.start()
        with_api = self.cut()
        self.heal()
        self.drain()
        self.without_api(with_api)
        return self.verdict()

    def start(self) -> None:
        self.view.step("A cluster of two nodes, with an API server, the operator, and a daemon on each node")
        self.kubectl("get", "nodes")
        self.view.step("Eleven addresses are applied: examples/dual-master")
        self.kubectl("apply", "-f", os.path.relpath(EXAMPLE))
        groups = self.groups()
        self.first, self.second = groups["web-0"], groups["web-1"]
        self.settle(f"lb-1 holds 6, lb-2 holds 5 ({shown(self.first)}; {shown(self.second)})", self.first, self.second)
        self.claim("the split is 6 + 5", (len(self.first), len(self.second)) == (6, 5))
        self.holders("lb-1(6) lb-2(5)")

    def cut(self) -> float:
        """How long the addresses of the node that was cut were gone, in milliseconds."""
        self.view.step("The service link of lb-1 is cut")
        recording = self.watch(
            self.lb_1.fault_link, lambda: self.settle("all eleven are on lb-2", frozenset(), self.all)
        )
        result = analyse(recording)
        gone = [result[address].longest_gap for address in self.first]
        self.claim(
            f"the client reaches all eleven on lb-2; six were gone for up to {max(gone):.0f} ms",
            self.answered_by(result, self.all, self.lb_2) and min(gone) > 0,
        )
        self.view.say("  (1 s adverts: a silent node is given up after 3 s and a skew)")
        self.holders("lb-2(11)")
        return max(gone)

    def heal(self) -> None:
        self.view.step("The link of lb-1 is mended")
        recording = self.watch(self.lb_1.heal, lambda: self.settle("6 + 5 again", self.first, self.second))
        result = analyse(recording)
        back = self.answered_by(result, self.first, self.lb_1) and self.answered_by(result, self.second, self.lb_2)
        self.claim(f"the client reaches six on lb-1 and five on lb-2 again; lost on the way: {result.most_lost}", back)

    def drain(self) -> None:
        self.view.step("lb-1 is drained for an upgrade: cordoned first, then its daemon is stopped (SIGTERM)")
        recording = self.watch(
            lambda: self.kubectl("cordon", self.lb_1.name),
            lambda: self.settle("all eleven are on lb-2", frozenset(), self.all),
        )
        self.few_lost(recording)
        recording = self.watch(
            self.lb_1.stop_daemon, lambda: self.settle("all eleven stay on lb-2", frozenset(), self.all)
        )
        self.few_lost(recording)
        self.holders("lb-2(11)")
        self.lb_1.start_daemon()
        self.kubectl("uncordon", self.lb_1.name)
        self.settle("6 + 5 again", self.first, self.second)

    def without_api(self, with_api: float) -> None:
        self.view.step("The API server is killed, and then the service link of lb-1 is cut again")
        self.lab.cluster.api.kill_server()
        recording = self.watch(
            self.lb_1.fault_link, lambda: self.settle("all eleven are on lb-2", frozenset(), self.all)
        )
        result = analyse(recording)
        gone = max(result[address].longest_gap for address in self.first)
        self.claim(
            f"without an API server six were gone for up to {gone:.0f} ms; with one it was {with_api:.0f} ms",
            self.answered_by(result, self.all, self.lb_2),
        )
        self.view.step("The API server is back, and the link is mended")
        recording = self.watch(
            self.lab.cluster.api.restart_server,
            lambda: self.settle("no address moves when it is back", frozenset(), self.all),
        )
        self.few_lost(recording)
        self.lb_1.heal()
        self.settle("6 + 5 again", self.first, self.second)
        self.holders("lb-1(6) lb-2(5)")

    # -- parts

    @property
    def all(self) -> frozenset[str]:
        return self.first | self.second

    def groups(self) -> dict[str, frozenset[str]]:
        """The groups that the operator has made, by name, with their addresses."""
        client = self.lab.cluster.client()
        try:
            status = wait_until(
                lambda: client.get(VIRTUAL_IPS, "web").get("status", {}).get("groups"),
                _PLAN_SECONDS,
                f"the operator to plan; see {self.lab.cluster.operator_log}",
                every=0.1,
            )
        finally:
            client.close()
        return {group["name"]: frozenset(group["addresses"]) for group in status}

    def holders(self, expected: str) -> None:
        """Wait until `kubectl get vip` says it, show it, and claim it."""
        words = ("get", "vip", "web", "-o", "jsonpath={.status.holderSummary}")
        with suppress(TimeoutError):
            wait_until(
                lambda: self.lab.cluster.kubectl(*words).stdout == expected, _PLAN_SECONDS, "the holders", every=0.2
            )
        shown_there = self.kubectl("get", "vip")
        self.claim(f"kubectl get vip says {expected}", expected in shown_there)

    def few_lost(self, recording: Recording) -> None:
        """Claim that hardly a packet was lost, and that lb-2 answers for all."""
        result = analyse(recording)
        few = result.most_lost <= MOST_LOST_AT_STOP
        self.claim(
            f"no address lost more than {MOST_LOST_AT_STOP} packets of one each millisecond (most: {result.most_lost})",
            few and self.answered_by(result, self.all, self.lb_2),
        )

    def watch(self, act: Callable[[], object], settle: Callable[[], None]) -> Recording:
        """Measure while something is done and until it has settled, with a second before and after."""
        with self.lab.client.measure(self.addresses) as measurement:
            time.sleep(_AROUND_SECONDS)
            act()
            settle()
            time.sleep(_AROUND_SECONDS)
        recording = measurement.stop()
        self.view.measured(recording)
        return recording

    def settle(self, claim: str, first: frozenset[str], second: frozenset[str]) -> None:
        """Wait until the kernels hold this, show it, and claim it."""
        try:
            self.lab.wait_held({self.lb_1.name: first, self.lb_2.name: second}, _MOVE_SECONDS)
        except TimeoutError as error:
            self.view.say(str(error))
        self.view.held(status.gather(self.lab))
        self.claim(claim, (self.lb_1.held(), self.lb_2.held()) == (first, second))

    def answered_by(self, result: Result, addresses: frozenset[str], node: Node) -> bool:
        """Whether this node was the last to answer, and the last packet to each was answered."""
        return all(
            result[address].last_holder == node.member.mac and result[address].answered_at_the_end
            for address in addresses
        )


def _keep(lab: Lab, view: View) -> None:
    """Leave the lab as it began, and say what to type next."""
    lab.nodes[0].heal()
    if not lab.nodes[0].daemon:
        lab.nodes[0].start_daemon()
    program = Path(sys.executable).with_name("mooring")
    here = Path.cwd()
    shortest = program.relative_to(here) if program.is_relative_to(here) else program
    view.step("The lab stays up. Next:")
    view.say(f'  export KUBECONFIG="$({shortest} lab kubeconfig --name {lab.name})"', plain=True)
    for words in ("get vip", "describe vip web", "get nodeconfig lb-1 -o yaml"):
        view.say(f"  kubectl {words}   (or: {shortest} lab kubectl --name {lab.name} -- {words})", plain=True)
    for words in ("status", "fault link lb-1", "heal lb-1", "operator log", "down"):
        view.say(f"  {shortest} lab {words} --name {lab.name}", plain=True)
    view.say("  (more faults: node, one-way, loss, kill, stop)")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything was seen, 1 when not, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="mooring_lab.demo", description="lose a node and get it back")
    parser.add_argument("--api", choices=[kind.value for kind in ApiKind], default=ApiKind.EMBEDDED.value)
    parser.add_argument("--keep", action="store_true", help="leave the lab up at the end")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    lab = Lab(NAME, api=ApiKind(options.api))
    try:
        lab.up()
    except (LabError, TimeoutError) as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    keep = False
    try:
        view = View([(node.name, node.member.mac) for node in lab.nodes])
        seen = Demo(lab, view).run()
        if options.keep:
            _keep(lab, view)
            keep = True
    except (LabError, KubeError, TimeoutError) as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if keep:
            lab.close()
        else:
            lab.down()
    return 0 if seen else 1


def _terminated(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
