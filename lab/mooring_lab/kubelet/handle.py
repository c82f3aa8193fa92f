"""A node's kubelet as the lab sees it: started, ended, killed, found again."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from mooring_lab.lab import Lab
from mooring_lab.machine import spawn
from mooring_lab.processes import Identity
from mooring_lab.rights import LabError
from mooring_lab.store import Started, write_atomically
from mooring_lab.wait import wait_until

ROLE = "kubelet"
_START_SECONDS = 30.0
#: Containers get their grace period; then the kubelet takes some seconds more.
_STOP_SECONDS = 90.0
_LOG_LINES = 12


class Kubelet:
    """The stand-in for kubelet of one node. Works on one that another process started.

    It runs in the node's network namespace, so it loses power with its node, and `heal` starts it again.
    """

    def __init__(self, lab: Lab, node: str) -> None:
        self._lab = lab
        self._node = lab.node(node)
        self.folder = self._node.folder / "kubelet"
        self.log_file = self._node.folder / "kubelet.log"

    @property
    def running(self) -> Identity | None:
        """Its process; None when it does not run."""
        return self._node.running(ROLE)

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def container_log(self, namespace: str, pod: str, container: str) -> str:
        """All that the attempts of a container have said, oldest first; of all pods that had this name."""
        files = (self.folder / "logs").glob(f"{namespace}_{pod}_*/{container}/*.log")
        return "".join(path.read_text(errors="replace") for path in sorted(files, key=lambda path: int(path.stem)))

    def start(self, kubeconfig: Path, *, server: str | None = None, options: Sequence[str] = ()) -> None:
        """Start it and wait until it follows its pods; LabError with its last words when it ends before.

        `kubeconfig` is an administrator's; `server` is where the node reaches the API server, left out: where the
        kubeconfig says. `options` are those of `python -m mooring_lab.kubelet`.
        """
        if self.running:
            raise LabError(f"the kubelet of {self._node.name} runs already")
        self.folder.mkdir(mode=0o700, exist_ok=True)
        own = self.folder / "kubeconfig"
        write_atomically(own, _with_server(kubeconfig.read_text(), server), 0o600)
        names = ["--lab", self._lab.name, "--node", self._node.name, "--kubeconfig", str(own)]
        command = [sys.executable, "-m", "mooring_lab.kubelet", *names, *options]
        said = len(self.log)
        with self._lab.store.edit() as record:
            output = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                identity = spawn(self._node.command(*command), output)
            finally:
                os.close(output)
            started = Started(identity, tuple(command), str(self.log_file))
            record.processes.setdefault(self._node.name, {})[ROLE] = started
        wait_until(lambda: not identity.alive() or " runs; " in self.log[said:], _START_SECONDS, "kubelet to run")
        if not identity.alive():
            last = "\n".join(self.log.splitlines()[-_LOG_LINES:])
            raise LabError(f"the kubelet of {self._node.name} ended at once; {self.log_file} says:\n{last}")

    def stop(self) -> None:
        """End it, and before that its node's containers; nothing happens when it does not run."""
        with self._lab.store.edit() as record:
            started = record.processes.get(self._node.name, {}).pop(ROLE, None)
        if started and started.identity.send(signal.SIGTERM):
            wait_until(lambda: not started.identity.alive(), _STOP_SECONDS, f"kubelet of {self._node.name} to end")

    def kill(self) -> None:
        """SIGKILL to it alone: the containers go on."""
        running = self.running
        if running is None:
            raise LabError(f"no kubelet runs on {self._node.name}")
        running.send(signal.SIGKILL)
        wait_until(lambda: not running.alive(), _STOP_SECONDS, f"kubelet of {self._node.name} to end")


def _with_server(text: str, server: str | None) -> str:
    """A kubeconfig that reaches its clusters at this address."""
    document = yaml.safe_load(text)
    for entry in document["clusters"] if server else ():
        entry["cluster"]["server"] = server
    return yaml.safe_dump(document, sort_keys=False)
