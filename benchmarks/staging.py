"""How long it takes to say what may be written now, for a whole cluster. Run: python benchmarks/staging.py

CPU time decides, as in benchmarks/planner.py, whose cluster this is.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from benchmarks.planner import node, pressure, virtual_ip

from mooring_api.nodeconfig import InstanceState, InstanceStatus, NodeConfig, NodeConfigStatus
from mooring_operator.plan.allocations import Allocations
from mooring_operator.plan.planner import Planner
from mooring_operator.plan.snapshot import Snapshot
from mooring_operator.stage.staging import Staged, Stager
from mooring_operator.stage.standing import Standing, standing_of

STEADY_SECONDS = 0.02
STEP_SECONDS = 0.1
FIRST_SECONDS = 1.0
NOBODY: frozenset[str] = frozenset()


def standing(config: NodeConfig, generation: int = 1) -> Standing:
    """The NodeConfig as it comes back from the API, taken and confirmed by its node."""
    states = tuple(
        InstanceStatus(
            name=i.name, state=InstanceState.BACKUP, since_time="2026-01-01T00:00:00Z", priority=1, transitions=0
        )
        for i in config.spec.instances
    )
    status = NodeConfigStatus(observed_generation=generation, instances=states)
    wire = config.to_wire() | {"status": status.to_wire()}
    wire["metadata"] |= {"generation": generation, "uid": f"uid-{config.metadata.name}"}
    return standing_of(wire)


def timed(work: Callable[[], Staged]) -> tuple[Staged, float]:
    """The result and CPU seconds."""
    cpu = time.process_time()
    result = work()
    return result, time.process_time() - cpu


def report(what: str, bound: float, cpu: list[float], staged: Staged) -> bool:
    """Print one kind of work; whether its median keeps within the bound."""
    middle = statistics.median(cpu)
    print(
        f"{what:44s} CPU {middle * 1000:8.1f} ms ({min(cpu) * 1000:.1f} to {max(cpu) * 1000:.1f})"
        f"  to write {len(staged.changed):4d}  bound {bound * 1000:.0f} ms: {'kept' if middle <= bound else 'MISSED'}"
    )
    return middle <= bound


def rounds(
    stager: Stager, target: Mapping[str, NodeConfig], standings: dict[str, Standing]
) -> list[tuple[Staged, float]]:
    """Write and confirm until nothing is left to write."""
    nodes = frozenset(target)
    found = []
    while True:
        staged, cpu = timed(lambda: stager.stage(target, standings, NOBODY, nodes))
        found.append((staged, cpu))
        if not staged.changed:
            return found
        for name in staged.changed:
            standings[name] = standing(staged.node_configs[name], standings[name].generation + 1)


def main() -> int:
    """Print the figures; 0 when all bounds are kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--virtual-ips", type=int, default=200)
    parser.add_argument("--addresses", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, pressure: {pressure()}")
    nodes = tuple(node(i, 1) for i in range(arguments.nodes))
    ips = tuple(virtual_ip(i, 1, arguments.addresses) for i in range(arguments.virtual_ips))
    planner = Planner()
    plan = planner.plan(Snapshot(ips, nodes), Allocations())
    names = frozenset(plan.node_configs)
    standings = {name: standing(config) for name, config in plan.node_configs.items()}
    instances = sum(len(config.spec.instances) for config in plan.node_configs.values())
    print(f"{arguments.nodes} nodes x {arguments.virtual_ips} VirtualIPs, {instances} instances")

    def steady(stager: Stager, now: Mapping[str, Standing]) -> tuple[Staged, float]:
        return timed(lambda: stager.stage(plan.node_configs, now, NOBODY, names))

    stager = Stager()
    kept = []
    found = [steady(Stager(), standings) for _ in range(arguments.repeat)]
    kept.append(report("without a memory, nothing to do", FIRST_SECONDS, [cpu for _, cpu in found], found[0][0]))
    steady(stager, standings)
    found = [steady(stager, standings) for _ in range(arguments.repeat)]
    kept.append(report("nothing has changed", STEADY_SECONDS, [cpu for _, cpu in found], found[0][0]))
    found = []
    for turn in range(arguments.repeat):
        name = sorted(names)[turn * 7 % len(names)]
        standings[name] = replace(standings[name])
        found.append(steady(stager, standings))
    kept.append(report("one node's status has changed", STEADY_SECONDS, [cpu for _, cpu in found], found[0][0]))
    found = [steady(stager, {name: replace(one) for name, one in standings.items()}) for _ in range(arguments.repeat)]
    kept.append(report("every node's status has changed", FIRST_SECONDS, [cpu for _, cpu in found], found[0][0]))
    steps = []
    for turn in range(arguments.repeat):
        changed = virtual_ip(turn * 7 % len(ips), 1, arguments.addresses, f"{turn + 2}s")
        others = (ip for ip in ips if ip.metadata.name != changed.metadata.name)
        after = planner.plan(Snapshot((*others, changed), nodes), plan.allocations)
        steps = rounds(stager, after.node_configs, standings)
        rounds(stager, plan.node_configs, standings)
    for number, (staged, cpu) in enumerate(steps, 1):
        kept.append(report(f"an interval goes round, step {number}", STEP_SECONDS, [cpu], staged))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
