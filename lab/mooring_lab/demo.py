"""The demo: a dual-master pair loses a node, gets it back, and hands over without a gap, measured by a client.

`python -m mooring_lab.demo [--keep]`; exit code 0 only if everything it claims was seen.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from mooring_api.problems import InvalidObject
from mooring_lab import status
from mooring_lab.apply import apply
from mooring_lab.demo_view import View, shown
from mooring_lab.lab import Lab
from mooring_lab.node import Node
from mooring_lab.probe import Recording, Result, analyse
from mooring_lab.rights import LabError

EXAMPLE = Path(__file__).parents[2] / "examples" / "dual-master"
NAME = "demo"
MOST_LOST_AT_STOP = 5
#: Adverts go out once a second: master-down is 3 s and a skew; the rest is for a machine that is busy.
_MOVE_SECONDS = 30.0
_AROUND_SECONDS = 1.0


@dataclass(slots=True)
class Demo:
    """One run. `failed` holds the claims that were not seen."""

    lab: Lab
    view: View
    first: frozenset[str] = frozenset()
    second: frozenset[str] = frozenset()
    failed: list[str] = field(default_factory=list)

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
        self.cut()
        self.heal()
        self.stop()
        self.view.say("")
        if self.failed:
            self.view.say(f"[bold red]{len(self.failed)} claims were not seen.[/]")
        else:
            self.view.say("[bold green]Everything that was claimed was seen.[/]")
        return not self.failed

    def start(self) -> None:
        self.view.step("Two nodes, one client, and the eleven addresses of examples/dual-master")
        applied = apply(self.lab, [EXAMPLE])
        if applied.problems:
            raise LabError("\n".join(str(problem) for problem in applied.problems))
        groups = {instance.name: instance for instance in applied.configs[self.lb_1.name].spec.instances}
        self.first, self.second = (
            frozenset(a.address.partition("/")[0] for a in groups[name].addresses) for name in ("web-0", "web-1")
        )
        self.settle(f"lb-1 holds 6, lb-2 holds 5 ({shown(self.first)}; {shown(self.second)})", self.first, self.second)
        self.claim("the split is 6 + 5", (len(self.first), len(self.second)) == (6, 5))

    def cut(self) -> None:
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

    def heal(self) -> None:
        self.view.step("The link of lb-1 is mended")
        recording = self.watch(self.lb_1.heal, lambda: self.settle("6 + 5 again", self.first, self.second))
        result = analyse(recording)
        back = self.answered_by(result, self.first, self.lb_1) and self.answered_by(result, self.second, self.lb_2)
        self.claim(f"the client reaches six on lb-1 and five on lb-2 again; lost on the way: {result.most_lost}", back)

    def stop(self) -> None:
        self.view.step("The daemon of lb-1 is stopped (SIGTERM), as for an upgrade")
        recording = self.watch(
            self.lb_1.stop_daemon, lambda: self.settle("all eleven are on lb-2", frozenset(), self.all)
        )
        result = analyse(recording)
        few = result.most_lost <= MOST_LOST_AT_STOP
        self.claim(
            f"no address lost more than {MOST_LOST_AT_STOP} packets of one each millisecond (most: {result.most_lost})",
            few and self.answered_by(result, self.all, self.lb_2),
        )

    # -- parts

    @property
    def all(self) -> frozenset[str]:
        return self.first | self.second

    def watch(self, act: Callable[[], None], settle: Callable[[], None]) -> Recording:
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

    def claim(self, text: str, seen: bool) -> None:
        self.view.claim(text, seen)
        if not seen:
            self.failed.append(text)


def _keep(lab: Lab, view: View) -> None:
    """Leave the lab as it began, and say what to type next."""
    lab.nodes[0].heal()
    if not lab.nodes[0].daemon:
        lab.nodes[0].start_daemon()
    program = Path(sys.executable).with_name("mooring")
    here = Path.cwd()
    shortest = program.relative_to(here) if program.is_relative_to(here) else program
    view.step("The lab stays up. Next:")
    for words in ("status", "fault link lb-1", "heal lb-1", "exec --name NAME lb-1 -- ip addr", "down"):
        named = words.replace("NAME", lab.name) if "NAME" in words else f"{words} --name {lab.name}"
        view.say(f"  {shortest} lab {named}")
    view.say("  (more faults: node, one-way, loss, kill, stop)")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything was seen, 1 when not, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="mooring_lab.demo", description="lose a node and get it back")
    parser.add_argument("--keep", action="store_true", help="leave the lab up at the end")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    lab = Lab(NAME)
    try:
        lab.up()
    except LabError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    keep = False
    try:
        view = View([(node.name, node.member.mac) for node in lab.nodes])
        seen = Demo(lab, view).run()
        if options.keep:
            _keep(lab, view)
            keep = True
    except (LabError, InvalidObject, TimeoutError) as error:
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
