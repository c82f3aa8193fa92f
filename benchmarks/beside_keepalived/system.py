"""One of the two systems: two nodes that run it and a client, in a lab of its own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol

from benchmarks.beside_keepalived.settings import Load, keepalived_text, node_config
from benchmarks.beside_keepalived.wire import Capture

from mooring_lab.lab import Lab, remove
from mooring_lab.layout import SERVICE_LINK
from mooring_lab.node import DAEMON, KEEPALIVED, Node
from mooring_lab.processes import Identity, pss_mib
from mooring_lab.rights import LabError

HOLDER, OTHER = "lb-1", "lb-2"
_SETTLE_SECONDS = 60.0


class Daemon(Protocol):
    """How a system is run on a node."""

    name: str
    role: str
    lab: str

    def start(self, node: Node, load: Load, place: int, sources: tuple[str, ...]) -> None: ...

    def vrrp_process(self, node: Node) -> Identity: ...


class Mooring:
    """Our daemon."""

    name, role, lab = "Mooring", DAEMON, "benchmooring"

    def start(self, node: Node, load: Load, place: int, sources: tuple[str, ...]) -> None:
        node.start_daemon(node_config(load, node.name, sources, place))

    def vrrp_process(self, node: Node) -> Identity:
        return node.processes("mooring-vrrp")[0]


class Keepalived:
    """keepalived, of which the VRRP process is a child of the first one."""

    name, role, lab = "keepalived", KEEPALIVED, "benchkeepalived"

    def start(self, node: Node, load: Load, place: int, sources: tuple[str, ...]) -> None:
        text = keepalived_text(node_config(load, node.name, sources, place))
        # Each line of a detailed log costs more than the packet that it tells of.
        node.start_keepalived(text, detailed_log=False)

    def vrrp_process(self, node: Node) -> Identity:
        found = Identity.of(int((node.folder / "keepalived-vrrp.pid").read_text()))
        if found is None:
            raise LabError(f"keepalived's VRRP process does not run on {node.name}")
        return found


class System:
    """Built on entry and removed on exit; `loaded` runs the daemons with a load for a while."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.name = daemon.name
        self.lab = Lab(daemon.lab, nodes=[HOLDER, OTHER])
        self.holder, self.other = self.lab.nodes
        self.load = Load()

    def __enter__(self) -> "System":
        # A benchmark that was killed has left it; only one runs at a time.
        remove(self.daemon.lab)
        self.lab.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lab.down()

    @contextmanager
    def loaded(self, load: Load) -> Iterator[None]:
        """Both daemons run with this load, and the first node holds everything."""
        self.load = load
        for node in (self.holder, self.other):
            self.start(node)
        try:
            self.settle()
            yield
        finally:
            # The backup first: it would take over what is given up anyway.
            for node in (self.other, self.holder):
                self.stop(node)

    def start(self, node: Node) -> None:
        place = self.lab.nodes.index(node)
        self.daemon.start(node, self.load, place, tuple(each.address for each in self.lab.nodes))

    def stop(self, node: Node) -> None:
        """A planned stop (SIGTERM); returns when its processes have ended."""
        if self.daemon.role == DAEMON:
            node.stop_daemon()
        else:
            node.stop_keepalived()

    def settle(self, holder: Node | None = None) -> None:
        """Wait until this node (the first one) holds all addresses, and the other none."""
        holder = holder or self.holder
        held = {node.name: self.load.all_addresses if node is holder else frozenset() for node in self.lab.nodes}
        self.lab.wait_held(held, _SETTLE_SECONDS)

    def capture(self, node: Node | None = None) -> Capture:
        """VRRP and ARP as this node (or the client) sees it."""
        return Capture((node or self.lab.client).namespace, SERVICE_LINK)

    def cost(self, node: Node) -> "Cost":
        """What all processes of the daemon on a node have used so far, and use."""
        pids = [identity.pid for identity in node.processes()]
        return Cost(time.monotonic(), sum(map(_cpu_seconds, pids)), sum(map(pss_mib, pids)), len(pids))


class Cost:
    """A reading of a daemon's processes: CPU seconds so far, proportional memory in MiB."""

    def __init__(self, at: float, cpu_seconds: float, pss_mib: float, processes: int) -> None:
        self.at = at
        self.cpu_seconds = cpu_seconds
        self.pss_mib = pss_mib
        self.processes = processes

    def cpu_a_minute_since(self, before: "Cost") -> float:
        return (self.cpu_seconds - before.cpu_seconds) / (self.at - before.at) * 60


def _cpu_seconds(pid: int) -> float:
    """Of all its threads, to the nanosecond (ticks of 10 ms would say nothing here)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
