"""Whole daemons that balance real HTTP servers, in the guest kernel, with files for a configuration.

Three nodes, a pod behind each, a server on each node itself, and one beside the cluster that says sorry. The guest's
clock jumps to the next timer when everybody sleeps and computing takes none of its time, so what is measured is what
the programs decided to wait.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import yaml

from mooring_lab import namespace, visits
from mooring_lab.lab import Lab, default_daemon_command
from mooring_lab.node import DAEMON, Node
from mooring_lab.servers import Place, WebServer
from mooring_lab.visits import Download, Visit
from mooring_lab.wait import wait_until

ADDRESS, ADDRESS_V6 = "10.0.0.120", "fd00:10::120"
PORT = 80
_SETTLE_SECONDS = 20.0
_EVERY = 0.05

Document = dict[str, Any]
#: As examples/ingress-*.yaml have it: a dead server is out after 1 s + 0.5 s + (0.25 s + 0.5 s) at most.
CHECK: Document = {
    "name": "healthz",
    "interval": "1s",
    "timeout": "500ms",
    "retries": 1,
    "delayBeforeRetry": "250ms",
    "http": {"requests": [{"path": "/healthz"}]},
}
OUT_SECONDS = 1.0 + 0.5 + 1 * (0.25 + 0.5)


@dataclass(slots=True)
class Plan:
    """What all nodes are to run, as the operator would write it for each of them."""

    forwarding: str = "NAT"
    place: Place = Place.POD
    addresses: Sequence[str] = (ADDRESS, ADDRESS_V6)
    sync: bool = False
    tracking: Sequence[Document] = ()
    guard: str = ""
    on_failure: str = "Remove"
    left_out: frozenset[str] = frozenset()
    """The servers that are not listed."""
    server: Mapping[str, Any] = field(default_factory=dict)
    """More for each virtual server, or other values than those below."""

    def without(self, *names: str) -> "Plan":
        """The same with fewer servers."""
        return replace(self, left_out=self.left_out | set(names))


class Bench:
    """The lab, and what a client sees of it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    @property
    def sorry(self) -> WebServer:
        return self.lab.server("server-1")

    def backends(self, place: Place) -> tuple[WebServer, ...]:
        return tuple(server for server in self.lab.servers if server.place is place)

    def holder(self, address: str = ADDRESS) -> Node:
        """The one node whose kernel has the address, on another link than lo."""
        (name,) = self.lab.holders()[address]
        return self.lab.node(name)

    # -- configurations

    def config(self, node: Node, plan: Plan) -> str:
        """A node's NodeConfig."""
        servers = [self._virtual_server(node, plan, address) for address in plan.addresses]
        spec: Document = {
            "instances": [self._instance(node, plan, address) for address in plan.addresses],
            "virtualServers": servers,
        }
        if plan.forwarding != "NAT":
            tunnel = {"tunnel": "IPIP"} if plan.forwarding == "Tunnel" else {}
            spec["backendAddresses"] = [{"address": address, **tunnel} for address in plan.addresses]
        if plan.sync:
            spec["connectionSync"] = {"interface": "eth0", "syncID": 7}
        if plan.guard:
            guard = {"addresses": list(plan.addresses), "mode": plan.guard, "ports": [{"port": PORT}]}
            spec["portGuards"] = [guard]
        document = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": node.name}}
        return yaml.safe_dump({**document, "spec": spec}, sort_keys=False)

    def _instance(self, node: Node, plan: Plan, address: str) -> Document:
        is_v6 = ":" in address
        own = [each.member.link_local if is_v6 else each.address for each in self.lab.nodes]
        source = own[node.member.index]
        return {
            "name": "v6" if is_v6 else "v4",
            "syncGroup": "all",
            "interface": "eth0",
            "virtualRouterID": 52 if is_v6 else 51,
            "family": "IPv6" if is_v6 else "IPv4",
            "version": 3,
            "priority": 250 - 10 * node.member.index,
            "advertisementInterval": "100ms",
            "transport": {"type": "Unicast", "source": source, "peers": [each for each in own if each != source]},
            "addresses": [{"address": f"{address}/{64 if is_v6 else 16}"}],
            **({"tracking": list(plan.tracking)} if plan.tracking else {}),
        }

    def _virtual_server(self, node: Node, plan: Plan, address: str) -> Document:
        is_v6 = ":" in address
        port = 8080 if plan.forwarding == "NAT" else PORT
        others = [each.member.mac for each in self.lab.nodes if each is not node]
        listed = [server for server in self.backends(plan.place) if server.name not in plan.left_out]
        home = plan.place is Place.NODE and any(server.node == node.name for server in listed)
        backends = [
            {
                "address": server.machine.own_addresses[is_v6],
                "port": port,
                "host": server.name,
                "onFailure": plan.on_failure,
            }
            for server in listed
        ]
        sorry = {"address": self.sorry.machine.own_addresses[is_v6], "port": 8080, "forwarding": "NAT"}
        return {
            "name": f"web/web:http-{'v6' if is_v6 else 'v4'}",
            "virtualServer": "web/web",
            "addresses": [address],
            "port": PORT,
            "scheduler": "rr",
            "forwarding": plan.forwarding,
            **({"tunnel": {"type": "IPIP"}} if plan.forwarding == "Tunnel" else {}),
            "otherDirectors": others if home and plan.forwarding != "NAT" else [],
            "backends": backends,
            "sorryServer": sorry,
            "healthChecks": [CHECK],
            **plan.server,
        }

    def start(self, plan: Plan) -> None:
        """Start all daemons with it and wait until the first node holds the addresses and all servers answer."""
        for node in self.lab.nodes:
            node.start_daemon(self.config(node, plan))
        self.wait_held(self.lab.nodes[0], plan.addresses)
        names = {server.name for server in self.backends(plan.place)}
        for address in plan.addresses:
            self.wait_answered_by(names, address)

    def config_without_vrrp(self, node: Node, plan: Plan) -> str:
        """The same without instances: the address is somebody else's to set."""
        document = yaml.safe_load(self.config(node, plan))
        document["spec"]["instances"] = []
        return yaml.safe_dump(document, sort_keys=False)

    def start_checks_only(self, node: Node) -> None:
        """`mooring-node run --checks-only` with the file that is there."""
        source = ("--config", str(node.config_file), "--state-dir", str(node.state_dir), "--checks-only")
        node.start_program(DAEMON, [*default_daemon_command(), "run", *source], node.log_file)
        wait_until(lambda: node.daemon_status(1.0), _SETTLE_SECONDS, "the daemon to answer", every=_EVERY)

    # -- faults

    def cut(self, node: Node, rule: str) -> None:
        """Add a rule to what leaves a node, in a table of the test's own."""
        chain = "add chain inet cut out { type filter hook output priority 0; }"
        namespace.run(node.command("nft", "-f", "-"), f"add table inet cut\n{chain}\n{rule}\n")

    def mend(self, node: Node) -> None:
        namespace.run(node.command("nft", "delete", "table", "inet", "cut"))

    def wait_held(self, node: Node, addresses: Sequence[str] = (ADDRESS, ADDRESS_V6)) -> None:
        """Wait until a node, and nobody else, has the addresses."""
        others = {each.name: set[str]() for each in self.lab.nodes if each.powered}
        try:
            self.lab.wait_held({**others, node.name: set(addresses)}, _SETTLE_SECONDS)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.evidence()}") from error

    def begin_anew(self) -> None:
        """As it was built: power, servers, no daemon, and nothing that one remembers."""
        for node in self.lab.nodes:
            node.stop_program(DAEMON)
            node.heal()
            node.exec("nft", "delete", "table", "inet", "cut")
            for address in node.held():
                node.exec("ip", "addr", "flush", "to", address, "dev", "eth0")
            shutil.rmtree(node.state_dir)
            node.state_dir.mkdir()
        for server in self.lab.servers:
            server.behave() if server.process else server.start()
            wait_until(server.told, _SETTLE_SECONDS, f"{server.name} to answer", every=_EVERY)

    # -- what a client sees

    def ask(self, address: str = ADDRESS, path: str = "/", port: int = PORT, timeout: float = 1.0) -> Visit:
        return visits.visit(self.lab.client.namespace, url(address, path, port), timeout)

    def tally(self, count: int, address: str = ADDRESS) -> dict[str, int]:
        """Who answered so many requests, one after the other."""
        return visits.tally(self.ask(address) for _ in range(count))

    def download(self, seconds: float, address: str = ADDRESS) -> Download:
        return Download(self.lab.client.namespace, url(address, f"/download/{seconds:g}", PORT))

    def wait_good(self, address: str = ADDRESS, port: int = PORT) -> None:
        """Wait until a request is answered well."""
        wait_until(lambda: self.ask(address, port=port).good, _SETTLE_SECONDS, f"port {port} to answer", every=_EVERY)

    def wait_answered_by(self, names: set[str], address: str = ADDRESS, timeout: float = _SETTLE_SECONDS) -> float:
        """Wait until these and no others answer; how many seconds that took."""
        begun = time.monotonic()
        seen: dict[str, int] = {}

        def settled() -> bool:
            nonlocal seen
            seen = self.tally(2 * len(names), address)
            return set(seen) == names

        try:
            wait_until(settled, timeout, f"{sorted(names)} to answer", every=_EVERY)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; there answered {seen}\n{self.evidence()}") from error
        return time.monotonic() - begun

    def evidence(self) -> str:
        """What the kernels and daemons say, for whoever reads a failure."""
        parts = []
        for node in self.lab.nodes:
            if node.powered:
                shown = [node.exec(*line.split()).stdout for line in ("ipvsadm -Ln", "ip -br addr", "nft list ruleset")]
                log = "\n".join(node.log.splitlines()[-15:])
                parts.append(f"== {node.name}\n" + "\n".join([*shown, log]))
        return "\n".join(parts)

    def table(self, node: Node) -> str:
        """The kernel's own words for its services and destinations, by another's program."""
        return node.exec("ipvsadm", "-Sn").stdout


def url(address: str, path: str = "/", port: int = PORT) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}{path}"


@pytest.fixture(scope="module")
def _lab(require_tool: Callable[[str], str]) -> Iterator[Lab]:
    for tool in ("ip", "nft", "ipvsadm"):
        require_tool(tool)
    with Lab(f"t{os.getpid()}", 3, servers=1, pods=3, host_servers=3) as lab:
        yield lab


@pytest.fixture
def bench(_lab: Lab) -> Iterator[Bench]:
    """Nodes, servers and a client; no daemon runs yet. All tests of a module use them: building them costs the most."""
    bench = Bench(_lab)
    yield bench
    bench.begin_anew()


@pytest.fixture(scope="session")
def plan() -> type[Plan]:
    return Plan


@pytest.fixture(scope="session")
def out_seconds() -> float:
    """A dead server has left the table after so long."""
    return OUT_SECONDS
