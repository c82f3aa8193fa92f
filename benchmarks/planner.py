"""How long planning takes: everything, then after one changed object. Run: python benchmarks/planner.py

CPU time decides, because wall time on a shared machine tells of its other users; both are printed.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from mooring_api.nodeconfig import InterfaceReport
from mooring_api.virtualip import VirtualIP
from mooring_operator.plan.allocations import Allocations
from mooring_operator.plan.planner import Plan, Planner
from mooring_operator.plan.snapshot import Node, Snapshot

FULL_SECONDS = 2.0
CHANGE_SECONDS = 0.1


def node(number: int, racks: int) -> Node:
    """A node with two interfaces; each rack is a segment."""
    host, rack = divmod(number, racks)
    address = f"10.{rack}.{host // 250}.{host % 250 + 1}"
    return Node(
        name=f"node-{number:04d}",
        labels={"rack": str(rack), "kubernetes.io/hostname": f"node-{number:04d}"},
        uid=f"node-{number}",
        internal_addresses=(address,),
        interfaces=(
            InterfaceReport(
                name="eth0",
                mac="02:00:00:00:00:01",
                addresses=(f"{address}/16", f"fe80::{rack:x}:{host + 1:x}/64", f"2001:db8:{rack:x}::{host + 1:x}/64"),
                carrier=True,
                mtu=1500,
            ),
            InterfaceReport(
                name="eth1",
                mac="02:00:00:00:00:02",
                addresses=(f"172.16.{rack}.{host % 250 + 1}/16",),
                carrier=True,
                mtu=1500,
            ),
        ),
    )


def virtual_ip(number: int, racks: int, addresses: int, interval: str = "1s") -> VirtualIP:
    """Every third has both families, every fifth two groups; each is on one segment."""
    rack = number % racks
    listed = [{"address": f"10.{rack}.{number + 10}.{i + 1}/16"} for i in range(addresses)]
    if number % 3 == 0:
        listed += [{"address": f"2001:db8:{rack:x}:0:{number + 1:x}::{i + 1:x}/64"} for i in range(addresses)]
    vrrp: dict[str, object] = {"advertisementInterval": interval}
    if number % 5 == 0:
        vrrp["virtualRouterIDs"] = [number + 1, number + 2]
    return VirtualIP.model_validate(
        {
            "metadata": {
                "name": f"vip-{number:03d}",
                "uid": f"vip-{number}",
                "creationTimestamp": f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}Z",
                "generation": 1,
            },
            "spec": {
                "addresses": listed,
                "nodes": {"selector": {"matchLabels": {"rack": str(rack)}}},
                "distribution": "Balanced" if number % 5 == 0 else "Failover",
                "vrrp": vrrp,
            },
        }
    )


def timed(work: Callable[[], Plan]) -> tuple[Plan, float, float]:
    """The result, CPU seconds and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def report(what: str, bound: float, cpu: list[float], wall: list[float], changed: int) -> bool:
    """Print the median and range of one kind of work; whether its median CPU time keeps within the bound."""
    middle = statistics.median(cpu)
    print(
        f"{what:34s} CPU {middle * 1000:8.1f} ms ({min(cpu) * 1000:.1f} to {max(cpu) * 1000:.1f})"
        f"  wall {statistics.median(wall) * 1000:8.1f} ms  NodeConfigs changed {changed:4d}"
        f"  bound {bound * 1000:.0f} ms: {'kept' if middle <= bound else 'MISSED'}"
    )
    return middle <= bound


def pressure() -> str:
    """What the kernel says of others who wanted the CPU in the last ten seconds."""
    try:
        with open("/proc/pressure/cpu", encoding="ascii") as file:
            return file.readline().strip()
    except OSError:
        return "unknown"


def changed_configs(before: Plan, after: Plan) -> int:
    """How many NodeConfigs are other objects than before."""
    return sum(after.node_configs[name] is not before.node_configs.get(name) for name in after.node_configs)


def changes(snapshot: Snapshot, arguments: argparse.Namespace, turn: int) -> dict[str, Snapshot]:
    """One changed object of each kind, other ones in each turn."""
    ips, nodes = snapshot.virtual_ips, snapshot.nodes
    v, n = (turn * 7) % len(ips), (turn * 11) % len(nodes)
    renewed = virtual_ip(v, arguments.racks, arguments.addresses, f"{turn + 2}s")
    cordoned = replace(nodes[n], cordoned=True)
    moved = replace(nodes[n], labels={})
    return {
        "after one changed VirtualIP": replace(snapshot, virtual_ips=(*ips[:v], renewed, *ips[v + 1 :])),
        "after one cordoned node": replace(snapshot, nodes=(*nodes[:n], cordoned, *nodes[n + 1 :])),
        "after one node lost its labels": replace(snapshot, nodes=(*nodes[:n], moved, *nodes[n + 1 :])),
        "after one node joined": replace(snapshot, nodes=(*nodes, node(arguments.nodes + turn, arguments.racks))),
        "after one node is gone": replace(snapshot, nodes=(*nodes[:n], *nodes[n + 1 :])),
    }


def main() -> int:
    """Print the figures; 0 when all bounds are kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--racks", type=int, default=1, help="segments; with 1 every node is eligible for everything")
    parser.add_argument("--virtual-ips", type=int, default=200)
    parser.add_argument("--addresses", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, pressure: {pressure()}")
    nodes = tuple(node(i, arguments.racks) for i in range(arguments.nodes))
    ips = tuple(virtual_ip(i, arguments.racks, arguments.addresses) for i in range(arguments.virtual_ips))
    snapshot = Snapshot(ips, nodes)
    print(
        f"{arguments.nodes} nodes x {arguments.virtual_ips} VirtualIPs, {arguments.racks} segments,"
        f" {arguments.addresses} addresses a family"
    )
    full, cpu, wall = [], [], []
    for _ in range(arguments.repeat):
        fresh = replace(snapshot, nodes=tuple(replace(one) for one in nodes))
        result, used, took = timed(lambda fresh=fresh: Planner().plan(fresh, Allocations()))  # type: ignore[misc]
        full.append(result)
        cpu.append(used)
        wall.append(took)
    kept = [report("full plan", FULL_SECONDS, cpu, wall, len(full[0].node_configs))]
    instances = sum(len(config.spec.instances) for config in full[0].node_configs.values())
    print(f"  instances {instances}, groups {len(full[0].allocations.virtual_router_ids)}")
    for problem in full[0].problems[:3]:
        print(f"  {problem}")
    planner = Planner()
    planner.plan(snapshot, Allocations())
    for what in changes(snapshot, arguments, 0):
        cpu, wall, touched = [], [], 0
        for turn in range(arguments.repeat):
            base = planner.plan(snapshot, full[0].allocations)
            changed = changes(snapshot, arguments, turn)[what]
            result, used, took = timed(lambda c=changed, b=base: planner.plan(c, b.allocations))  # type: ignore[misc]
            cpu.append(used)
            wall.append(took)
            touched = changed_configs(base, result)
        kept.append(report(what, CHANGE_SECONDS, cpu, wall, touched))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
