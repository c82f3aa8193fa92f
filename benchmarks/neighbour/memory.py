"""What the daemon's processes weigh, as if nothing else on the machine had the same files in memory.

PSS divides a page by all who have it. A container brings its own files, so where the tests' own Pythons share ours, PSS
is too kind. Here a page of a file counts once, whole, whoever else has it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from benchmarks.beside_keepalived.settings import Load, node_config

from mooring_lab.lab import Lab
from mooring_lab.wait import wait_until

#: So many addresses are in one instance each.
INSTANCES = 50
_SETTLE_S = 60.0


@dataclass(frozen=True, slots=True)
class Weight:
    """In MiB: PSS by process, what only its end would give back, and pages of files, which the kernel may drop."""

    processes: dict[str, float]
    anonymous: float
    files: float

    @property
    def whole(self) -> float:
        return self.anonymous + self.files


def weigh(pids: Iterable[int]) -> Weight:
    """The processes of one daemon."""
    processes: dict[str, float] = {}
    anonymous = 0.0
    files: dict[tuple[str, ...], float] = {}
    for pid in pids:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        processes[name] = 0.0
        for mapping, sizes in _mappings(pid):
            processes[name] += sizes["Pss"]
            # Pages of a file that were written to are the process's own; of shared ones it has its part.
            own = sizes["Anonymous"] / sizes["Rss"] if sizes["Rss"] else 0.0
            if mapping is None:
                anonymous += sizes["Pss"]
            else:
                anonymous += own * sizes["Pss"]
                files[mapping] = max(files.get(mapping, 0.0), sizes["Rss"] - sizes["Anonymous"])
    return Weight(processes, anonymous, sum(files.values()))


def _mappings(pid: int) -> Iterator[tuple[tuple[str, ...] | None, dict[str, float]]]:
    mapping: tuple[str, ...] | None = None
    sizes: dict[str, float] = {}
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            # Range, rights, offset, device, inode, path; shared memory has an inode and is nobody's file.
            mapping = (words[2], words[3], words[4]) if words[4] != "0" and "(deleted)" not in line else None
            sizes = {}
        elif words[0] in ("Rss:", "Pss:", "Anonymous:"):
            sizes[words[0][:-1]] = int(words[1]) / 1024
            if len(sizes) == 3:
                yield mapping, sizes


def weigh_loaded(lab: Lab, instances: int = INSTANCES) -> Weight:
    """A daemon on the lab's first node that holds an address of each of so many instances."""
    node = lab.nodes[0]
    sources = (node.address, "10.0.255.254")
    load = Load(instances=instances)
    node.start_daemon(yaml.safe_dump(node_config(load, node.name, sources, 0).to_wire(), sort_keys=False))
    try:
        wait_until(lambda: node.held() == load.all_addresses, _SETTLE_S, "all addresses to be held")
        assert node.daemon_status() is not None
        wait_until(
            lambda: not node.processes("mooring-judge"), _SETTLE_S, "the judge to have ended: it has nothing to do"
        )
        return weigh(identity.pid for identity in node.processes())
    finally:
        node.stop_daemon()
