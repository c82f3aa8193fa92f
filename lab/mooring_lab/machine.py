"""A machine of the lab: a namespace, its links, and what runs in it."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mooring_lab import namespace
from mooring_lab.kernel import KernelAddresses
from mooring_lab.layout import (
    CLIENT_SETTINGS,
    SERVICE_LINK,
    SETTINGS,
    Layout,
    Member,
    Role,
    member_commands,
    plug_commands,
    pod_member_commands,
)
from mooring_lab.measurement import Measurement
from mooring_lab.probe import UNANSWERED
from mooring_lab.processes import Identity
from mooring_lab.rights import LabError
from mooring_lab.store import Started, Store
from mooring_lab.wait import wait_until

_STOP_SECONDS = 30.0


def spawn(command: Sequence[str], output: int) -> Identity:
    """Start a process in a session of its own, its output to a file descriptor; it outlives this one."""
    # A lab never looks at anybody's cluster.
    environment = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    pid = os.posix_spawnp(
        command[0],
        [*command],
        environment,
        setsid=True,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ],
    )
    identity = Identity.of(pid)
    if identity is None:
        raise LabError(f"{' '.join(command)} ended at once{_last_words(output)}")
    return identity


def _last_words(output: int) -> str:
    """What a log ends with, for a message; nothing where it is none."""
    if not stat.S_ISREG(os.fstat(output).st_mode):
        return ""
    lines = Path(f"/proc/self/fd/{output}").read_text(errors="replace").splitlines()
    return "; its log says:\n" + "\n".join(lines[-5:]) if lines else ""


class Machine:
    """A node, a client, a server or a pod. Everything here works on a lab that another process started."""

    def __init__(self, layout: Layout, member: Member, store: Store) -> None:
        self.name = member.name
        self.member = member
        self.namespace = layout.namespace(member.name)
        self.folder: Path = store.node_folder(member.name)
        self._switch = layout.switch
        #: Where the other end of its cable is.
        self._plug = layout.namespace(layout.nodes[member.host].name) if member.role is Role.POD else layout.switch
        self._gateway = layout.nodes[member.host]
        self._store = store
        self._kernel: KernelAddresses | None = None

    @property
    def address(self) -> str:
        """Its own IPv4 address on the service bridge."""
        return self.member.ipv4

    @property
    def own_addresses(self) -> tuple[str, str]:
        """IPv4, then IPv6."""
        return self.member.ipv4, self.member.ipv6

    @property
    def host(self) -> str:
        """The node that a pod is on; of any other machine its own name."""
        return self._gateway.name if self.member.role is Role.POD else self.name

    @property
    def powered(self) -> bool:
        return namespace.exists(self.namespace)

    def power_on(self) -> None:
        """Make the namespace and plug its links in."""
        namespace.add(self.namespace)
        namespace.configure(self.namespace, SETTINGS)
        namespace.batch(self._plug, plug_commands(self.member, self.namespace))
        namespace.batch(self.namespace, member_commands(self.member))
        if self.member.role is Role.CLIENT:
            namespace.configure(self.namespace, CLIENT_SETTINGS)
        if self.member.role is Role.POD:
            namespace.batch(self.namespace, pod_member_commands(self._gateway))

    def power_off(self) -> None:
        """Its processes and its namespace are gone at once; nothing happens where it has none."""
        self.close()
        namespace.remove(self.namespace)

    def command(self, *command: str) -> list[str]:
        """The command line that runs `command` in this machine."""
        return namespace.inside(self.namespace, command)

    def exec(self, *command: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; its exit code is in the result. LabError when the machine has no power."""
        self._require_power()
        return subprocess.run(self.command(*command), capture_output=True, text=True, timeout=timeout, check=False)

    def measure(
        self, addresses: Sequence[str], interval_ms: float = 1.0, *, requests: int = 0, interface: str = SERVICE_LINK
    ) -> Measurement:
        """Start to send each address one echo request every `interval_ms`, through `interface`; 0 requests: no end."""
        self._require_power()
        descriptor, output = tempfile.mkstemp(prefix="measurement-", suffix=".json", dir=self.folder)
        os.close(descriptor)
        module = [sys.executable, "-m", "mooring_lab.probe_process", "--interface", interface]
        options = ["--interval-us", str(round(interval_ms * 1000)), "--requests", str(requests), "--output", output]
        return Measurement(self.command(*module, *options, *addresses), Path(output))

    def reach(self, address: str, requests: int = 3, interface: str = SERVICE_LINK) -> int:
        """How many of so many echo requests, a millisecond apart, are answered."""
        with self.measure([address], requests=requests, interface=interface) as measurement:
            (answers,) = measurement.wait().answers
        return sum(answer != UNANSWERED for answer in answers)

    @property
    def kernel(self) -> KernelAddresses:
        """The kernel's view of its addresses; LabError when the machine has no power."""
        self._require_power()
        if self._kernel is None:
            self._kernel = KernelAddresses(self.namespace)
        return self._kernel

    def addresses(self) -> frozenset[str]:
        """All its addresses, without prefix; none when it has no power."""
        return self.kernel.read() if self.powered else frozenset()

    def held(self) -> frozenset[str]:
        """The addresses that are not its own."""
        return self.addresses() - self.member.base_addresses

    def close(self) -> None:
        """Let go of the namespace; nothing in it changes."""
        if self._kernel:
            self._kernel.close()
            self._kernel = None

    # -- what runs here

    def running(self, role: str) -> Identity | None:
        """The process that was started in this role; None when it does not run."""
        started = self._store.load().processes.get(self.name, {}).get(role)
        return started.identity if started and started.identity.alive() else None

    def start_program(self, role: str, command: Sequence[str], log: Path) -> Identity:
        """Start a process in this machine and remember it by its role, so that it can be started again."""
        self._require_power()
        with self._store.edit() as record:
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                identity = spawn(self.command(*command), output)
            finally:
                os.close(output)
            record.processes.setdefault(self.name, {})[role] = Started(identity, tuple(command), str(log))
        return identity

    def start_again(self, role: str, started: Started) -> None:
        """What was started in this role, as it was started the first time."""
        self.start_program(role, started.command, Path(started.log))

    def stop_program(self, role: str, number: signal.Signals = signal.SIGTERM, *, forget: bool = True) -> None:
        """End what was started in this role, and wait for its end; what is not forgotten starts again when healed."""
        with self._store.edit() as record:
            roles = record.processes.get(self.name, {})
            started = roles.pop(role, None) if forget else roles.get(role)
        if started and started.identity.send(number):
            wait_until(lambda: not started.identity.alive(), _STOP_SECONDS, f"{role} of {self.name} to end")

    def _require_power(self) -> None:
        if not self.powered:
            raise LabError(f"{self.name} has no power; heal it first")
