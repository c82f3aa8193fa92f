"""A lab as a whole: built, found again, and removed without a trace."""

import shutil
import signal
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType

from mooring_lab import namespace, rights, workloads
from mooring_lab.cluster import ApiKind, Cluster
from mooring_lab.layout import Layout, Member, switch_commands
from mooring_lab.machine import Machine
from mooring_lab.node import Node
from mooring_lab.rights import LabError
from mooring_lab.servers import WebServer, place_of
from mooring_lab.store import Record, Store, leftover
from mooring_lab.wait import wait_until


def _numbered(word: str, count: int) -> list[str]:
    return [f"{word}-{i + 1}" for i in range(count)]


def default_daemon_command() -> tuple[str, ...]:
    """`mooring-node` of this installation."""
    beside = Path(sys.executable).with_name("mooring-node")
    return (str(beside if beside.exists() else shutil.which("mooring-node") or beside),)


class Lab:
    """Nodes and clients on a bridge. `with Lab("mine") as lab:` builds it and removes it at the end.

    With `api` it has an API server and an operator, and each node's daemon runs and watches its NodeConfig; without,
    the daemons are started by hand and read files. `server_flags` are for kube-apiserver (`api` real). All addresses
    that it gives back are without prefix. HTTP servers: `servers` on machines of their own beside the cluster
    (server-1, ...), `pods` behind the nodes in turn (web-1, ...), `host_servers` on the nodes themselves (edge-1, ...).
    """

    def __init__(
        self,
        name: str = "default",
        nodes: int | Sequence[str] = 2,
        clients: int = 1,
        daemon_command: Sequence[str] = (),
        keepalived: Sequence[str] = (),
        api: ApiKind | None = None,
        server_flags: Sequence[str] = (),
        *,
        servers: int = 0,
        pods: int = 0,
        host_servers: int = 0,
    ) -> None:
        names = _numbered("lb", nodes) if isinstance(nodes, int) else list(nodes)
        layout = Layout.named(
            name, names, _numbered("client", clients), _numbered("server", servers), _numbered("web", pods)
        )
        if host_servers > len(names):
            raise ValueError(f"a node runs one server of its own at most; there are {len(names)} nodes")
        command = tuple(daemon_command) or default_daemon_command()
        on_hosts = dict(zip(_numbered("edge", host_servers), names, strict=False))
        self._attach(Record(layout, command, tuple(keepalived), api, on_hosts), server_flags)
        for node in keepalived:
            self.node(node)

    @classmethod
    def open(cls, name: str = "default") -> "Lab":
        """A lab that is up; LabError when there is none of this name."""
        lab = cls.__new__(cls)
        lab._attach(Store(name).load())
        return lab

    def _attach(self, record: Record, server_flags: Sequence[str] = ()) -> None:
        self._record = record
        self.layout = record.layout
        self.name = record.layout.lab
        self.keepalived = record.keepalived
        self.store = Store(self.name)
        self.pods = self._machines(self.layout.pods)
        self.nodes = tuple(
            Node(self.layout, node, self.store, [pod for pod in self.pods if pod.member.host == node.index])
            for node in self.layout.nodes
        )
        self.clients = self._machines(self.layout.clients)
        beside = self._machines(self.layout.servers)
        hosts = {name: self.node(node) for name, node in record.host_servers.items()}
        self.servers = tuple(
            WebServer(name, machine, place_of(machine))
            for name, machine in [*((each.name, each) for each in (*self.pods, *beside)), *hosts.items()]
        )
        self._beside = beside
        kind = ApiKind(record.api) if record.api else None
        self._cluster = Cluster(self.layout, self.store, kind, server_flags) if kind else None

    def _machines(self, members: Sequence[Member]) -> tuple[Machine, ...]:
        return tuple(Machine(self.layout, member, self.store) for member in members)

    @property
    def cluster(self) -> Cluster:
        """The API server's side; LabError in a lab without one."""
        if self._cluster is None:
            raise LabError(f"lab {self.name} has no API server; start one with: mooring lab up --api embedded")
        return self._cluster

    @property
    def has_api(self) -> bool:
        return self._cluster is not None

    # -- life

    def up(self) -> "Lab":
        """Build it; LabError when rights are missing or something of this name is there. Half a lab never stays."""
        rights.require()
        if self.keepalived and not shutil.which("keepalived"):
            raise LabError(f"keepalived is not installed, and {self.keepalived[0]} is to run it")
        if self.store.exists() or namespace.matching(self.layout.namespace("")):
            raise LabError(leftover(self.name))
        try:
            self.store.create(self._record)
            namespace.add(self.layout.switch)
            namespace.batch(self.layout.switch, switch_commands())
            for machine in (*self.nodes, *self.clients, *self._beside):  # nodes bring their pods
                machine.power_on()
            for server in self.servers:
                server.start()
            if self._cluster is not None:
                self._cluster.up()
                if self.servers:
                    self._show_servers(self._cluster)
                for node in self.nodes:
                    if node.name not in self.keepalived:
                        node.start_daemon()
        except BaseException:
            self.down()
            raise
        return self

    def _show_servers(self, cluster: Cluster) -> None:
        """Those that a cluster knows are pods of it."""
        client = cluster.client()
        try:
            workloads.prepare(client)
            for server in self.servers:
                workloads.register(client, server)
        finally:
            client.close()
        cluster.start_endpoints()

    def down(self) -> None:
        """Remove everything that is there of it, also when little is; can be called twice."""
        self.close()
        remove(self.name)

    def close(self) -> None:
        """Let go of it without changing it."""
        for machine in self.machines:
            machine.close()

    def __enter__(self) -> "Lab":
        return self.up()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    # -- members

    @property
    def machines(self) -> tuple[Machine, ...]:
        return (*self.nodes, *self.clients, *self._beside, *self.pods)

    @property
    def client(self) -> Machine:
        """The first client."""
        return self.clients[0]

    def node(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise LabError(f"no node is called {name}; there are {', '.join(n.name for n in self.nodes)}")

    def machine(self, name: str) -> Machine:
        """A node, a client, a server's or a pod."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        raise LabError(f"nobody is called {name}; there are {', '.join(m.name for m in self.machines)}")

    def server(self, name: str) -> WebServer:
        """An HTTP server."""
        for server in self.servers:
            if server.name == name:
                return server
        there = ", ".join(s.name for s in self.servers) or "none; start some with: mooring lab up --servers 3"
        raise LabError(f"no HTTP server is called {name}; there are {there}")

    # -- who holds what

    def holders(self) -> dict[str, tuple[str, ...]]:
        """By the kernels: for each address that is nobody's own, the nodes that have it; addresses in order."""
        found: dict[str, tuple[str, ...]] = {}
        for node in self.nodes:
            for address in node.held():
                found[address] = (*found.get(address, ()), node.name)
        return dict(sorted(found.items(), key=lambda item: (":" in item[0], int(ip_address(item[0])))))

    def wait_held(self, expected: Mapping[str, Collection[str]], timeout: float) -> None:
        """Wait until each named node holds exactly these addresses; TimeoutError says what is held instead."""
        wanted = {self.node(name): frozenset(addresses) for name, addresses in expected.items()}
        try:
            wait_until(
                lambda: all(node.held() == addresses for node, addresses in wanted.items()),
                timeout,
                "the addresses to be where they should",
                [node.kernel for node in wanted if node.powered],
            )
        except TimeoutError as error:
            raise TimeoutError(f"not within {timeout:g} s; held now: {self.holders()}") from error


def remove(name: str) -> None:
    """Remove a lab by its name alone: its processes, namespaces and folder. Nothing happens where there is nothing."""
    layout = Layout.named(name, ["any"], [])
    store = Store(name)
    with suppress(LabError):
        record = store.load()
        # A process that is only about to enter its namespace is not found there.
        for roles in record.processes.values():
            for started in roles.values():
                started.identity.send(signal.SIGKILL)
        if record.api:
            Cluster(record.layout, store, ApiKind(record.api)).down()
    for found in namespace.matching(layout.namespace("")):
        namespace.remove(found)
    store.remove()
