"""A node: a machine with a daemon (or a keepalived), which can be broken and mended."""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from mooring_api.nodeconfig import NodeConfig
from mooring_api.problems import InvalidObject
from mooring_api.wire import parse_object
from mooring_lab import faults, namespace
from mooring_lab.faults import Direction
from mooring_lab.layout import ROUTER_SETTINGS, SERVICE_LINK, Layout, Member, router_commands
from mooring_lab.machine import Machine, spawn
from mooring_lab.processes import Identity, kernel_name
from mooring_lab.rights import LabError
from mooring_lab.store import Started, Store, write_atomically
from mooring_lab.wait import wait_until
from mooring_node.files import StateFolder
from mooring_node.status import transitions
from mooring_node.supervisor.control import ask

DAEMON = "daemon"
KEEPALIVED = "keepalived"
_STOP_SECONDS = 30.0
_START_SECONDS = 30.0


class Node(Machine):
    """One node of a lab, with the pods that are behind it."""

    def __init__(self, layout: Layout, member: Member, store: Store, pods: Sequence[Machine] = ()) -> None:
        super().__init__(layout, member, store)
        self.pods = tuple(pods)
        #: With pods anywhere every node has a network for them.
        self._other_routers = [each for each in layout.nodes if each != member] if layout.pods else None

    def power_on(self) -> None:
        """Make the namespace, plug its links in, and then its pods'."""
        super().power_on()
        if self._other_routers is not None:
            namespace.configure(self.namespace, ROUTER_SETTINGS)
            namespace.batch(self.namespace, router_commands(self.member, self._other_routers))
        for pod in self.pods:
            pod.power_on()

    # -- what runs here

    @property
    def config_file(self) -> Path:
        return self.folder / "node.yaml"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def log_file(self) -> Path:
        return self.folder / "daemon.log"

    @property
    def log(self) -> str:
        """What the daemon has said so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def daemon(self) -> Identity | None:
        """The daemon's first process; None when it does not run."""
        return self.running(DAEMON)

    def read_config(self) -> NodeConfig | None:
        """The configuration that stands in its file; None when there is none, or it can't be read."""
        try:
            document = yaml.safe_load(self.config_file.read_text(encoding="utf-8"))
            return parse_object(NodeConfig, document, self.name)
        except (FileNotFoundError, yaml.YAMLError, InvalidObject):
            return None

    def carrier(self) -> bool:
        """Whether its service link is up, as the node sees it."""
        if not self.powered:
            return False
        links = json.loads(self.exec("ip", "-json", "link", "show", SERVICE_LINK).stdout)
        return "LOWER_UP" in links[0]["flags"]

    def write_config(self, config: NodeConfig | str) -> None:
        """Replace the node's configuration file; text is written as it is, also when it is wrong."""
        text = config if isinstance(config, str) else yaml.safe_dump(config.to_wire(), sort_keys=False)
        # A password stands in it.
        write_atomically(self.config_file, text, 0o600)

    def start_daemon(self, config: NodeConfig | str | None = None) -> None:
        """Start the daemon, with this configuration or with the one that is there, and wait until it answers.

        In a lab with an API server it watches its NodeConfig there, and takes none here. LabError when it runs
        already, or ends before it answers.
        """
        if self.daemon:
            raise LabError(f"the daemon of {self.name} runs already")
        record = self._store.load()
        if config is not None:
            if record.api:
                raise LabError(f"the daemon of {self.name} reads the API server; use kubectl apply")
            self.write_config(config)
        if record.api:
            source = ["--node", self.name, "--kubeconfig", str(self.folder / "kubeconfig")]
        else:
            source = ["--config", str(self.config_file)]
        command = [*record.daemon_command, "run", *source, "--state-dir", str(self.state_dir)]
        self._start(DAEMON, command, self.log_file)

    def reload_daemon(self, config: NodeConfig | str | None = None) -> None:
        """Hand a configuration to the running daemon (SIGHUP)."""
        if config is not None:
            self.write_config(config)
        if not ((daemon := self.daemon) and daemon.send(signal.SIGHUP)):
            raise LabError(f"no daemon runs on {self.name}; see {self.log_file}")

    def stop_daemon(self) -> None:
        """Stop the daemon as a service manager does (SIGTERM) and wait until it has handed over."""
        self.stop_program(DAEMON)

    def daemon_status(self, timeout: float = 10.0) -> dict[str, Any] | None:
        """What the daemon says of itself, as `mooring-node status -o json`; None when it does not answer."""
        state = StateFolder(self.state_dir)
        try:
            answer = ask(state.control, {"do": "status"}, timeout)
        except OSError:
            return None
        return answer | {"transitions": transitions(state.transitions)}

    def maintenance(self, on: bool) -> None:
        """Ask the daemon to hand over and stay Backup, or to take part again."""
        try:
            ask(StateFolder(self.state_dir).control, {"do": "maintenance", "on": on})
        except OSError as error:
            raise LabError(f"no daemon answers on {self.name}: {error}; see {self.log_file}") from error

    def start_keepalived(self, configuration: str, *, detailed_log: bool = True) -> None:
        """Run keepalived here with this text; its files stay in the lab's folder.

        A detailed log has a line for each gratuitous ARP, which costs more than sending it.
        """
        path = self._keepalived_file
        write_atomically(path, configuration, 0o600)
        pids = [f"--{name}={self.folder / file}" for name, file in _KEEPALIVED_PIDS.items()]
        detail = ["--log-detail"] if detailed_log else []
        options = ["--dont-fork", "--log-console", *detail, f"--use-file={path}", "--vrrp", *pids]
        self._start(KEEPALIVED, ["keepalived", *options], self.folder / "keepalived.log")

    def reload_keepalived(self, configuration: str) -> None:
        """Hand another text to the running keepalived (SIGHUP)."""
        write_atomically(self._keepalived_file, configuration, 0o600)
        if not ((running := self.running(KEEPALIVED)) and running.send(signal.SIGHUP)):
            raise LabError(f"no keepalived runs on {self.name}; see {self.folder / 'keepalived.log'}")

    @property
    def _keepalived_file(self) -> Path:
        return self.folder / "keepalived.conf"

    def stop_keepalived(self) -> None:
        self.stop_program(KEEPALIVED)

    def processes(self, name: str | None = None) -> list[Identity]:
        """All processes of the node, or those whose kernel name (comm) contains `name`."""
        running = namespace.members(self.namespace)
        return [p for p in running if name is None or name in kernel_name(p.pid)]

    # -- faults

    def fault_node(self) -> None:
        """Pull the power cord: links cut, every process killed, nothing of the kernel's state survives."""
        self._require_power()
        namespace.batch(self._switch, [f"link set dev {port} down" for port in self.member.ports])
        for pod in self.pods:
            pod.power_off()
        self.power_off()
        # Asynchronous as it is, the namespace's end would leave the ports there for a while.
        for port in self.member.ports:
            self._ip_switch(f"link del {port}", missing_is_fine=True)

    def fault_link(self, *, silent: bool = False) -> None:
        """Cut the service link. The node sees the carrier go; with `silent` it sees nothing."""
        self._require_power()
        if silent:
            self._nft(faults.drop(self.member.port, Direction.BOTH))
        else:
            self._ip_switch(f"link set dev {self.member.port} down")

    def fault_one_way(self, direction: Direction) -> None:
        """Drop all frames from the node, or all towards it, on the service link."""
        self._require_power()
        self._nft(faults.drop(self.member.port, direction))

    def fault_loss(self, percent: int, direction: Direction = Direction.BOTH) -> None:
        """Drop so many of a hundred frames at random on the service link."""
        self._require_power()
        self._nft(faults.drop(self.member.port, direction, percent))

    def fault_kill(self, name: str | None = None) -> None:
        """SIGKILL all processes of the node, or those whose kernel name contains `name`."""
        self._require_power()
        if name is None:
            namespace.kill_all(self.namespace)
            return
        chosen = self._chosen(name)
        for identity in chosen:
            identity.send(signal.SIGKILL)
        wait_until(lambda: not any(p.alive() for p in chosen), _STOP_SECONDS, f"{name} on {self.name} to end")

    def fault_stop(self, seconds: float, name: str | None = None) -> None:
        """Freeze processes (SIGSTOP) and return; a process of its own wakes them after `seconds`."""
        self._require_power()
        frozen = [f"{p.pid}:{p.start}" for p in self._chosen(name)]
        reader, writer = os.pipe()
        with open(reader, "rb") as said:
            try:
                spawn([sys.executable, "-m", "mooring_lab.stopper", str(seconds), *frozen], writer)
            finally:
                os.close(writer)
            answer = said.readline()
        if answer != b"stopped\n":
            raise LabError(f"could not freeze {self.name}: {answer.decode(errors='replace').strip()}")

    def heal(self) -> None:
        """Undo every fault: power, links, filters, frozen processes; what was killed starts anew."""
        if not self.powered:
            self.power_on()
        for port in self.member.ports:
            self._ip_switch(f"link set dev {port} up")
        self._nft(faults.restore(self.member.port))
        for identity in self.processes():
            identity.send(signal.SIGCONT)
        processes = self._store.load().processes
        for machine in (self, *self.pods):
            for role, started in processes.get(machine.name, {}).items():
                if not started.identity.alive():
                    machine.start_again(role, started)

    def start_again(self, role: str, started: Started) -> None:
        """As it was started the first time."""
        self._start(role, started.command, Path(started.log))

    # -- the shell around it

    def _start(self, role: str, command: Sequence[str], log: Path) -> None:
        self._require_power()
        if role == KEEPALIVED:
            # A keepalived that was killed left them, and the next one would take itself for the second.
            for file in _KEEPALIVED_PIDS.values():
                (self.folder / file).unlink(missing_ok=True)
        identity = self.start_program(role, command, log)
        if role == DAEMON:
            self._wait_for_daemon(identity)

    def _wait_for_daemon(self, identity: Identity) -> None:
        """Return when it answers and has judged its file; LabError with its last words when it ends before."""

        def settled() -> bool:
            if not identity.alive():
                return True
            status = self.daemon_status(timeout=1.0)
            return status is not None and not ((status.get("agent") or {}).get("configuration") or {}).get("judging")

        wait_until(settled, _START_SECONDS, f"the daemon of {self.name} to answer; see {self.log_file}")
        if not identity.alive():
            last = "\n".join(self.log.splitlines()[-5:])
            raise LabError(f"the daemon of {self.name} ended at once; {self.log_file} says:\n{last}")

    def _chosen(self, name: str | None) -> list[Identity]:
        chosen = self.processes(name)
        if not chosen:
            running = sorted({kernel_name(p.pid) for p in self.processes()})
            raise LabError(f"nothing called {name} runs on {self.name}; there is {', '.join(running) or 'nothing'}")
        return chosen

    def _nft(self, text: str) -> None:
        namespace.run(namespace.inside(self._switch, ["nft", "-f", "-"]), text)

    def _ip_switch(self, command: str, *, missing_is_fine: bool = False) -> None:
        try:
            namespace.batch(self._switch, [command])
        except LabError as error:
            if not (missing_is_fine and any(words in str(error) for words in _MISSING)):
                raise


#: What `ip` says of a port that is not there, and of one that goes while it is named.
_MISSING = ("Cannot find device", "No such device")
_KEEPALIVED_PIDS = {
    "pid": "keepalived.pid",
    "vrrp_pid": "keepalived-vrrp.pid",
    "checkers_pid": "keepalived-checkers.pid",
}
