"""The demo of balancing: addresses that are balanced over real HTTP servers, which die, are drained, and come back.

`python -m mooring_lab.balancing`; exit code 0 only if everything it claims was seen by a client's requests. Where this
kernel has no IPVS it boots the guest kernel (`make guest-kernel`) and runs there: in a time in which computing costs
nothing, so what it measures is what the programs decided to wait. `--real-time` lets the guest have the host's clock.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from mooring_kube.client import Client
from mooring_kube.errors import KubeError
from mooring_kube.resources import VIRTUAL_SERVERS
from mooring_lab import workloads
from mooring_lab.cluster import ApiKind
from mooring_lab.demo_steps import Steps
from mooring_lab.demo_view import View
from mooring_lab.guest_again import has_ipvs, run_again
from mooring_lab.lab import Lab
from mooring_lab.node import Node
from mooring_lab.rights import LabError
from mooring_lab.servers import Place, WebServer
from mooring_lab.visits import Download, Visitor, tally, visit
from mooring_lab.wait import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"
NAME = "balancing"
_WEB, _WEB_V6, _EDGE = "10.0.0.120", "fd00:10::120", "10.0.0.130"
#: Both examples check each second for half a second, and once more after a quarter.
OUT_SECONDS = 1.0 + 0.5 + (0.25 + 0.5)
#: Their adverts go out once a second: master-down is 3 s and a skew of less than one.
TAKEOVER_SECONDS = 4.0
#: Between two requests of the client; what it sees is late by so much at most.
_EVERY = 0.05
#: So long it waits for a reply where it asks when somebody answers again.
_PATIENCE = 0.3
_SETTLE_SECONDS = 30.0
_DOWNLOADS = 12


@dataclass(slots=True)
class Balancing(Steps):
    """One run."""

    client: Client | None = field(default=None, kw_only=True)

    def run(self) -> bool:
        """All steps; whether everything was seen."""
        self.start()
        self.masquerade()
        self.a_server_dies(self.lab.server("web-2"), _WEB)
        self.a_pod_is_drained(self.lab.server("web-3"))
        self.the_holder_dies(_WEB, Place.POD)
        self.all_die(Place.POD, _WEB)
        self.direct_routing()
        self.a_server_dies(self.lab.server("edge-2"), _EDGE)
        self.the_holder_hands_over()
        self.the_holder_dies(_EDGE, Place.NODE, downloads=True)
        self.all_die(Place.NODE, _EDGE)
        return self.verdict()

    def close(self) -> None:
        """Let go of the API server."""
        if self.client is not None:
            self.client.close()

    # -- steps

    def start(self) -> None:
        self.view.step("A cluster of three nodes with a pod and a server of its own on each, and a server beside it")
        self.kubectl("get", "nodes")
        self.kubectl("get", "pods", "--all-namespaces", "-o", "wide")

    def masquerade(self) -> None:
        self.view.step("Two addresses, balanced over the pods: examples/ingress-nat.yaml")
        self.kubectl("apply", "-f", os.path.relpath(EXAMPLES / "ingress-nat.yaml"))
        for address in (_WEB, _WEB_V6):
            self.answered_by(address, self.names(Place.POD), "requests go round all pods")
        self.shown("web", "6/6")  # three pods with two addresses each

    def direct_routing(self) -> None:
        self.view.step("An address for the servers on the nodes themselves: examples/ingress-dr.yaml")
        self.kubectl("apply", "-f", os.path.relpath(EXAMPLES / "ingress-dr.yaml"))
        self.answered_by(_EDGE, self.names(Place.NODE), "requests go round all nodes")
        self.shown("edge", "3/3")

    def a_server_dies(self, server: WebServer, address: str) -> None:
        self.view.step(f"{server.name} is killed; Kubernetes does not know")
        with self.visiting(address) as visitor:
            time.sleep(1)
            died = time.monotonic()
            server.kill()
            time.sleep(OUT_SECONDS + 2)
        failed = visitor.failures(died)
        out = failed[-1].at - died if failed else 0.0
        self.claim(
            f"it is out after {out:.2f} s (at most {OUT_SECONDS:.2f} s): {len(failed)} of"
            f" {len(visitor.visits)} requests failed, none after that",
            bool(failed) and out < OUT_SECONDS + _EVERY,
        )
        self.shown(*(("web", "4/6") if server.place is Place.POD else ("edge", "2/3")))
        started = time.monotonic()
        server.start()
        seen = self.until(address, self.names(server.place))
        self.claim(f"it is back {time.monotonic() - started:.2f} s after it was started ({seen})", bool(seen))

    def a_pod_is_drained(self, server: WebServer) -> None:
        self.view.step(f"The pod {server.name} is deleted while it serves a download of 6 s")
        download = self.download_from(server)
        workloads.drain(self.api, server)
        left = self.names(Place.POD) - {server.name}
        self.answered_by(_WEB, left, "new requests go to the others")
        self.claim("its download came to its end", download.wait(_SETTLE_SECONDS))
        workloads.register(self.api, server)
        self.answered_by(_WEB, self.names(Place.POD), "a new pod is in")

    def the_holder_hands_over(self) -> None:
        holder = self.holder(_EDGE)
        self.view.step(f"{holder.name} hands over while it directs {_DOWNLOADS} downloads: mooring-node maintenance on")
        downloads = self.downloads(15)
        with self.visiting(_EDGE) as visitor:
            holder.maintenance(True)
            self.settle(lambda: self.holder(_EDGE) is not holder)
            time.sleep(1)
        whole = [each.wait(_SETTLE_SECONDS) for each in downloads]
        self.claim(f"{whole.count(True)} of {len(whole)} downloads came to their end", all(whole))
        self.claim(f"{len(visitor.failures())} of {len(visitor.visits)} new requests failed", not visitor.failures())
        holder.maintenance(False)
        self.settle(lambda: self.holder(_EDGE) is holder)

    def the_holder_dies(self, address: str, place: Place, *, downloads: bool = False) -> None:
        holder = self.holder(address)
        self.view.step(f"{holder.name}, which holds {address}, loses its power, and what ran on it is gone")
        running = self.downloads(15) if downloads else []
        with self.visiting(address, _PATIENCE) as visitor:
            time.sleep(0.5)
            died = time.monotonic()
            holder.fault_node()
            self.settle(lambda: bool(self.lab.holders().get(address)))
            time.sleep(OUT_SECONDS + 1)
        next_holder = self.holder(address)
        failed, back = visitor.failures(died), visitor.back(died)
        gap = back - failed[0].at if failed and back else float("inf")
        self.claim(
            f"{next_holder.name} balances {gap:.2f} s after the last that it did (adverts of 1 s: at most"
            f" {TAKEOVER_SECONDS:.0f} s)",
            gap < TAKEOVER_SECONDS + _EVERY + _PATIENCE,
        )
        left = {server.name for server in self.lab.servers if server.place is place and server.node != holder.name}
        self.answered_by(address, left, "the servers of the other nodes answer")
        if running:
            self.outlived(running, holder)
        holder.heal()
        self.lab.cluster.set_ready(holder.name, True)
        self.answered_by(address, self.names(place), f"{holder.name} is back, and all answer")

    def outlived(self, downloads: Sequence[Download], dead: Node) -> None:
        whole = {each: each.wait(_SETTLE_SECONDS) for each in downloads}
        elsewhere = [each for each in downloads if self.lab.server(each.server or "").node != dead.name]
        self.claim(
            f"{sum(whole.values())} of {len(downloads)} downloads outlived it: all {len(elsewhere)} that it did not"
            " serve itself",
            all(whole[each] for each in elsewhere),
        )

    def all_die(self, place: Place, address: str) -> None:
        self.view.step("All of them are killed")
        servers = [server for server in self.lab.servers if server.place is place]
        died = time.monotonic()
        for server in servers:
            server.kill()
        self.answered_by(address, {"server-1"}, "the sorry server answers", since=died)
        self.view.step("They are started again")
        for server in servers:
            server.start()
        self.answered_by(address, {server.name for server in servers}, "all answer again")

    # -- parts

    @property
    def api(self) -> Client:
        if self.client is None:
            self.client = self.lab.cluster.client()
        return self.client

    def names(self, place: Place) -> set[str]:
        return {server.name for server in self.lab.servers if server.place is place}

    def holder(self, address: str) -> Node:
        """The node that holds it; LabError when none or two do."""
        holders = self.lab.holders().get(address, ())
        if len(holders) != 1:
            raise LabError(f"{address} is held by {' and '.join(holders) or 'nobody'}")
        return self.lab.node(holders[0])

    def settle(self, done: Callable[[], bool]) -> None:
        """Wait for a state that is claimed afterwards."""

        def settled() -> bool:
            try:
                return done()
            except LabError:
                return False

        wait_until(settled, _SETTLE_SECONDS, "the addresses to be where they should", every=_EVERY)

    def visiting(self, address: str, timeout: float = 1.0) -> Visitor:
        return Visitor(self.lab.client.namespace, _url(address), _EVERY, timeout)

    def until(self, address: str, names: set[str]) -> str:
        """Wait until these answer and nobody else; who answered how often, empty when others did."""
        seen: dict[str, int] = {}

        def settled() -> bool:
            nonlocal seen
            asked = (visit(self.lab.client.namespace, _url(address), 1.0) for _ in range(4 * len(names)))
            seen = tally(asked)
            return set(seen) == names

        try:
            wait_until(settled, _SETTLE_SECONDS, "the servers to answer", every=_EVERY)
        except TimeoutError:
            self.view.say(f"  {seen}", plain=True)
            return ""
        return ", ".join(f"{name} {count}" for name, count in seen.items())

    def answered_by(self, address: str, names: set[str], text: str, since: float | None = None) -> None:
        """Claim that these answer and nobody else, as soon as they do."""
        seen = self.until(address, names)
        after = "" if since is None else f" after {time.monotonic() - since:.2f} s"
        self.claim(f"{address}: {text}{after} ({seen or 'others answered'})", bool(seen))

    def download_from(self, server: WebServer) -> Download:
        """A download that this pod serves."""
        for _ in range(4 * len(self.names(server.place))):
            made = Download(self.lab.client.namespace, _url(_WEB, "/download/6"))
            if made.server == server.name:
                return made
        raise LabError(f"{server.name} got none of many downloads")

    def downloads(self, seconds: int) -> list[Download]:
        """So long that the next director has been told of them when they have run for some seconds."""
        url = _url(_EDGE, f"/download/{seconds}")
        made = [Download(self.lab.client.namespace, url) for _ in range(_DOWNLOADS)]
        time.sleep(3)
        return made

    def shown(self, name: str, backends: str) -> None:
        """Wait until kubectl says so many backends are up, show it, and claim it. Its namespace has the same name."""

        def told() -> bool:
            status = self.api.get(VIRTUAL_SERVERS, name, name).get("status", {})
            return bool(status.get("backendSummary") == backends)

        with suppress(TimeoutError):  # what is there instead is shown
            wait_until(told, _SETTLE_SECONDS, "the backends", every=0.2)
        found = self.kubectl("-n", name, "get", "virtualserver", name)
        self.claim(f"kubectl get virtualserver says {backends}", f" {backends} " in found)


def _url(address: str, path: str = "/") -> str:
    return f"http://[{address}]{path}" if ":" in address else f"http://{address}{path}"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything was seen, 1 when not, 130 when interrupted."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog="mooring_lab.balancing", description="balance, and lose what can be lost")
    parser.add_argument("--real-time", action="store_true", help="in a guest kernel: the host's clock")
    options = parser.parse_args(given)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        if not has_ipvs():
            clock = "the host's clock" if options.real_time else "a clock for which computing costs no time"
            sys.stdout.write(f"This kernel has no IPVS: the demo runs in a guest kernel, with {clock}.\n")
            sys.stdout.flush()
            return run_again("mooring_lab.balancing", given, time_travel=not options.real_time)
        with Lab(NAME, 3, api=ApiKind.EMBEDDED, servers=1, pods=3, host_servers=3) as lab:
            view = View([(node.name, node.member.mac) for node in lab.nodes])
            demo = Balancing(lab, view)
            try:
                return 0 if demo.run() else 1
            finally:
                demo.close()
    except (LabError, KubeError, TimeoutError, OSError) as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _terminated(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
