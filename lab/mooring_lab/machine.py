"""A machine of the lab: a namespace, its links, and what runs in it."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mooring_lab import namespace
from mooring_lab.kernel import KernelAddresses
from mooring_lab.layout import CLIENT_SETTINGS, SETTINGS, Layout, Member, member_commands, plug_commands
from mooring_lab.processes import Identity
from mooring_lab.rights import LabError
from mooring_lab.store import Store


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
        raise LabError(f"{' '.join(command)} ended at once")
    return identity


class Machine:
    """A node or a client. Everything here works on a lab that another process started."""

    def __init__(self, layout: Layout, member: Member, store: Store) -> None:
        self.name = member.name
        self.member = member
        self.namespace = layout.namespace(member.name)
        self.folder: Path = store.node_folder(member.name)
        self._switch = layout.switch
        self._store = store
        self._kernel: KernelAddresses | None = None

    @property
    def address(self) -> str:
        """Its own IPv4 address on the service bridge."""
        return self.member.ipv4

    @property
    def powered(self) -> bool:
        return namespace.exists(self.namespace)

    def power_on(self) -> None:
        """Make the namespace and plug its links in."""
        namespace.add(self.namespace)
        namespace.configure(self.namespace, SETTINGS)
        namespace.batch(self._switch, plug_commands(self.member, self.namespace))
        namespace.batch(self.namespace, member_commands(self.member))
        if self.member.is_client:
            namespace.configure(self.namespace, CLIENT_SETTINGS)

    def command(self, *command: str) -> list[str]:
        """The command line that runs `command` in this machine."""
        return namespace.inside(self.namespace, command)

    def exec(self, *command: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; its exit code is in the result. LabError when the machine has no power."""
        self._require_power()
        return subprocess.run(self.command(*command), capture_output=True, text=True, timeout=timeout, check=False)

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

    def _require_power(self) -> None:
        if not self.powered:
            raise LabError(f"{self.name} has no power; heal it first")
